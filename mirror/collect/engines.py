"""The search engines: the real clients behind one small protocol, each telling what the server answered.

    duckduckgo_search   the client of that name; the last release, 8.1.1, still speaks DuckDuckGo's protocol
    ddgs:duckduckgo     its successor ddgs, asked for DuckDuckGo alone
    ddgs:bing           ddgs's Bing, which knows no licence, size or safe-search filter

Each drives its client through the client's public calls. Neither reports HTTP statuses well (ddgs says "No results
found." when it is refused), so the one client object in use is wrapped to remember what the server answered.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Protocol

from mirror.collect.search_types import ImageHit, SearchFilters, SearchPage, SearchTerm
from mirror.errors import RateLimited, SearchError
from mirror.net.fetch import NetworkSettings
from mirror.storage import parse_json

REFUSALS = (202, 301, 400, 403, 418, 429)  # what duckduckgo_search 8.1.1 takes for a rate limit


class Engine(Protocol):
    """One way to search. Made by (network, timeout); nothing is imported or connected before the first page."""

    name: str

    def drops(self, filters: SearchFilters) -> list[str]:
        """The filters it would drop, in words; an engine that drops any is not asked."""

    def caution(self, filters: SearchFilters) -> str:
        """What else to expect of it under these filters: a sentence, or nothing."""

    def page(self, term: SearchTerm, filters: SearchFilters, cursor: str | None) -> SearchPage:
        """The page that `cursor` names, None for the first. Raises SearchError, RateLimited where it is refused."""


class _Watched:
    """A client's HTTP client that remembers its last answer, and can add to what is asked of DuckDuckGo's i.js."""

    def __init__(self, client: Any):
        self._client = client
        self.status: int | None = None
        self.body = b""
        self.offset: str | None = None

    def request(self, method: str, url: str, **options: Any) -> Any:
        self.status, self.body = None, b""
        if self.offset and url.endswith("/i.js"):
            options["params"] = {**(options.get("params") or {}), "s": self.offset}
        response = self._client.request(method, url, **options)
        self.status, self.body = response.status_code, response.content
        return response

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    def next_offset(self) -> str | None:
        """DuckDuckGo's answer ends in a link to the next page, whose `s` is where that starts."""
        try:
            link = parse_json(self.body).get("next") or ""
        except (ValueError, AttributeError):
            return None
        return link.split("s=")[-1].split("&")[0] if "s=" in link else None


class _ClientEngine:
    """What the engines share: one client for a run, its errors told apart by the HTTP status."""

    name = ""

    def __init__(self, network: NetworkSettings, timeout: int):
        self._options = {
            "proxy": network.proxy_for("https://duckduckgo.com/"),
            "verify": not network.insecure,
            "timeout": timeout,
        }
        self._client: Any = None
        self._watched: Any = None

    def drops(self, filters: SearchFilters) -> list[str]:
        return []

    def caution(self, filters: SearchFilters) -> str:
        return ""

    def page(self, term: SearchTerm, filters: SearchFilters, cursor: str | None) -> SearchPage:
        try:
            if self._client is None:
                self._client, self._watched = self._open()
            self._watched.status = None
            rows, following = self._ask(term.query, filters, cursor)
        except Exception as error:  # the clients raise their own, primp's and the JSON and HTML parsers' errors
            raise self._failure(term, error) from error
        return SearchPage(
            self.name, tuple(self._hit(row, term, filters) for row in rows if row.get("image")), following
        )

    def _open(self) -> tuple[Any, _Watched]:
        raise NotImplementedError

    def _ask(self, query: str, filters: SearchFilters, cursor: str | None) -> tuple[list[dict], str | None]:
        raise NotImplementedError

    def _failure(self, term: SearchTerm, error: Exception) -> SearchError:
        status = getattr(self._watched, "status", None)
        if isinstance(error, ImportError):
            return SearchError(f"{self.name} cannot be used: {error}.", engine=self.name)
        if status in REFUSALS:
            return RateLimited(f"{self.name} refuses for now (HTTP {status}).", engine=self.name, status=status)
        told = f"HTTP {status}" if status not in (None, 200) else " ".join(str(error).split())[:200]
        return SearchError(f"{self.name} failed on “{term.query}” ({told}).", engine=self.name, status=status)

    def _hit(self, row: dict, term: SearchTerm, filters: SearchFilters) -> ImageHit:
        return ImageHit(
            url=row["image"],
            page_url=row.get("url") or "",
            title=row.get("title") or "",
            thumbnail_url=row.get("thumbnail") or "",
            width=_pixels(row.get("width")),
            height=_pixels(row.get("height")),
            query=term.query,
            label=term.label,
            engine=self.name,
            license_filter=filters.license or "",
        )


