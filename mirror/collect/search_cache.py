"""Search pages on disk: hits.jsonl in the photo folder, a line a page, so that no search is made twice.

A line holds the query, the filters it was searched with, the engine, the engine's name for the next page, and the hits.
Lines are only ever appended and synced; one that a crash cut short is cut off when the file is next opened.
"""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from datetime import UTC, datetime
from pathlib import Path

from mirror.collect.metadata import writing
from mirror.collect.search_types import ImageHit, SearchFilters, SearchPage, SearchTerm
from mirror.errors import DatasetError
from mirror.storage import journal, parse_json, recover

FILE_NAME = "hits.jsonl"
_STORED = ("url", "page_url", "title", "thumbnail_url", "width", "height")


class SearchCache:
    """The pages known for a query under the given filters, whatever label they were fetched for."""

    def __init__(self, folder: Path, filters: SearchFilters):
        self.path = Path(folder) / FILE_NAME
        self._filters = asdict(filters)
        self._pages: dict[str, list[SearchPage]] = {}
        self._load()

    def pages(self, term: SearchTerm) -> list[SearchPage]:
        """In the order they were fetched, their hits under the term's label."""
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
            "hits": [{name: getattr(hit, name) for name in _STORED} for hit in page.hits],
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
                told = parse_json(line)
                if told["filters"] == self._filters:
                    self._pages.setdefault(told["query"], []).append(self._page(told))
            except (ValueError, KeyError, TypeError) as error:
                raise DatasetError(
                    f"{self.path}, line {number}, is no search page; delete that line to search it again."
                ) from error

    def _page(self, told: dict) -> SearchPage:
        shared = {
            "query": told["query"],
            "engine": told["engine"],
            "license_filter": self._filters["license"] or "",
        }
        hits = tuple(ImageHit(**{name: hit[name] for name in _STORED}, **shared) for hit in told["hits"])
        return SearchPage(told["engine"], hits, told["next"])
