"""Which of gradio's addresses are open, with which methods, and how large a body each may have.

gradio 6.31 serves some seventy, for every kind of app. `page_routes` are those that this page and gradio's clients
need; its test names the others, so that a new address of a new gradio is told from one that was looked at.
Addresses are matched as they arrive: what is not written exactly as in the table (doubled slashes, dots, other case,
percent signs) is no address of this page.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

API = "/gradio_api"
UPLOAD, PROGRESS, FILE = f"{API}/upload", f"{API}/upload_progress", f"{API}/file={{path_or_url:path}}"
INDEX, STREAM, INFO = "/", f"{API}/queue/data", (f"{API}/info", f"{API}/info/")

SMALL_BODY = 64 * 1024  # bytes; what names an event or a session has some hundred
FRAME_BODY = 2 * 1024 * 1024 + SMALL_BODY  # a picture of the camera as text, 60,000 bytes at the size that is asked for
OVERHEAD = 256 * 1024  # bytes around a photo in a request: part headers, names, the other arguments

PICTURE = "/link-preview.jpg"

_SEGMENT = r"(?!\.+(?:/|\Z))[A-Za-z0-9_.~@+-]+"
_PARAMETER = re.compile(r"\{(\w+)(:path)?\}")


@dataclass(frozen=True)
class Route:
    """One address. template: as gradio writes it. body: the most bytes that a request may carry. photos: whether they
    may be within its JSON, where each goes to the disk as it comes in. cached: it is the same for everybody."""

    template: str
    methods: frozenset[str]
    body: int = 0
    photos: bool = False
    cached: bool = False
    _pattern: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_pattern", re.compile(_regex(self.template)))

    def matches(self, path: str) -> bool:
        return self._pattern.fullmatch(path) is not None

    @property
    def plain(self) -> bool:
        """Whether no percent sign has a place in the address; a file's has one where its folder's name needs it."""
        return self.template != FILE


def page_routes(photo_bytes: int, *, mcp: bool = False) -> tuple[Route, ...]:
    """What the page, gradio_client and @gradio/client ask for. photo_bytes: the largest photo that is taken. mcp: what
    clients of the Model Context Protocol ask for too, over HTTP."""
    # base64 has 4 characters for 3 bytes, and in JSON 4 more ("\r\n") where its lines are broken after each 76
    as_text = photo_bytes * 4 // 3 * 80 // 76 + OVERHEAD
    return (
        *shown_routes(),
        *queue_routes(as_text),
        *_cached(PICTURE),
        *_cached(*INFO),  # "Use via API", and both clients
        *_get(f"{API}/call/{{api_name}}/{{event_id}}", f"{API}/call/v2/{{api_name}}/{{event_id}}"),
        *_post(f"{API}/call/{{api_name}}", f"{API}/call/{{api_name}}/", body=as_text, photos=True),
        *_post(f"{API}/call/v2/{{api_name}}", f"{API}/call/v2/{{api_name}}/", body=as_text, photos=True),
        *_post(UPLOAD, body=photo_bytes + OVERHEAD),
        *_post(f"{API}/component_server", f"{API}/component_server/", body=FRAME_BODY),  # the camera's frames
        *_get(PROGRESS),
        Route(FILE, frozenset({"GET", "HEAD"})),
        *(_mcp_routes(as_text) if mcp else ()),
    )


def _mcp_routes(body: int) -> tuple[Route, ...]:
    """A photo may be within a call, as a data: URL."""
    places = (f"{API}/mcp", f"{API}/mcp/")
    return (*_get(*places, f"{API}/mcp/schema"), *_post(*places, body=body))


def shown_routes() -> tuple[Route, ...]:
    """What a browser needs to show a page of gradio's at all; gradio asks for startup-events when it launches one."""
    return (
        *_cached(INDEX, "/config", "/config/", "/theme.css", f"{API}/theme.css", "/favicon.ico", "/robots.txt"),
        *_cached("/assets/{path:path}", "/static/{path:path}"),
        *_get(f"{API}/startup-events", f"{API}/app_id"),  # asked for where a connection was lost, until it is back
    )


def queue_routes(body: int) -> tuple[Route, ...]:
    """What a page needs to ask its handlers. body: the most bytes that the arguments of one may have."""
    return (
        *_post(f"{API}/queue/join", body=body, photos=True),
        *_get(STREAM, f"{API}/heartbeat/{{session_hash}}"),
        *_post(f"{API}/cancel", f"{API}/reset", f"{API}/reset/", body=SMALL_BODY),
    )


def find(routes: Iterable[Route], path: str, raw_path: bytes) -> list[Route]:
    """The open routes at that address, if any; several where methods differ. path: decoded once, as ASGI has it."""
    matching = [route for route in routes if route.matches(path)]
    return [route for route in matching if not route.plain or b"%" not in raw_path]


def relative(path: str, root_path: str) -> str:
    """The address below the place where the page is mounted, as Starlette routes it."""
    if root_path and path.startswith(root_path) and (len(path) == len(root_path) or path[len(root_path)] == "/"):
        return path[len(root_path) :]
    return path


def _regex(template: str) -> str:
    pattern, end = "", 0
    for parameter in _PARAMETER.finditer(template):
        pattern += re.escape(template[end : parameter.start()])
        if template == FILE:
            pattern += r"[^\x00-\x1f\x7f]+"  # which files there are is for upload_routes.py to say
        else:
            pattern += f"{_SEGMENT}(?:/{_SEGMENT})*" if parameter[2] else _SEGMENT
        end = parameter.end()
    return pattern + re.escape(template[end:])


def _get(*templates: str) -> tuple[Route, ...]:
    return tuple(Route(template, frozenset({"GET"})) for template in templates)


def _cached(*templates: str) -> tuple[Route, ...]:
    return tuple(Route(template, frozenset({"GET", "HEAD"}), cached=True) for template in templates)


def _post(*templates: str, body: int, photos: bool = False) -> tuple[Route, ...]:
    return tuple(Route(template, frozenset({"POST"}), body, photos) for template in templates)
