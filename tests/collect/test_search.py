"""Engines tried in order: refusals, pages and what is messages when none answers."""

from __future__ import annotations

import pytest

from mirror.collect.engines import DdgsDuckDuckGo, DuckDuckGoSearch
from mirror.collect.search import Searcher, SearchSettings
from mirror.collect.search_types import SearchTerm
from mirror.errors import RateLimited, SearchError
from mirror.net.fetch import NetworkSettings
from tests.support.searches import SWAN, searcher, urls
from tests.world import World

DUCKDUCKGO, BING = "duckduckgo.com", "www.bing.com"


def test_a_server_error_is_no_refusal_but_keeps_its_status_too(world: World) -> None:
    world.engine_mode(DUCKDUCKGO, 500)
    world.engine_mode(BING, 500)
    with pytest.raises(SearchError) as caught:
        searcher(world).page(SWAN)
    assert (type(caught.value), caught.value.status) == (SearchError, 500)


def test_a_refusal_that_passes_is_waited_for_and_said(world: World) -> None:
    world.results("baby swan", urls(3))
    world.engine_mode(DUCKDUCKGO, 202, times=2)
    messages: list[str] = []
    page = searcher(world, log=messages.append).page(SWAN)
    assert (page.engine, len(page.hits)) == ("duckduckgo_search", 3)
    assert [line.partition(": waiting")[0] for line in messages] == [
        "duckduckgo_search answers HTTP 202 for “baby swan”"
    ] * 2
    assert [line.rpartition("attempt ")[2] for line in messages] == ["2 of 3.", "3 of 3."]


def test_a_refusal_that_stays_moves_to_the_next_engine_for_the_whole_run(world: World) -> None:
    world.results("baby swan", urls(1))
    world.results("duckling", urls(1))
    world.engine_mode(DUCKDUCKGO, 429, times=3)
    messages: list[str] = []
    run = searcher(world, log=messages.append)
    assert run.page(SWAN).engine == "ddgs:duckduckgo"
    assert messages[-1] == "duckduckgo_search refuses for now (HTTP 429); moving on."
    before = len(messages)
    assert run.page(SearchTerm("duckling", "duckling")).engine == "ddgs:duckduckgo"
    assert len(messages) == before


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


def test_where_there_is_no_network_it_says_so_and_not_in_its_libraries_words() -> None:
    """A proxy that nobody serves, as a network that leads nowhere."""
    said: list[str] = []
    away = NetworkSettings(proxy="http://127.0.0.1:9")
    with pytest.raises(SearchError) as caught:
        Searcher(away, settings=SearchSettings(attempts=1), log=said.append).page(SWAN)
    assert str(caught.value) == (
        "No search engine can be reached: connect to the internet, give or check --proxy URL, or train from your own "
        "photos with --data DIR."
    )
    names = ("duckduckgo_search", "ddgs:duckduckgo", "ddgs:bing")
    assert said == [f"{name} cannot be reached; moving on." for name in names]


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
