"""What a request's body may cost: bytes, memory, time and room, whoever sends it and however.

The class: a limit on files, and none on what carries them. Members: each address that takes a body, times the ways to
send one (its length declared, chunked, declared wrongly, slowly, never to the end, many at once), and what is made of
one (objects from brackets, wide characters, the echo of an error).
"""

from __future__ import annotations

import base64
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest

from mirror.web.gateway.routes import page_routes
from mirror.web.uploads import MAX_UPLOAD_BYTES
from tests.support.limits import join
from tests.web.gateway import wire
from tests.web.serving import Served, serve
from tests.web.tiny import YELLOW, photo

TAKE_BODIES = [
    (route.template.replace("{api_name}", "predict"), route.body)
    for route in page_routes(MAX_UPLOAD_BYTES)
    if route.methods == {"POST"}
]
MEMORY = 50 << 20
JSON = {"Content-Type": "application/json"}


@pytest.fixture(scope="module")
def served(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve("--models", str(models), app=wire.HURRY, uploads=tmp_path_factory.mktemp("uploads")) as page:
        yield page


def answers(page: Served) -> bool:
    """Whether an honest visitor is answered."""
    sent = {"url": "data:image/png;base64," + base64.b64encode(photo(YELLOW, format="PNG")).decode()}
    event = httpx.post(f"{page.url}/gradio_api/call/predict", json={"data": [sent]}, timeout=30).json()["event_id"]
    return "duckling" in httpx.get(f"{page.url}/gradio_api/call/predict/{event}", timeout=60).text


@pytest.mark.parametrize(("path", "limit"), TAKE_BODIES)
@pytest.mark.parametrize("way", ["declared", "chunked", "declared as less", "declared and not sent"])
def test_a_body_ends_at_its_limit(served, path, limit, way):
    kind, first = (wire.FORM, wire.part()) if path.endswith("upload") else ("application/json", b'{"data": ["')
    size = limit + (1 << 20)
    with wire.connect(served.port) as connection:
        if way == "chunked":
            connection.sendall(wire.head(path, kind=kind) + wire.chunk(first))
            for _ in range(0, size, 1 << 20):
                connection.sendall(wire.chunk(b"x" * (1 << 20)))
            connection.sendall(wire.chunk(b"x") + b"0\r\n\r\n")
        elif way == "declared as less":  # what comes after is the next request, and no request at all
            connection.sendall(wire.head(path, kind=kind, length=10) + first[:10] + b"x" * (1 << 20))
        else:
            connection.sendall(wire.head(path, kind=kind, length=size) + first)
            if way == "declared":
                connection.sendall(b"x" * (size - len(first)))
        seconds, told = wire.closed_after(connection)
    if way == "declared as less":
        assert wire.status(told) in (400, 422) and b" 500 " not in told
    else:
        assert wire.status(told) == 413, told[:300]
        assert "at most" in wire.body(told) or "maximum allowed size" in wire.body(told)
        assert b"connection: close" in told
    assert seconds < 20


def test_a_get_has_no_body(served):
    assert httpx.request("GET", f"{served.url}/config", content=b"x" * 10).status_code == 413
    assert httpx.request("GET", f"{served.url}/", content=b"x" * 10).text == "This address takes no body."


def test_a_photo_of_twenty_megabytes_passes_as_text(served):
    body = photo(YELLOW)
    body += b"\0" * (MAX_UPLOAD_BYTES - len(body))
    for text in (base64.b64encode(body).decode(), base64.encodebytes(body).decode().replace("\n", "\r\n")):
        sent = json.dumps({"data": [{"url": f"data:image/jpeg;base64,{text}"}]})
        told = httpx.post(f"{served.url}/gradio_api/call/predict", content=sent, headers=JSON)
        event = told.json()["event_id"]
        assert "duckling" in httpx.get(f"{served.url}/gradio_api/call/predict/{event}", timeout=60).text


def test_eight_posts_of_hundreds_of_megabytes_cost_no_memory(served):
    """100 MB each here; benchmarks/hostile/visitors.py sends 400."""
    assert answers(served)
    idle = wire.resident(served.process.pid)
    wire.reset_peak(served.process.pid)

    def post(number: int) -> int:
        path, _ = TAKE_BODIES[number % len(TAKE_BODIES)]
        kind = wire.FORM if path.endswith("upload") else "application/json"
        with wire.connect(served.port) as connection:
            length = None if number % 2 else 100 << 20
            connection.sendall(wire.head(path, kind=kind, length=length))
            try:
                for _ in range(100):
                    block = b"x" * (1 << 20)
                    connection.sendall(block if length else wire.chunk(block))
            except ConnectionError:
                pass  # it may be cut off, once its answer is on the way
            return wire.status(wire.everything(connection))

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(post, range(8))) <= {413, 400}
    assert wire.resident(served.process.pid, "VmHWM") - idle < MEMORY
    assert answers(served)


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"data": [' + b"{}," * 300_000 + b"1]}", 413),
        (b"[" * 1_000_000, 413),
        (b'{"data": ' + b"[" * 4_000, 422),
        (b'{"data": ["' + b"x" * 1_000_000 + b'"', 422),
        (b'{"data": "' + b"x" * 1_000_000 + b'"}', 422),
        (b"\xff" * 1_000_000, 422),
        (b"", 422),
    ],
    ids=["many objects", "deep", "deep and short", "no end", "a text for a list", "not UTF-8", "empty"],
)
def test_what_is_no_request_of_ours_is_told_so_in_a_sentence_and_not_repeated(served, body, code):
    wire.reset_peak(served.process.pid)
    before = wire.resident(served.process.pid)
    for path in ("/gradio_api/queue/join", "/gradio_api/call/predict"):
        told = httpx.post(served.url + path, content=body, headers=JSON, timeout=30)
        assert told.status_code in (code, 400), told.text[:300]
        assert set(told.json()) <= {"detail", "error"} and len(told.content) < 500
    assert wire.resident(served.process.pid, "VmHWM") - before < MEMORY
    assert "Traceback" not in served.log() and "xxxx" not in served.log()


