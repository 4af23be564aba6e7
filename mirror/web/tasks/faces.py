"""Where are faces? On a photo and in front of the camera, and the endpoint /face-detection."""

from __future__ import annotations

from functools import partial

import gradio as gr
from PIL import Image

from mirror.fetch import Network
from mirror.images import load_image
from mirror.tasks.asked import FACE_DETECTION
from mirror.tasks.detection import Detections
from mirror.web.photo import lay_out_photo
from mirror.web.tasks import asking, camera, found
from mirror.web.tasks.opened import Opened

THRESHOLD = 0.5
INVITATION = "Show me people."
NEVER_WHOSE = '<p class="hint">I find faces. I never tell whose they are, and I keep none of them.</p>'


def build(opened: Opened, network: Network) -> None:
    """Lays out the tab inside the current gr.Tab, wires it, and adds its endpoints."""
    gr.HTML(NEVER_WHOSE)
    with gr.Tabs(elem_classes="inner-tabs"):
        with gr.Tab("A photo"), gr.Row(equal_height=False, elem_classes="looking"):
            with gr.Column(scale=5, min_width=300):
                asked = lay_out_photo("faces")
                table = found.lay_out_table("faces")
            with gr.Column(scale=6, min_width=300):
                parts = found.lay_out("faces", "Least score to show", THRESHOLD, INVITATION, table)
        with gr.Tab("Camera"):
            camera.build(opened)
    asking.wire(
        asked, network, partial(_look, opened), parts.outputs, inputs=[parts.slider],
        waiting=found.waiting(INVITATION), busy=found.busy(), failed=found.failed,
    )  # fmt: skip
    found.add_api(FACE_DETECTION, network, asked, partial(_detections, opened), THRESHOLD)


def _detections(opened: Opened, body: bytes) -> tuple[Image.Image, Detections]:
    """The upright photo, and all that may be a face. Raises MirrorError."""
    image = load_image(body)
    return image, opened.get(FACE_DETECTION).detect(image)


def _look(opened: Opened, body: bytes, threshold: float) -> found.Shown:
    return found.answer(*_detections(opened, body), threshold)
