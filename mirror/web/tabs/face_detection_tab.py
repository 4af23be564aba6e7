"""Where are faces? On a photo, the endpoint /face-detection, and in front of the camera (camera.js).

The camera's frames come from the browser one by one, boxes go back, and nothing else stays. A frame is no event of
gradio's queue: it is answered at once or, where as many visitors as may are being answered, refused; the browser then
sends a newer one.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import gradio as gr
from PIL import Image

from mirror.errors import ImageError, MirrorError
from mirror.images import load_image
from mirror.net.fetch import NetworkSettings
from mirror.tasks.detection import SHOWN_FROM
from mirror.tasks.request import FACE_DETECTION
from mirror.templates import render
from mirror.web.data_url import is_data
from mirror.web.failures import FAILED, report
from mirror.web.photo_input import JPEG, to_gradio_error
from mirror.web.queueing import visitors_address
from mirror.web.scheduling import on_thread
from mirror.web.tabs.object_detection_tab import lay_out
from mirror.web.tabs.task_models import TaskModels
from mirror.web.uploads import InlinePhoto

SECONDS = 120  # of camera at a time: one who has left does not keep the machine busy
MAX_IN_MODEL = 2  # frames that the model looks at: each keeps all CPUs busy by itself
MAX_DECODING = 8  # frames that are decoded at a time, which takes milliseconds for those of our own page
MAX_PER_ADDRESS = 4  # of them for one client address, which a school class may share
FRAME_BYTES = 2 * 2**20  # as base64; a frame of 640 × 480 pixels has some 60,000
FRAME_PIXELS = 1920 * 1080  # whatever the camera makes of 640 × 480
NEVER_WHOSE = "I find faces. I never tell whose they are, and I keep none of them."
NO_FRAME = "That is no picture of a camera: reload the page."


def build(task_models: TaskModels, network: NetworkSettings) -> None:
    """Lays out the tab inside the current gr.Tab, wires it, and adds its endpoints."""
    gr.HTML(render("sentence.html", kind="hint", sentence=NEVER_WHOSE))
    with gr.Tabs(elem_classes="inner-tabs"):
        with gr.Tab("A photo"):
            lay_out(FACE_DETECTION, "faces", "face", "Show me people.", task_models, network)
        with gr.Tab("Camera"):
            script = Path(__file__).with_name("camera.js").read_text(encoding="utf-8")
            stage = render("camera.html", seconds=SECONDS)
            gr.HTML(stage, js_on_load=script, server_functions=[frame_answerer(task_models)], elem_id="camera")


def frame_answerer(task_models: TaskModels) -> Callable[..., Awaitable[dict[str, Any]]]:
    """What the browser calls with each frame."""
    decoding: Counter[str] = Counter()  # client addresses
    looking = asyncio.Semaphore(MAX_IN_MODEL)

    async def faces(frame: Any, request: gr.Request | None = None) -> dict[str, Any]:
        """A frame as a data: URL → {"faces": […]} as /face-detection gives them, {"busy": true} or {"problem": …}."""
        address = visitors_address(request) if request else ""
        if decoding.total() >= MAX_DECODING or (address and decoding[address] >= MAX_PER_ADDRESS):
            return {"busy": True}
        decoding[address] += 1
        try:
            image = await on_thread(_decoded, frame)
        except MirrorError as error:
            return {"problem": to_gradio_error(error).message}
        except Exception as error:
            report(error)
            return {"problem": FAILED}
        finally:
            decoding[address] -= 1
        if looking.locked():
            return {"busy": True}
        async with looking:
            try:
                detections = await on_thread((await task_models.wait_for_detector(FACE_DETECTION)).glance, image)
            except MirrorError as error:
                return {"problem": to_gradio_error(error).message}
            except Exception as error:
                report(error)
                return {"problem": FAILED}
        return {"faces": detections.above(SHOWN_FROM).to_json()["detections"]}

    return faces


def _decoded(frame: Any) -> Image.Image:
    if not isinstance(frame, str) or len(frame) > FRAME_BYTES or not is_data(frame):
        raise MirrorError(NO_FRAME)
    try:
        body = InlinePhoto(frame).read()
    except ImageError:
        raise MirrorError(NO_FRAME) from None
    if not body.startswith(JPEG):  # which is what the page makes of its camera's pictures
        raise MirrorError(NO_FRAME)
    return load_image(body, max_pixels=FRAME_PIXELS)
