"""Where are faces? On a photo and in front of the camera, and the endpoint /face-detection."""

from __future__ import annotations

from typing import Any

import gradio as gr
from PIL import Image

from mirror.net.fetch import NetworkSettings
from mirror.tasks.detection import Detections
from mirror.tasks.predictor import Detector
from mirror.tasks.request import FACE_DETECTION
from mirror.web.photo import lay_out_photo
from mirror.web.tasks import asking, camera, found
from mirror.web.tasks.asking import Look
from mirror.web.tasks.opened import Opened

THRESHOLD = 0.5
INVITATION = "Show me people."
NEVER_WHOSE = '<p class="hint">I find faces. I never tell whose they are, and I keep none of them.</p>'


def build(opened: Opened, network: NetworkSettings) -> None:
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
        asked, network, found.shown(_look(opened)), parts.outputs, inputs=[parts.slider],
        waiting=found.waiting(INVITATION), busy=found.busy(), failed=found.failed,
    )  # fmt: skip
    found.add_api(FACE_DETECTION, network, asked, _look(opened), THRESHOLD)


def _look(opened: Opened) -> Look:
    return Look(lambda *_: opened.wait_for_detector(FACE_DETECTION), _detections)


def _detections(predictor: Detector, image: Image.Image, *_: Any) -> tuple[Image.Image, Detections]:
    """The upright photo, and all that may be a face."""
    return image, predictor.detect(image)