def test_a_body_that_stops_coming_ends(served):
    for length in (1000, None):
        with wire.connect(served.port) as connection:
            first = b"1" if length else wire.chunk(b"1")
            connection.sendall(wire.head("/gradio_api/queue/join", length=length) + first)
            seconds, told = wire.closed_after(connection)
        assert (wire.status(told), seconds < 20) == (408, True)
        assert "too long to arrive" in wire.body(told)


def test_a_body_that_drips_ends(served):
    with wire.connect(served.port) as connection:
        connection.sendall(wire.head("/gradio_api/queue/join", length=10_000_000))
        stop = threading.Event()

        def drip() -> None:
            while not stop.wait(0.2):
                try:
                    connection.sendall(b"1")
                except OSError:
                    return

        thread = threading.Thread(target=drip)
        thread.start()
        began = time.monotonic()
        told = connection.recv(1 << 16)
        seconds = time.monotonic() - began
        stop.set()
        join(thread)
    assert (wire.status(told), seconds < 20) == (408, True)


@pytest.mark.parametrize(("path", "first"), [
    ("/gradio_api/queue/join", b'{"data": ['), ("/gradio_api/upload", wire.part() + b"\0" * 1000),
])  # fmt: skip
def test_those_that_are_slow_keep_nobody_out(served, path, first):
    """Three times as many as there is room for; the slowest go."""
    kind = wire.FORM if path.endswith("upload") else "application/json"
    with ExitStack() as stack:
        for _ in range(24):
            connection = stack.enter_context(wire.connect(served.port))
            connection.sendall(wire.head(path, kind=kind, length=100_000) + first)
        time.sleep(0.5)
        assert answers(served)
        assert httpx.post(f"{served.url}/gradio_api/upload", files={"files": ("a.jpg", b"x")}).status_code == 200
    assert "Traceback" not in served.log()


def test_clients_that_go_away_leave_no_trace_in_the_log(served):
    said = wire.said(served.log())
    for path, _ in TAKE_BODIES:
        for sent in (b"", b'{"data"', wire.part() + b"\0" * 50_000):
            with wire.connect(served.port) as connection:
                kind = wire.FORM if "upload" in path else "application/json"
                connection.sendall(wire.head(path, kind=kind, length=60_000) + sent)
    for path in ("queue/data?session_hash=nobody", "heartbeat/nobody", "call/predict/no"):
        with wire.connect(served.port) as connection:
            connection.sendall(f"GET /gradio_api/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            connection.recv(100)
    time.sleep(1)
    assert answers(served)
    assert wire.said(served.log()) == said


def test_an_upload_breaks_off_and_the_next_request_of_the_connection_is_answered(served):
    """A refusal closes its connection; what was refused before its body came does not disturb the next visitor."""
    with httpx.Client(base_url=served.url) as client:
        assert client.post("/gradio_api/upload", files={"video": ("a.jpg", b"x" * 100_000)}).status_code == 400
        assert client.get("/config").status_code == 200
        assert client.post("/nowhere", content=b"x" * 100_000).status_code == 404
        assert client.get("/config").status_code == 200
