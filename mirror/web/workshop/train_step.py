"""The step that trains: train.py on the photos as decided, with the settings of the model there is."""

from __future__ import annotations

import gradio as gr

from mirror.collect.corrections import require_photo_folder
from mirror.errors import MirrorError, UsageError
from mirror.templates import render
from mirror.web.studio.retrain import (
    recorded_options,
    render_ending,
    render_outcome,
    render_plan,
    train_arguments,
)
from mirror.web.studio.state import Snapshot, StudioState
from mirror.web.workshop.projects import Project
from mirror.web.workshop.workshop import Changes, Workshop

STEP = "train"


def add(workshop: Workshop) -> None:
    plan = gr.HTML()
    with gr.Row(elem_id="training-buttons"):
        start = gr.Button("Train", variant="primary")
        cancel = gr.Button("Cancel", visible=False)
        try_it = gr.Button("Try it", visible=False)
    outcome = gr.HTML()

    def draw(project: Project) -> Changes:
        state, run = project.state(), project.run(STEP)
        if state is None:
            return {plan: render("nothing_yet.html", what="There are no photos yet to learn from."),
                    start: gr.update(interactive=False)}  # fmt: skip
        snapshot, progress = state.snapshot(), run.progress()
        arguments, problem = _plan(state, snapshot)
        return {
            plan: render_plan(snapshot, arguments, problem, recorded_options(snapshot.info).note),
            outcome: render_outcome(snapshot, progress, run.before, project.model),
            start: gr.update(value="Train again" if snapshot.info else "Train",
                             interactive=not progress.running and not problem),
            cancel: gr.update(visible=progress.running),
            try_it: gr.update(visible=run.started and not progress.running and not progress.failure),
        }  # fmt: skip

    def train(project: Project) -> Changes:
        state = _photos(project)
        snapshot, run = state.snapshot(), project.run(STEP)
        arguments = _arguments(state, snapshot)
        run.start(arguments)
        run.before = snapshot.info
        return workshop.say("The training has begun.")

    def ending(project: Project) -> str:
        return render_ending(_photos(project).snapshot(), project.run(STEP).progress())

    workshop.on_show(STEP, draw, [plan, start, cancel, try_it, outcome])
    workshop.on_end(STEP, ending)
    workshop.on(start.click, train)
    workshop.on(cancel.click, lambda project: project.run(STEP).cancel())
    workshop.on(try_it.click, lambda project: workshop.go("try"))


def _photos(project: Project) -> StudioState:
    require_photo_folder(project.folder)
    state = project.state()
    assert state is not None
    return state


def _arguments(state: StudioState, snapshot: Snapshot) -> list[str]:
    """Of the train.py that the button starts. Raises UsageError where it must not."""
    if snapshot.is_foreign:
        raise UsageError(snapshot.problem)
    return train_arguments(state.name, state.folder, state.models, snapshot.info)


def _plan(state: StudioState, snapshot: Snapshot) -> tuple[list[str], str]:
    """These arguments, or a sentence on why there are none."""
    try:
        return _arguments(state, snapshot), ""
    except MirrorError as error:
        return [], str(error)
