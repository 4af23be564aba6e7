"""The step that collects: what the words find as it arrives, by label; what is left out, and why.

All of it is read from the photo folder, so that a reload, a kill or the command itself changes nothing about it:
`python train.py --name N --collect-only` and the buttons here go on where the other stopped.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import gradio as gr

from mirror.errors import UsageError
from mirror.folders import holder_of
from mirror.templates import render
from mirror.web.studio.photo_routes import thumbnail_address
from mirror.web.studio.render import is_web_link
from mirror.web.workshop import train_step
from mirror.web.workshop.collected import Collected, read_collected
from mirror.web.workshop.long_run import LongRun, Progress
from mirror.web.workshop.projects import Project
from mirror.web.workshop.step import Changes, Workshop, command
from mirror.wording import listed, plain

STEP = "collect"
ONLY = "--collect-only"
NO_WORDS = "There are no words yet to search with: Begin is where they are written."
NOT_HERE = "This folder lies elsewhere than train.py collects to, so that nothing can be added to it here."


def add(workshop: Workshop) -> None:
    number = gr.Number(label="Photos of each label", minimum=0, maximum=10_000, precision=0, elem_id="collect-number")
    with gr.Row(elem_id="collect-buttons"):
        collect = gr.Button("Collect", variant="primary")
        both = gr.Button("Collect, then train")
        pause = gr.Button("Pause", visible=False)
        train = gr.Button("Train", visible=False)
    sheet = workshop.part("collect-sheet")
    by_hand = gr.HTML()
    asked = gr.State(None)  # of which project the number is that was asked for, and the number
    elsewhere: dict[str, Project] = {}  # on whose folders another process works, as far as it was seen

    def draw(project: Project, before: Any) -> Changes:
        collected, run = read_collected(project.folder), collecting(project)
        progress = run.progress() if run else Progress(False)
        holder = None if project.running else holder_of(project.folder)
        if holder:
            elsewhere[project.name] = project
        searches = collected.search is not None and project.collectable
        idle = not project.running and not holder
        wanted = (project.name, collected.search.count if collected.search else 0)
        changed: dict[str, Any] = {} if wanted == before else {"value": wanted[1]}  # else what a person types stays
        return {
            number: gr.update(visible=searches and idle, **changed), asked: wanted,
            collect: gr.update(
                value="Go on" if collected.number and not collected.is_done else "Collect",
                visible=searches and idle, variant="secondary" if collected.is_done else "primary",
            ),
            both: gr.update(visible=searches and idle and not collected.is_done),
            pause: gr.update(visible=progress.running and (run is project.run(STEP) or not collected.is_full)),
            train: gr.update(
                visible=idle and collected.can_train, variant="primary" if collected.is_done else "secondary"
            ),
            sheet: render_sheet(project, collected, progress, holder),
            by_hand: command(project.train(ONLY)) if searches else "",
        }  # fmt: skip

    def start(project: Project, photos: float | None, *, trains: bool) -> Changes:
        if not project.collectable or not project.words():
            raise UsageError(NO_WORDS if project.collectable else NOT_HERE)
        more = ["--count", str(int(photos))] if photos else []
        if trains:
            train_step.begin(project, train_step.chained(project, *more))
        else:
            project.run(STEP).start(project.train(ONLY, *more))
        return workshop.say("Collecting has begun.")

    def stop(project: Project) -> Changes:
        if run := collecting(project):
            run.cancel()
        return workshop.say("It stops, and keeps what is there.")

    def learn(project: Project) -> Changes:
        train_step.begin(project, train_step.arguments(project))
        return {**workshop.say("The training has begun."), **workshop.go(train_step.STEP)}

    workshop.on_show(STEP, draw, [number, collect, both, pause, train, sheet, by_hand], [asked])
    workshop.on_end(STEP, ending)
    workshop.wait_for(lambda: any(holder_of(project.folder) for project in elsewhere.values()))
    workshop.on(collect.click, partial(start, trains=False), [number])
    workshop.on(both.click, partial(start, trains=True), [number])
    workshop.on(pause.click, stop)
    workshop.on(train.click, learn)


def collecting(project: Project) -> LongRun | None:
    """The command that collects now, or that did last: of this step, or a training that begins with collecting."""
    runs = [project.run(STEP), project.run(train_step.STEP)]
    return next((run for run in runs if run.progress().running), runs[0] if runs[0].started else None)


def ending(project: Project) -> str:
    """That collecting has ended, in a sentence for whoever did not watch it."""
    progress = project.run(STEP).progress()
    if progress.failure and not progress.cancelled:
        return progress.failure
    collected = read_collected(project.folder)
    if progress.cancelled:
        return f"Paused: {collected.told}."
    return f"Collecting has ended: {collected.told}{_no_more(collected)}."


def _no_more(collected: Collected) -> str:
    short = [plain(label) for label in collected.exhausted]
    return f"; the search finds no more of {listed(short)}" if short else ""


def render_sheet(project: Project, collected: Collected, progress: Progress, holder: str | None = None) -> str:
    """The photos by label, and what was left out; in the same places each time, so that what is there stays as it is.
    holder: another process that works on the folder ("pid 123")."""
    return render(
        "collect.html", labels=collected.labels, left_out=collected.left_out, link=is_web_link,
        address=partial(thumbnail_address, project.name), **_told(project, collected, progress, holder),
    )  # fmt: skip


def _told(project: Project, collected: Collected, progress: Progress, holder: str | None) -> dict[str, Any]:
    """said: how far it is, in a sentence; failure: why it ended too early, "" where it did not."""
    failure = progress.failure if not progress.cancelled else ""
    if progress.running:
        said = progress.lines[-1] if progress.lines else "It begins …"
    elif project.running:
        said = "Something else of this project runs; then more can be collected."
    elif holder:
        said = f"Another command ({holder}) works on these photos: what it collects appears here."
    elif not collected.search:
        said = f"Photos of your own: {collected.told}. Nothing is searched for." if collected.number else NO_WORDS
    elif not project.collectable:
        said = NOT_HERE
    elif not collected.number and not collected.is_done:
        said = "Nothing is collected yet. Photos appear here as they arrive, and can be stopped at any moment."
    elif collected.is_done and not collected.is_full:
        then = "Train on these, or give more words" if collected.can_train else "Give other words"
        said = f"There are {collected.told}{_no_more(collected)}. {then} under Begin, or add photos of your own there."
    elif collected.is_full:
        said = "All that was asked for is there. For more, ask for a larger number."
    else:
        enough = ", or with a smaller number is done" if collected.can_train else ""
        said = f"There are {collected.told}: it goes on from here{enough}."
    return {"said": said, "failure": failure}
