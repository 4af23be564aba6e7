"""Words → where photos are: image search through engines that are tried in order (mirror/collect/engines.py).

    searcher = Searcher(NetworkSettings())
    page = searcher.page(SearchTerm("baby swan", "cygnet"))
    page = searcher.page(term, after=page)        # until page.next is None

An engine that would drop a filter is not asked. One that refuses is waited for, then left for the next; the last error
keeps the HTTP status and says what to do.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mirror.collect.engines import ENGINES, Engine
from mirror.collect.search_types import LICENSES, ImageHit, SearchFilters, SearchPage, SearchTerm, check_license
from mirror.errors import RateLimited, SearchError
from mirror.net.fetch import NetworkSettings
from mirror.terminal import say

__all__ = [
    "ENGINES", "LICENSES", "Engine", "ImageHit", "SearchFilters", "SearchPage", "SearchSettings", "SearchTerm",
    "Searcher", "check_license",
]  # fmt: skip

WAY_OUT = "wait an hour, go another way with --proxy URL, or train from your own photos with --data DIR"


@dataclass(frozen=True)
class SearchSettings:
    """Times in seconds. A refusal waits `first_wait`, doubled each time up to `longest_wait`, give or take a half."""

    attempts: int = 3
    first_wait: float = 5.0
    longest_wait: float = 60.0
    timeout: int = 15


class Searcher:
    """Asks the engines in order for one run. An engine that has refused for good is not asked again in this run.

    log: receives a sentence for every wait and every change of engine.
    """

    def __init__(
        self,
        network: NetworkSettings,
        filters: SearchFilters | None = None,
        *,
        settings: SearchSettings | None = None,
        log: Callable[[str], None] = say,
        engines: Sequence[Callable[[NetworkSettings, int], Engine]] = ENGINES,
    ):
        self.filters = filters or SearchFilters()
        self._settings = settings or SearchSettings()
        self._log = log
        self._engines = [engine(network, self._settings.timeout) for engine in engines]
        self._failed: dict[str, SearchError] = {}
        self._cautioned: set[str] = set()
        self._random = random.Random()

    def page(self, term: SearchTerm, after: SearchPage | None = None) -> SearchPage:
        """The first page for `term`, or the one that follows `after`. An engine other than that of `after` starts at
        its own first page, so hits may come again. An empty page means that no engine has more.

        Raises SearchError (RateLimited where every engine refuses) with the last HTTP status known.
        """
        if after is not None and after.next is None:
            return SearchPage(after.engine, ())
        empty = None
        for engine in self._in_order(after):
            cursor = after.next if after is not None and engine.name == after.engine else None
            try:
                page = self._patiently(engine, term, cursor)
            except SearchError as error:
                self._failed[engine.name] = error
                self._log(f"{str(error).rstrip('.')}; moving on.")
                continue
            caution = engine.caution(self.filters) if page.hits else ""
            if caution and engine.name not in self._cautioned:
                self._log(caution)
                self._cautioned.add(engine.name)
            if page.hits or cursor is not None:
                return page
            empty = empty or page
        if empty is not None:
            return empty
        raise self._defeat(term)

    def _in_order(self, after: SearchPage | None) -> list[Engine]:
        usable = [e for e in self._engines if e.name not in self._failed and not e.drops(self.filters)]
        return sorted(usable, key=lambda engine: after is None or engine.name != after.engine)

    def _patiently(self, engine: Engine, term: SearchTerm, cursor: str | None) -> SearchPage:
        wait = self._settings.first_wait
        for attempt in range(1, self._settings.attempts + 1):
            try:
                return engine.page(term, self.filters, cursor)
            except SearchError as error:
                passing = isinstance(error, RateLimited) or (error.status or 0) >= 500
                if not passing or attempt == self._settings.attempts:
                    raise
                pause = min(wait, self._settings.longest_wait) * self._random.uniform(0.5, 1.5)
                self._log(
                    f"{engine.name} answers HTTP {error.status} for “{term.query}”: waiting {pause:.0f} s, "
                    f"then attempt {attempt + 1} of {self._settings.attempts}."
                )
                time.sleep(pause)
                wait *= 2
        raise AssertionError("attempts must be at least 1")

    def _defeat(self, term: SearchTerm) -> SearchError:
        told = [str(error).rstrip(".") for error in self._failed.values()]
        for engine in self._engines:
            if dropped := engine.drops(self.filters):
                told.append(f"{engine.name} was not asked: it would drop the {' and '.join(dropped)} filter")
        statuses = [error.status for error in self._failed.values() if error.status not in (None, 200)]
        refused = any(isinstance(error, RateLimited) for error in self._failed.values())
        last = list(self._failed.values())[-1] if self._failed else None
        return (RateLimited if refused else SearchError)(
            f"No search engine answered “{term.query}” ({'; '.join(told)}): {WAY_OUT}.",
            engine=last.engine if last else None,
            status=statuses[-1] if statuses else None,
        )
