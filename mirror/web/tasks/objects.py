"""What is where? A photo in; boxes around the things in it, a table of them, and the endpoint /object-detection."""

from __future__ import annotations

from typing import Any

import gradio as gr
from PIL import Image

from mirror.net.fetch import NetworkSettings
from mirror.tasks.detection import Detections
from mirror.tasks.predictor import Detector
from mirror.tasks.request import OBJECT_DETECTION
from mirror.web.photo import lay_out_photo
from mirror.web.tasks import asking, found
from mirror.web.tasks.asking import Look
from mirror.web.tasks.opened import Opened

THRESHOLD = 0.5  # as in Hugging Face's pipeline
INVITATION = "Show me a street, a room, a table."


def build(opened: Opened, network: NetworkSettings) -> None:
    """Lays out the tab inside the current gr.Tab, wires it, and adds its endpoints."""
    with gr.Row(equal_height=False, elem_classes="looking"):
        with gr.Column(scale=5, min_width=300):
            asked = lay_out_photo("objects")
            table = found.lay_out_table("objects")
        with gr.Column(scale=6, min_width=300):
            parts = found.lay_out("objects", "Least score to show", THRESHOLD, INVITATION, table)
    asking.wire(
        asked, network, found.shown(_look(opened)), parts.outputs, inputs=[parts.slider],
        waiting=found.waiting(INVITATION), busy=found.busy(), failed=found.failed,
    )  # fmt: skip
    found.add_api(OBJECT_DETECTION, network, asked, _look(opened), THRESHOLD)


def _look(opened: Opened) -> Look:
    return Look(lambda *_: opened.wait_for_detector(OBJECT_DETECTION), _detections)


def _detections(predictor: Detector, image: Image.Image, *_: Any) -> tuple[Image.Image, Detections]:
    """The upright photo, and all that the model proposes. Raises MirrorError."""
    return image, predictor.detect(image)
