"""download_many against photo hosts that misbehave."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from mirror.collect.download import (
    DownloadCache,
    DownloadSettings,
    Outcome,
    download_many,
    original_urls,
    retry_after,
)
from mirror.collect.engines import DdgsBing, DdgsDuckDuckGo, DuckDuckGoSearch
from mirror.collect.search import Searcher
from mirror.collect.search_types import SearchTerm
from mirror.errors import FetchError, UsageError
from mirror.net.fetch import Fetched, NetworkSettings
from tests.support.limits import join
from tests.world import PhotoHost, World, wait_until

QUICK = DownloadSettings(first_wait=0.01)


@pytest.fixture
def host(world: World) -> PhotoHost:
    return world.photo_host("photos.example")


def download(world: World, urls: list[str], settings: DownloadSettings = QUICK, **options: object) -> list[Outcome]:
    network = NetworkSettings(proxy=world.proxy_url, insecure=True)
    outcomes = list(download_many(urls, network, settings=settings, **options))
    assert len(outcomes) == len(urls)
    return outcomes


def text_of(outcome: Outcome) -> str:
    return outcome.body.decode() if isinstance(outcome, Fetched) else outcome.reason


def test_every_hit_comes_back_once_in_order_whatever_became_of_it(world: World, host: PhotoHost) -> None:
    urls, expected = [], []
    for n in range(60):
        if n % 3 == 0:
            urls.append(host.body(f"/{n}", f"photo {n}".encode()))
            expected.append(f"photo {n}")
        elif n % 3 == 1:
            urls.append(f"https://photos.example/missing-{n}")
            expected.append("http-404")
        else:
            urls.append(f"nonsense {n}")
            expected.append("bad-url")
    assert [text_of(outcome) for outcome in download(world, urls)] == expected


def test_nothing_asked_for_is_nothing_done(world: World) -> None:
    assert download(world, []) == []
    assert world.connections == []


def test_a_slow_photo_keeps_its_place_and_holds_up_no_download(world: World, host: PhotoHost) -> None:
    gate = threading.Event()
    urls = [host.waits("/slow", gate, b"slow"), *(host.body(f"/{n}", str(n).encode()) for n in range(10))]
    outcomes: list[Outcome] = []
    thread = threading.Thread(target=lambda: outcomes.extend(download(world, urls)))
    thread.start()
    wait_until(lambda: sum(world.count(url, answered=True) for url in urls[1:]) == 10)
    gate.set()
    join(thread)
    assert [text_of(outcome) for outcome in outcomes] == ["slow", *(str(n) for n in range(10))]


def test_a_host_serves_four_at_a_time_and_a_busy_one_delays_no_other(world: World, host: PhotoHost) -> None:
    gate = threading.Event()
    busy = [host.waits(f"/{n}", gate, b"busy") for n in range(20)]
    free = world.photo_host("free.example").body("/a", b"free")
    thread = threading.Thread(target=lambda: download(world, [*busy, free]))
    thread.start()
    wait_until(lambda: world.count(free, answered=True) == 1)
    wait_until(lambda: sum(world.count(url) for url in busy) == 4)
    gate.set()
    join(thread)
    assert max(request.active_at_host for request in world.requests if request.url in busy) == 4


def test_four_at_a_time_holds_behind_redirects_too(world: World, host: PhotoHost) -> None:
    gate = threading.Event()
    ends = [host.waits(f"/{n}", gate, b"x") for n in range(12)]
    shorts = [world.photo_host(f"short{n}.example").redirects("/a", end) for n, end in enumerate(ends)]
    thread = threading.Thread(target=lambda: download(world, shorts))
    thread.start()
    wait_until(lambda: sum(world.count(url, answered=True) for url in shorts) == 12)
    wait_until(lambda: sum(world.count(url) for url in ends) == 4)
    gate.set()
    join(thread)
    assert max(request.active_at_host for request in world.requests if request.url in ends) == 4


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_a_status_that_may_pass_is_tried_again(world: World, host: PhotoHost, status: int) -> None:
    url = host.refuses("/a", status, times=2, then=b"at last")
    assert [text_of(outcome) for outcome in download(world, [url])] == ["at last"]
    assert world.count(url) == 3


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 451])
def test_a_status_that_will_not_pass_is_not_tried_again(world: World, host: PhotoHost, status: int) -> None:
    url = host.refuses("/a", status)
    assert [text_of(outcome) for outcome in download(world, [url])] == [f"http-{status}"]
    assert world.count(url) == 1


def test_a_status_that_does_not_pass_is_given_up(world: World, host: PhotoHost) -> None:
    url = host.refuses("/a", 503)
    (outcome,) = download(world, [url])
    assert isinstance(outcome, FetchError) and outcome.status == 503
    assert world.count(url) == QUICK.attempts


def test_a_dropped_connection_is_tried_again(world: World, host: PhotoHost) -> None:
    url = host.drops("/a", times=1, then=b"at last")
    assert [text_of(outcome) for outcome in download(world, [url])] == ["at last"]
    assert world.count(url) == 2


def test_retry_after_holds_back_the_whole_host(world: World, host: PhotoHost) -> None:
    cross = host.refuses("/a", 429, times=1, then=b"a", retry_after="1")
    same_host = host.body("/b", b"b")
    other_host = world.photo_host("other.example").body("/c", b"c")
    one_by_one = DownloadSettings(workers=1, first_wait=0.01)
    assert [text_of(o) for o in download(world, [cross, same_host, other_host], one_by_one)] == ["a", "b", "c"]
    urls = [request.url for request in world.requests]
    assert urls[:2] == [cross, other_host] and sorted(urls[2:]) == [cross, same_host]


def test_retry_after_beyond_reason_is_not_waited_for(world: World, host: PhotoHost) -> None:
    url = host.refuses("/a", 429, times=1, then=b"later", retry_after="3600")
    assert [text_of(outcome) for outcome in download(world, [url])] == ["http-429"]
    assert world.count(url) == 1


@pytest.mark.parametrize(
    ("header", "seconds"),
    [(None, None), ("", None), ("7", 7.0), ("soon", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0)],
)
def test_retry_after_is_read(header: str | None, seconds: float | None) -> None:
    assert retry_after(header) == seconds


def test_retry_after_is_read_as_a_date_to_come() -> None:
    in_an_hour = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    assert 3500 < (retry_after(in_an_hour) or 0) <= 3600


@pytest.mark.parametrize(
    ("damaged", "originals"),
    [
        pytest.param("https://h/a.jpg", [], id="nothing shows"),
        pytest.param("https://h/a+b.jpg", ["https://h/a%20b.jpg", "https://h/a%2Bb.jpg"], id="a space or a plus"),
        pytest.param("https://h/a#1.jpg", ["https://h/a%231.jpg"], id="a hash"),
        pytest.param("https://h/a+b#1.jpg?w", ["https://h/a%20b%231.jpg?w", "https://h/a%2Bb%231.jpg?w"], id="all"),
        pytest.param("https://h/a.jpg?q=x+y", [], id="a plus in a query is a space already"),
        pytest.param("https://h/why?.jpg", ["https://h/why%3F.jpg"], id="a question mark in the name"),
        pytest.param("https://h/i.php?a.jpg", ["https://h/i.php%3Fa.jpg"], id="perhaps a question mark"),
        pytest.param("https://h/a.jpg?b.jpg", [], id="a query"),
        pytest.param("https://h/i?src=b.jpg", [], id="a query with a name"),
        pytest.param("no url", [], id="no url"),
    ],
)
def test_damaged_urls_are_put_together_again(damaged: str, originals: list[str]) -> None:
    assert original_urls(damaged) == originals


@pytest.mark.parametrize("engine", [DuckDuckGoSearch, DdgsDuckDuckGo, DdgsBing], ids=lambda engine: engine.name)
@pytest.mark.parametrize(
    "path",
    ["/two%20words.jpg", "/no%231.jpg", "/a%20b%20%23%202.jpg?w=640", "/1%2B1.jpg", "/why%3F.jpg", "/schw%C3%A4n.jpg"],
)
def test_what_the_real_clients_damage_is_found_all_the_same(
    world: World, host: PhotoHost, engine: type, path: str
) -> None:
    url = host.body(path, b"here")
    world.results("swan", [url])
    search = Searcher(NetworkSettings(proxy=world.proxy_url, insecure=True), engines=[engine])
    (hit,) = search.page(SearchTerm("swan", "swan")).hits
    assert hit.url != url
    (outcome,) = download(world, [hit.url])
    assert isinstance(outcome, Fetched) and outcome.body == b"here"
    assert outcome.url == url


def test_a_404_that_stays_is_asked_for_once_a_guess(world: World) -> None:
    (outcome,) = download(world, ["https://photos.example/a+b.jpg"])
    assert isinstance(outcome, FetchError) and outcome.status == 404
    assert outcome.url == "https://photos.example/a+b.jpg"
    assert [request.url.rpartition("/")[2] for request in world.requests] == ["a+b.jpg", "a%20b.jpg", "a%2Bb.jpg"]


def test_a_wrong_setting_is_raised_and_not_taken_for_a_bad_photo(world: World) -> None:
    with pytest.raises(UsageError, match="is no proxy"):
        list(download_many(["https://photos.example/a"], NetworkSettings(proxy="ftp://x:1")))


def test_hits_are_taken_only_as_they_are_needed(world: World, host: PhotoHost) -> None:
    taken: Counter[str] = Counter()

    def hits():
        for n in range(1000):
            taken["hits"] += 1
            yield host.body(f"/{n}", b"x")

    settings = DownloadSettings(window=8, workers=4)
    results = download_many(hits(), NetworkSettings(proxy=world.proxy_url, insecure=True), settings=settings)
    for _ in range(3):
        next(results)
    results.close()
    assert taken["hits"] == 8 + 2
    assert len(world.requests) <= 10


class TestDownloadCache:
    def test_what_has_arrived_is_not_asked_for_again(self, world: World, host: PhotoHost, tmp_path) -> None:
        urls = [host.body("/a", b"photo\nwith lines\n"), "https://photos.example/missing", host.body("/c", b"")]
        first = download(world, urls, cache=DownloadCache(tmp_path / "cache"))
        requests = len(world.requests)
        second = download(world, urls, cache=DownloadCache(tmp_path / "cache"))
        assert [text_of(o) for o in second] == [text_of(o) for o in first] == ["photo\nwith lines\n", "http-404", ""]
        assert len(world.requests) == requests
        assert [(o.url, o.requested) for o in second if isinstance(o, Fetched)] == [(u, u) for u in urls[::2]]

    def test_a_failure_of_our_own_network_is_not_kept(self, world: World, tmp_path) -> None:
        cache = DownloadCache(tmp_path / "cache")
        url = "https://photos.example/a"
        cache.put(url, FetchError("No answer.", url=url, reason="timeout"))
        assert cache.get(url) is None

    @pytest.mark.parametrize("damage", [b"", b"{", b"[1]\nphoto", b'{"url": "https://h/b", "length": 5}\nphoto'])
    def test_a_file_that_is_not_whole_counts_as_none(self, tmp_path, damage: bytes) -> None:
        cache = DownloadCache(tmp_path)
        cache.put("https://h/a", Fetched("https://h/a", b"photo", "", {}, requested="https://h/a"))
        (file,) = tmp_path.iterdir()
        whole = file.read_bytes()
        for content in (damage, whole[:-1]):
            file.write_bytes(content)
            assert cache.get("https://h/a") is None
        file.write_bytes(whole)
        assert cache.get("https://h/a").body == b"photo"

    def test_leaves_nothing_behind(self, tmp_path) -> None:
        cache = DownloadCache(tmp_path / "cache")
        for url in ("https://h/a", "https://h/b"):
            cache.put(url, Fetched(url, b"photo", "", {}, requested=url))
        cache.forget("https://h/a")
        assert len(list(cache.folder.iterdir())) == 1
        cache.clear()
        assert list(tmp_path.iterdir()) == []
