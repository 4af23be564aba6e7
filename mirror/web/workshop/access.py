"""The studio's access: who is answered, for which addresses, and under which rules a browser shows the answer.

    key = Key()
    settings = {"app_kwargs": {"lifespan": in_front(policy(key)), "middleware": middleware()}}     # for Blocks.launch

The studio changes files, so it answers nobody but the person who started it. `python app.py --studio` prints an
address with a token, as Jupyter does. The first visit trades the token for a cookie and goes on to the address without
it, also where the address was clicked on another site's page, as in a mail or a chat; every other request needs that
cookie: pages, photos, gradio's own files and its queue alike.

A browser also sends requests that another page made it send, and sends the cookie with some of them: a cookie knows no
ports, and SameSite counts every port of a machine as one site. So each request is judged by Host (a name that was
pointed here), Origin and Sec-Fetch-* as well, and nothing but an address of `routes` is passed on to gradio. No GET
changes anything. The gateway does what the page has need of too: bodies, time limits, addresses.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qsl, urlencode

from starlette.datastructures import Headers, MutableHeaders
from starlette.middleware import Middleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mirror.decoding.limits import MAX_PHOTO_BYTES
from mirror.errors import UsageError
from mirror.web.failures import Failures
from mirror.web.gateway.middleware import NOT_HERE, NOT_SO, Policy
from mirror.web.gateway.refusal import Refusal
from mirror.web.gateway.routes import API, STREAM, Route
from mirror.web.gateway.security_headers import CONTENT_SECURITY_POLICY, ScriptNonces
from mirror.web.gateway.security_headers import LOOPBACK as THIS_MACHINE
from mirror.web.studio.photo_routes import PHOTOS, THUMBNAILS

LOOPBACK = {"127.0.0.1", "localhost", "::1", "[::1]"}
TOKEN = "token"  # the parameter of the address, as Jupyter names it
TOKEN_BYTES = 32  # from the system's generator: 256 bits cannot be guessed
MAX_BODY_BYTES = MAX_PHOTO_BYTES * 4 // 3 + 1024 * 1024  # a photo as text; a decision about 1,000 takes 100 kB
LAUNCHING = f"{API}/startup-events"  # gradio asks its own page for it once, before the address is printed
NAVIGABLE = re.compile(rf"/|{PHOTOS}/.+")  # what a window may be sent to
HOST = re.compile(r"(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?", re.IGNORECASE)
DESTINATIONS = {"document", "empty", "image", "script", "style", "font", "manifest"}  # of Sec-Fetch-Dest
HEADERS = {
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=(), display-capture=()",
}
NO_FRAME = "default-src 'none'; frame-ancestors 'none'"  # sandboxed, a page would be none of the studio's
NO_TOKEN = (
    "The studio opens with the address that `python app.py --studio` printed when it was started, the one with "
    "?token= in it: open that one."
)
ELSEWHERE = "The studio answers its own page only: open the address that `python app.py --studio` printed."


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


def routes() -> tuple[Route, ...]:
    """What the page asks for, as Chromium's requests show; all else of gradio's is closed."""
    readable = frozenset({"GET", "HEAD"})
    addresses = ("/", "/assets/{path:path}", "/static/{path:path}", "/favicon.ico", "/theme.css")
    photos = (f"{PHOTOS}/{{project}}/{{name:path}}", f"{THUMBNAILS}/{{project}}/{{name:path}}")
    # app_id: asked for after a lost connection, as when a laptop wakes up
    streams = (STREAM, f"{API}/heartbeat/{{session_hash}}", LAUNCHING, f"{API}/app_id")
    return (
        *(Route(address, readable) for address in (*addresses, *photos)),
        *(Route(address, frozenset({"GET"})) for address in streams),
        Route(f"{API}/queue/join", frozenset({"POST"}), MAX_BODY_BYTES),
    )


def policy(key: Key) -> Policy:
    """What the gateway lets through: only who has the key, and only from the studio's own page."""
    return Policy(routes(), hosts=THIS_MACHINE, checks=(lambda scope: check(scope, key),), answers=HEADERS)


