"""The step that trains: train.py on the photos as decided, with the settings of the model there is or as chosen here;
how far it is, and then how often the model errs, what it takes for what, and which photos to look at.
"""

from __future__ import annotations

from collections.abc import Sequence

import gradio as gr

from mirror.collect.corrections import require_photo_folder
from mirror.errors import MirrorError, UsageError
from mirror.model_history import previous
from mirror.templates import render
from mirror.web.studio.gallery import CONFUSION, View
from mirror.web.studio.photo_routes import thumbnail_address
from mirror.web.studio.render import mistakes
from mirror.web.studio.state import Snapshot, StudioState
from mirror.web.workshop.projects import Project
from mirror.web.workshop.retrain import (
    recorded_options,
    render_ending,
    render_outcome,
    render_plan,
    settings,
    train_arguments,
)
from mirror.web.workshop.step import Changes, Workshop
from mirror.web.workshop.training_choices import NETWORKS, NOTHING_CHOSEN, TIMES, USUAL, Choice, options_of, stands_in

STEP = "train"
SHOWN_DOUBTS = 12


def add(workshop: Workshop) -> None:
    choice = gr.State(NOTHING_CHOSEN)
    plan = gr.HTML()
    with gr.Accordion("Choices: which network, how long", open=False, elem_id="training-choices"):
        network = gr.Radio(list(NETWORKS.items()), value=USUAL, label="Network")
        time = gr.Radio(list(TIMES.items()), value=USUAL, label="How long")
        others = gr.Textbox(
            label="Photos of none of the labels",
            info="a folder of this machine, or none: the model learns to say “none of these” of such photos",
        )
    with gr.Row(elem_id="training-buttons"):
        start = gr.Button("Train", variant="primary")
        cancel = gr.Button("Cancel", visible=False)
        try_it = gr.Button("Try it", visible=False)
    outcome = workshop.part("training-outcome")

    def draw(project: Project, chosen: Choice) -> Changes:
        state, run = project.state(), project.run(STEP)
        progress = run.progress()
        if state is None:
            said = "Collecting comes first." if progress.running else "There are no photos yet to learn from."
            return {
                plan: render("empty_step.html", what=said), start: gr.update(interactive=False), outcome: "",
                cancel: gr.update(visible=progress.running), try_it: gr.update(visible=False),
            }  # fmt: skip
        snapshot = state.snapshot()
        told, problem = _plan(project, snapshot, chosen)
        note = recorded_options(snapshot.info).note or stands_in(chosen, is_new=snapshot.info is None)
        came = render_outcome(snapshot, progress, previous(project.model))
        return {
            plan: render_plan(snapshot, told, problem, note),
            outcome: came + render_doubts(project, snapshot),
            start: gr.update(value="Train again" if snapshot.info else "Train",
                             interactive=not project.running and not problem),
            cancel: gr.update(visible=progress.running),
            try_it: gr.update(visible=snapshot.info is not None and not progress.running),
        }  # fmt: skip

    def choose(project: Project, *chosen: str) -> Changes:
        options_of((chosen[0], chosen[1], chosen[2]), is_new=True)  # says so where it cannot be
        return {choice: chosen}

    def train(project: Project, chosen: Choice) -> Changes:
        begin(project, arguments(project, chosen))
        return workshop.say("The training has begun.")

    workshop.on_show(STEP, draw, [plan, start, cancel, try_it, outcome], [choice])
    workshop.on_end(STEP, ending)
    for part, event in ((network, network.input), (time, time.input), (others, others.blur), (others, others.submit)):
        workshop.on(event, choose, [network, time, others], [choice, part])
    workshop.on(start.click, train, [choice])
    workshop.on(cancel.click, lambda project: project.run(STEP).cancel())
    workshop.on(try_it.click, lambda project: workshop.go("try"))
    workshop.on(outcome.press, lambda project, pressed: workshop.go("clean"))


def begin(project: Project, told: Sequence[str]) -> None:
    """Starts train.py, which may collect first. Raises UsageError where something of the project runs already."""
    if project.running:
        raise UsageError("Something of this project runs already: wait for it to end, or stop it.")
    project.run(STEP).start(told)


def arguments(project: Project, chosen: Choice = NOTHING_CHOSEN) -> list[str]:
    """Of the train.py that learns from the photos as they lie there. Raises UsageError where it must not."""
    snapshot = _photos(project).snapshot()
    if snapshot.is_foreign:
        raise UsageError(snapshot.problem)
    options = options_of(chosen, is_new=snapshot.info is None)
    return train_arguments(project.learn(), snapshot.info, options)


def chained(project: Project, *more: str) -> list[str]:
    """Of the train.py that collects what is missing, and learns from it. Raises UsageError as `arguments`."""
    info, told = project.info(), project.train(*more, "--again")
    return [*told, *settings(told, info, options_of(NOTHING_CHOSEN, is_new=info is None))]


def ending(project: Project) -> str:
    return render_ending(_photos(project).snapshot(), project.run(STEP).progress())


def render_doubts(project: Project, snapshot: Snapshot) -> str:
    """What the model takes for what, and the photos that are worth a look; "" where it says nothing of them."""
    if snapshot.info is None or not snapshot.predictions:
        return ""
    doubts = [(snapshot.photos[issue.file_name], issue) for issue in snapshot.open_issues[:SHOWN_DOUBTS]]
    shown = [
        (thumbnail_address(project.name, photo.file_name), snapshot.folder_state.current_label(photo).label, issue)
        for photo, issue in doubts
        if not snapshot.is_missing(photo)
    ]
    matrix = mistakes(snapshot, View(CONFUSION))["matrix"]
    return render("training_doubts.html", matrix=matrix, doubts=shown, number=len(snapshot.open_issues))


def _photos(project: Project) -> StudioState:
    require_photo_folder(project.folder)
    state = project.state()
    assert state is not None
    return state


def _plan(project: Project, snapshot: Snapshot, chosen: Choice) -> tuple[list[str], str]:
    """The arguments of the button, or a sentence on why there are none."""
    try:
        return arguments(project, chosen), ""
    except MirrorError as error:
        return [], str(error)
