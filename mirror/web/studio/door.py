"""The studio's door: who is answered, for which addresses, and under which rules a browser shows the answer.

    key = Key()
    settings = {"app_kwargs": {"lifespan": behind(key), …}}     # for Blocks.launch

The studio changes files, so it answers nobody but the person who started it. `python app.py --studio` prints an
address with a token, as Jupyter does. The first visit trades the token for a cookie and goes on to the address without
it; every other request needs that cookie: pages, photos, gradio's own files and its queue alike.

A browser also sends requests that another page made it send, and sends the cookie with some of them: a cookie knows no
ports, and SameSite counts every port of a machine as one site. So each request is judged by Host (a name that was
pointed here), Origin and Sec-Fetch-* as well, and nothing but an address of ADDRESSES is passed on to gradio. No GET
changes anything.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mirror.errors import UsageError
from mirror.web.studio.photos import PHOTOS, THUMBNAILS

LOOPBACK = {"127.0.0.1", "localhost", "::1"}
TOKEN = "token"  # the parameter of the address, as Jupyter names it
TOKEN_BYTES = 32  # from the system's generator: 256 bits cannot be guessed
MOST_BODY_BYTES = 1024 * 1024  # a decision about 1,000 photos takes 100 kB
BODY_SECONDS = 20.0  # from the headers to the last byte, on the same machine

# (methods, address) that the page asks for, as Chromium's requests show; all else of gradio's is closed
ADDRESSES = tuple(
    (method, re.compile(pattern))
    for method, pattern in (
        ("GET|HEAD", r"/"),
        ("GET|HEAD", r"/(assets|static)/[\w@.+/-]+"),
        ("GET|HEAD", r"/favicon\.ico|/theme\.css"),
        ("GET|HEAD", rf"({PHOTOS}|{THUMBNAILS})/.+"),
        ("GET", r"/gradio_api/heartbeat/\w{1,64}"),
        ("GET", r"/gradio_api/queue/data"),
        ("POST", r"/gradio_api/queue/join"),
    )
)
LAUNCHING = "/gradio_api/startup-events"  # gradio asks its own page for it once, before the address is printed
SHOWN_BY_ITSELF = re.compile(rf"/|{PHOTOS}/.+")  # what a window may be sent to
HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE)
DESTINATIONS = {"document", "empty", "image", "script", "style", "font", "manifest"}  # of Sec-Fetch-Dest

# gradio's page writes its settings and styles into the page and runs board.js by `new Function`, hence unsafe-*; all
# text of photos and models is escaped (board.py), and nothing is loaded from anywhere else
POLICY_HEADER = "Content-Security-Policy"
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self' data:; connect-src 'self'; object-src 'none'; base-uri 'self'; "
    "form-action 'none'; frame-src 'none'; frame-ancestors 'none'"
)
HEADERS = {
    POLICY_HEADER: POLICY,
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}
VARY = "Cookie, Sec-Fetch-Site, Sec-Fetch-Mode"  # else another port's page is shown photos from the browser's cache
CACHED = re.compile(rf"/(assets|static)/|{PHOTOS}/|{THUMBNAILS}/")  # these say themselves how long they are good for

NO_TOKEN = (
    "The studio opens with the address that `python app.py --studio` printed when it was started, the one with "
    "?token= in it: open that one."
)
ELSEWHERE = "The studio answers its own page only: open the address that `python app.py --studio` printed."
NOTHING_HERE = "There is nothing at this address: go back to the studio's own page."
TOO_LARGE = "This is more than the studio's page ever sends: load the page again."


def require_this_machine(host: str | None, environ: Mapping[str, str] = os.environ) -> None:
    """Raise UsageError where the page would be reachable from elsewhere: whoever reaches it can change the photos."""
    if environ.get("SYSTEM") == "spaces" or environ.get("SPACE_ID"):
        raise UsageError("The studio changes files, so it does not run on a Space: run it on your own machine.")
    if environ.get("GRADIO_SHARE", "").lower() in ("true", "1"):
        raise UsageError("The studio is for this machine only: unset GRADIO_SHARE.")
    for name, value in (("--host", host), ("GRADIO_SERVER_NAME", environ.get("GRADIO_SERVER_NAME"))):
        if value and value not in LOOPBACK:
            raise UsageError(f"The studio is for this machine only: leave out {name} {value}.")


@dataclass
class Key:
    """What opens the studio: a token in its address, and the cookie that the token is traded for. Both are of one
    start and in memory only. launched: gradio has started, so nobody may skip the door any more."""

    token: str = field(default_factory=lambda: secrets.token_urlsafe(TOKEN_BYTES), repr=False)
    cookie: str = field(default_factory=lambda: secrets.token_urlsafe(TOKEN_BYTES), repr=False)
    launched: bool = False

    def address(self, url: str) -> str:
        """The address to open, `url` being the page's."""
        return f"{url.rstrip('/')}/?{urlencode({TOKEN: self.token})}"

    def is_token(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self.token.encode())

    def is_cookie(self, given: str) -> bool:
        return secrets.compare_digest(given.encode(), self.cookie.encode())


