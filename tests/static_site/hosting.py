"""A static host of the tests': a folder below a sub-path of 127.0.0.1, as GitHub Pages has it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.support.limits import join

SUB_PATH = "/somebody/mirror/"


@dataclass
class Host:
    """address: of the page. asked: paths below it, in order. headers: sent with every answer. sent: bytes of all
    answers."""

    address: str
    folder: Path
    asked: list[str] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    sent: int = 0


class _Handler(SimpleHTTPRequestHandler):
    def __init__(self, host: Host, *args: Any):
        self.host = host
        super().__init__(*args, directory=str(host.folder))

    def do_GET(self) -> None:
        if not self.path.startswith(SUB_PATH):
            self.send_error(404)
            return
        self.path = "/" + self.path.removeprefix(SUB_PATH)
        self.host.asked.append(self.path)
        super().do_GET()

    def end_headers(self) -> None:
        for name, value in self.host.headers.items():
            self.send_header(name, value)
        super().end_headers()

    def copyfile(self, source: Any, outputfile: Any) -> None:
        body = source.read()
        self.host.sent += len(body)
        outputfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def write(folder: Path, files: Mapping[str, bytes]) -> Path:
    for name, body in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(body)
    return folder


@contextmanager
def hosted(folder: Path, headers: dict[str, str] | None = None) -> Iterator[Host]:
    """The folder, while it is used."""
    host = Host("", folder, headers=headers or {})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, host))
    server.daemon_threads = True
    host.address = f"http://127.0.0.1:{server.server_address[1]}{SUB_PATH}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield host
    finally:
        server.shutdown()
        server.server_close()
        join(thread)
