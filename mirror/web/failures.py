"""What nobody foresaw: one sentence for the visitor, and one line for the log that holds nothing of what they sent.

`report` writes the line: the kind of the exception and the place in the code, neither its message nor a traceback, as
both may hold what a visitor sent. `Failures` is the ASGI layer right around gradio's routes, which end in a traceback
and an empty answer where a request has an unknown name, too few fields, or one of the wrong kind.
"""

from __future__ import annotations

import sys
import time
import traceback
from pathlib import Path

from gradio.exceptions import Error
from gradio.route_utils import FnIndexInferError
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from mirror.web.gateway.refusal import Refusal, answer, of_the_client

REPOSITORY = Path(__file__).resolve().parents[2]
LOG_SECONDS = 10.0  # between two lines about the same
FAILED = "Something went wrong here, and it is not your fault: please try again, or with another photo."
NOT_UNDERSTOOD = "The request cannot be understood: see “Use via API” at the foot of the page for what each call takes."
NO_SUCH_ENDPOINT = "There is nothing of that name here: see “Use via API” at the foot of the page."

SKIPPED_FILES = (
    "gradio_blocks.py",
    "gradio_queue.py",
    "fair_scheduling.py",
    "photo_fields.py",
    "gateway/middleware.py",
    "gateway/security_headers.py",
)

_logged: dict[str, float] = {}


class Failures:
    """The layer. An exception is the request's where gradio's own code stumbles over it, else ours."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = False

        async def send_and_note(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "http.response.start"
            await send(message)

        try:
            await self.app(scope, receive, send_and_note)
        except Exception as error:
            if of_the_client(error):
                raise  # the gate ends the answer
            refusal = _refusal(error)
            if refusal.status != 404:  # no failure: a program asked for what there is not
                report(error)
            if not started:
                await answer(refusal, receive, send, as_json=scope["method"] == "POST", drain=False)


def _refusal(error: Exception) -> Refusal:
    if isinstance(error, FnIndexInferError):
        return Refusal(404, NO_SUCH_ENDPOINT)
    if isinstance(error, Error):
        return Refusal(500, error.message)
    if isinstance(error, LookupError | TypeError | ValueError) and not _line_of_ours(error):
        return Refusal(400, NOT_UNDERSTOOD)
    return Refusal(500, FAILED)


def report(error: BaseException) -> None:
    """One line in the log: what kind of error, and where; not the same again for a while."""
    line, now = f"An answer failed: {error_location(error)}", time.monotonic()
    if now - _logged.get(line, -LOG_SECONDS) >= LOG_SECONDS:
        _logged[line] = now
        print(line, file=sys.stderr, flush=True)


def error_location(error: BaseException) -> str:
    """`ValueError at mirror/web/tabs/mirror_tab.py:105`: the innermost line of ours that the error passed through, else
    the innermost of all."""
    frames = [(Path(frame.f_code.co_filename), line) for frame, line in traceback.walk_tb(error.__traceback__)]
    if not frames:
        return type(error).__name__
    file, line = _line_of_ours(error) or ("/".join(frames[-1][0].parts[-2:]), frames[-1][1])
    return f"{type(error).__name__} at {file}:{line}"


def _line_of_ours(error: BaseException) -> tuple[str, int] | None:
    skipped = {Path(__file__), *(REPOSITORY / "mirror" / "web" / name for name in SKIPPED_FILES)}
    for frame, line in reversed(list(traceback.walk_tb(error.__traceback__))):
        file = Path(frame.f_code.co_filename)
        if file.is_relative_to(REPOSITORY / "mirror") and file not in skipped:
            return file.relative_to(REPOSITORY).as_posix(), line
    return None
