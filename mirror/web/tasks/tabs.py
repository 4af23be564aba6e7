"""The other ways of seeing, a tab each. What a tab needs is imported and opened when a visitor first asks it."""

from __future__ import annotations

import gradio as gr

from mirror.net.fetch import NetworkSettings
from mirror.web.tasks import faces, general, objects, zero_shot
from mirror.web.tasks.opened import Opened

TABS = {"What is this?": general, "What is where?": objects, "Your own words": zero_shot, "Faces": faces}


def build(opened: Opened, network: NetworkSettings) -> None:
    """Lays out the tabs inside the current gr.Tabs."""
    for name, module in TABS.items():
        with gr.Tab(name):
            module.build(opened, network)
