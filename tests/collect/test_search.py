"""The real duckduckgo_search and ddgs clients against the test world's engines."""

from __future__ import annotations

import warnings
from urllib.parse import parse_qs, urlsplit

import pytest

from mirror.collect.engines import DdgsBing, DdgsDuckDuckGo, DuckDuckGoSearch
from mirror.collect.metadata import Origin
from mirror.collect.search import Searcher, SearchSettings
from mirror.collect.search_types import SearchFilters, SearchPage, SearchTerm, check_license
from mirror.errors import RateLimited, SearchError, UsageError
from mirror.net.fetch import NetworkSettings
from tests.world import World

SWAN = SearchTerm("baby swan", "cygnet")
QUICK = SearchSettings(attempts=3, first_wait=0.01)
DUCKDUCKGO, BING = "duckduckgo.com", "www.bing.com"
EACH = pytest.mark.parametrize("engine", [DuckDuckGoSearch, DdgsDuckDuckGo, DdgsBing], ids=lambda engine: engine.name)


def urls(count: int) -> list[str]:
    return [f"https://photos.example/{n}.jpg" for n in range(count)]


def searcher(world: World, **options: object) -> Searcher:
    options = {"settings": QUICK, "log": lambda line: None, **options}
    return Searcher(NetworkSettings(proxy=world.proxy_url, insecure=True), **options)


def all_pages(searcher: Searcher, term: SearchTerm = SWAN) -> list[SearchPage]:
    pages: list[SearchPage] = []
    while not pages or (pages[-1].hits and pages[-1].next is not None):
        pages.append(searcher.page(term, after=pages[-1] if pages else None))
    return pages


@EACH
def test_a_hit_says_all_that_the_engine_knows(world: World, engine: type) -> None:
    world.results("baby swan", urls(1))
    (hit,) = searcher(world, engines=[engine]).page(SWAN).hits
    assert hit == Origin(
        url="https://photos.example/0.jpg",
        page_url="https://pages.example/baby-swan-0",
        title="baby swan 0",
        query="baby swan",
        label="cygnet",
        engine=engine.name,
        license_filter="",
    )


@pytest.mark.parametrize(
    ("engine", "sizes"),
    [
        pytest.param(DuckDuckGoSearch, [100, 100, 50], id="duckduckgo_search ends with the last page"),
        pytest.param(DdgsDuckDuckGo, [100, 100, 50], id="ddgs:duckduckgo ends with the last page"),
        pytest.param(DdgsBing, [35, 35, 35, 35, 35, 35, 35, 5, 0], id="ddgs:bing ends with an empty page"),
    ],
)
def test_pages_follow_one_another_without_gap_or_overlap(world: World, engine: type, sizes: list[int]) -> None:
    world.results("baby swan", urls(250))
    pages = all_pages(searcher(world, engines=[engine]))
    assert [len(page.hits) for page in pages] == sizes
    assert [hit.url for page in pages for hit in page.hits] == urls(250)


def test_a_page_costs_no_more_requests_than_it_needs(world: World) -> None:
    """duckduckgo_search's own paging fetches up to five pages at once."""
    world.results("baby swan", urls(500))
    searcher(world).page(SWAN)
    assert world.searches() == ["duckduckgo.com/", "duckduckgo.com/i.js"]


@pytest.mark.parametrize("engine", [DuckDuckGoSearch, DdgsDuckDuckGo], ids=lambda engine: engine.name)
@pytest.mark.parametrize(
    ("filters", "slots", "safe"),
    [
        (SearchFilters(), ",,,type:photo,,", "1"),
        (SearchFilters(license="Share", kind=None), ",,,,,license:Share", "1"),
        (SearchFilters(size="Large", safesearch="off"), ",size:Large,,type:photo,,", "-1"),
    ],
)
def test_filters_reach_duckduckgo(world: World, engine: type, filters: SearchFilters, slots: str, safe: str) -> None:
    world.results("baby swan", urls(1))
    (hit,) = searcher(world, filters=filters, engines=[engine]).page(SWAN).hits
    asked = parse_qs(urlsplit(world.requests[-1].url).query)
    assert (asked["f"], asked["p"], hit.license_filter) == ([slots], [safe], filters.license or "")


@pytest.mark.parametrize(
    ("filters", "asked"),
    [
        (SearchFilters(), True),
        (SearchFilters(license="any"), False),
        (SearchFilters(size="Large"), False),
        (SearchFilters(safesearch="on"), False),
        (SearchFilters(safesearch="off"), False),
    ],
)
def test_bing_is_asked_only_where_it_drops_no_filter(world: World, filters: SearchFilters, asked: bool) -> None:
    world.results("baby swan", urls(1))
    world.engine_mode(DUCKDUCKGO, 403)
    if asked:
        assert searcher(world, filters=filters).page(SWAN).engine == "ddgs:bing"
    else:
        with pytest.raises(RateLimited, match="ddgs:bing was not asked: it would drop the .* filter"):
            searcher(world, filters=filters).page(SWAN)
        assert BING not in {urlsplit(request.url).hostname for request in world.requests}


@pytest.mark.parametrize(
    ("filters", "cautions"),
    [
        (SearchFilters(), ["ddgs:bing cannot tell photos from drawings: some of those may come along."]),
        (SearchFilters(kind=None), []),
    ],
)
def test_bing_says_once_what_it_cannot_do(world: World, filters: SearchFilters, cautions: list[str]) -> None:
    world.results("baby swan", urls(50))
    said: list[str] = []
    assert len(all_pages(searcher(world, filters=filters, engines=[DdgsBing], log=said.append))) == 3
    assert said == cautions


