"""Words → where photos are: image search through engines that are tried in order (mirror/collect/engines.py).

    searcher = Searcher(NetworkSettings())
    page = searcher.page(SearchTerm("baby swan", "cygnet"))
    page = searcher.page(term, after=page)        # until page.next is None

An engine that would drop a filter is not asked. After a refusal the searcher waits, then leaves the engine for the next
one; the last error keeps the HTTP status and says what to do. `SearchCache` keeps the pages on disk.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from mirror.collect.engines import ENGINES, Engine
from mirror.collect.photo_records import writing
from mirror.collect.search_types import Hit, SearchFilters, SearchPage, SearchTerm
from mirror.errors import DatasetError, RateLimited, SearchError
from mirror.net.fetch import NetworkSettings
from mirror.storage import journal, parse_json, recover
from mirror.terminal import say

WAY_OUT = "wait an hour, go another way with --proxy URL, or train from your own photos with --data DIR"
CONNECT = "connect to the internet, give or check --proxy URL, or train from your own photos with --data DIR"
HITS_JSONL = "hits.jsonl"
_CACHED = ("url", "page_url", "title", "thumbnail")  # of a hit; the rest is the page's


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
        engines: Sequence[type[Engine]] = ENGINES,
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
                page = self._page_with_retries(engine, term, cursor)
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
        raise self._no_answer(term)

    def _in_order(self, after: SearchPage | None) -> list[Engine]:
        """The engines that can be asked; that of `after` first."""
        usable = [e for e in self._engines if e.name not in self._failed and not e.drops(self.filters)]
        return sorted(usable, key=lambda engine: after is None or engine.name != after.engine)

    def _page_with_retries(self, engine: Engine, term: SearchTerm, cursor: str | None) -> SearchPage:
        wait = self._settings.first_wait
        for attempt in range(1, self._settings.attempts + 1):
            try:
                return engine.page(term, self.filters, cursor)
            except SearchError as error:
                transient = isinstance(error, RateLimited) or (error.status or 0) >= 500
                if not transient or attempt == self._settings.attempts:
                    raise
                pause = min(wait, self._settings.longest_wait) * self._random.uniform(0.5, 1.5)
                self._log(
                    f"{engine.name} answers HTTP {error.status} for “{term.query}”: waiting {pause:.0f} s, "
                    f"then attempt {attempt + 1} of {self._settings.attempts}."
                )
                time.sleep(pause)
                wait *= 2
        raise AssertionError("attempts must be at least 1")

    def _no_answer(self, term: SearchTerm) -> SearchError:
        errors = list(self._failed.values())
        if errors and all(error.offline for error in errors):
            return SearchError(f"No search engine can be reached: {CONNECT}.", engine=errors[-1].engine)
        causes = [str(error).rstrip(".") for error in errors]
        for engine in self._engines:
            if dropped := engine.drops(self.filters):
                causes.append(f"{engine.name} was not asked: it would drop the {' and '.join(dropped)} filter")
        statuses = [error.status for error in errors if error.status not in (None, 200)]
        refused = any(isinstance(error, RateLimited) for error in errors)
        return (RateLimited if refused else SearchError)(
            f"No search engine answered “{term.query}” ({'; '.join(causes)}): {WAY_OUT}.",
            engine=errors[-1].engine if errors else None,
            status=statuses[-1] if statuses else None,
        )


class SearchCache:
    """hits.jsonl of a photo folder: the pages known for a query under these filters, so that no search is made twice.

    A line holds the query, the filters, the engine, the cursor of the next page, and the hits. Lines are only ever
    appended and synced; the next opening removes a last line that a crash cut short. Raises DatasetError.
    """

    def __init__(self, folder: Path, filters: SearchFilters):
        self.path = Path(folder) / HITS_JSONL
        self._filters = asdict(filters)
        self._pages: dict[str, list[SearchPage]] = {}
        self._load()

    def pages(self, term: SearchTerm) -> list[SearchPage]:
        """In the order they were fetched, whatever label they were fetched for; the hits have the term's label."""
        return [
            replace(page, hits=tuple(replace(hit, label=term.label) for hit in page.hits))
            for page in self._pages.get(term.query, [])
        ]

    def append(self, term: SearchTerm, page: SearchPage) -> None:
        line = {
            "query": term.query,
            "filters": self._filters,
            "engine": page.engine,
            "next": page.next,
            "retrieved_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "hits": [{name: getattr(hit, name) for name in _CACHED} for hit in page.hits],
        }
        with writing(self.path), journal(self.path, create=True) as append:
            append(json.dumps(line).encode() + b"\n")
        self._pages.setdefault(term.query, []).append(page)

    def _load(self) -> None:
        try:
            lines = recover(self.path).splitlines()
        except FileNotFoundError:
            return
        except OSError as error:
            raise DatasetError(f"{self.path} cannot be read ({error.strerror}); remove it to search again.") from None
        for number, line in enumerate(lines, 1):
            try:
                record = parse_json(line)
                if record["filters"] == self._filters:
                    self._pages.setdefault(record["query"], []).append(self._page(record))
            except (ValueError, KeyError, TypeError) as error:
                raise DatasetError(
                    f"{self.path}, line {number}, is no search page; delete that line to search it again."
                ) from error

    def _page(self, record: dict) -> SearchPage:
        engine, license_filter = record["engine"], self._filters["license"] or ""
        found_by = record["query"], engine, license_filter
        hits = tuple(  # older versions kept no thumbnails
            Hit(hit["url"], "", hit["page_url"], hit["title"], *found_by, thumbnail=hit.get("thumbnail", ""))
            for hit in record["hits"]
        )
        return SearchPage(engine, hits, record["next"])
