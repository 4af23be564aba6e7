"""The test world's server: one port that is a proxy for every host and, asked directly, a photo host of its own."""

from __future__ import annotations

import contextlib
import socket
import ssl
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

from tests.support.limits import join
from tests.world.certificates import Authority
from tests.world.engines import ENGINE_HOSTS, Engines, Refusal
from tests.world.photos import draw_photo, encode

Behaviour = Callable[["Handler"], None]


@dataclass
class Asked:
    """One request. `url`: as the client meant it, with scheme and host; `answered`: the whole answer was written."""

    url: str
    headers: dict[str, str]
    answered: bool = False
    status: int | None = None
    active_at_host: int = 0


@dataclass
class PhotoHost:
    """A host of photos; every method registers a path and returns its URL. Paths match as sent, query included."""

    world: World
    name: str
    scheme: str = "https"
    paths: dict[str, Behaviour] = field(default_factory=dict)

    def serve(self, path: str, behaviour: Behaviour) -> str:
        self.paths[path] = behaviour
        return f"{self.scheme}://{self.name}{path}"

    def body(self, path: str, body: bytes, *, status: int = 200, **headers: str) -> str:
        """These bytes. Header names take underscores for dashes: `content_type="text/html"`."""
        return self.serve(path, lambda handler: handler.answer(status, body, headers))

    def photo(self, path: str, kind: str = "thing", seed: int = 0, size: tuple[int, int] = (320, 240)) -> str:
        return self.body(path, encode(draw_photo(kind, seed, size)), content_type="image/jpeg")

    def photos(self, kind: str, count: int, *, first: int = 0) -> list[str]:
        return [self.photo(f"/{kind.replace(' ', '-')}/{n}.jpg", kind, n) for n in range(first, first + count)]

    def refuses(self, path: str, status: int, times: int | None = None, then: bytes = b"", **headers: str) -> str:
        """`status`, `times` times (None: always), then these bytes."""
        left = [times]

        def behaviour(handler: Handler) -> None:
            with self.world.lock:
                refused = left[0] is None or left[0] > 0
                if left[0]:
                    left[0] -= 1
            handler.answer(status, b"not now", headers) if refused else handler.answer(200, then, {})

        return self.serve(path, behaviour)

    def redirects(self, path: str, location: str, status: int = 302) -> str:
        return self.body(path, b"", status=status, location=location)

    def endless(self, path: str) -> str:
        """Bytes for as long as anyone reads."""

        def behaviour(handler: Handler) -> None:
            handler.start(200, {"content_type": "image/jpeg", "connection": "close"})
            while not handler.world.closing.is_set():
                handler.wfile.write(b"\xff" * 65536)

        return self.serve(path, behaviour)

    def drips(self, path: str, every: float = 0.05) -> str:
        """A byte now and then, for ever: no single read is slow."""

        def behaviour(handler: Handler) -> None:
            handler.start(200, {"content_length": "1000000"})
            while not handler.world.closing.wait(every):
                handler.wfile.write(b"x")

        return self.serve(path, behaviour)

    def waits(self, path: str, gate: threading.Event, body: bytes) -> str:
        """These bytes, once `gate` is set."""

        def behaviour(handler: Handler) -> None:
            while not gate.wait(0.02) and not handler.world.closing.is_set():
                pass
            handler.answer(200, body, {})

        return self.serve(path, behaviour)

    def short(self, path: str, body: bytes, missing: int = 1000) -> str:
        """A Content-Length that is `missing` bytes more than what comes."""

        def behaviour(handler: Handler) -> None:
            handler.start(200, {"content_length": str(len(body) + missing)})
            handler.wfile.write(body)
            handler.hang_up()

        return self.serve(path, behaviour)

    def drops(self, path: str, times: int | None = None, then: bytes = b"") -> str:
        """The connection is closed without an answer, `times` times (None: always), then these bytes."""
        left = [times]

        def behaviour(handler: Handler) -> None:
            with self.world.lock:
                dropped = left[0] is None or left[0] > 0
                if left[0]:
                    left[0] -= 1
            handler.hang_up() if dropped else handler.answer(200, then, {})

        return self.serve(path, behaviour)


