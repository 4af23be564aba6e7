"""How long a client may keep a connection without doing anything with it.

The class: a client that takes its time at a place where nobody looks at the clock. Members: no byte at all, half a
header, a header that drips or never ends, a body that is followed by endless trailers, an answer that nobody reads.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import httpx
import pytest

from tests.web.gateway import wire
from tests.web.serving import Served, serve

SOON = 20  # seconds; the page of these tests waits for 2, on a busy machine


@pytest.fixture(scope="module")
def served(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve("--models", str(models), app=wire.HURRY, uploads=tmp_path_factory.mktemp("uploads")) as page:
        yield page


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        (b"", b"408"),
        (b"GET", b"408"),
        (b"GET /config HTTP/1.1\r\nHost: localhost\r\n", b"408"),
        (b"GET /config HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 1000, b"408"),
        (b"\r\n\r\n\r\n", b"408"),
        (b"GET /config HTTP/1.1\r\nHost: localhost\r\n\r\nGET /config HTTP/1.1\r\n", b"200"),
    ],
    ids=["nothing", "a method", "no end", "half a line", "empty lines", "a second request's half"],
)
def test_headers_that_do_not_come_end_the_connection(served, sent, says):
    with wire.connect(served.port) as connection:
        connection.sendall(sent)
        seconds, told = wire.closed_after(connection)
    assert seconds < SOON and told.startswith(b"HTTP/1.1 " + says)


@pytest.mark.parametrize("drop", [b"\r\n", b"X: y\r\n", b"x"], ids=["empty lines", "headers", "letters"])
def test_headers_that_drip_end_the_connection(served, drop):
    with wire.connect(served.port) as connection:
        connection.sendall(b"GET /config HTTP/1.1\r\nHost: localhost\r\n" if drop != b"\r\n" else b"")
        deadline = time.monotonic() + SOON
        with suppress(OSError):  # the server closed
            while time.monotonic() < deadline:
                connection.sendall(drop)
                time.sleep(0.2)
    assert time.monotonic() < deadline


@pytest.mark.parametrize(
    "begins",
    [b"GET /", b"GET /config HTTP/1.1\r\nHost: localhost\r\nX: ", b"GET /config HTTP/1.1\r\nHost: localhost\r\n"],
    ids=["an address", "a value", "many headers"],
)
def test_headers_end_at_64_kilobytes(served, begins):
    line = b"X: " + b"x" * 1000 + b"\r\n" if begins.endswith(b"localhost\r\n") else b"x" * 1000
    before = wire.resident(served.process.pid)
    with wire.connect(served.port) as connection:
        with suppress(OSError):
            connection.sendall(begins)
            for _ in range(20_000):
                connection.sendall(line)
        told = wire.everything(connection)
    assert told == b"" or wire.status(told) in (400, 431)
    assert wire.resident(served.process.pid) - before < 10 << 20


def test_a_body_without_an_end_of_its_own_ends(served):
    """Chunk extensions and trailers are neither header nor body, and have no limit in the parser."""
    for endless in (b"1;" + b"x" * 1000, b"0\r\n" + b"X: " + b"x" * 1000):
        with wire.connect(served.port) as connection:
            connection.sendall(wire.head("/gradio_api/cancel"))
            deadline = time.monotonic() + SOON
            with suppress(OSError):
                connection.sendall(endless)
                while time.monotonic() < deadline:
                    connection.sendall(b"x" * 10_000)
        assert time.monotonic() < deadline


def test_an_answer_that_nobody_reads_ends(served):
    target = f"GET {largest_asset(served)} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect(("127.0.0.1", served.port))
        deadline = time.monotonic() + SOON
        with suppress(OSError):
            while time.monotonic() < deadline:
                connection.sendall(target)  # it goes on asking, and reads nothing
                time.sleep(0.1)
    assert time.monotonic() < deadline


def largest_asset(served: Served) -> str:
    import gradio

    assets = Path(gradio.__file__).parent / "templates" / "frontend" / "assets"
    return f"/assets/{max(assets.glob('*.js'), key=lambda path: path.stat().st_size).name}"


def test_hundreds_of_half_headers_keep_nobody_out(served):
    with ExitStack() as stack:
        for _ in range(300):
            connection = stack.enter_context(wire.connect(served.port))
            connection.sendall(b"GET /config HTTP/1.1\r\nHost: loc")
        began = time.monotonic()
        assert httpx.get(f"{served.url}/config", timeout=SOON).status_code == 200
        assert time.monotonic() - began < SOON
    assert "Traceback" not in served.log(), served.log()[-6000:]


def test_too_many_requests_in_one_go_end_the_connection(served):
    with wire.connect(served.port) as connection:
        with suppress(OSError):
            for _ in range(1000):
                connection.sendall(b"GET /config HTTP/1.1\r\nHost: localhost\r\n\r\n" * 100)
        assert wire.everything(connection).count(b"HTTP/1.1 200") < 1000


def test_a_connection_that_is_used_stays(served):
    ports = set()
    with httpx.Client(base_url=served.url) as client:
        for _ in range(4):
            time.sleep(1)
            ports.add(client.get("/theme.css").extensions["network_stream"].get_extra_info("client_addr"))
    assert len(ports) == 1


HEAD = b" HTTP/1.1\r\nHost: localhost\r\n"
POST = b"POST /gradio_api/cancel" + HEAD
FRAME = b'{"component_id": 1, "fn_name": "x", "session_hash": "a", "data": 1}'
NOISE = {
    "no HTTP": b"rubbish\r\n\r\n", "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
    "another version": b"GET / HTTP/9.9\r\n\r\n", "a bad header": b"GET / HTTP/1.1\r\n: x\r\n\r\n",
    "a bad length": POST + b"Content-Length: x\r\n\r\n", "a bad chunk": wire.head("/gradio_api/cancel") + b"zz\r\n",
    "two lengths": POST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n",
    "an upgrade": b"GET /config" + HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    "an upgrade to h2c": b"GET /config" + HEAD + b"Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
    "no JSON": wire.head("/gradio_api/queue/join", length=3) + b"{,}",
    "no event": wire.head("/gradio_api/cancel", length=2) + b"{}",
    "a component": wire.head("/gradio_api/component_server", length=len(FRAME)) + FRAME,
    "no such name": wire.head("/gradio_api/call/nothing", length=12) + b'{"data": []}',
    "no such stream": b"GET /gradio_api/call/predict/none" + HEAD + b"\r\n",
    "a path with zeros": b"GET /gradio_api/file=/%00" + HEAD + b"\r\n",
}  # fmt: skip


@pytest.mark.parametrize("noise", NOISE.values(), ids=NOISE)
def test_no_request_fills_the_log(served, noise):
    """The class: a line for each request of a kind, in whatever code it is written."""
    before = len(wire.said(served.log()))
    for _ in range(40):
        with wire.connect(served.port) as connection, suppress(OSError):
            connection.settimeout(0.3)
            connection.sendall(noise)
            connection.recv(1000)
    assert len(wire.said(served.log())) - before <= 3
