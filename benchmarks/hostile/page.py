"""A page under attack, for benchmarks/hostile/visitors.py: it is started as a process, visited, and attacked."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx

UPLOAD, CALL = "/gradio_api/upload", "/gradio_api/call/predict"
FILE_DATA = {"_type": "gradio.FileData"}
MODEL = "mirror"  # the one that models/ has had from the beginning
START_SECONDS = 180


@dataclass
class Page:
    """A page that is up."""

    url: str
    port: int
    process: subprocess.Popen
    temporary: Path  # where it and everything that it uses put their temporary files
    log: Path

    def memory(self, what: str = "VmRSS") -> int:
        """Bytes, of the process and its children together; what: VmRSS for now, VmHWM for the most so far."""
        return sum(_field(pid, what) for pid in [self.process.pid, *_children(self.process.pid)])

    def files(self) -> list[Path]:
        """Every file and folder below, but for the folder of the process itself."""
        found = (Path(where, name) for where, folders, names in os.walk(self.temporary) for name in (*folders, *names))
        return [path for path in found if path.parent != self.temporary or path.is_file()]


@contextlib.contextmanager
def serve(checkout: Path, *options: str) -> Iterator[Page]:
    """`python app.py` of a checkout, until the block ends."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as scratch:
        temporary, log = Path(scratch, "temporary"), Path(scratch, "log")
        temporary.mkdir()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GRADIO_", "MIRROR_"))}
        environment = {**kept, "TMPDIR": str(temporary), "OMP_NUM_THREADS": "1", "ORT_DISABLE_TELEMETRY": "1"}
        with open(log, "wb") as output:
            process = subprocess.Popen(
                [sys.executable, str(checkout / "app.py"), "--port", str(port), *options],
                cwd=checkout, env=environment, stdout=output, stderr=output, start_new_session=True,
            )  # fmt: skip
        page = Page(f"http://127.0.0.1:{port}", port, process, temporary, log)
        try:
            deadline = time.monotonic() + START_SECONDS
            while time.monotonic() < deadline:
                with contextlib.suppress(httpx.TransportError):
                    if httpx.get(page.url, timeout=5).status_code == 200:
                        break
                if process.poll() is not None:
                    raise SystemExit(f"app.py ended: {log.read_text()}")
                time.sleep(0.1)
            yield page
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def visit(url: str, photo: bytes, timeout: float = 120) -> float:
    """Uploads a photo, asks about it and waits for the answer. Returns seconds; raises where there is no answer."""
    began = time.monotonic()
    with httpx.Client(base_url=url, timeout=timeout) as client:
        (path,) = client.post(UPLOAD, files={"files": ("photo.jpg", photo)}).raise_for_status().json()
        sent = {"data": [{"path": path, "meta": FILE_DATA}, MODEL]}
        event = client.post(CALL, json=sent).raise_for_status().json()["event_id"]
        if "event: complete" not in client.get(f"{CALL}/{event}").text:
            raise RuntimeError("no answer")
    return time.monotonic() - began


@dataclass
class Crowd:
    """What became of many visitors. seconds: from the upload to the answer, one for each answer."""

    took: float
    seconds: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def crowd(url: str, photo: bytes, visitors: int, seconds: float) -> Crowd:
    """Each visitor shows the photo again as soon as it was answered, for so many seconds."""

    async def one(client: httpx.AsyncClient, told: Crowd, end: float) -> None:
        while time.monotonic() < end:
            began = time.monotonic()
            try:
                answer = await client.post(UPLOAD, files={"files": ("photo.jpg", photo)})
                sent = {"data": [{"path": answer.raise_for_status().json()[0], "meta": FILE_DATA}, MODEL]}
                event = (await client.post(CALL, json=sent)).raise_for_status().json()["event_id"]
                text = (await client.get(f"{CALL}/{event}")).text
                if "event: complete" in text:
                    told.seconds.append(time.monotonic() - began)
                else:
                    told.errors.append(text[:200])
            except (httpx.HTTPError, ValueError) as error:
                told.errors.append(repr(error)[:200])

    async def all_of_them() -> Crowd:
        told, began = Crowd(0.0), time.monotonic()
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
        async with httpx.AsyncClient(base_url=url, timeout=300, limits=limits) as client:
            await asyncio.gather(*(one(client, told, began + seconds) for _ in range(visitors)))
        told.took = time.monotonic() - began
        return told

    return asyncio.run(all_of_them())


