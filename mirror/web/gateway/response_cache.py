"""What is the same for everybody is made once: the page, its configuration, what its API takes, and its files.

gradio renders each anew for every request, `/` in 20 ms, so that 57 kB of requests kept it busy for a minute. Here one
request of our own asks for it, without cookies, and its answer is kept for a while. What differs is filled in for each
request: where the page is (its Host and scheme, which gradio writes into all that it makes) and the nonce of its
scripts. So nothing that one visitor sent is ever in another's answer. Answers are made one at a time, and asked for by
fair turns among clients.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections import OrderedDict
from collections.abc import Callable, Container
from dataclasses import dataclass
from http import HTTPStatus
from time import monotonic
from urllib.parse import urlencode

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mirror.web.fair_scheduling import VISIT, Stage, Visit, Visitor
from mirror.web.gateway.bodies import client_of
from mirror.web.gateway.routes import INDEX, INFO, PICTURE, Route

FRESH_SECONDS = 60.0  # should gradio know more after its start than at it
MAX_CACHED_BYTES = 48 << 20  # of all that is kept; gradio's own files are some 20 MB, twice where they are compressed
MAX_RESPONSE = 8 << 20  # bytes of one answer
CHUNK = 64 * 1024
PLACEHOLDER_HOST = "mirror-page.invalid"  # stands for the page's own Host while an answer is kept (RFC 2606)
_NONCE = re.compile(r"'nonce-([\w-]+)'")
_DROPPED = ("content-length", "date", "server", "set-cookie", "connection")

TURNS = Stage(4, per_address=2)  # asked for the same at once


@dataclass(frozen=True)
class _Answer:
    status: int
    headers: MutableHeaders
    body: bytes
    nonce: str
    created: float

    @property
    def open(self) -> bool:
        """Whether something in it differs from request to request."""
        return bool(self.nonce) or f"//{PLACEHOLDER_HOST}".encode() in self.body


class ResponseCache:
    """app: what makes the answers. models: see gate.Policy."""

    def __init__(self, app: ASGIApp, models: Callable[[], Container[str]] = tuple):
        self._app, self._models = app, models
        self._responses: OrderedDict[tuple[bytes | str, ...], _Answer] = OrderedDict()
        self._alone = asyncio.Lock()

    async def answer(self, route: Route, scope: Scope, send: Send) -> None:
        """GET and HEAD. Raises Left where the client is gone."""
        request = Headers(scope=scope)
        peer = scope.get("client") or ("", 0)
        # who shares an address that says nothing takes turns by connection
        VISIT.set(Visit(Visitor(client_of(scope), f"{peer[0]} {peer[1]}")))
        async with TURNS.turn():
            response = await self._response(route, scope, _encoding(request.get("accept-encoding", "")))
            headers, body = _filled_in(response, scope)
        status = response.status
        if status == HTTPStatus.OK and "etag" in headers and request.get("if-none-match") == headers["etag"]:
            status, body = HTTPStatus.NOT_MODIFIED, b""
        else:
            headers["Content-Length"] = str(len(body))
        await send({"type": "http.response.start", "status": int(status), "headers": headers.raw})
        if scope["method"] != "HEAD":
            for start in range(0, len(body), CHUNK):
                await send({"type": "http.response.body", "body": body[start : start + CHUNK], "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _response(self, route: Route, scope: Scope, encoding: str) -> _Answer:
        query = b""
        if route.template in INFO:
            # gradio keeps what it tells of all pages with the Host of whoever asked first; of one page it does not
            query = b"page=" + (b"&all_endpoints=true" if b"all_endpoints" in scope["query_string"] else b"")
        elif route.template in (INDEX, PICTURE):
            name = QueryParams(scope.get("query_string", b"")).get("model", "")
            query = urlencode({"model": name}).encode() if name in self._models() else b""
        key = (scope["path"], query, encoding)
        response = self._fresh(key)
        if response is None:
            async with self._alone:
                response = self._fresh(key)
                if response is None:
                    response = await self._make(scope, query, encoding)
                    self._keep(key, response)
        return response

    def _fresh(self, key: tuple[bytes | str, ...]) -> _Answer | None:
        response = self._responses.get(key)
        if response is None or monotonic() - response.created > FRESH_SECONDS:
            return None
        self._responses.move_to_end(key)
        return response

    def _keep(self, key: tuple[bytes | str, ...], answer: _Answer) -> None:
        self._responses.pop(key, None)
        if answer.status == HTTPStatus.OK and len(answer.body) <= MAX_RESPONSE:
            self._responses[key] = answer
            while sum(len(cached.body) for cached in self._responses.values()) > MAX_CACHED_BYTES:
                self._responses.popitem(last=False)

    async def _make(self, scope: Scope, query: bytes, encoding: str) -> _Answer:
        headers = [(b"host", PLACEHOLDER_HOST.encode()), (b"accept-encoding", encoding.encode())]
        changes = {"method": "GET", "scheme": "http", "query_string": query, "headers": headers, "client": None,
               "server": (PLACEHOLDER_HOST, 80), "state": dict(scope.get("state") or {})}  # fmt: skip
        status, response_headers, body = 0, MutableHeaders(), bytearray()

        async def collect(message: Message) -> None:
            nonlocal status, response_headers
            if message["type"] == "http.response.start":
                status, response_headers = message["status"], MutableHeaders(raw=list(message["headers"]))
            else:
                body.extend(message.get("body", b""))

        await self._app({**scope, **changes, "extensions": {}}, _nothing_more(), collect)
        for name in _DROPPED:
            del response_headers[name]
        nonce = _NONCE.search(response_headers.get("content-security-policy", ""))
        return _Answer(status, response_headers, bytes(body), nonce[1] if nonce else "", monotonic())


def _encoding(accepted: str) -> str:
    """Which of gradio's compressions a client takes. Browsers take br from https and from this machine only: over plain
    http, as in a classroom, it is gzip."""
    return next((encoding for encoding in ("br", "gzip") if encoding in accepted), "identity")


def _filled_in(answer: _Answer, scope: Scope) -> tuple[MutableHeaders, bytes]:
    """The headers and the body for one request."""
    headers, body = MutableHeaders(raw=list(answer.headers.raw)), answer.body
    if answer.open:
        body = body.replace(f"http://{PLACEHOLDER_HOST}".encode(), origin_of(scope).encode())
        if answer.nonce:
            nonce = secrets.token_urlsafe(16)
            body = body.replace(answer.nonce.encode(), nonce.encode())
            policy = headers["Content-Security-Policy"]
            headers["Content-Security-Policy"] = policy.replace(answer.nonce, nonce)
    return headers, body


def origin_of(scope: Scope) -> str:
    """Where the page is, as gradio's `get_request_origin` has it: by X-Forwarded-Host, else Host."""
    request = Headers(scope=scope)
    host, scheme = request.get("x-forwarded-host", "").partition(",")[0].strip(), "http"
    if not host:
        host, scheme = request.get("host", ""), scope.get("scheme", "http")
    if not host:
        host = ":".join(map(str, scope.get("server") or ("127.0.0.1",)))
    if request.get("x-forwarded-proto", "").partition(",")[0].strip() == "https":
        scheme = "https"
    return f"{scheme}://{host}"


def _nothing_more() -> Receive:
    """An empty body, and then a client that stays."""
    messages: asyncio.Queue[Message] = asyncio.Queue()
    messages.put_nowait({"type": "http.request", "body": b"", "more_body": False})
    return messages.get
