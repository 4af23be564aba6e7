"""The search engines: the real clients behind one interface, with the HTTP status of what the server answered.

    duckduckgo_search   the client of that name; the last release, 8.1.1, still speaks DuckDuckGo's protocol
    ddgs:duckduckgo     its successor ddgs, asked for DuckDuckGo alone
    ddgs:bing           ddgs's Bing, which knows no licence, size or safe-search filter

Each calls its client's public methods. Neither client reports HTTP statuses well (ddgs says "No results found." when it
is refused), so the HTTP client inside is wrapped to remember the last answer.
"""

from __future__ import annotations

import re
import warnings
from typing import Any

from mirror.collect.search_types import Hit, SearchFilters, SearchPage, SearchTerm
from mirror.errors import RateLimited, SearchError
from mirror.net.fetch import NetworkSettings
from mirror.net.guard import without_passwords
from mirror.storage import parse_json

# What the clients' libraries say where nothing answered, in pages of their own words
OFFLINE = re.compile(r"dns|resolv|name or service|unreachable|connect ?error|connection refused|tcp connect", re.I)
REFUSALS = (202, 301, 400, 403, 418, 429)  # what duckduckgo_search 8.1.1 takes for a rate limit


class _RecordingClient:
    """A client's HTTP client that remembers its last answer, and can add an offset to requests of DuckDuckGo's i.js."""

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
        """The offset of the next page: `s` in the link that ends DuckDuckGo's answer; None on the last page."""
        try:
            link = parse_json(self.body).get("next") or ""
        except (ValueError, AttributeError):
            return None
        return link.split("s=")[-1].split("&")[0] if "s=" in link else None


class Engine:
    """One way to search. Made by (network, timeout in seconds); the first page imports its client and connects.

    The engines share one client for a run, and tell errors apart by the HTTP status.
    """

    name = ""

    def __init__(self, network: NetworkSettings, timeout: int):
        self._options: dict[str, Any] = {
            "proxy": network.proxy_for("https://duckduckgo.com/"),
            "verify": not network.insecure,
            "timeout": timeout,
        }
        self._client: Any = None
        self._http: Any = None

    def drops(self, filters: SearchFilters) -> list[str]:
        """The filters that it ignores, in words; an engine that ignores any is not asked."""
        return []

    def caution(self, filters: SearchFilters) -> str:
        """A sentence on what else to expect of it under these filters, or ""."""
        return ""

    def page(self, term: SearchTerm, filters: SearchFilters, cursor: str | None) -> SearchPage:
        """The page at `cursor`, None for the first. Raises SearchError; RateLimited where the server refuses."""
        try:
            if self._client is None:
                self._client, self._http = self._open()
            self._http.status = None
            rows, next_cursor = self._query(term.query, filters, cursor)
        except Exception as error:  # the clients raise their own, primp's and the JSON and HTML parsers' errors
            raise self._failure(error) from error
        hits = tuple(self._hit(row, term, filters) for row in rows if row.get("image"))
        return SearchPage(self.name, hits, next_cursor)

    def _open(self) -> tuple[Any, _RecordingClient]:
        raise NotImplementedError

    def _query(self, query: str, filters: SearchFilters, cursor: str | None) -> tuple[list[dict], str | None]:
        raise NotImplementedError

    def _failure(self, error: Exception) -> SearchError:
        status = getattr(self._http, "status", None)
        if isinstance(error, ImportError):
            return SearchError(f"{self.name} cannot be used: {error}.", engine=self.name)
        if status in REFUSALS:
            return RateLimited(f"{self.name} refuses for now (HTTP {status}).", engine=self.name, status=status)
        said = " ".join(without_passwords(str(error)).split())
        if status is None and OFFLINE.search(said):
            return SearchError(f"{self.name} cannot be reached.", engine=self.name, offline=True)
        cause = f"HTTP {status}" if status not in (None, 200) else said[:80] + "…" * (len(said) > 80)
        return SearchError(f"{self.name} failed ({cause}).", engine=self.name, status=status)

    def _hit(self, row: dict, term: SearchTerm, filters: SearchFilters) -> Hit:
        return Hit(
            url=row["image"],
            label=term.label,
            page_url=row.get("url") or "",
            title=row.get("title") or "",
            query=term.query,
            engine=self.name,
            license_filter=filters.license or "",
            thumbnail=row.get("thumbnail") or "",
        )


class DuckDuckGoSearch(Engine):
    """duckduckgo_search, one page a call: its own loop would fetch five whether or not they are needed."""

    name = "duckduckgo_search"

    def _open(self) -> tuple[Any, _RecordingClient]:
        # It warns on every construction that it was renamed, and opens Python's filters wide to be heard.
        with warnings.catch_warnings(record=True):
            from duckduckgo_search import DDGS

            client: Any = DDGS(**self._options)
        client.client = http = _RecordingClient(client.client)
        return client, http

    def _query(self, query: str, filters: SearchFilters, cursor: str | None) -> tuple[list[dict], str | None]:
        self._http.offset = cursor
        rows = self._client.images(query, **_filters(filters))
        return rows, self._http.next_offset()


class DdgsDuckDuckGo(Engine):
    """ddgs, pinned to DuckDuckGo: by itself it picks an engine at random."""

    name = "ddgs:duckduckgo"
    backend = "duckduckgo"

    def _open(self) -> tuple[Any, _RecordingClient]:
        from ddgs import DDGS

        client = DDGS(**self._options)
        engine: Any = client._get_engines("images", self.backend)[0]  # the client keeps it and uses this very one
        engine.http_client.client = http = _RecordingClient(engine.http_client.client)
        return client, http

    def _query(self, query: str, filters: SearchFilters, cursor: str | None) -> tuple[list[dict], str | None]:
        from ddgs.exceptions import DDGSException

        page = int(cursor or 1)
        try:
            rows = self._client.images(query, backend=self.backend, page=page, max_results=None, **_filters(filters))
        except DDGSException as error:
            if self._http.status == 200 and str(error) == "No results found.":
                return [], None
            raise
        return rows, str(page + 1) if self._has_more() else None

    def _has_more(self) -> bool:
        return self._http.next_offset() is not None


class DdgsBing(DdgsDuckDuckGo):
    """ddgs's Bing. It ignores some filters without an error."""

    name = "ddgs:bing"
    backend = "bing"

    def drops(self, filters: SearchFilters) -> list[str]:
        dropped = []
        if filters.license:
            dropped.append("licence")
        if filters.size:
            dropped.append("size")
        if filters.safesearch != "moderate":  # Bing's own default is moderate
            dropped.append("safe-search")
        return dropped

    def caution(self, filters: SearchFilters) -> str:
        return f"{self.name} cannot tell photos from drawings: some of those may come along." if filters.kind else ""

    def _has_more(self) -> bool:
        return True  # Bing does not say; a page without new hits ends the search


def _filters(filters: SearchFilters) -> dict[str, str]:
    """The filters that are set, as the keyword arguments of both clients."""
    options = {
        "safesearch": filters.safesearch,
        "size": filters.size,
        "type_image": filters.kind,
        "license_image": filters.license,
    }
    return {name: value for name, value in options.items() if value}


ENGINES: tuple[type[Engine], ...] = (DuckDuckGoSearch, DdgsDuckDuckGo, DdgsBing)
