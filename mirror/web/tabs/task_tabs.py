"""The other ways of seeing, a tab each. What a tab needs is imported and opened when a visitor first asks it.

A tab whose model cannot be had is not shown, and the log says so once; its endpoint tells whoever asks. On a Space,
where nothing can be changed by a visitor, there is neither.
"""

from __future__ import annotations

import os

import gradio as gr

from mirror.net.fetch import NetworkSettings
from mirror.tasks.hub_models import can_be_had, torch_is_here
from mirror.tasks.object_detection import DEFAULT_MODEL as OBJECTS
from mirror.tasks.request import FACE_DETECTION, IMAGE_CLASSIFICATION, OBJECT_DETECTION, ZERO_SHOT
from mirror.tasks.zero_shot import DEFAULT_MODEL as WORDS
from mirror.terminal import say
from mirror.web.tabs import face_detection_tab, image_classification_tab, object_detection_tab, zero_shot_tab
from mirror.web.tabs.task_models import TaskModels

TABS = {  # its task, its module, and the task's default model where it is one of the Hub
    "What is this?": (IMAGE_CLASSIFICATION, image_classification_tab, None),
    "What is where?": (OBJECT_DETECTION, object_detection_tab, OBJECTS),
    "Your own words": (ZERO_SHOT, zero_shot_tab, WORDS),
    "Faces": (FACE_DETECTION, face_detection_tab, None),
}


def build(task_models: TaskModels, network: NetworkSettings) -> None:
    """Lays out the tabs inside the current gr.Tabs."""
    hidden = []
    for name, (task, module, default) in TABS.items():
        is_shown = default is None or task in task_models.models or torch_is_here() or can_be_had(default)
        if not is_shown and os.environ.get("SPACE_ID"):
            continue
        hidden += [] if is_shown else [f"“{name}”"]
        with gr.Tab(name, visible=is_shown):
            module.build(task_models, network)
    if hidden:
        say(f"Not shown: the tabs {', '.join(hidden)}. HF_HUB_OFFLINE forbids to fetch their models: unset it.")