def middleware() -> list[Middleware]:
    """What stands behind gradio's compression. The policy of the page itself: what gradio needs from this address, and
    no frame around it. studio.js is run by gradio with `new Function`, hence its 'unsafe-eval'."""
    return [
        Middleware(ScriptNonces, policy=f"{CONTENT_SECURITY_POLICY}; frame-ancestors 'none'"),
        Middleware(Varying),
        Middleware(Failures),
    ]


class Varying:
    """Says of every answer whose it is: a browser keeps one cache for all ports of a name, and would show another
    port's page photos out of it."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).add_vary_header("Cookie, Sec-Fetch-Site, Sec-Fetch-Mode")
            await send(message)

        await self.app(scope, receive, sending)


def check(scope: Scope, key: Key) -> None:
    """Raise Refusal for a request that is not the owner's, and to trade the token for the cookie."""
    headers, method, path = Headers(scope=scope), scope["method"], scope["path"]
    if path == LAUNCHING and method == "GET" and not key.launched:
        return
    query = parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    tokens = [value for name, value in query if name == TOKEN]
    has_token = len(tokens) == 1 and key.is_token(tokens[0]) and method in ("GET", "HEAD") and path == "/"
    is_own_page = is_own(headers, path)
    if not is_own_page and not (has_token and is_clicked(headers)):
        raise Refusal(403, ELSEWHERE)
    if tokens and not has_token:
        raise Refusal(401, NO_TOKEN)
    if has_token:
        raise _trade_token(key, [pair for pair in query if pair[0] != TOKEN], scope, is_own_page=is_own_page)
    if not any(key.is_cookie(value) for value in _cookies(headers, cookie_name(scope))):
        raise Refusal(401, NO_TOKEN)
    if path == LAUNCHING:
        raise Refusal(404, NOT_HERE)
    if method == "OPTIONS":  # no other origin has any business here
        raise Refusal(405, NOT_SO)
    if method == "POST" and not headers.get("content-type", "").lower().startswith("application/json"):
        raise Refusal(415, ELSEWHERE)


def _trade_token(key: Key, rest: list[tuple[str, str]], scope: Scope, *, is_own_page: bool) -> Refusal:
    """The cookie for the token, and the way on to the address without it. A redirect counts as the other site's where
    it began there, and the cookie would not go along; a page of the studio's own that is shown for a moment does not.
    """
    cookie = f"{cookie_name(scope)}={key.cookie}; HttpOnly; Path=/; SameSite=Strict"
    location = "/" + (f"?{urlencode(rest)}" if rest else "")
    headers = {"Set-Cookie": cookie, "Cache-Control": "no-store"}
    if is_own_page:
        return Refusal(303, "", {"Location": location, **headers})
    return Refusal(200, "", {"Refresh": f"0; url={location}", "Content-Security-Policy": NO_FRAME, **headers})


def is_clicked(headers: Headers) -> bool:
    """Whether a browser opens a window because of a link in another site's page, which the person clicked."""
    direct, fetch = headers.mutablecopy(), (headers.get("sec-fetch-mode"), headers.get("sec-fetch-dest"))
    direct["sec-fetch-site"] = "none"
    return fetch == ("navigate", "document") and "origin" not in headers and is_own(direct, "/")


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
    return mode != "navigate" or bool(NAVIGABLE.fullmatch(path))


def cookie_name(scope: Scope) -> str:
    """Bound to the port: a browser sends a cookie to every port, and two studios may be open at once."""
    server = scope.get("server") or ("", 0)
    return f"mirror-studio-{server[1]}"


def _cookies(headers: Headers, name: str) -> list[str]:
    """Every value that the request gives this cookie."""
    values = []
    for part in ";".join(headers.getlist("cookie")).split(";"):
        with contextlib.suppress(CookieError):
            values += [morsel.value for key, morsel in SimpleCookie(part.strip()).items() if key == name]
    return values
