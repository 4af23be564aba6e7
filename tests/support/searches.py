"""A searcher of the test world, and what it finds."""

from __future__ import annotations

from mirror.collect.search import Searcher, SearchSettings
from mirror.collect.search_types import SearchPage, SearchTerm
from mirror.net.fetch import NetworkSettings
from tests.world import World

SWAN = SearchTerm("baby swan", "cygnet")


QUICK = SearchSettings(attempts=3, first_wait=0.01)


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
