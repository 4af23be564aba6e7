"""The real duckduckgo_search and ddgs clients against the test world's engines."""

from __future__ import annotations

import warnings
from urllib.parse import parse_qs, urlsplit

import pytest

from mirror.collect.engines import DdgsBing, DdgsDuckDuckGo, DuckDuckGoSearch
from mirror.collect.search import SearchSettings
from mirror.collect.search_types import Hit, SearchFilters
from mirror.errors import RateLimited
from tests.support.searches import SWAN, all_pages, searcher, urls
from tests.world import World

DUCKDUCKGO, BING = "duckduckgo.com", "www.bing.com"
EACH = pytest.mark.parametrize("engine", [DuckDuckGoSearch, DdgsDuckDuckGo, DdgsBing], ids=lambda engine: engine.name)


@EACH
def test_a_hit_says_all_that_the_engine_knows(world: World, engine: type) -> None:
    world.results("baby swan", urls(1))
    (hit,) = searcher(world, engines=[engine]).page(SWAN).hits
    assert hit == Hit(
        url="https://photos.example/0.jpg",
        page_url="https://pages.example/baby-swan-0",
        title="baby swan 0",
        query="baby swan",
        label="cygnet",
        engine=engine.name,
        license_filter="",
        thumbnail="https://tse1.mm.bing.net/th?id=" + ("1" if engine is DdgsBing else "0"),
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
    query = parse_qs(urlsplit(world.requests[-1].url).query)
    assert (query["f"], query["p"], hit.license_filter) == ([slots], [safe], filters.license or "")


@pytest.mark.parametrize(
    ("filters", "usable"),
    [
        (SearchFilters(), True),
        (SearchFilters(license="any"), False),
        (SearchFilters(size="Large"), False),
        (SearchFilters(safesearch="on"), False),
        (SearchFilters(safesearch="off"), False),
    ],
)
def test_bing_is_asked_only_where_it_drops_no_filter(world: World, filters: SearchFilters, usable: bool) -> None:
    world.results("baby swan", urls(1))
    world.engine_mode(DUCKDUCKGO, 403)
    if usable:
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
    messages: list[str] = []
    assert len(all_pages(searcher(world, filters=filters, engines=[DdgsBing], log=messages.append))) == 3
    assert messages == cautions


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


def test_the_renamed_client_is_quiet_and_leaves_the_warning_filters_alone(world: World) -> None:
    world.results("baby swan", urls(1))
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        before = list(warnings.filters)
        searcher(world).page(SWAN)
        assert warnings.filters == before
    assert [str(warning.message) for warning in heard] == []
