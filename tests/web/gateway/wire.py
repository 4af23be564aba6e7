"""Requests as no client library would send them, over a plain socket."""

from __future__ import annotations

import contextlib
import re
import socket
import time
from pathlib import Path

FORM = "multipart/form-data; boundary=x"
HURRY = Path(__file__).parents[1] / "app_in_a_hurry.py"


def part(name: str = "a.jpg", field: str = "files") -> bytes:
    return f'--x\r\nContent-Disposition: form-data; name="{field}"; filename="{name}"\r\n\r\n'.encode()


def head(target: str, *, length: int | str | None = None, kind: str = "application/json", more: str = "") -> bytes:
    """The request line and headers of a POST; length None: chunked."""
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Type: {kind}\r\n{more}{size}\r\n\r\n".encode()


def connect(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def chunk(body: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(body), body)


def everything(connection: socket.socket) -> bytes:
    """What the server says until it closes the connection."""
    told = b""
    with contextlib.suppress(ConnectionError):
        while piece := connection.recv(1 << 16):
            told += piece
    return told


def status(told: bytes) -> int:
    """Of the last answer."""
    found = re.findall(rb"HTTP/1\.1 (\d+) ", told)
    assert found, told[:200]
    return int(found[-1])


def body(told: bytes) -> str:
    return told.partition(b"\r\n\r\n")[2].decode()


def closed_after(connection: socket.socket) -> tuple[float, bytes]:
    """How many seconds until the server closed, and what it said before."""
    began = time.monotonic()
    told = everything(connection)
    return time.monotonic() - began, told


def said(log: str) -> list[str]:
    """The lines of a page's log but for gradio's greeting."""
    return [line for line in log.splitlines() if line.strip() and not line.startswith("* ")]


def resident(pid: int, what: str = "VmRSS") -> int:
    """Bytes of memory of a process, now or at most ("VmHWM")."""
    text = Path(f"/proc/{pid}/status").read_text()
    return int(re.search(rf"{what}:\s+(\d+)", text)[1]) * 1024


def reset_peak(pid: int) -> None:
    Path(f"/proc/{pid}/clear_refs").write_text("5")
