"""A request that is turned down: a status and one sentence, and the rest of its body thrown away for a while."""

from __future__ import annotations

import asyncio
import json

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Send

LINGER_SECONDS = 10.0  # as nginx's lingering_time: a client that still sends would lose the answer to a reset
SILENT_SECONDS = 2.0  # … lingering_timeout: without a byte
LINGER_BYTES = 1 << 30
AGAIN = {"Retry-After": "10"}  # headers of an answer to what may be asked again
MAX_LINGERING = 32  # clients at a time; any other is cut off at once

_lingering = 0


class Refusal(Exception):
    """Not an error of ours: what is wrong with a request. headers: of the answer, beside the usual ones."""

    def __init__(self, status: int, sentence: str, headers: dict[str, str] | None = None):
        super().__init__(sentence)
        self.status, self.sentence, self.headers = status, sentence, headers or {}


class Gone(Exception):
    """The client went away before its request was complete."""


def of_the_client(error: BaseException) -> bool:
    """Whether it is the client's doing: it went away, or asked for a stream that there is not (an HTTPException, which
    Starlette wraps once the stream has begun)."""
    if isinstance(error, BaseExceptionGroup):
        return all(map(of_the_client, error.exceptions))
    return isinstance(error, ClientDisconnect | HTTPException) or isinstance(error.__cause__, HTTPException)


async def answer(refusal: Refusal, receive: Receive, send: Send, *, as_json: bool = False, drain: bool = True) -> None:
    """Sends the refusal and closes the connection. as_json: for gradio's clients, which parse every answer to a POST.
    drain: the request may have a body that is still on its way."""
    if as_json:
        body, kind = json.dumps({"detail": refusal.sentence, "error": refusal.sentence}).encode(), b"application/json"
    else:
        body, kind = refusal.sentence.encode(), b"text/plain; charset=utf-8"
    # no `no-store`: Chromium keeps such an answer, and its connection, open until the page has read it
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode()) for name, value in refusal.headers.items()]
    if drain:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": drain})
    if drain:
        await _drain(receive)
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _drain(receive: Receive) -> None:
    """The rest of the body, as long as it keeps coming within the limits."""
    global _lingering
    if _lingering >= MAX_LINGERING:
        return
    _lingering += 1
    try:
        clock = asyncio.get_running_loop().time
        last, received = clock() + LINGER_SECONDS, 0
        async with asyncio.timeout(SILENT_SECONDS) as timeout:
            while received < LINGER_BYTES:
                message = await receive()
                timeout.reschedule(min(clock() + SILENT_SECONDS, last))
                if message["type"] != "http.request" or not message.get("more_body", False):
                    return
                received += len(message.get("body", b""))
    except TimeoutError:
        pass
    finally:
        _lingering -= 1
