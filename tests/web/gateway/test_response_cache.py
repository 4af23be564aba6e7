"""What is the same for everybody is made once, and nothing of one visitor is in what another gets.

The kind: work that a request causes outside every limit, since it is no question to a model; and a cache that is filled
with what its first caller said.
"""

from __future__ import annotations

import asyncio
import gzip
import json
from collections.abc import Iterable
from typing import Any

import brotli
import pytest
from gradio.brotli_middleware import BrotliMiddleware
from starlette.types import Receive, Scope, Send

from mirror.web.gateway import response_cache
from mirror.web.gateway.middleware import Gate, Policy
from mirror.web.gateway.routes import page_routes

POLICY = Policy(page_routes(1 << 20))
CANARY = "the-first-visitors"
SCRIPT = b"export const answer = 42;\n" * 100


class App:
    """Says back what it is asked, as gradio does with the Host; counts how often."""

    def __init__(self) -> None:
        self.asked: list[Scope] = []
        self.at_once = self.most_at_once = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.asked.append(scope)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await asyncio.sleep(0)
        told = {name.decode(): value.decode() for name, value in scope["headers"]}
        nonce = "the_nonce"
        body = json.dumps({"root": f"http://{told['host']}", "said": told, "query": scope["query_string"].decode(),
                           "client": scope["client"], "script": f"<script nonce={nonce}>"}).encode()  # fmt: skip
        if scope["path"].startswith("/assets/"):
            body = b"x" * 1000
        status = 404 if "missing" in scope["path"] else 200
        headers = [(b"content-type", b"text/html"), (b"content-length", b"%d" % len(body)), (b"etag", b'"1"'),
                   (b"content-security-policy", f"script-src 'nonce-{nonce}'".encode())]  # fmt: skip
        await send({"type": "http.response.start", "status": status, "headers": headers})
        self.at_once -= 1
        await send({"type": "http.response.body", "body": body})


def get(gate: Gate, path: str, method: str = "GET", query: str = "", **headers: str) -> tuple[int, dict, bytes]:
    return asyncio.run(got(gate, path, method, query, headers.items()))


async def got(
    gate: Gate, path: str, method: str = "GET", query: str = "", headers: Iterable[tuple[str, str]] = ()
) -> tuple[int, dict, bytes]:
    """host is a.example where it is not given."""
    raw = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers]
    raw += [] if b"host" in dict(raw) else [(b"host", b"a.example")]
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": query.encode(),
             "headers": raw, "scheme": "http", "server": ("127.0.0.1", 80), "client": ("8.8.8.8", 1)}  # fmt: skip
    messages: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        messages.append(message)

    async def receive() -> Any:
        return {"type": "http.disconnect"}

    await gate(scope, receive, send)
    told = {name.decode().lower(): value.decode() for name, value in messages[0]["headers"]}
    return messages[0]["status"], told, b"".join(message.get("body", b"") for message in messages[1:])


@pytest.fixture
def app() -> App:
    return App()


@pytest.fixture
def gate(app: App) -> Gate:
    return Gate(app, POLICY, lambda: None)  # type: ignore[arg-type,return-value]


KEPT = [route.template.replace("{path:path}", "a/b.js") for route in POLICY.routes if route.cached]


@pytest.mark.parametrize("path", KEPT)
def test_it_is_made_once_whatever_is_said(app: App, gate: Gate, path: str) -> None:
    said = {"cookie": f"a={CANARY}", "x_forwarded_for": CANARY, "user_agent": CANARY, "authorization": CANARY,
            "accept_language": CANARY, "referer": CANARY, "x_gradio_server": f"http://{CANARY}/"}  # fmt: skip
    _, _, first = get(gate, path, query=f"deep_link={CANARY}&page={CANARY}", **said | {"host": f"{CANARY}.example"})
    for number in range(20):
        status, _, body = get(gate, path, host=f"{number}.example", query=f"x={number}")
        assert status == 200 and CANARY.encode() not in body
        assert path.startswith(("/assets", "/static")) or f"http://{number}.example".encode() in body
    assert len(app.asked) == 1
    assert CANARY not in repr(app.asked) and (b"said" not in first or f"{CANARY}.example".encode() in first)


