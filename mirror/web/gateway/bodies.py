"""A body is received whole, within limits of size, time and number, before gradio sees any of it.

gradio reads a body into memory however large it is, parses it at once, and keeps its text until its turn in the queue.
Here photos within it have become files (inline_photos.py), and what is left has 2 MB at most. More than 64 kB of it
wait on the disk (in a file without a name), large ones are parsed one at a time, and those that wait in the queue have
a budget of memory together. So slow senders cost a file descriptor each, and no number of them costs memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Container
from dataclasses import dataclass, field

from starlette.types import Message, Receive, Scope, Send

from mirror.storage import parse_json
from mirror.web.gateway.client_address import address_of
from mirror.web.gateway.inline_photos import Inline
from mirror.web.gateway.refusal import AGAIN, Gone, Refusal

IN_MEMORY = 64 * 1024  # bytes of a body; above it lies on the disk
MAX_BODIES = 256  # being received at a time; each may hold a file descriptor, of which there are often 1,024
MAX_RECEIVED_BYTES = 1 << 30  # of all bodies being received, on the disk
PATIENCE_SECONDS = 20.0  # without a byte, and on top of what the slowest connection that is waited for needs
SLOWEST = 32 * 1024  # bytes a second
PROTECTED_SECONDS = 5.0  # a body younger than that is not given up for another
LARGE = 256 * 1024  # bytes; such a body is parsed alone, and counted while it waits in the queue
TEXT_BYTES = 2 << 20  # of JSON without its photos: 300,000 letters, six bytes each as `\\uXXXX`, and some more
TEXT_TOO_LARGE = (
    "The request is too large: beside its photos at most 2 MB are taken. "
    "A photo as text begins with “data:image/jpeg;base64,”."
)
MAX_PARTS = 5_000  # commas, brackets and the like in JSON: each may become an object of 64 bytes and more
UNCOUNTED = 16 * 1024  # bytes of JSON that may be all brackets
WAITING_BYTES = 128 << 20  # of memory, for large bodies that wait in the queue together
ADMISSION_SECONDS = 30.0
CHUNK = 256 * 1024


@dataclass(eq=False)
class _Receiving:
    """One body that is on its way."""

    client: str
    started: float
    timeout: asyncio.Timeout
    bytes: int = 0

    def rate(self, now: float) -> float:
        return self.bytes / max(now - self.started, 1e-3)


@dataclass
class Body:
    """A body that is complete. weight: bytes of memory that gradio keeps of it, as bytes and parsed."""

    file: tempfile.SpooledTemporaryFile
    bytes: int
    weight: int

    def replay(self, receive: Receive) -> Receive:
        """The body from its beginning as ASGI messages, and after it what the client does next."""
        self.file.seek(0)
        left = self.bytes

        async def next_message() -> Message:
            nonlocal left
            if left < 0:
                return await receive()
            chunk = self.file.read(CHUNK)
            left -= len(chunk)
            more = left > 0
            left = left if more else -1
            return {"type": "http.request", "body": chunk, "more_body": more}

        return next_message


class Bodies:
    """All the bodies that are being received, together within limits."""

    def __init__(self) -> None:
        self._receiving: set[_Receiving] = set()

    async def each(self, scope: Scope, receive: Receive, limit: int, take: Callable[[bytes], None]) -> None:
        """Hands over the body as it comes in, piece by piece. Raises Refusal where it is too large or too slow, Gone,
        and what `take` raises."""
        if (declared_length(scope) or 0) > limit:
            raise too_large(limit)
        clock = asyncio.get_running_loop().time
        try:
            async with asyncio.timeout(PATIENCE_SECONDS) as timeout:
                body = self._enter(scope, timeout)
                try:
                    while True:
                        message = await receive()
                        if message["type"] == "http.disconnect":
                            raise Gone
                        piece = message.get("body", b"")
                        body.bytes += len(piece)
                        if body.bytes > limit:
                            raise too_large(limit)
                        if sum(other.bytes for other in self._receiving) > MAX_RECEIVED_BYTES:
                            raise Refusal(503, "Too much is being sent at once: please try again in a moment.", AGAIN)
                        take(piece)
                        if not message.get("more_body", False):
                            return
                        last = body.started + PATIENCE_SECONDS + body.bytes / SLOWEST
                        if body in self._receiving:  # else it was given up, and its time is over
                            timeout.reschedule(min(clock() + PATIENCE_SECONDS, last))
                finally:
                    self._receiving.discard(body)
        except TimeoutError:
            raise Refusal(408, "The request took too long to arrive: please send it again.") from None

    async def whole(self, scope: Scope, receive: Receive, limit: int, inline: Inline | None = None) -> Body:
        """The whole body, without the photos that `inline` puts aside. Raises Refusal and Gone."""
        file = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # in tempfile.tempdir, where retention.py sweeps
        try:
            size, parts, plain = 0, 0, True

            def take(piece: bytes) -> None:
                nonlocal size, parts, plain
                piece = inline.feed(piece) if inline else piece
                size += len(piece)
                if inline and size > TEXT_BYTES:
                    raise Refusal(413, TEXT_TOO_LARGE)
                parts += len(piece) - len(piece.translate(None, b",[{"))  # one pass, where three counts take three
                if size > UNCOUNTED and parts > MAX_PARTS:
                    raise Refusal(413, f"The request has more than {MAX_PARTS:,} parts: send the photo as a file.")
                plain = plain and piece.isascii() and b"\\u" not in piece
                file.write(piece)

            await self.each(scope, receive, limit, take)
            if inline and (last := inline.finish()):
                file.write(last)
                size += len(last)
            # one character beyond Latin-1 makes Python keep four bytes for each
            return Body(file, size, 2 * size if plain else 5 * size)
        except OSError:
            file.close()
            raise not_stored() from None
        except BaseException:
            file.close()
            raise

    def _enter(self, scope: Scope, timeout: asyncio.Timeout) -> _Receiving:
        now = asyncio.get_running_loop().time()
        if len(self._receiving) >= MAX_BODIES:
            self._drop_one(now)
        body = _Receiving(client_of(scope), now, timeout)
        self._receiving.add(body)
        return body

    def _drop_one(self, now: float) -> None:
        """Of the client with the most bodies the slowest goes, so that nobody keeps others out by being slow."""
        old = [body for body in self._receiving if now - body.started > PROTECTED_SECONDS]
        if not old:
            raise Refusal(503, "Too many visitors send something at once: please try again in a moment.", AGAIN)
        count = {client: sum(body.client == client for body in old) for client in {body.client for body in old}}
        victim = min(old, key=lambda body: (-count[body.client], body.rate(now)))
        self._receiving.discard(victim)
        if not victim.timeout.expired():
            victim.timeout.reschedule(now)


@dataclass
class Admission:
    """Lets large bodies in one at a time, and no more of them than the queue may hold.

    waiting: the events that the queue still holds, by id; None where nothing is queued.
    """

    waiting: Callable[[], Container[str]] | None = None
    _alone: asyncio.Lock = field(default_factory=asyncio.Lock)
    _held: dict[str, int] = field(default_factory=dict)

    @contextlib.asynccontextmanager
    async def admit(self, body: Body, send: Send) -> AsyncIterator[Send]:
        """Waits until there is room for the body. Yields what gradio's answer goes through. Raises Refusal."""
        if body.bytes <= LARGE:
            yield send
            return
        try:
            async with asyncio.timeout(ADMISSION_SECONDS):
                await self._alone.acquire()
        except TimeoutError:
            raise busy() from None
        try:
            await self._room(body.weight)
            answer = bytearray()

            async def collect(message: Message) -> None:
                if message["type"] == "http.response.body" and len(answer) < CHUNK:
                    answer.extend(message.get("body", b""))
                await send(message)

            yield collect
            with contextlib.suppress(ValueError, TypeError, KeyError):
                self._held[str(parse_json(bytes(answer))["event_id"])] = body.weight
        finally:
            self._alone.release()

    async def _room(self, weight: int) -> None:
        deadline = time.monotonic() + ADMISSION_SECONDS
        while True:
            waiting = self.waiting() if self.waiting else ()
            self._held = {event: size for event, size in self._held.items() if event in waiting}
            if not self._held or sum(self._held.values()) + weight <= WAITING_BYTES:
                return
            if time.monotonic() > deadline:
                raise busy()
            await asyncio.sleep(0.05)


def busy() -> Refusal:
    return Refusal(503, "Too many large photos are waiting: please try again in a moment, or send a file.", AGAIN)


def not_stored() -> Refusal:
    return Refusal(507, "What was sent could not be stored: please try again in a moment.")


def too_large(limit: int) -> Refusal:
    if not limit:
        return Refusal(413, "This address takes no body.")
    size = f"{limit / 2**20:.0f} MB" if limit >= 2**20 else f"{limit // 1024} kB"
    return Refusal(413, f"The request is too large: at most {size} are taken here.")


def declared_length(scope: Scope) -> int | None:
    """The Content-Length, if there is one. Raises Refusal where it is no number."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            if not value.isdigit():
                raise Refusal(400, "The request's Content-Length is not a number.")
            return int(value)
    return None


def client_of(scope: Scope) -> str:
    forwarded = (value.decode("latin-1") for name, value in scope["headers"] if name == b"x-forwarded-for")
    return address_of((scope.get("client") or ("", 0))[0], forwarded)


def has_body(scope: Scope) -> bool:
    return bool(declared_length(scope)) or any(name == b"transfer-encoding" for name, _ in scope["headers"])
