"""A search is looked at before it is collected: against a small internet, with the network that is shipped."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mirror.collect.search_types import SearchTerm
from mirror.errors import DatasetError, FetchError, SearchError
from mirror.folders import locked
from mirror.net.fetch import NetworkSettings
from mirror.search_doctor import preview
from mirror.search_doctor.contact_sheet import contact_sheet
from mirror.search_doctor.hits_preview import Preview
from mirror.search_doctor.image_embedding import Embedder
from mirror.terminal import silent
from tests.support.hit_lists import CHECKS, PATIENT, find
from tests.world import World

DUCK, SWAN = SearchTerm("duckling", "duckling"), SearchTerm("baby swan", "cygnet")


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder()


def look(world: World, folder: Path, embedder: Embedder, *terms: SearchTerm) -> Preview:
    network = NetworkSettings(proxy=world.proxy_url, insecure=True)
    return preview(folder, terms, embedder, network=network, log=silent, settings=PATIENT)


def test_hits_are_grouped_and_what_does_not_agree_is_said(world: World, tmp_path: Path, embedder: Embedder) -> None:
    find(world, "duckling", [*(("duckling", n) for n in range(9)), *((CHECKS, n) for n in range(3))])
    find(world, "baby swan", [("baby swan", n) for n in range(8)])
    found = look(world, tmp_path / "birds", embedder, DUCK, SWAN)
    duck, swan = found.labels
    assert [(group.off_topic, len(group.hits)) for group in duck.groups] == [(False, 9), (True, 3)]
    assert {CHECKS in seen.hit.url for seen in duck.groups[1].hits} == {True}
    assert (duck.off_topic, swan.off_topic) == (0.25, 0) and found.alike == ()
    assert [(one.query, one.hits, one.seen, one.off_topic) for one in swan.queries] == [("baby swan", 8, 8, 0)]
    # Only thumbnails are fetched, each once, and no photo
    asked = [request.url for request in world.requests]
    assert not any("photos.example" in url for url in asked)
    assert sorted({url for url in asked if "bing.net" in url}) == sorted(url for url in asked if "bing.net" in url)
    # A sheet that asks nobody for anything
    sheet = contact_sheet(found)
    assert sheet.count("<img") == sheet.count('src="data:image/jpeg;base64,') == 20
    assert "off topic" in sheet and "https://pages.example/duckling-0" in sheet


def test_other_words_are_tried_where_much_is_off_topic_and_the_better_are_named(
    world: World, tmp_path: Path, embedder: Embedder
) -> None:
    find(world, "baby swan", [*(("baby swan", n) for n in range(8)), *((CHECKS, n) for n in range(4))])
    find(world, "cygnet", [("baby swan", n) for n in range(6, 14)])
    (swan,) = look(world, tmp_path / "birds", embedder, SWAN).labels
    assert [(one.query, one.tried) for one in swan.queries[:2]] == [("baby swan", False), ("cygnet", True)]
    assert swan.better and swan.better.query == "cygnet"
    assert len(swan.queries) == 1 + PATIENT.tries
    assert sum(len(group.hits) for group in swan.groups) == 12, "groups are of the label's own queries"
    # No search is made twice
    before = len(world.searches())
    look(world, tmp_path / "birds", embedder, SWAN)
    again = world.searches()[before:]
    assert len(again) <= 2, "the words that found nothing alone are asked again"


def test_labels_whose_hits_look_alike_are_named(world: World, tmp_path: Path, embedder: Embedder) -> None:
    find(world, "duckling", [("baby swan", n) for n in range(8)])
    find(world, "baby swan", [("baby swan", n) for n in range(8, 16)])
    ((one, other, likeness),) = look(world, tmp_path / "birds", embedder, DUCK, SWAN).alike
    assert (one, other) == ("duckling", "cygnet") and likeness > 0.8


def test_what_cannot_be_looked_at_is_counted(world: World, tmp_path: Path, embedder: Embedder) -> None:
    urls = find(world, "duckling", [("duckling", n) for n in range(6)])
    world.engines.thumbnails[urls[0]] = "https://tse1.mm.bing.net/gone"
    host = world.photo_host("tse1.mm.bing.net")
    world.engines.thumbnails[urls[1]] = host.body("/page", b"<html>", content_type="text/html")
    world.engines.thumbnails[urls[2]] = "http://127.0.0.1:1/private"
    (duck,) = look(world, tmp_path / "birds", embedder, DUCK).labels
    assert (duck.queries[0].hits, duck.queries[0].seen, duck.groups) == (6, 3, ())
    assert "Too few" in contact_sheet(Preview((duck,), ()))


def test_what_is_wrong_is_one_sentence(world: World, tmp_path: Path, embedder: Embedder) -> None:
    world.results("duckling", ["https://photos.example/1.jpg"])  # its thumbnail is not there
    with pytest.raises(FetchError, match=r"No thumbnail of duckling arrives .*: check the connection and --proxy\."):
        look(world, tmp_path / "birds", embedder, DUCK)
    with locked(tmp_path / "birds"), pytest.raises(DatasetError, match="another process"):
        look(world, tmp_path / "birds", embedder, DUCK)
    for host in ("duckduckgo.com", "www.bing.com"):
        world.engine_mode(host, 403)
    with pytest.raises(SearchError, match="No search engine answered “baby swan”"):
        look(world, tmp_path / "birds", embedder, SWAN)


def test_the_pages_searched_are_kept_for_collecting_with_their_thumbnails(
    world: World, tmp_path: Path, embedder: Embedder
) -> None:
    find(world, "duckling", [("duckling", n) for n in range(6)])
    look(world, tmp_path / "birds", embedder, DUCK)
    (line,) = (tmp_path / "birds" / "hits.jsonl").read_text().splitlines()
    assert [hit["thumbnail"] for hit in json.loads(line)["hits"]] == [
        f"https://tse1.mm.bing.net/th?id=duckling-{n}" for n in range(6)
    ]
