"""What a camera sees, answered as it looks: the mirror's tab Live, and the camera of the tab Faces.

Frames come from the browser one by one (camera.js), an answer to each goes back, and nothing else stays. A frame is no
event of gradio's queue: it is answered at once or, where another is being looked at, refused before anything is made of
it; the browser then sends a newer one. Photos come first: a frame gives way while one is awaited or being answered, for
a moment.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from mirror.decoding.jpeg import read_jpeg
from mirror.decoding.limits import TooCostly
from mirror.errors import ImageError, MirrorError
from mirror.images import load_image
from mirror.templates import render
from mirror.web.data_url import is_data
from mirror.web.failures import FAILED, report
from mirror.web.fair_scheduling import AWAITED, DECODING, MIRROR_MODEL, TASK_MODELS, on_thread
from mirror.web.photo_input import JPEG, to_gradio_error
from mirror.web.uploads import InlinePhoto

SECONDS = 120  # of camera at a time: one who has left does not keep the machine busy
STILL_SECONDS = 30  # without a movement
MAX_LOOKED_AT = 1  # frames at a time, from their first byte: the model keeps all CPUs busy by itself
GIVES_WAY = 0.5  # seconds at most that a frame waits for photos, so that cameras go on beside a stream of them
FRAME_BYTES = 2 * 2**20  # as base64; a frame of 640 × 480 pixels has some 60,000
FRAME_PIXELS = 1920 * 1080  # whatever the camera makes of 640 × 480
NO_FRAME = "That is no picture of a camera: reload the page."

# (the frame, the name of the model that the visitor has chosen) → what camera.js shows. Raises MirrorError
Look = Callable[[Image.Image, str | None], Awaitable[dict[str, Any]]]


def lay_out(look: Look, elem_id: str) -> None:
    """In the current tab: the camera's picture, its button, and what is said of it."""
    script = Path(__file__).with_name("camera.js").read_text(encoding="utf-8")
    stage = render("camera.html", seconds=SECONDS, still=STILL_SECONDS)
    gr.HTML(stage, js_on_load=script, server_functions=[frame_answerer(look)], elem_id=elem_id)


def frame_answerer(look: Look) -> Callable[..., Awaitable[dict[str, Any]]]:
    """What the browser calls with each frame."""
    looking = asyncio.Semaphore(MAX_LOOKED_AT)

    async def answer(sent: Any) -> dict[str, Any]:
        """{"frame": a data: URL, "model": a name} → what `look` gives, {"busy": true} or {"problem": …}."""
        frame, model = (sent.get("frame"), sent.get("model")) if isinstance(sent, dict) else (sent, None)
        if looking.locked():
            return {"busy": True}
        async with looking:
            try:
                await _photos_first()
                image = await on_thread(_decoded, frame)
                return await look(image, model if isinstance(model, str) else None)
            except MirrorError as error:
                return {"problem": to_gradio_error(error).message}
            except Exception as error:
                report(error)
                return {"problem": FAILED}

    return answer


async def _photos_first() -> None:
    stages = (AWAITED, DECODING, MIRROR_MODEL, TASK_MODELS)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GIVES_WAY):
            while not all(stage.idle for stage in stages):
                for stage in stages:
                    await stage.rest()


def _decoded(frame: Any) -> Image.Image:
    if not isinstance(frame, str) or len(frame) > FRAME_BYTES or not is_data(frame):
        raise MirrorError(NO_FRAME)
    try:
        body = InlinePhoto(frame).read()
    except ImageError:
        raise MirrorError(NO_FRAME) from None
    if not body.startswith(JPEG) or not _is_of_one_scan(body):  # which is what the page makes of its camera's pictures
        raise MirrorError(NO_FRAME)
    return load_image(body, max_pixels=FRAME_PIXELS)


def _is_of_one_scan(jpeg: bytes) -> bool:
    """Whether it is decoded in milliseconds: one of many scans would hold the place of all cameras for seconds."""
    try:
        found = read_jpeg(jpeg)
    except TooCostly:
        return False
    return found is not None and not found.visits
