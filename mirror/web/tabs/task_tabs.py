"""The other ways of seeing, a tab each. What a tab needs is imported and opened when a visitor first asks it.

A tab whose packages are not here is not shown, and the log says so once; its endpoint tells whoever asks. On a Space,
where nothing more can be installed, there is neither.
"""

from __future__ import annotations

import os
from importlib.util import find_spec

import gradio as gr

from mirror.net.fetch import NetworkSettings
from mirror.tasks.request import FACE_DETECTION, IMAGE_CLASSIFICATION, OBJECT_DETECTION, ZERO_SHOT
from mirror.terminal import say
from mirror.web.tabs import face_detection_tab, image_classification_tab, object_detection_tab, zero_shot_tab
from mirror.web.tabs.task_models import TaskModels

TABS = {  # its task, its module, and what the task's default model needs besides requirements.txt
    "What is this?": (IMAGE_CLASSIFICATION, image_classification_tab, ()),
    "What is where?": (OBJECT_DETECTION, object_detection_tab, ("torch", "transformers")),
    "Your own words": (ZERO_SHOT, zero_shot_tab, ("torch", "transformers")),
    "Faces": (FACE_DETECTION, face_detection_tab, ()),
}


def build(task_models: TaskModels, network: NetworkSettings) -> None:
    """Lays out the tabs inside the current gr.Tabs."""
    hidden = []
    for name, (task, module, packages) in TABS.items():
        is_shown = task in task_models.models or all(map(find_spec, packages))
        if not is_shown and os.environ.get("SPACE_ID"):
            continue
        hidden += [] if is_shown else [f"“{name}”"]
        with gr.Tab(name, visible=is_shown):
            module.build(task_models, network)
    if hidden:
        say(f"Not shown: the tabs {', '.join(hidden)}. They need `pip install -r requirements-train.txt`.")
