"""Where are faces? On a photo and in front of the camera, and the endpoint /face-detection."""

from __future__ import annotations

from typing import Any

import gradio as gr
from PIL import Image

from mirror.net.fetch import NetworkSettings
from mirror.tasks.detection import Detections
from mirror.tasks.predictor import Detector
from mirror.tasks.request import FACE_DETECTION
from mirror.web.photo_fields import lay_out_photo
from mirror.web.tabs import camera_tab, detection_view, handlers
from mirror.web.tabs.handlers import TaskHandler
from mirror.web.tabs.task_models import TaskModels

THRESHOLD = 0.5
INVITATION = "Show me people."
NEVER_WHOSE = '<p class="hint">I find faces. I never tell whose they are, and I keep none of them.</p>'


def build(opened: TaskModels, network: NetworkSettings) -> None:
    """Lays out the tab inside the current gr.Tab, wires it, and adds its endpoints."""
    gr.HTML(NEVER_WHOSE)
    with gr.Tabs(elem_classes="inner-tabs"):
        with gr.Tab("A photo"), gr.Row(equal_height=False, elem_classes="looking"):
            with gr.Column(scale=5, min_width=300):
                asked = lay_out_photo("faces")
                table = detection_view.lay_out_table("faces")
            with gr.Column(scale=6, min_width=300):
                parts = detection_view.lay_out("faces", "Least score to show", THRESHOLD, INVITATION, table)
        with gr.Tab("Camera"):
            camera_tab.build(opened)
    handlers.wire(
        asked, network, detection_view.shown(_look(opened)), parts.outputs, inputs=[parts.slider],
        waiting=detection_view.waiting(INVITATION), busy=detection_view.busy(), failed=detection_view.failed,
    )  # fmt: skip
    detection_view.add_api(FACE_DETECTION, network, asked, _look(opened), THRESHOLD)


def _look(opened: TaskModels) -> TaskHandler:
    return TaskHandler(lambda *_: opened.wait_for_detector(FACE_DETECTION), _detections)


def _detections(predictor: Detector, image: Image.Image, *_: Any) -> tuple[Image.Image, Detections]:
    """The upright photo, and all that may be a face."""
    return image, predictor.detect(image)
