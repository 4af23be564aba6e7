"""The step that cleans: the photos by label, what the model disputes, and what was decided; a board with keys."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr

from mirror.collect.corrections import require_photo_folder
from mirror.collect.label_names import check_label
from mirror.errors import UsageError
from mirror.templates import render
from mirror.web.studio import actions
from mirror.web.studio.gallery import DECIDED, ISSUE_TABS, TABS, View, undecided_count
from mirror.web.studio.render import render_dialogs, render_gallery
from mirror.web.studio.state import Snapshot
from mirror.web.workshop.projects import Project
from mirror.web.workshop.step import Changes, Workshop, value_of

BOARD_JS = Path(__file__).parents[1] / "studio" / "studio.js"
MAX_CHOSEN = 1000  # photos that one decision may be about


def add(workshop: Workshop) -> None:
    view = gr.State(View())
    with gr.Tabs(elem_id="views"):
        tabs = {name: gr.Tab(title, id=name) for name, title in TABS.items()}
    board = gr.HTML(js_on_load=BOARD_JS.read_text(encoding="utf-8"), elem_id="board")
    gr.HTML(render_dialogs(), elem_id="dialogs")

    def draw(project: Project, shown: View) -> Changes:
        state = project.state()
        if state is None:
            return {board: render("empty_step.html", what="There are no photos yet to look through.")}
        snapshot = state.snapshot()
        labels = {tabs[tab]: gr.update(label=_tab(snapshot, tab)) for tab in (*ISSUE_TABS, DECIDED)}
        return {board: render_gallery(snapshot, shown), **labels}

    def go(project: Project, asked: dict[str, Any], shown: View) -> Changes:
        return {view: _requested_view(shown, asked)}

    def decide(project: Project, asked: dict[str, Any]) -> Changes:
        action, names, label = _requested_action(asked)
        state = project.state()
        require_photo_folder(project.folder)
        assert state is not None
        if action == actions.EXAMPLES:
            return workshop.say(actions.choose_examples(project.model, project.folder, state.snapshot(), names))
        return workshop.say(actions.perform(project.folder, state.snapshot(), action, names, label))

    workshop.on_show("clean", draw, [board, *tabs.values()], [view])
    workshop.on(board.go, go, [view])
    workshop.on(board.decide, decide)
    for name, tab in tabs.items():
        workshop.on(tab.select, partial(_look_at, view, name))


def _look_at(view: gr.State, tab: str, project: Project) -> Changes:
    return {view: View(tab)}


def _requested_view(view: View, asked: dict[str, Any]) -> View:
    """The view that a button of the board leads to. Raises UsageError for what no button sends."""
    label, number, cell = value_of(asked, "label", str), value_of(asked, "page", int), asked.get("cell")
    if cell is not None and not (isinstance(cell, list) and len(cell) == 2 and all(isinstance(c, str) for c in cell)):
        raise UsageError("The page asked for a cell that does not exist: load it again.")
    return View(view.tab, label, tuple(cell) if cell else None, number)


def _requested_action(asked: dict[str, Any]) -> tuple[str, list[str], str]:
    """(action, file names, label) as the board sends them. Raises UsageError or DatasetError."""
    action, names, label = value_of(asked, "action", str), value_of(asked, "names", list), value_of(asked, "label", str)
    if not all(isinstance(name, str) for name in names):
        raise UsageError("The page sent something that is no decision: load it again.")
    if len(names) > MAX_CHOSEN:
        raise UsageError(f"One decision can be about {MAX_CHOSEN:,} photos at most.")
    if action == actions.RELABEL:
        check_label(label.strip())
    return action, names, label.strip()


def _tab(snapshot: Snapshot, tab: str) -> str:
    number = undecided_count(snapshot, tab)
    return f"{TABS[tab]} ({number:,})" if number else TABS[tab]