class DuckDuckGoSearch(_ClientEngine):
    """duckduckgo_search, a page a call: its own loop would fetch five whether or not they are needed."""

    name = "duckduckgo_search"

    def _open(self) -> tuple[Any, _Watched]:
        # It warns on every construction that it was renamed, and opens Python's filters wide to be heard.
        with warnings.catch_warnings(record=True):
            from duckduckgo_search import DDGS

            client = DDGS(**self._options)
        client.client = watched = _Watched(client.client)
        return client, watched

    def _ask(self, query: str, filters: SearchFilters, cursor: str | None) -> tuple[list[dict], str | None]:
        self._watched.offset = cursor
        rows = self._client.images(query, **_filters(filters))
        return rows, self._watched.next_offset()


class DdgsDuckDuckGo(_ClientEngine):
    """ddgs, pinned to DuckDuckGo: left to itself it picks an engine at random."""

    name = "ddgs:duckduckgo"
    backend = "duckduckgo"

    def _open(self) -> tuple[Any, _Watched]:
        from ddgs import DDGS

        client = DDGS(**self._options)
        engine = client._get_engines("images", self.backend)[0]  # kept by the client, so this is the one it will use
        engine.http_client.client = watched = _Watched(engine.http_client.client)
        return client, watched

    def _ask(self, query: str, filters: SearchFilters, cursor: str | None) -> tuple[list[dict], str | None]:
        from ddgs.exceptions import DDGSException

        page = int(cursor or 1)
        try:
            rows = self._client.images(query, backend=self.backend, page=page, max_results=None, **_filters(filters))
        except DDGSException as error:
            if self._watched.status == 200 and str(error) == "No results found.":
                return [], None
            raise
        return rows, str(page + 1) if self._has_more() else None

    def _has_more(self) -> bool:
        return self._watched.next_offset() is not None


class DdgsBing(DdgsDuckDuckGo):
    """ddgs's Bing. It ignores filters without a word, so it says beforehand which ones it would ignore."""

    name = "ddgs:bing"
    backend = "bing"

    def drops(self, filters: SearchFilters) -> list[str]:
        dropped = []
        if filters.license:
            dropped.append("licence")
        if filters.size:
            dropped.append("size")
        if filters.safesearch != "moderate":  # Bing's own default is moderate, so that one is not lost
            dropped.append("safe-search")
        return dropped

    def caution(self, filters: SearchFilters) -> str:
        return f"{self.name} cannot tell photos from drawings: some of those may come along." if filters.kind else ""

    def _has_more(self) -> bool:
        return True  # Bing never says; a page without news ends it


def _filters(filters: SearchFilters) -> dict[str, str]:
    """The keyword arguments by which both clients know the filters, the unset ones left out."""
    options = {
        "safesearch": filters.safesearch,
        "size": filters.size,
        "type_image": filters.kind,
        "license_image": filters.license,
    }
    return {name: value for name, value in options.items() if value}


def _pixels(value: object) -> int | None:
    try:
        return int(str(value)) or None
    except ValueError:
        return None


ENGINES: tuple[Callable[[NetworkSettings, int], Engine], ...] = (DuckDuckGoSearch, DdgsDuckDuckGo, DdgsBing)
