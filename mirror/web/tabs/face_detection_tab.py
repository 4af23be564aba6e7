"""Where are faces? On a photo, the endpoint /face-detection, and in front of the camera."""

from __future__ import annotations

from typing import Any

import gradio as gr
from PIL import Image

from mirror import answer_sentences
from mirror.net.fetch import NetworkSettings
from mirror.tasks.detections import SHOWN_FROM
from mirror.tasks.request import FACE_DETECTION
from mirror.templates import render
from mirror.web.fair_scheduling import on_thread
from mirror.web.tabs import camera
from mirror.web.tabs.object_detection_tab import lay_out
from mirror.web.tabs.task_models import TaskModels, excused


def build(task_models: TaskModels, network: NetworkSettings) -> None:
    """Lays out the tab inside the current gr.Tab, wires it, and adds its endpoints."""
    gr.HTML(render("sentence.html", kind="hint", sentence=answer_sentences.NEVER_WHOSE))
    with gr.Tabs(elem_classes="inner-tabs"):
        with gr.Tab("A photo"):
            lay_out(FACE_DETECTION, "faces", "face", "Show me people.", task_models, network)
        with gr.Tab("Camera"):
            camera.lay_out(look(task_models), "camera")


def look(task_models: TaskModels) -> camera.Look:
    """For the camera: {"faces": […]} as /face-detection gives them."""

    async def faces(image: Image.Image, _: str | None) -> dict[str, Any]:
        detector = await task_models.wait_for_detector(FACE_DETECTION)
        with excused():
            detections = await on_thread(detector.glance, image)
        return {"faces": detections.above(SHOWN_FROM).to_json()["detections"]}

    return faces