class World:
    """See the package's docstring. A context manager; everything runs on daemon threads of this process."""

    def __init__(self, address: str = "127.0.0.1"):
        self.address = address
        self.engines = Engines()
        self.hosts: dict[str, PhotoHost] = {}
        self.asked: list[Asked] = []
        self.connections: list[tuple[str, str]] = []  # (client's address, ours) of every accepted connection
        self.lock = threading.Lock()
        self.closing = threading.Event()
        self.refuses_connections = False
        self._active: Counter[str] = Counter()

    def __enter__(self) -> World:
        self._folder = tempfile.TemporaryDirectory(prefix="world-")
        self.authority = Authority(Path(self._folder.name))
        self._server = _Server((self.address, 0), Handler, self)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), name="world", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.hang_up_all()
        self._server.server_close()
        join(self._thread)
        self._folder.cleanup()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def proxy_url(self) -> str:
        return f"http://{self.address}:{self.port}"

    @property
    def ca_file(self) -> Path:
        return self.authority.ca_file

    def photo_host(self, name: str, scheme: str = "https") -> PhotoHost:
        """The host of that name, behind the proxy."""
        return self.hosts.setdefault(name, PhotoHost(self, name, scheme))

    def direct_host(self) -> PhotoHost:
        """A host that is reached without the proxy: this very port, over plain http."""
        return self.photo_host(f"{self.address}:{self.port}", "http")

    def results(self, query: str, urls: list[str], page_url: str = "https://pages.example/{n}") -> None:
        """What every engine finds for `query`, in order."""
        self.engines.results[query] = [
            (url, page_url.format(n=f"{query.replace(' ', '-')}-{n}"), f"{query} {n}") for n, url in enumerate(urls)
        ]

    def engine_mode(self, host: str, status: int = 200, times: int | None = None, path: str = "/") -> None:
        """`host` (duckduckgo.com or www.bing.com) answers `status` to `path`…, `times` times (None: always; 0: never:
        it is well again). A status of 200 gives a page that makes no sense."""
        with self.engines.lock:
            self.engines.refusals[host] = [] if times == 0 else [Refusal(status, times, path)]

    @property
    def requests(self) -> list[Asked]:
        with self.lock:
            return list(self.asked)

    def count(self, url: str, *, answered: bool = False) -> int:
        """How many requests began for exactly this URL; with `answered`, how many were answered to the end."""
        return sum(asked.url == url and (asked.answered or not answered) for asked in self.requests)

    def searches(self) -> list[str]:
        """Every request to an engine, as "duckduckgo.com/i.js"."""
        parts = (urlsplit(asked.url) for asked in self.requests)
        return [f"{part.hostname}{part.path}" for part in parts if part.hostname in ENGINE_HOSTS]

    @contextlib.contextmanager
    def record(self, asked: Asked, host: str) -> Iterator[None]:
        with self.lock:
            self._active[host] += 1
            asked.active_at_host = self._active[host]
            self.asked.append(asked)
        try:
            yield
        finally:
            with self.lock:
                self._active[host] -= 1


def wait_until(happened: Callable[[], bool], seconds: float = 120.0) -> None:
    """Returns once `happened()`; fails the test if it never does."""
    end = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > end:
            raise AssertionError(f"still waiting after {seconds:.0f} s")
        time.sleep(0.02)


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], handler: type, world: World):
        super().__init__(address, handler)
        self.world = world
        self._open: set[socket.socket] = set()

    def process_request(self, request: socket.socket, client_address: tuple) -> None:
        if self.world.refuses_connections:
            self.shutdown_request(request)
            return
        self.opened(request)
        with self.world.lock:
            self.world.connections.append((client_address[0], request.getsockname()[0]))
        super().process_request(request, client_address)

    def shutdown_request(self, request: socket.socket) -> None:
        self.forget(request)
        super().shutdown_request(request)

    def opened(self, connection: socket.socket) -> None:
        with self.world.lock:
            self._open.add(connection)

    def forget(self, connection: socket.socket) -> None:
        with self.world.lock:
            self._open.discard(connection)

    def hang_up_all(self) -> None:
        with self.world.lock:
            for request in self._open:
                with contextlib.suppress(OSError):
                    request.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # clients that hang up are part of the tests


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30
    tunnel: str | None = None

    @property
    def world(self) -> World:
        return self.server.world

    def do_CONNECT(self) -> None:
        """TLS is terminated here, with a certificate for whatever host was asked for."""
        host, _, port = self.path.rpartition(":")
        self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        try:
            context = self.world.authority.context_for(host.strip("[]"))
            self.connection = context.wrap_socket(self.connection, server_side=True)
        except OSError as error:
            _close_half_made(error)
            self.close_connection = True
            return
        self.server.opened(self.connection)
        self.tunnel = host if port == "443" else f"{host}:{port}"
        self.rfile = self.connection.makefile("rb")
        self.wfile = self.connection.makefile("wb", buffering=0)
        self.close_connection = False

    def do_GET(self) -> None:
        if self.path.startswith("http://"):
            parts = urlsplit(self.path)
            host, path = parts.netloc, parts.path + (f"?{parts.query}" if parts.query else "")
            url = self.path
        else:
            host, path = self.tunnel or self.headers.get("Host", ""), self.path
            url = f"{'https' if self.tunnel else 'http'}://{host}{path}"
        self.asked = Asked(url, {name.lower(): value for name, value in self.headers.items()})
        with self.world.record(self.asked, host):
            if host in ENGINE_HOSTS:
                parts = urlsplit(path)
                status, content_type, body = self.world.engines.answer(host, parts.path, dict(parse_qsl(parts.query)))
                self.answer(status, body, {"content_type": content_type})
                return
            known = self.world.hosts.get(host)
            behaviour = known.paths.get(path) if known else None
            if behaviour is None:
                self.answer(404, b"nothing here", {})
            else:
                behaviour(self)

    def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self.start(status, {"content_length": str(len(body)), **headers})
        self.wfile.write(body)
        with self.world.lock:
            self.asked.answered = True

    def start(self, status: int, headers: dict[str, str]) -> None:
        self.asked.status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-").title(), value)
        self.end_headers()

    def hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            self.connection.shutdown(socket.SHUT_RDWR)

    def finish(self) -> None:
        for file in (self.wfile, self.rfile):
            with contextlib.suppress(OSError, ValueError):
                file.close()
        self.server.forget(self.connection)
        self.connection.close()

    def log_message(self, *_: object) -> None:
        pass


def _close_half_made(error: OSError) -> None:
    """A client that is gone before wrap_socket begins makes it raise with the socket it was making left open."""
    for frame, _ in traceback.walk_tb(error.__traceback__):
        made = frame.f_locals.get("self")
        if isinstance(made, ssl.SSLSocket):
            made.close()
