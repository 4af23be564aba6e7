"""Time limits for connections: uvicorn waits for a request's headers for ever, and for a client that does not read.

`install` makes uvicorn use `PatientProtocol` wherever its settings say "auto", which is what gradio leaves them at.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from typing import Any

import uvicorn.config
from uvicorn.protocols.http.auto import AutoHTTPProtocol

from mirror.web.gateway.client_address import is_public, network_of

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

HEADERS_SECONDS = 15.0  # from the first byte of a request, or the connection, to the end of its headers
HEADERS_BYTES = 64 * 1024  # of a request's headers, or of anything in a request that is neither header nor body
KEEP_ALIVE_SECONDS = 15.0  # of a connection between two requests; clients give them up after 5, as uvicorn would
WRITE_SECONDS = 60.0  # that a client may read nothing of an answer
PIPELINED = 1  # requests that a client may send before the first is answered; no browser sends any
PER_CLIENT = 256  # connections of one public address, or 64 bits of IPv6; those of this network may be a proxy's
OPEN_FILES = 8192  # asked of the system, which often allows 1,024
RESERVED_FILES = 256  # for what is not a connection: bodies on the disk, models, fetching
LOG_SECONDS = 10.0  # between two lines of uvicorn's about the same
TOO_SLOW = b"The request took too long to arrive: please send it again."
TOO_LONG = b"The request's headers are too long."


class Connections:
    """All that are open, the oldest first."""

    def __init__(self) -> None:
        self.limit = 1024 - RESERVED_FILES
        self._open: dict[PatientProtocol, str] = {}

    def enter(self, connection: PatientProtocol, address: str) -> bool:
        """Whether there is room for one more; the oldest that only waits has to make room."""
        client = network_of(address)
        if is_public(address) and sum(other == client for other in self._open.values()) >= PER_CLIENT:
            return False
        if len(self._open) >= self.limit:
            idle = next((other for other in self._open if not other.busy), None)
            if idle is None:
                return False
            self.leave(idle)
            idle.cut_off()
        self._open[connection] = client
        return True

    def leave(self, connection: PatientProtocol) -> None:
        self._open.pop(connection, None)


connections = Connections()


class Seldom(logging.Filter):
    """Lets one line through in LOG_SECONDS from each place in the code, so that no client fills the log."""

    def __init__(self) -> None:
        super().__init__()
        self._last: dict[tuple[str, int], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        location = record.pathname, record.lineno
        if record.created - self._last.get(location, -LOG_SECONDS) < LOG_SECONDS:
            return False
        self._last[location] = record.created
        return True


class PatientProtocol(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
    """uvicorn's own protocol, whichever parser it has, with limits."""

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__(*args, **kwargs)
        self.timeout_keep_alive = KEEP_ALIVE_SECONDS
        self.ws_protocol_class = None  # nothing here speaks WebSocket: an upgrade is an ordinary request
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._answered: Any = None  # the request that is being answered; self.cycle is the last that came
        self._unread = 0  # bytes since the last header that began, or the last piece of a body

    @property
    def busy(self) -> bool:
        """Whether a request is being answered."""
        return self.cycle is not None and not self.cycle.response_complete

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        if connections.enter(self, self.client[0] if self.client else ""):
            self._await_headers()
        else:
            self.cut_off()

    def connection_lost(self, exc: Exception | None) -> None:
        connections.leave(self)
        self._cancel("headers")
        self._cancel("write")
        self._disconnect()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        before = self.cycle
        self._unread += len(data)
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self.cycle is not before:
            self._cancel("headers")
        if not self.busy:
            self._await_headers()
        if self._unread > HEADERS_BYTES and hasattr(super(), "on_body"):
            self._refuse(b"431 Request Header Fields Too Large", TOO_LONG)
        elif len(getattr(self, "pipeline", ())) > PIPELINED:
            self.cut_off()

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._answered = cycle
        super()._start_asgi_task(cycle, app)

    def on_message_begin(self) -> None:
        self._unread = 0
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        self._unread = 0
        super().on_body(body)

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing to warn of: no page of ours asks for one."""

    def pause_writing(self) -> None:
        super().pause_writing()
        if "write" not in self._timers:
            self._timers["write"] = self.loop.call_later(WRITE_SECONDS, self.cut_off)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._cancel("write")

    def cut_off(self) -> None:
        """Ends the connection at once; whoever answers learns of it before writing to what is closed."""
        self._disconnect()
        self.transport.abort()

    def _disconnect(self) -> None:
        """uvicorn tells only the last of several requests that were sent in one go."""
        for cycle in (self._answered, self.cycle):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()

    def _await_headers(self) -> None:
        if "headers" not in self._timers:
            self._timers["headers"] = self.loop.call_later(HEADERS_SECONDS, self._headers_late)

    def _cancel(self, timer: str) -> None:
        if timer in self._timers:
            self._timers.pop(timer).cancel()

    def _headers_late(self) -> None:
        self._cancel("headers")
        if not self.busy and not self.transport.is_closing():
            self._refuse(b"408 Request Timeout", TOO_SLOW)

    def _refuse(self, status: bytes, sentence: bytes) -> None:
        if not self.busy:
            self.transport.write(
                b"HTTP/1.1 %s\r\ncontent-type: text/plain; charset=utf-8\r\nx-content-type-options: nosniff\r\n"
                b"content-length: %d\r\nconnection: close\r\n\r\n%s" % (status, len(sentence), sentence)
            )
            self.transport.close()
        else:
            self.cut_off()


def install() -> None:
    """For every uvicorn server that this process starts from now on."""
    # uvicorn takes any client on this machine for a proxy that vouches for X-Forwarded-For, a tunnel's end included
    os.environ.setdefault("FORWARDED_ALLOW_IPS", "")
    for name in ("uvicorn.error", "asyncio"):
        logging.getLogger(name).addFilter(Seldom())
    uvicorn.config.HTTP_PROTOCOLS["auto"] = f"{__name__}:{PatientProtocol.__name__}"
    if resource is not None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
        if soft != resource.RLIM_INFINITY and soft < wanted:
            with contextlib.suppress(OSError, ValueError):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        connections.limit = max(64, (OPEN_FILES if soft == resource.RLIM_INFINITY else soft) - RESERVED_FILES)