def test_a_browser_s_questions_are_answered(app: App, gate: Gate) -> None:
    status, told, body = get(gate, "/")
    again, nonces, _ = get(gate, "/")
    assert (status, again) == (200, 200) and told["content-security-policy"] != nonces["content-security-policy"]
    assert told["content-security-policy"].split("nonce-")[1].rstrip("'").encode() in body
    assert get(gate, "/", "HEAD")[0::2] == (200, b"")
    assert int(get(gate, "/", "HEAD")[1]["content-length"]) == int(told["content-length"]) == len(body)
    assert get(gate, "/assets/a.js", if_none_match='"1"')[0::2] == (304, b"")
    assert get(gate, "/", origin="http://b.example")[1]["access-control-allow-origin"] == "http://b.example"
    assert b"https://c.example" in get(gate, "/", x_forwarded_host="c.example", x_forwarded_proto="https")[2]


@pytest.mark.parametrize(
    ("accepted", "sent"),
    [
        ("gzip, deflate, br, zstd", "br"),
        ("gzip, deflate", "gzip"),  # a browser's, where a page comes over plain http from another machine
        ("deflate", None),
        ("", None),
    ],
)
def test_files_come_compressed_as_gradio_compresses_them(accepted: str, sent: str | None) -> None:
    async def script(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/javascript")]})
        await send({"type": "http.response.body", "body": SCRIPT})

    gate = Gate(BrotliMiddleware(script), POLICY, lambda: None)  # type: ignore[arg-type,return-value]
    status, headers, body = get(gate, "/assets/a.js", accept_encoding=accepted)
    assert status == 200 and headers.get("content-encoding") == sent
    unpack = {"br": brotli.decompress, "gzip": gzip.decompress, None: bytes}[sent]
    assert unpack(body) == SCRIPT and (len(body) < len(SCRIPT)) == (sent is not None)


def test_what_is_not_there_is_not_kept_and_what_is_kept_has_a_limit(
    app: App, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [get(gate, "/assets/missing.js")[0] for _ in range(3)] == [404] * 3 and len(app.asked) == 3
    monkeypatch.setattr(response_cache, "MAX_CACHED_BYTES", 2_500)
    for number in range(9):
        get(gate, f"/assets/{number}.js")
    assert sum(len(each.body) for each in gate._cache._responses.values()) <= 2_500
    assert gate._cache._responses.keys() >= {("/assets/8.js", b"", "identity")}


def test_one_is_made_at_a_time(app: App, gate: Gate) -> None:
    async def many() -> None:
        paths = [f"/assets/missing{number % 7}.js" for number in range(60)] + ["/"] * 60
        await asyncio.gather(*(got(gate, path) for path in paths))

    asyncio.run(many())
    assert app.most_at_once == 1


ONCE = ["host", "origin", "x-forwarded-host", "x-forwarded-proto", "sec-fetch-site", "content-length", "content-type"]


@pytest.mark.parametrize("name", ONCE)
def test_a_header_that_decides_something_and_is_there_twice_is_refused(app: App, gate: Gate, name: str) -> None:
    said = [(name, "evil.example"), (name, "127.0.0.1")]
    status, _, body = asyncio.run(got(gate, "/gradio_api/info", headers=said))
    assert status == 400 and name.encode() in body and not app.asked


@pytest.mark.parametrize("host", ["a b", "a/b", "<script>", "a@b", "a\xe9", ""])
def test_a_host_that_is_no_name_is_refused(app: App, gate: Gate, host: str) -> None:
    assert get(gate, "/", host=host)[0] == 400 and not app.asked
