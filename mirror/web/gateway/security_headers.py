"""What every answer says to the browser, and whose pages may ask.

The Content-Security-Policy names what gradio 6.31's page loads, all of it from the page itself: scripts carry a nonce
(`ScriptNonces`), so that text which found its way into the page runs none. 'unsafe-eval' has to stay: gradio makes
functions of its events' `js=` with it; styles are set inline throughout. There is no frame-ancestors, because a page
may be shown in a frame (a Space is).
"""

from __future__ import annotations

import ipaddress
import re
import secrets
from collections.abc import Callable, Iterable, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mirror.web.gateway.refusal import Refusal

NONCE = "{nonce}"
CONTENT_SECURITY_POLICY = "; ".join((
    "default-src 'self'",
    f"script-src 'self' 'nonce-{NONCE}' 'unsafe-eval'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data: blob:",
    "media-src 'self' data: blob:",
    "font-src 'self' data:",
    "connect-src 'self' data: blob:",  # gradio reads a pasted or taken picture back from its blob: address
    "worker-src 'self' blob:",
    "frame-src 'none'",
    "object-src 'none'",
    "base-uri 'self'",  # the page has <base href="./">
    "form-action 'self'",
))  # fmt: skip
OF_DATA = "default-src 'none'; frame-ancestors 'none'; sandbox"  # of answers that are no page
COMMON = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), payment=(), usb=(), display-capture=()",
    "Cross-Origin-Opener-Policy": "same-origin",
}
# An answer with credentials is for the page's own origin: a private Space answers by its visitor's cookie
NEVER = ("access-control-allow-credentials",)
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
# gradio builds the page's addresses from these, which a proxy sets; x-gradio-server comes from its own Node server
FORWARDED = (b"x-forwarded-host", b"x-gradio-server")
ONCE = (
    b"host", b"origin", b"referer", b"authorization", b"content-length", b"content-type", b"content-encoding",
    b"transfer-encoding", b"range", b"if-none-match", *FORWARDED, b"x-forwarded-proto", b"x-forwarded-prefix",
    b"sec-fetch-site", b"sec-fetch-mode", b"sec-fetch-dest", b"sec-fetch-user", b"x-gradio-user",
)  # fmt: skip
_HOST = re.compile(rb"[A-Za-z0-9.:\[\]_-]{1,255}")


def secure(message: Message, common: Mapping[str, str], *, page: bool) -> Message:
    """The start of an answer with what every one carries. page: it is HTML that may load what the page needs."""
    headers = MutableHeaders(raw=list(message.get("headers", [])))
    for name in NEVER:
        del headers[name]
    for name, value in common.items():
        headers.setdefault(name, value)
    if not page:
        headers.setdefault("Content-Security-Policy", OF_DATA)
    return {**message, "headers": headers.raw}


Rewrite = Callable[[bytes, bytes], bytes]


class ScriptNonces:
    """Gives the scripts of gradio's page, which stand in its HTML, the nonce that its policy asks for.

    It goes inside gradio's compression (`Middleware(ScriptNonces)`), where the HTML can be read. The page's data is
    JSON in which gradio writes `<` as `\\u003c`, so each `<script` is one of its template's.

    rewrite: what else is done to the HTML, given the query of its address; it must add no script.
    """

    def __init__(self, app: ASGIApp, policy: str = CONTENT_SECURITY_POLICY, rewrite: Rewrite = lambda html, _: html):
        self.app, self.policy, self.rewrite = app, policy, rewrite

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        start: Message | None = None
        page = bytearray()

        async def rewrite(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message.get("headers", [])))
                if headers.get("content-type", "").startswith("text/html"):
                    start = {**message, "headers": headers.raw}
                    return
            if start is None:
                await send(message)
                return
            page.extend(message.get("body", b""))
            if message.get("more_body", False):
                return
            nonce = secrets.token_urlsafe(16)
            html = self.rewrite(bytes(page), scope.get("query_string", b"")).replace(
                b"<script", f'<script nonce="{nonce}"'.encode()
            )
            headers = MutableHeaders(raw=start["headers"])
            headers["Content-Security-Policy"] = self.policy.replace(NONCE, nonce)
            if "content-length" in headers and scope["method"] != "HEAD":
                headers["Content-Length"] = str(len(html))
            elif "content-length" in headers:
                del headers["content-length"]
            headers["Cache-Control"] = "no-store"
            await send({**start, "headers": headers.raw})
            await send({"type": "http.response.body", "body": bytes(html), "more_body": False})

        await self.app(scope, receive, rewrite)


def require_one_reading(scope: Scope) -> None:
    """Raise Refusal where a header that decides something is there twice, or the Host is no name: two readers of such
    a request, one of them gradio, may believe two different things."""
    names = [name for name, _ in scope["headers"]]
    for name in ONCE:
        if names.count(name) > 1:
            raise Refusal(400, f"The request has two headers {name.decode()}: send one.")
    if any(name == b"host" and not _HOST.fullmatch(value) for name, value in scope["headers"]):
        raise Refusal(400, "The request's Host is no name: open the page by its address.")


def require_known(scope: Scope, hosts: frozenset[str] | None) -> None:
    """Raise Refusal where the request came to another name, or from another site's page. hosts: the names that this
    page has, where it is known (a page on this machine only); None for any."""
    if hosts is None:
        return
    headers = dict(scope["headers"])
    if host_name(headers.get(b"host", b"")) not in hosts:
        raise Refusal(403, "This page answers to another name; open it by the address that it was started with.")
    origin = headers.get(b"origin")
    if origin is not None and host_name(origin.partition(b"://")[2]) not in hosts:
        raise Refusal(403, "This page does not answer other sites.")


def without_unknown_hosts(scope: Scope, hosts: frozenset[str] | None) -> Scope:
    """The request without a forwarded host that nobody vouches for; gradio would build addresses from it."""

    def keep(name: bytes, value: bytes) -> bool:
        if name not in FORWARDED:
            return True
        if name != b"x-forwarded-host" or not _HOST.fullmatch(value.partition(b",")[0].strip()):
            return False
        return hosts is None or host_name(value.partition(b",")[0].strip()) in hosts

    return {**scope, "headers": [pair for pair in scope["headers"] if keep(*pair)]}


def host_name(authority: bytes) -> str | None:
    """`LocalHost.:7860` → "localhost"; every name of this machine's loopback that is a number becomes "127.0.0.1".
    None for what is no name with or without a port."""
    if not _HOST.fullmatch(authority):
        return None
    try:
        name = urlsplit("//" + authority.decode("ascii")).hostname
    except ValueError:
        return None
    name = (name or "").rstrip(".")
    try:
        return "127.0.0.1" if ipaddress.ip_address(name) in ipaddress.ip_network("127.0.0.0/8") else name
    except ValueError:
        return name


def hosts_of(listening: str | None, allowed: Iterable[str] = ()) -> frozenset[str] | None:
    """The names that a page may be asked by. listening: the address it is bound to; one that other machines reach may
    have any name. allowed: more names, "*" for any."""
    allowed = {name.strip().lower() for name in allowed if name.strip()}
    listening = listening or "127.0.0.1"
    if listening.count(":") > 1 and not listening.startswith("["):
        listening = f"[{listening}]"
    if "*" in allowed or host_name(listening.encode()) not in LOOPBACK:
        return None
    return frozenset(LOOPBACK | allowed)