def behind(key: Key) -> Callable[[Any], contextlib.AbstractAsyncContextManager[None]]:
    """For Starlette's `lifespan`: from before the first request on, everything goes through the door, gradio's own
    middleware (which answers preflight requests) included."""

    @contextlib.asynccontextmanager
    async def lifespan(app: Any) -> AsyncIterator[None]:
        app.middleware_stack = Door(app.middleware_stack, key)
        yield

    return lifespan


class Door:
    """The ASGI application that stands in front of gradio's."""

    def __init__(self, app: ASGIApp, key: Key):
        self.app = app
        self.key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
        elif scope["type"] == "http":
            send = _with_headers(send, scope["path"])
            answer = self._refused(scope)
            if answer is None and scope["method"] == "POST":
                body = await _body(receive)
                receive = _replayed(body or b"", receive)
                answer = _say(TOO_LARGE, 413) if body is None else None
            await (answer or self.app)(scope, receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # gradio's page opens none

    def _refused(self, scope: Scope) -> Response | None:
        """The answer of the door itself; None where gradio shall answer."""
        headers, method, path = Headers(scope=scope), scope["method"], scope["path"]
        if not self.key.launched and (method, path) == ("GET", LAUNCHING):
            return None
        if not is_own(headers, path):
            return _say(ELSEWHERE, 403)
        query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
        tokens = [value for name, value in query if name == TOKEN]
        if tokens:
            return self._traded(tokens, [pair for pair in query if pair[0] != TOKEN], scope)
        if not any(self.key.is_cookie(value) for value in _cookies(headers, cookie_name(scope))):
            return _say(NO_TOKEN, 401)
        if not any(re.fullmatch(one, method) and pattern.fullmatch(path) for one, pattern in ADDRESSES):
            return _say(NOTHING_HERE, 404)
        if ".." in path.split("/") or "//" in path:
            return _say(NOTHING_HERE, 404)
        if method == "POST" and not headers.get("content-type", "").lower().startswith("application/json"):
            return _say(ELSEWHERE, 415)
        return None

    def _traded(self, tokens: list[str], rest: list[tuple[str, str]], scope: Scope) -> Response:
        """The cookie for the token, and the way on to the address without it."""
        opened = scope["method"] in ("GET", "HEAD") and scope["path"] == "/"
        if len(tokens) != 1 or not self.key.is_token(tokens[0]) or not opened:
            return _say(NO_TOKEN, 401)
        answer = RedirectResponse("/" + (f"?{urlencode(rest)}" if rest else ""), 303)
        answer.set_cookie(cookie_name(scope), self.key.cookie, httponly=True, samesite="strict", path="/")
        return answer


def is_own(headers: Headers, path: str) -> bool:
    """Whether a request comes from the person or from the studio's own page, as far as its headers tell."""
    hosts, origins = headers.getlist("host"), headers.getlist("origin")
    if len(hosts) != 1 or not HOST.fullmatch(hosts[0]):
        return False
    if any(origin.lower() != f"http://{hosts[0].lower()}" for origin in origins):
        return False
    site, mode, destination = (headers.get(f"sec-fetch-{name}") for name in ("site", "mode", "dest"))
    if site is not None and site not in ("same-origin", "none"):
        return False
    if destination is not None and destination not in DESTINATIONS:
        return False
    return mode != "navigate" or bool(SHOWN_BY_ITSELF.fullmatch(path))


def cookie_name(scope: Scope) -> str:
    """Bound to the port: a browser sends a cookie to every port, and two studios may be open at once."""
    server = scope.get("server") or ("", 0)
    return f"mirror-studio-{server[1]}"


def _cookies(headers: Headers, name: str) -> list[str]:
    """Every value that the request gives this cookie."""
    found = []
    for part in ";".join(headers.getlist("cookie")).split(";"):
        with contextlib.suppress(CookieError):
            found += [morsel.value for key, morsel in SimpleCookie(part.strip()).items() if key == name]
    return found


def _say(sentence: str, status: int) -> Response:
    return PlainTextResponse(sentence, status, headers={"Connection": "close"} if status == 413 else None)


def _with_headers(send: Send, path: str) -> Send:
    """`send`, with HEADERS on every answer; a policy of its own stays."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers.update({name: value for name, value in HEADERS.items() if name != POLICY_HEADER})
            headers.setdefault(POLICY_HEADER, POLICY)
            headers.add_vary_header(VARY)
            if not CACHED.match(path):
                headers["Cache-Control"] = "no-store"
            for name in ("Access-Control-Allow-Origin", "Access-Control-Allow-Credentials"):  # gradio's
                if name in headers:
                    del headers[name]
        await send(message)

    return sending


async def _body(receive: Receive) -> bytes | None:
    """The whole body of a request; None where it is larger than MOST_BODY_BYTES or takes more than BODY_SECONDS."""
    body = b""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(BODY_SECONDS):
            while len(body) <= MOST_BODY_BYTES:
                message = await receive()
                body += message.get("body", b"")
                if not message.get("more_body", False):  # the end, or the other side has hung up
                    return body if len(body) <= MOST_BODY_BYTES else None
    return None


def _replayed(body: bytes, receive: Receive) -> Receive:
    """A `receive` that gives a body that was read already, then what else comes."""
    waiting: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receiving() -> Message:
        return waiting.pop() if waiting else await receive()

    return receiving
