"""Groups that a preview showed are left out of what is collected, and come back where they are no longer excluded."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from mirror.collect import collect_by_search
from mirror.collect.from_search import CollectSettings
from mirror.collect.search_types import SearchTerm
from mirror.errors import DatasetError, UsageError
from mirror.net.fetch import NetworkSettings
from mirror.search_doctor import Preview, preview
from mirror.search_doctor.exclusions import OFF_TOPIC, PREVIEW_JSON, exclude, read_judge, read_preview, write_preview
from mirror.search_doctor.image_embedding import Embedder
from mirror.terminal import silent
from tests.support.hit_lists import CHECKS, PATIENT, find
from tests.support.searches import QUICK
from tests.world import World

DUCK = SearchTerm("duckling", "duckling")


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder()


@pytest.fixture
def folder(world: World, tmp_path: Path, embedder: Embedder) -> Path:
    """A photo folder with a preview of 12 hits, 3 of which are off topic; the search has 4 more of either."""
    kinds = [("duckling", n) for n in range(9)] + [(CHECKS, n) for n in range(3)]
    find(world, "duckling", kinds)
    folder = tmp_path / "birds"
    found = preview(folder, [DUCK], embedder, network=network(world), log=silent, settings=PATIENT)
    write_preview(folder, found, embedder)
    (folder / "hits.jsonl").unlink()
    find(world, "duckling", [*kinds, *((kind, n) for n in range(20, 24) for kind in ("duckling", CHECKS))])
    return folder


def network(world: World) -> NetworkSettings:
    return NetworkSettings(proxy=world.proxy_url, insecure=True)


def collect(world: World, folder: Path, count: int = 13) -> tuple[Counter[str], Counter[str]]:
    """Collected photos by kind, and reasons of those left out."""
    settings = CollectSettings(search=QUICK)
    with collect_by_search(
        folder, [DUCK], count, network=network(world), log=silent, settings=settings, judge=read_judge(folder)
    ) as photos:
        kinds = Counter(photo.url.rpartition("/")[2].partition("-")[0] for photo in photos.photos)
        return kinds, Counter(row.reason for row in photos.rejected)


def names(folder: Path) -> list[str]:
    stored = json.loads((folder / PREVIEW_JSON).read_text())
    return [group["name"] for group in stored["labels"][0]["groups"]]


@pytest.mark.parametrize("by", ["name", "number", OFF_TOPIC])
def test_photos_of_an_excluded_group_are_rejected_with_that_reason(world: World, folder: Path, by: str) -> None:
    wanted = {"name": names(folder)[1], "number": "2"}.get(by, by)
    (group,) = exclude(folder, [("duckling", wanted)])
    assert (group.number, group.excluded) == (2, True)
    kinds, reasons = collect(world, folder)
    assert kinds == {"duckling": 13} and reasons == {"excluded-group": 6}
    asked = len(world.requests)
    assert collect(world, folder) == (kinds, reasons), "judged again, the same"
    assert len(world.requests) == asked, "and nothing is fetched for it"


def test_photos_collected_before_are_withdrawn_and_come_back_where_nothing_is_excluded(
    world: World, folder: Path
) -> None:
    assert collect(world, folder, 12)[0] == {"duckling": 9, CHECKS: 3}
    exclude(folder, [("duckling", OFF_TOPIC)])
    assert collect(world, folder, 13) == (Counter(duckling=13), Counter({"excluded-group": 6}))
    exclude(folder, [])
    kinds, reasons = collect(world, folder, 20)
    assert kinds == {"duckling": 13, CHECKS: 7} and not reasons


def test_the_same_preview_gives_the_same_bytes(world: World, folder: Path, embedder: Embedder) -> None:
    before = (folder / PREVIEW_JSON).read_bytes()
    find(world, "duckling", [("duckling", n) for n in range(9)] + [(CHECKS, n) for n in range(3)])
    found = preview(folder, [DUCK], embedder, network=network(world), log=silent, settings=PATIENT)
    write_preview(folder, found, embedder)
    assert (folder / PREVIEW_JSON).read_bytes() == before


def test_what_was_excluded_stays_so_in_the_next_preview_by_what_it_shows(
    world: World, folder: Path, embedder: Embedder
) -> None:
    exclude(folder, [("duckling", OFF_TOPIC)])
    before = read_preview(folder)
    find(world, "duckling", [(CHECKS, n) for n in range(30, 42)] + [("duckling", n) for n in range(30, 36)])
    found = preview(folder, [DUCK], embedder, network=network(world), log=silent, settings=PATIENT)
    assert (
        write_preview(folder, Preview((), ()), embedder, before, rest=["duckling"]) and read_preview(folder) == before
    )
    excluded = write_preview(folder, found, embedder, before)
    stored = read_preview(folder).labels[0].groups
    assert [group.number for group in excluded] == [1] and not stored[1].excluded, "the larger group now"
    assert write_preview(folder, Preview((), ()), embedder, before) == [], "a label that is gone is no longer kept"


@pytest.mark.parametrize(
    ("wanted", "says"),
    [
        ([("duckling", "whisky")], r"duckling has no group 'whisky': there are .*, .*; or off-topic\."),
        ([("cygnet", "wool")], r"The preview has no label 'cygnet', but duckling: name one of these"),
        ([("duckling", "1"), ("duckling", "2")], r"All groups of duckling are excluded, so that nothing is left"),
    ],
)
def test_what_cannot_be_excluded(folder: Path, wanted: list[tuple[str, str]], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        exclude(folder, wanted)
    assert read_judge(folder) is None


def test_without_a_preview_there_is_nothing_to_exclude(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="look at the hits first, by the same command with --preview"):
        exclude(tmp_path, [("duckling", "wool")])
    assert read_judge(tmp_path) is None


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda stored: "{", id="not JSON"),
        pytest.param(lambda stored: json.dumps({"labels": []}), id="a key is missing"),
        pytest.param(lambda stored: stored.replace('"centre": "', '"centre": "!'), id="a centre is no Base64"),
        pytest.param(lambda stored: stored.replace('"centre": "', '"centre": "AAAA', 1), id="centres of two lengths"),
    ],
)
def test_a_damaged_preview_is_one_sentence(folder: Path, damage) -> None:
    path = folder / PREVIEW_JSON
    path.write_text(damage(path.read_text()))
    with pytest.raises(DatasetError, match=r"preview.json is no preview .*: make it again"):
        read_judge(folder)


def test_a_preview_of_another_network_is_not_believed(folder: Path) -> None:
    exclude(folder, [("duckling", "2")])
    path = folder / PREVIEW_JSON
    stored = json.loads(path.read_text())
    path.write_text(json.dumps(stored | {"network": "0" * 64}))
    with pytest.raises(DatasetError, match="made with another network"):
        read_judge(folder)
