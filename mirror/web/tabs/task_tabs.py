"""The other ways of seeing, a tab each. What a tab needs is imported and opened when a visitor first asks it."""

from __future__ import annotations

import gradio as gr

from mirror.net.fetch import NetworkSettings
from mirror.web.tabs import face_detection_tab, image_classification_tab, object_detection_tab, zero_shot_tab
from mirror.web.tabs.task_models import TaskModels

TABS = {
    "What is this?": image_classification_tab,
    "What is where?": object_detection_tab,
    "Your own words": zero_shot_tab,
    "Faces": face_detection_tab,
}


def build(opened: TaskModels, network: NetworkSettings) -> None:
    """Lays out the tabs inside the current gr.Tabs."""
    for name, module in TABS.items():
        with gr.Tab(name):
            module.build(opened, network)