@pytest.mark.parametrize("status", [202, 301, 400, 403, 418, 429])
@pytest.mark.parametrize("path", ["/", "/i.js"])
@EACH
def test_a_refusal_keeps_its_status(world: World, engine: type, path: str, status: int) -> None:
    world.results("baby swan", urls(1))
    world.engine_mode(DUCKDUCKGO, status, path=path)
    world.engine_mode(BING, status)
    once = SearchSettings(attempts=1)
    with pytest.raises(RateLimited) as caught:
        searcher(world, engines=[engine], settings=once).page(SWAN)
    assert (caught.value.status, caught.value.engine) == (status, engine.name)
    assert f"HTTP {status}" in str(caught.value)


def test_a_server_error_is_no_refusal_but_keeps_its_status_too(world: World) -> None:
    world.engine_mode(DUCKDUCKGO, 500)
    world.engine_mode(BING, 500)
    with pytest.raises(SearchError) as caught:
        searcher(world).page(SWAN)
    assert (type(caught.value), caught.value.status) == (SearchError, 500)


def test_a_refusal_that_passes_is_waited_for_and_said(world: World) -> None:
    world.results("baby swan", urls(3))
    world.engine_mode(DUCKDUCKGO, 202, times=2)
    said: list[str] = []
    page = searcher(world, log=said.append).page(SWAN)
    assert (page.engine, len(page.hits)) == ("duckduckgo_search", 3)
    assert [line.partition(": waiting")[0] for line in said] == [
        "duckduckgo_search answers HTTP 202 for “baby swan”"
    ] * 2
    assert [line.rpartition("attempt ")[2] for line in said] == ["2 of 3.", "3 of 3."]


def test_a_refusal_that_stays_moves_to_the_next_engine_for_the_whole_run(world: World) -> None:
    world.results("baby swan", urls(1))
    world.results("duckling", urls(1))
    world.engine_mode(DUCKDUCKGO, 429, times=3)
    said: list[str] = []
    run = searcher(world, log=said.append)
    assert run.page(SWAN).engine == "ddgs:duckduckgo"
    assert said[-1] == "duckduckgo_search refuses for now (HTTP 429); moving on."
    before = len(said)
    assert run.page(SearchTerm("duckling", "duckling")).engine == "ddgs:duckduckgo"
    assert len(said) == before


def test_the_last_error_says_what_to_do(world: World) -> None:
    world.engine_mode(DUCKDUCKGO, 403)
    world.engine_mode(BING, 429)
    with pytest.raises(RateLimited) as caught:
        searcher(world, settings=SearchSettings(attempts=1)).page(SWAN)
    assert str(caught.value) == (
        "No search engine answered “baby swan” (duckduckgo_search refuses for now (HTTP 403); ddgs:duckduckgo refuses "
        "for now (HTTP 403); ddgs:bing refuses for now (HTTP 429)): wait an hour, go another way with --proxy URL, or "
        "train from your own photos with --data DIR."
    )
    assert caught.value.status == 429


@pytest.mark.parametrize("path", ["/", "/i.js"])
def test_a_page_that_makes_no_sense_moves_to_the_next_engine(world: World, path: str) -> None:
    """A changed protocol answers 200 with something else."""
    world.results("baby swan", urls(2))
    world.engine_mode(DUCKDUCKGO, 200, path=path)
    page = searcher(world).page(SWAN)
    assert (page.engine, len(page.hits)) == ("ddgs:bing", 2)


def test_nobody_listening_is_an_error_without_status(world: World) -> None:
    world.refuses_connections = True
    with pytest.raises(SearchError, match="--data DIR") as caught:
        searcher(world).page(SWAN)
    assert caught.value.status is None


def test_words_that_nothing_is_found_for_give_an_empty_page(world: World) -> None:
    page = searcher(world).page(SearchTerm("zxqw", "nothing"))
    assert (page.hits, page.next) == ((), None)


def test_the_next_page_is_asked_of_the_engine_that_gave_the_last(world: World) -> None:
    world.results("baby swan", urls(150))
    first = searcher(world, engines=[DdgsDuckDuckGo]).page(SWAN)
    second = searcher(world).page(SWAN, after=first)
    assert (second.engine, len(second.hits)) == ("ddgs:duckduckgo", 50)


def test_an_engine_that_takes_over_starts_at_its_first_page(world: World) -> None:
    world.results("baby swan", urls(150))
    first = searcher(world, engines=[DuckDuckGoSearch]).page(SWAN)
    world.engine_mode(DUCKDUCKGO, 403)
    second = searcher(world).page(SWAN, after=first)
    assert (second.engine, second.hits[0].url) == ("ddgs:bing", urls(1)[0])


def test_the_renamed_client_is_quiet_and_leaves_the_warning_filters_alone(world: World) -> None:
    world.results("baby swan", urls(1))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        searcher(world).page(SWAN)
        assert warnings.filters == before
    assert [str(warning.message) for warning in heard] == []


@pytest.mark.parametrize(
    ("given", "known"),
    [(None, None), ("", None), ("any", "any"), ("public", "Public"), ("MODIFYCOMMERCIALLY", "ModifyCommercially")],
)
def test_a_licence_is_known_in_any_case(given: str | None, known: str | None) -> None:
    assert check_license(given) == known


def test_an_unknown_licence_is_a_usage_error_that_lists_them() -> None:
    with pytest.raises(UsageError, match="'cc0' is no licence filter: choose one of any, Public, Share, "):
        check_license("cc0")
