"""From words to a full folder: real clients, a real server, real kills."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from mirror.collect.copies import SEARCHED
from mirror.collect.corrections import record_corrections
from mirror.collect.download import DownloadSettings
from mirror.collect.from_search import CollectSettings, collect_by_search
from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.search import SearchSettings
from mirror.collect.search_json import keep_search, read_search, search_of
from mirror.collect.search_types import SearchTerm
from mirror.errors import DatasetError, FetchError, RateLimited, UsageError
from mirror.net.fetch import NetworkSettings
from tests.support.limits import LIMIT, read_until
from tests.support.photo_folders import check_totals
from tests.world import PhotoHost, World, draw_photo, encode, near_copy, wait_until

ROOT = Path(__file__).parents[2]
QUICK = CollectSettings(
    search=SearchSettings(attempts=2, first_wait=0.01), download=DownloadSettings(attempts=2, first_wait=0.01)
)
SWAN, DUCK = SearchTerm("baby swan", "cygnet"), SearchTerm("duckling", "duckling")
DUCKDUCKGO, BING = "duckduckgo.com", "www.bing.com"
ONE_SEARCH = ["duckduckgo.com/", "duckduckgo.com/i.js"]

CHILD = """
import signal, sys
from pathlib import Path
from mirror.collect.from_search import collect_by_search
from mirror.collect.search_types import SearchTerm
from mirror.net.fetch import NetworkSettings
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored
folder, proxy, count = sys.argv[1:]
terms = [SearchTerm("baby swan", "cygnet"), SearchTerm("duckling", "duckling")]
collect_by_search(Path(folder), terms, int(count), network=NetworkSettings(proxy=proxy, insecure=True)).close()
"""


@pytest.fixture
def host(world: World) -> PhotoHost:
    return world.photo_host("photos.example")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "mirror"


def gather(
    world: World, folder: Path, terms: Sequence[SearchTerm], count: int, settings: CollectSettings = QUICK, **options
) -> tuple[PhotoFolder, list[str]]:
    messages: list[str] = []
    network = NetworkSettings(proxy=world.proxy_url, insecure=True, read_timeout=3, total_timeout=5)
    with collect_by_search(
        folder, terms, count, network=network, log=messages.append, settings=settings, **options
    ) as photos:
        check_totals(photos)
    return photos, messages


def child(world: World, folder: Path, count: int) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-u", "-c", CHILD, str(folder), world.proxy_url, str(count)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def rows(folder: Path) -> int:
    """Photos that are recorded."""
    metadata = folder / "metadata.csv"
    return metadata.read_text().count("\n") - 1 if metadata.exists() else 0


def waiting(folder: Path) -> int:
    """Photos that have arrived and wait for their row."""
    return len(list(folder.glob(".incoming/*.body")))


def counts(photos: PhotoFolder) -> dict[str, int]:
    return dict(Counter(photo.label for photo in photos.photos))


def reasons(photos: PhotoFolder) -> dict[str, str]:
    return {row.url: row.reason for row in photos.rejected}


def test_every_label_gets_its_number_and_no_photo_too_many_is_asked_for(
    world: World, host: PhotoHost, folder: Path
) -> None:
    world.results("baby swan", host.photos("baby swan", 30))
    world.results("duckling", host.photos("duckling", 30))
    photos, messages = gather(world, folder, [SWAN, DUCK], 12)
    assert counts(photos) == {"cygnet": 12, "duckling": 12}
    assert photos.rejected == []
    assert len([r for r in world.requests if "photos.example" in r.url]) == 24
    assert messages[-1] == "duckling: 12 of 12 photos; left out: none."


def test_each_photo_says_where_it_came_from(world: World, host: PhotoHost, folder: Path) -> None:
    (url,) = host.photos("baby swan", 1)
    world.results("baby swan", [url])
    photos, _ = gather(world, folder, [SWAN], 1, license="share")
    (photo,) = photos.photos
    assert (photo.label, photo.url, photo.page_url) == ("cygnet", url, "https://pages.example/baby-swan-0")
    assert (photo.title, photo.query, photo.engine) == ("baby swan 0", "baby swan", "duckduckgo_search")
    assert (photo.license_filter, photo.width, photo.height) == ("Share", 320, 240)
    assert photo.retrieved_at.endswith("+00:00")


def test_everything_that_can_go_wrong_becomes_a_row(world: World, host: PhotoHost, folder: Path) -> None:
    def photo(seed: int) -> bytes:
        return encode(draw_photo("baby swan", seed))

    def url(path: str) -> str:
        return f"https://photos.example{path}"

    good = host.photos("baby swan", 4)
    defects = {
        url("/missing.jpg"): "http-404",
        host.refuses("/forbidden.jpg", 403): "http-403",
        host.refuses("/busy.jpg", 429): "http-429",
        host.refuses("/broken.jpg", 500): "http-500",
        host.waits("/slow.jpg", threading.Event(), b""): "timeout",
        host.endless("/endless.jpg"): "too-many-bytes",
        host.redirects("/loop.jpg", "/loop.jpg"): "redirect-loop",
        host.redirects("/file.jpg", "file:///etc/passwd"): "bad-redirect",
        host.body("/page.jpg", b"<html>No hotlinking.</html>", content_type="image/jpeg"): "not-an-image",
        host.body("/truncated.jpg", photo(50)[:3000]): "not-an-image",
        host.short("/short.jpg", photo(51)): "incomplete-body",
        host.drops("/drop.jpg"): "connection-failed",
        host.body("/noai.jpg", photo(52), x_robots_tag="noai"): "noai",
        host.body("/pixel.png", encode(draw_photo("baby swan", 53, (1, 1)), "PNG")): "too-small",
        host.body("/again.jpg", photo(0)): "exact-duplicate",
        host.body("/smaller.jpg", encode(near_copy(draw_photo("baby swan", 1)))): "near-duplicate",
        "ftp://photos.example/a.jpg": "bad-url",
    }
    passing = [
        host.refuses("/once-429.jpg", 429, times=1, then=photo(60)),
        host.refuses("/once-500.jpg", 500, times=1, then=photo(61)),
        host.drops("/once.jpg", times=1, then=photo(62)),
        host.redirects("/moved.jpg", good_path := "/new/place.jpg"),
        host.body("/two%20words%20%231.jpg", photo(64)),
    ]
    host.body(good_path, photo(63))
    world.results("baby swan", [*good, *defects, *passing])
    photos, _ = gather(world, folder, [SWAN], 100)
    assert reasons(photos) == defects
    assert {p.url for p in photos.photos} == {*good, *passing}
    assert len(photos.rows) == len(good) + len(defects) + len(passing)


def test_a_redirect_to_a_private_address_becomes_a_row(
    world: World, host: PhotoHost, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "localhost")
    secret = f"http://localhost:{world.port}/secret.jpg"
    evil = host.redirects("/evil.jpg", secret)
    world.results("baby swan", [*host.photos("baby swan", 1), evil, secret])
    photos, _ = gather(world, folder, [SWAN], 10)
    assert reasons(photos) == {evil: "private-address", secret: "private-address"}
    assert world.count(secret) == 0


def test_pages_are_turned_until_there_are_enough_usable_photos(world: World, host: PhotoHost, folder: Path) -> None:
    world.engines.page_size = 10
    dead = [f"https://photos.example/dead/{n}" for n in range(17)]
    world.results("baby swan", [*dead, *host.photos("baby swan", 40)])
    photos, _ = gather(world, folder, [SWAN], 9)
    assert (counts(photos), len(photos.rejected)) == ({"cygnet": 9}, 17)
    assert world.searches() == ONE_SEARCH * 3


def test_a_dry_engine_ends_it_with_a_word(world: World, host: PhotoHost, folder: Path) -> None:
    world.results("baby swan", [*host.photos("baby swan", 3), "https://photos.example/dead"])
    photos, messages = gather(world, folder, [SWAN], 10)
    assert counts(photos) == {"cygnet": 3}
    assert messages[-1] == (
        "cygnet: there are no more than 3 of 10 photos (1 the server answered 404); more words (--search) find more."
    )
    assert read_search(folder).exhausted == ("cygnet",), "which is known as long as the words are the same"
    keep_search(folder, search_of([SWAN], count=7))
    assert read_search(folder).exhausted == ("cygnet",)
    keep_search(folder, search_of([SearchTerm("cygnet", "cygnet")], count=7))
    assert read_search(folder).exhausted == ()
    world.results("duckling", [])
    with pytest.raises(DatasetError, match="No usable photo of duckling"):
        gather(world, folder, [SWAN, DUCK], 10)
    assert read_search(folder).exhausted == ("cygnet", "duckling")


def test_a_label_whose_photos_were_all_removed_by_hand_may_be_left_out_of_the_search(
    world: World, host: PhotoHost, folder: Path
) -> None:
    world.results("baby swan", host.photos("baby swan", 3))
    world.results("duckling", host.photos("duckling", 3))
    photos, _ = gather(world, folder, [SWAN, DUCK], 3)
    swans = [photo.file_name for photo in photos.photos if photo.label == "cygnet"]
    record_corrections(folder, [(swans[0], "remove", ""), (swans[1], "relabel", "duckling")])
    with pytest.raises(UsageError, match="already holds photos of cygnet.*remove those photos"):
        gather(world, folder, [DUCK], 3)
    record_corrections(folder, [(swans[2], "remove", "")])
    photos, _ = gather(world, folder, [DUCK], 3)
    assert counts(photos) == {"cygnet": 3, "duckling": 3}, "what was removed is still known"


def test_queries_of_one_label_take_turns(world: World, host: PhotoHost, folder: Path) -> None:
    world.results("baby swan", host.photos("baby swan", 20))
    world.results("cygnet", host.photos("cygnet", 20))
    photos, _ = gather(world, folder, [SWAN, SearchTerm("cygnet", "cygnet")], 6)
    assert [photo.query for photo in photos.photos] == ["baby swan", "cygnet"] * 3


def test_one_url_from_two_queries_is_one_hit(world: World, host: PhotoHost, folder: Path) -> None:
    urls = host.photos("baby swan", 4)
    world.results("baby swan", urls)
    world.results("cygnet", urls[::-1])
    photos, _ = gather(world, folder, [SWAN, SearchTerm("cygnet", "cygnet")], 10)
    assert (counts(photos), len(photos.rows)) == ({"cygnet": 4}, 4)
    assert all(world.count(url) == 1 for url in urls)


class TestTwoLabels:
    def test_one_url_under_both_is_dropped_from_both_and_fetched_once(
        self, world: World, host: PhotoHost, folder: Path
    ) -> None:
        shared = host.photo("/both.jpg", "both", 1)
        dead = "https://photos.example/dead.jpg"
        world.results("baby swan", [shared, dead, *host.photos("baby swan", 5)])
        world.results("duckling", [*host.photos("duckling", 2), shared, dead, *host.photos("duckling", 3, first=2)])
        photos, _ = gather(world, folder, [SWAN, DUCK], 5)
        assert counts(photos) == {"cygnet": 5, "duckling": 5}
        assert {(row.label, row.url, row.reason) for row in photos.rejected} == {
            ("cygnet", shared, "same-photo-under-two-labels"),
            ("duckling", shared, "same-photo-under-two-labels"),
            ("cygnet", dead, "http-404"),
            ("duckling", dead, "http-404"),
        }
        assert (world.count(shared), world.count(dead)) == (1, 1)

    def test_near_copies_under_both_are_dropped_and_made_up_for(
        self, world: World, host: PhotoHost, folder: Path
    ) -> None:
        original = host.photo("/original.jpg", "both", 1)
        copy = host.body("/copy.jpg", encode(near_copy(draw_photo("both", 1))))
        world.results("baby swan", [original, *host.photos("baby swan", 9)])
        world.results("duckling", [copy, *host.photos("duckling", 9)])
        photos, _ = gather(world, folder, [SWAN, DUCK], 5)
        assert counts(photos) == {"cygnet": 5, "duckling": 5}
        assert reasons(photos) == dict.fromkeys([original, copy], "same-photo-under-two-labels")

    def test_near_copies_stay_where_that_is_asked_for_and_go_where_it_no_longer_is(
        self, world: World, host: PhotoHost, folder: Path
    ) -> None:
        original, copy = host.photo("/original.jpg", "both", 1), encode(near_copy(draw_photo("both", 1)))
        same, other = host.body("/copy.jpg", copy), host.body("/other.jpg", encode(near_copy(draw_photo("both", 2))))
        again, swan = host.body("/again.jpg", copy), host.photo("/2.jpg", "both", 2)
        world.results("baby swan", [original, same, again, swan])
        world.results("duckling", [other, *host.photos("duckling", 2)])
        for keep, expected in (
            (None, {same: "near-duplicate", again: "near-duplicate", other: "two", swan: "two"}),
            (True, {again: "exact-duplicate"}),
            (None, {same: "near-duplicate", again: "exact-duplicate", other: "two", swan: "two"}),
        ):
            photos, _ = gather(world, folder, [SWAN, DUCK], 9, copies=SEARCHED.with_near(keep))
            check_totals(photos)
            found = {row.url: row.reason for row in photos.rejected}
            assert found == {
                url: "same-photo-under-two-labels" if why == "two" else why for url, why in expected.items()
            }


class TestGoingOn:
    def test_a_full_folder_asks_nothing(self, world: World, host: PhotoHost, folder: Path) -> None:
        world.results("baby swan", host.photos("baby swan", 5))
        gather(world, folder, [SWAN], 5)
        requests = len(world.requests)
        photos, _ = gather(world, folder, [SWAN], 5)
        assert (counts(photos), len(world.requests)) == ({"cygnet": 5}, requests)

    def test_a_larger_count_takes_the_next_hits_and_then_the_next_page(
        self, world: World, host: PhotoHost, folder: Path
    ) -> None:
        world.engines.page_size = 10
        urls = host.photos("baby swan", 25)
        world.results("baby swan", urls)
        gather(world, folder, [SWAN], 4)
        assert world.searches() == ONE_SEARCH
        photos, _ = gather(world, folder, [SWAN], 8)
        assert world.searches() == ONE_SEARCH
        assert [photo.url for photo in photos.photos] == urls[:8]
        photos, _ = gather(world, folder, [SWAN], 18)
        assert world.searches() == ONE_SEARCH * 2
        assert [photo.url for photo in photos.photos] == urls[:18]
        assert all(world.count(url) == 1 for url in urls[:18])

    def test_a_dry_search_is_not_made_again(self, world: World, host: PhotoHost, folder: Path) -> None:
        world.results("baby swan", host.photos("baby swan", 3))
        gather(world, folder, [SWAN], 10)
        requests = len(world.requests)
        gather(world, folder, [SWAN], 10)
        assert len(world.requests) == requests

    @pytest.mark.parametrize("torn", [b'{"query": "baby', b"\xff", b"{"])
    def test_a_torn_last_page_is_searched_again(self, world: World, host: PhotoHost, folder: Path, torn: bytes) -> None:
        world.engines.page_size = 10
        world.results("baby swan", host.photos("baby swan", 15))
        gather(world, folder, [SWAN], 5)
        with (folder / "hits.jsonl").open("ab") as file:
            file.write(torn)
        photos, _ = gather(world, folder, [SWAN], 15)
        assert counts(photos) == {"cygnet": 15}
        lines = [json.loads(line) for line in (folder / "hits.jsonl").read_bytes().splitlines()]
        assert [(line["query"], len(line["hits"]), line["next"]) for line in lines] == [
            ("baby swan", 10, "10"),
            ("baby swan", 5, None),
        ]

    def test_pages_that_an_older_version_cached_are_read(self, world: World, host: PhotoHost, folder: Path) -> None:
        world.results("baby swan", host.photos("baby swan", 5))
        gather(world, folder, [SWAN], 2)
        line = json.loads((folder / "hits.jsonl").read_text())
        line["hits"] = [{**hit, "thumbnail_url": "", "width": 320, "height": None} for hit in line["hits"]]
        (folder / "hits.jsonl").write_text(json.dumps(line) + "\n")
        photos, _ = gather(world, folder, [SWAN], 5)
        assert counts(photos) == {"cygnet": 5} and world.searches() == ONE_SEARCH

    def test_other_words_add_to_what_is_there(self, world: World, host: PhotoHost, folder: Path) -> None:
        world.results("baby swan", host.photos("baby swan", 3))
        world.results("cygnet", host.photos("cygnet", 3))
        gather(world, folder, [SWAN], 3)
        photos, messages = gather(world, folder, [SearchTerm("cygnet", "cygnet")], 5)
        assert [photo.query for photo in photos.photos] == ["baby swan"] * 3 + ["cygnet"] * 2
        assert messages[0] == "cygnet: 3 photos are kept that were found as “baby swan”."

    @pytest.mark.parametrize(
        ("terms", "license", "message"),
        [
            ([DUCK], None, "already holds photos of cygnet, which this search does not name"),
            ([SWAN], "any", r"another licence filter \(Share\) than any: choose another --name"),
            ([SWAN], None, None),
            ([SWAN, DUCK], "Share", None),
        ],
    )
    def test_a_folder_takes_only_what_its_promise_allows(
        self, world: World, host: PhotoHost, folder: Path, terms: list[SearchTerm], license: str, message: str | None
    ) -> None:
        world.results("baby swan", host.photos("baby swan", 3))
        world.results("duckling", host.photos("duckling", 3))
        gather(world, folder, [SWAN], 2, license="Share")
        if message is None:
            photos, _ = gather(world, folder, terms, 3, license=license)
            assert set(counts(photos).values()) == {3}
        else:
            with pytest.raises(UsageError, match=message):
                gather(world, folder, terms, 3, license=license)


class TestKilled:
    def test_a_killed_run_goes_on_without_asking_twice(self, world: World, host: PhotoHost, folder: Path) -> None:
        """Photo 6 hangs: 0–5 are recorded, 7–11 have arrived and wait behind it when the process is killed."""
        gate = threading.Event()
        swans = host.photos("baby swan", 12)
        hanging = host.waits("/baby-swan/6.jpg", gate, encode(draw_photo("baby swan", 6)))
        ducks = host.photos("duckling", 12)
        world.results("baby swan", swans)
        world.results("duckling", ducks)
        process = child(world, folder, 12)
        wait_until(lambda: (rows(folder), waiting(folder)) == (6, 5))
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=LIMIT)
        assert (process.returncode, world.searches()) == (-signal.SIGKILL, ONE_SEARCH)
        gate.set()

        photos, _ = gather(world, folder, [SWAN, DUCK], 12)
        assert counts(photos) == {"cygnet": 12, "duckling": 12}
        assert [photo.url for photo in photos.photos] == swans + ducks
        assert {url: world.count(url) for url in swans + ducks if world.count(url) != 1} == {hanging: 2}
        assert world.searches() == ONE_SEARCH * 2
        assert not (folder / ".incoming").exists()

    def test_an_interrupted_run_says_so_and_goes_on(self, world: World, host: PhotoHost, folder: Path) -> None:
        gate = threading.Event()
        swans = host.photos("baby swan", 5)
        host.waits("/baby-swan/2.jpg", gate, encode(draw_photo("baby swan", 2)))
        world.results("baby swan", swans)
        world.results("duckling", host.photos("duckling", 5))
        process = child(world, folder, 5)
        read_until(process, "cygnet: 2 of 5 photos, ")  # a row that is only seen in the file may be taken back
        wait_until(lambda: (rows(folder), waiting(folder)) == (2, 2))
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
        assert process.returncode != 0
        assert output.splitlines()[-1] == (f"2 of 5 photos of cygnet, 0 of 5 photos of duckling in {folder} so far.")
        gate.set()
        photos, _ = gather(world, folder, [SWAN, DUCK], 5)
        assert counts(photos) == {"cygnet": 5, "duckling": 5}
        assert [world.count(url) for url in swans] == [1, 1, 2, 1, 1]


class TestTrouble:
    def test_an_engine_that_refuses_midway_leaves_a_folder_to_go_on_with(
        self, world: World, host: PhotoHost, folder: Path
    ) -> None:
        world.engines.page_size = 10
        world.results("baby swan", host.photos("baby swan", 30))
        world.results("duckling", host.photos("duckling", 30))
        gather(world, folder, [SWAN, DUCK], 8)
        world.engine_mode(DUCKDUCKGO, 403)
        world.engine_mode(BING, 429)
        with pytest.raises(RateLimited) as caught:
            gather(world, folder, [SWAN, DUCK], 15)
        assert caught.value.status == 429
        assert str(caught.value).endswith(
            f"Kept in {folder}: 10 of 15 photos of cygnet, 10 of 15 photos of duckling; the same command goes on from "
            "there, or with --count 10 to make do with them."
        )
        photos, _ = gather(world, folder, [SWAN, DUCK], 10)
        assert counts(photos) == {"cygnet": 10, "duckling": 10}
        world.engine_mode(DUCKDUCKGO, times=0)
        photos, _ = gather(world, folder, [SWAN, DUCK], 15)
        assert counts(photos) == {"cygnet": 15, "duckling": 15}

    def test_another_engine_takes_over_and_repeats_no_download(
        self, world: World, host: PhotoHost, folder: Path
    ) -> None:
        """Its first page of 35 holds nothing new, which does not mean that it is dry."""
        world.engines.page_size = 40
        urls = host.photos("baby swan", 60)
        world.results("baby swan", urls)
        gather(world, folder, [SWAN], 40)
        world.engine_mode(DUCKDUCKGO, 403)
        photos, messages = gather(world, folder, [SWAN], 60)
        assert Counter(photo.engine for photo in photos.photos) == {"duckduckgo_search": 40, "ddgs:bing": 20}
        assert "duckduckgo_search refuses for now (HTTP 403); moving on." in messages
        assert all(world.count(url) == 1 for url in urls)

    def test_one_refused_query_does_not_matter_where_another_fills_the_label(
        self, world: World, host: PhotoHost, folder: Path
    ) -> None:
        world.results("baby swan", host.photos("baby swan", 10))
        gather(world, folder, [SWAN], 5)
        world.engine_mode(DUCKDUCKGO, 403)
        world.engine_mode(BING, 403)
        photos, _ = gather(world, folder, [SearchTerm("cygnet", "cygnet"), SWAN], 8)
        assert counts(photos) == {"cygnet": 8}

    def test_a_label_without_any_photo_is_an_error(self, world: World, host: PhotoHost, folder: Path) -> None:
        world.results("baby swan", [f"https://photos.example/{n}" for n in range(3)])
        with pytest.raises(
            DatasetError, match=r"No usable photo of cygnet was found \(3 the server answered 404\): search with"
        ):
            gather(world, folder, [SWAN], 5)

    def test_a_network_that_goes_down_costs_no_hit(self, world: World, host: PhotoHost, folder: Path) -> None:
        """A dozen failures at three hosts and not one answer: it is us. The hits stay untried for the next run."""
        hosts = [world.photo_host(f"h{n}.example") for n in range(4)]
        urls = [hosts[n % 4].drops(f"/{n}.jpg") for n in range(20)]
        world.results("baby swan", urls)
        with pytest.raises(FetchError, match="no photo arrives: check the connection and --proxy; the same command"):
            gather(world, folder, [SWAN], 20)
        for n in range(20):
            hosts[n % 4].photo(f"/{n}.jpg", "baby swan", n)
        photos, _ = gather(world, folder, [SWAN], 20)
        assert (counts(photos), photos.rejected) == ({"cygnet": 20}, [])
        assert world.searches() == ONE_SEARCH

    def test_a_few_silent_hosts_are_their_own_fault(self, world: World, host: PhotoHost, folder: Path) -> None:
        silent = [host.drops(f"/{n}.jpg") for n in range(3)]
        world.results("baby swan", [*host.photos("baby swan", 2), *silent])
        photos, _ = gather(world, folder, [SWAN], 5)
        assert reasons(photos) == dict.fromkeys(silent, "connection-failed")

    @pytest.mark.parametrize(
        ("terms", "count", "license", "message"),
        [
            ([SWAN], 0, None, "--count"),
            ([SearchTerm("  ", "cygnet")], 5, None, "There are no words to search for under “cygnet”"),
            ([SWAN], 5, "cc0", "'cc0' is no licence filter"),
        ],
    )
    def test_what_cannot_be_meant_is_a_usage_error(
        self, world: World, folder: Path, terms: list[SearchTerm], count: int, license: str | None, message: str
    ) -> None:
        with pytest.raises(UsageError, match=message):
            gather(world, folder, terms, count, license=license)
        assert world.connections == []

    def test_no_more_pages_than_the_limit(self, world: World, host: PhotoHost, folder: Path) -> None:
        world.engines.page_size = 5
        world.results("baby swan", host.photos("baby swan", 30))
        photos, _ = gather(world, folder, [SWAN], 30, settings=replace(QUICK, max_pages=2))
        assert counts(photos) == {"cygnet": 10}