@contextlib.contextmanager
def attack(what: Callable[[threading.Event], None], times: int = 8) -> Iterator[None]:
    """So many of it at once, over and over, until the block ends."""
    stop = threading.Event()

    def again() -> None:
        while not stop.is_set():
            with contextlib.suppress(OSError, httpx.HTTPError, ValueError, KeyError, RuntimeError):
                what(stop)
            stop.wait(0.05)

    threads = [threading.Thread(target=again, daemon=True) for _ in range(times)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)


@contextlib.contextmanager
def never_answers() -> Iterator[str]:
    """A server that takes connections and says nothing. Yields its address."""
    with socket.create_server(("127.0.0.1", 0), backlog=200) as server:
        held: list[socket.socket] = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    held.append(server.accept()[0])

        threading.Thread(target=accept, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/never.jpg"
        server.shutdown(socket.SHUT_RDWR)
        for connection in held:
            connection.close()


def as_json(sent: object) -> bytes:
    """The request that asks about `sent`, made once: many large ones would keep the client's own thread busy."""
    return json.dumps({"data": [sent, MODEL]}).encode()


def ask(url: str, sent: bytes, stop: threading.Event, timeout: float = 60) -> None:
    """Sends the request, and waits for whatever comes until `stop`."""
    with httpx.Client(base_url=url, timeout=timeout) as client:
        told = client.post(CALL, content=sent, headers={"Content-Type": "application/json"})
        event = told.json()["event_id"]
        with client.stream("GET", f"{CALL}/{event}") as answer:
            for _ in answer.iter_lines():
                if stop.is_set():
                    return


def upload_and_ask(url: str, body: bytes, name: str, stop: threading.Event) -> None:
    (path,) = httpx.post(url + UPLOAD, files={"files": (name, body)}, timeout=60).json()
    ask(url, as_json({"path": path, "meta": FILE_DATA}), stop)


def post_megabytes(port: int, path: str, megabytes: int, *, chunked: bool, stop: threading.Event | None = None) -> int:
    """A body of `a`s; returns the status of the answer, 0 where the connection was cut."""
    form = path.endswith("upload")
    kind = "multipart/form-data; boundary=x" if form else "application/json"
    first = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n' if form else b'{"data":["'
    size = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(first) + (megabytes << 20)}"
    block = b"a" * (1 << 20)
    told = b""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        with contextlib.suppress(OSError):
            head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n{size}\r\n\r\n"
            connection.sendall(head.encode() + (b"%x\r\n%s\r\n" % (len(first), first) if chunked else first))
            for _ in range(megabytes):
                if stop is not None and stop.is_set():
                    break
                connection.sendall(b"%x\r\n%s\r\n" % (len(block), block) if chunked else block)
        with contextlib.suppress(OSError):
            while piece := connection.recv(65536):
                told += piece
    found = re.search(rb"HTTP/1\.1 (\d+)", told)
    return int(found[1]) if found else 0


def hold(port: int, sent: bytes, connections: int, stop: threading.Event, seconds: float = 20) -> None:
    """Many connections that send something and then nothing."""
    with contextlib.ExitStack() as stack:
        for _ in range(connections):
            connection = stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=10))
            connection.sendall(sent)
        stop.wait(seconds)


def broken_off(port: int, size: int) -> None:
    """An upload that ends before its end."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(
            b"POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
            b"Content-Length: 19000000\r\n\r\n--x\r\nContent-Disposition: form-data; "
            b'name="files"; filename="a.jpg"\r\n\r\n' + b"\0" * size
        )


def data_url(body: bytes) -> dict[str, str]:
    return {"url": "data:image/jpeg;base64," + base64.b64encode(body).decode()}


def result(url: str, sent: object) -> str:
    """What a question is answered, as text, whatever it is."""
    told = httpx.post(url + CALL, json={"data": [sent, MODEL]})
    try:
        return httpx.get(f"{url}{CALL}/{told.json()['event_id']}", timeout=60).text
    except (ValueError, KeyError, TypeError):
        return told.text


def _field(pid: int, what: str) -> int:
    try:
        found = re.search(rf"{what}:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) * 1024 if found else 0


def _children(pid: int) -> list[int]:
    try:
        own = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []
    return [*own, *(grandchild for child in own for grandchild in _children(child))]
