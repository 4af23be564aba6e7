"""The step that tries the model: the page of this program, as a visitor will see it."""

from __future__ import annotations

import gradio as gr

from mirror.model_schema import ModelInfo
from mirror.templates import render
from mirror.web.studio.trial import TrialPage
from mirror.web.workshop.projects import Project
from mirror.web.workshop.workshop import Changes, Workshop

STEP = "try"


def add(workshop: Workshop) -> None:
    trial = TrialPage(workshop.projects.models)
    nothing = gr.HTML()
    show = gr.Button("Open the page")
    address = gr.HTML()

    def draw(project: Project) -> Changes:
        info: ModelInfo | None = project.info()
        said = "" if info else render("nothing_yet.html", what="There is no model yet to try: train one first.")
        return {nothing: said, show: gr.update(visible=info is not None), address: ""}

    def open_page(project: Project) -> Changes:
        return {address: render("trial.html", address=trial.address(project.name))}

    workshop.on_show(STEP, draw, [nothing, show, address])
    workshop.on(show.click, open_page)
