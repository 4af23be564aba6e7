"""Faces in front of the camera: frames come from the browser one by one, boxes go back, and nothing else stays.

The browser's side is camera.js. A frame is no event of gradio's queue: it is answered at once or, where as many
visitors as may are being answered, refused; the browser then sends a newer one.
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr

from mirror.errors import MirrorError
from mirror.images import load_image
from mirror.tasks.asked import FACE_DETECTION
from mirror.web.guard import friendly
from mirror.web.tasks.opened import AT_ONCE, Opened

SECONDS = 120  # of camera at a time: one who has left does not keep the machine busy
THRESHOLD = 0.5
FRAME_BYTES = 2 * 2**20  # as base64; a frame of 640 × 480 pixels has some 60,000
FRAME_PIXELS = 1920 * 1080  # whatever the camera makes of 640 × 480
NO_FRAME = "That is no picture of a camera: reload the page."

STAGE = f"""
<div class="camera" data-seconds="{SECONDS}">
  <div class="stage">
    <svg viewBox="0 0 48 48" aria-hidden="true">
      <circle cx="24" cy="17" r="9"/><path d="M7 42c2-10 9-14 17-14s15 4 17 14"/>
    </svg>
    <video muted playsinline aria-label="What your camera sees"></video>
    <div class="boxes" aria-hidden="true"></div>
  </div>
  <div class="told">
    <div class="verdict waiting"><p class="says" role="status">Shall I look through your camera?</p>
      <p class="sure">Every picture is forgotten once I have looked at it. <span class="rate"></span></p></div>
    <button type="button">Start the camera</button>
  </div>
</div>
"""


def build(opened: Opened) -> None:
    """In the current gr.Tab."""
    script = Path(__file__).with_name("camera.js").read_text(encoding="utf-8")
    gr.HTML(STAGE, js_on_load=script, server_functions=[answerer(opened)], elem_id="camera")


def answerer(opened: Opened) -> Callable[[Any], dict[str, Any]]:
    """What the browser calls with each frame."""
    places = threading.BoundedSemaphore(AT_ONCE)

    def faces(frame: Any) -> dict[str, Any]:
        """A frame as a data: URL → {"faces": […]} as /face-detection gives them, {"busy": true} or {"problem": …}."""
        if not places.acquire(blocking=False):
            return {"busy": True}
        try:
            found = opened.get(FACE_DETECTION).glance(load_image(_bytes(frame), max_pixels=FRAME_PIXELS))
        except MirrorError as error:
            return {"problem": friendly(error).message}
        finally:
            places.release()
        return {"faces": found.above(THRESHOLD).to_json()["detections"]}

    return faces


def _bytes(frame: Any) -> bytes:
    if not isinstance(frame, str) or len(frame) > FRAME_BYTES:
        raise MirrorError(NO_FRAME)
    try:
        return base64.b64decode(frame.partition(",")[2], validate=True)
    except binascii.Error:
        raise MirrorError(NO_FRAME) from None
