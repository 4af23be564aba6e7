"""To be built."""

from __future__ import annotations

import gradio as gr

from mirror.fetch import Network
from mirror.web.tasks.opened import Opened


def build(opened: Opened, network: Network) -> None:
    """Lays out the tab inside the current gr.Tab, wires it, and adds its endpoint."""
    gr.HTML("To be built.")
