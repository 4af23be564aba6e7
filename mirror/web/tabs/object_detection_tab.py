"""What is where? A photo in; boxes around the things in it, a table of them, and the endpoint /object-detection."""

from __future__ import annotations

from typing import Any

import gradio as gr
from PIL import Image

from mirror.net.fetch import NetworkSettings
from mirror.tasks.detection import Detections
from mirror.tasks.predictor import Detector
from mirror.tasks.request import OBJECT_DETECTION
from mirror.web.photo_fields import lay_out_photo
from mirror.web.tabs import detection_view, handlers
from mirror.web.tabs.handlers import TaskHandler
from mirror.web.tabs.task_models import TaskModels

THRESHOLD = 0.5  # as in Hugging Face's pipeline
INVITATION = "Show me a street, a room, a table."


def build(opened: TaskModels, network: NetworkSettings) -> None:
    """Lays out the tab inside the current gr.Tab, wires it, and adds its endpoints."""
    with gr.Row(equal_height=False, elem_classes="looking"):
        with gr.Column(scale=5, min_width=300):
            asked = lay_out_photo("objects")
            table = detection_view.lay_out_table("objects")
        with gr.Column(scale=6, min_width=300):
            parts = detection_view.lay_out("objects", "Least score to show", THRESHOLD, INVITATION, table)
    handlers.wire(
        asked, network, detection_view.shown(_look(opened)), parts.outputs, inputs=[parts.slider],
        waiting=detection_view.waiting(INVITATION), busy=detection_view.busy(), failed=detection_view.failed,
    )  # fmt: skip
    detection_view.add_api(OBJECT_DETECTION, network, asked, _look(opened), THRESHOLD)


def _look(opened: TaskModels) -> TaskHandler:
    return TaskHandler(lambda *_: opened.wait_for_detector(OBJECT_DETECTION), _detections)


def _detections(predictor: Detector, image: Image.Image, *_: Any) -> tuple[Image.Image, Detections]:
    """The upright photo, and all that the model proposes. Raises MirrorError."""
    return image, predictor.detect(image)
