"""The studio's page: a tab for each way of looking at the photos, one board below them, and the tab that trains again.

`open_studio` is what `app.py --studio` calls. Every handler is private; the browser sends names and labels, and both
are checked before anything is written.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from mirror.collect.label_names import check_label
from mirror.errors import MirrorError, UsageError
from mirror.templates import render
from mirror.web.blocks import PRIVATE, SentenceBlocks
from mirror.web.gateway import connections
from mirror.web.gateway.gate import in_front
from mirror.web.page import FAVICON, page_script
from mirror.web.studio import actions
from mirror.web.studio.access import Key, middleware, policy
from mirror.web.studio.gallery import DECIDED, ISSUE_TABS, RETRAIN, TABS, View, undecided_count
from mirror.web.studio.photo_routes import routes
from mirror.web.studio.render import render_dialogs, render_gallery
from mirror.web.studio.retrain import (
    Retraining,
    recorded_options,
    render_ending,
    render_outcome,
    render_plan,
    train_arguments,
)
from mirror.web.studio.state import Snapshot, StudioState
from mirror.web.studio.trial import TrialPage
from mirror.web.theme import css, theme
from mirror.wording import count

HERE = Path(__file__).parent
SECONDS = 1.0  # between looks at a training that runs
MAX_CHOSEN = 1000  # photos that one decision may be about


def build(state: StudioState) -> SentenceBlocks:
    """The page for one photo folder."""
    training, trial = Retraining(), TrialPage(state.models)
    title = f"{state.name}: the studio"
    with SentenceBlocks(title=title, analytics_enabled=False, error_title="That cannot be done") as page:
        head = gr.HTML()
        shown_view = gr.State(View())
        with gr.Tabs(elem_id="views"):
            tabs = {tab: gr.Tab(name, id=tab) for tab, name in TABS.items()}
        with tabs[RETRAIN]:
            plan_html = gr.HTML()
            with gr.Row(elem_id="training-buttons"):
                start = gr.Button("Train again", variant="primary")
                cancel = gr.Button("Cancel", visible=False)
                try_it = gr.Button("Try it", visible=False)
            outcome_html = gr.HTML()
            trial_html = gr.HTML()
        clock = gr.Timer(SECONDS, active=False)
        message = gr.HTML(_sentence(""), elem_id="said")
        board = gr.HTML(js_on_load=(HERE / "board.js").read_text(encoding="utf-8"), elem_id="board")
        gr.HTML(render_dialogs(), elem_id="dialogs")

        def update(view: View, sentence: str = "") -> dict[Any, Any]:
            """Everything on the page, as it is now."""
            snapshot = state.snapshot()
            progress = training.progress()
            arguments, problem = _plan(state, snapshot)
            changes: dict[Any, Any] = {
                shown_view: view,
                head: _head(state, snapshot),
                message: _sentence(sentence),
                board: render_gallery(snapshot, view),
                plan_html: render_plan(snapshot, arguments, problem, recorded_options(snapshot.info).note),
                outcome_html: render_outcome(snapshot, progress, training.before, state.models / state.name),
                start: gr.update(interactive=not progress.running and not problem),
                cancel: gr.update(visible=progress.running),
                try_it: gr.update(visible=training.started and not progress.running and not progress.failure),
                trial_html: "",
                clock: gr.update(active=progress.running),
            }
            return changes | {tabs[tab]: gr.update(label=_tab(snapshot, tab)) for tab in (*ISSUE_TABS, DECIDED)}

        def go(view: View, event: gr.EventData) -> dict[Any, Any]:
            return update(_requested_view(view, event))

        def decide(view: View, event: gr.EventData) -> dict[Any, Any]:
            action, names, label = _requested_action(event)
            if action == actions.EXAMPLES:
                model = state.models / state.name
                return update(view, actions.choose_examples(model, state.folder, state.snapshot(), names))
            return update(view, actions.perform(state.folder, state.snapshot(), action, names, label))

        def train_again(view: View) -> dict[Any, Any]:
            snapshot = state.snapshot()
            training.start(_arguments(state, snapshot), snapshot.info)
            return update(view, "The training has begun.")

        def stop(view: View) -> dict[Any, Any]:
            training.cancel()
            return update(view)

        def watch(view: View) -> dict[Any, Any]:
            running = training.progress().running
            changes = update(view, "" if running else render_ending(state.snapshot(), training.progress()))
            kept = (shown_view, message) if running else (shown_view,)  # what was said stays, until the end is said
            return {part: change for part, change in changes.items() if part not in kept}

        def show_trial() -> str:
            return render("trial.html", address=trial.address(state.name))

        outputs = [
            shown_view, head, message, board, plan_html, outcome_html, start, cancel, try_it, trial_html, clock,
            *tabs.values(),
        ]  # fmt: skip
        # one at a time, so that a look at the training cannot bring back a tab that was just left
        page.load(lambda: update(View()), None, outputs, **PRIVATE, concurrency_id="studio")
        for name, tab in tabs.items():
            tab.select(partial(update, View(name)), None, outputs, **PRIVATE, concurrency_id="studio")
        board.go(go, shown_view, outputs, **PRIVATE, concurrency_id="studio")
        board.decide(decide, shown_view, outputs, **PRIVATE, concurrency_id="studio")
        start.click(train_again, shown_view, outputs, **PRIVATE, concurrency_id="studio")
        cancel.click(stop, shown_view, outputs, **PRIVATE, concurrency_id="studio")
        try_it.click(show_trial, None, trial_html, api_visibility="private", concurrency_id="studio")
        clock.tick(watch, shown_view, outputs, **PRIVATE, concurrency_id="studio")
    return page.queue(default_concurrency_limit=1)


def launch_settings(state: StudioState, key: Key) -> dict[str, Any]:
    """For `Blocks.launch`, which then returns: gradio itself serves no file, says nothing of an address without the
    token, and asks nobody whether the page is up; whoever has `key` is answered, and nobody else."""
    return {
        "theme": theme(), "css": css() + (HERE / "studio.css").read_text(encoding="utf-8"), "js": page_script(),
        "favicon_path": FAVICON, "footer_links": [], "show_error": False, "run_history": False,
        "allowed_paths": [], "blocked_paths": [str(state.folder.resolve())],
        "enable_monitoring": False, "ssr_mode": False, "pwa": False, "mcp_server": False,
        "share": False, "max_file_size": 1, "root_path": "",
        "app_kwargs": {"routes": routes(state), "lifespan": in_front(policy(key)), "middleware": middleware()},
        "quiet": True, "_frontend": False, "prevent_thread_lock": True,
    }  # fmt: skip


def open_studio(folder: Path, models: Path) -> tuple[gr.Blocks, dict[str, Any], Callable[[], None]]:
    """The page, what to launch it with, and what to call once it is launched: it prints the address, once. Raises
    DatasetError for a folder that is no photo folder."""
    state, key = StudioState(folder, models), Key()
    mask = os.umask(0o022)  # which cannot be read without setting it
    os.umask(mask | 0o022)  # what is written, by a training too, is nobody else's to write
    connections.install()
    page = build(state)

    def announce() -> None:
        key.launched = True
        print(f"The studio, for you alone: {key.address(str(page.local_url))}", flush=True)

    return page, launch_settings(state, key), announce


def _values(event: gr.EventData, *names: str) -> list[Any]:
    """What the board sent; None where it did not."""
    data = event._data if isinstance(event._data, dict) else {}
    return [data.get(name) for name in names]


def _requested_view(view: View, event: gr.EventData) -> View:
    """The view that a button of the board leads to. Raises UsageError for what no button sends."""
    label, cell, number = _values(event, "label", "cell", "page")
    if not isinstance(label, str) or not isinstance(number, int):
        raise UsageError("The page asked for a view that does not exist: load it again.")
    if cell is not None and not (isinstance(cell, list) and len(cell) == 2 and all(isinstance(c, str) for c in cell)):
        raise UsageError("The page asked for a cell that does not exist: load it again.")
    return View(view.tab, label, tuple(cell) if cell else None, number)


def _requested_action(event: gr.EventData) -> tuple[str, list[str], str]:
    """(action, file names, label) as the board sends them. Raises UsageError or DatasetError."""
    action, names, label = _values(event, "action", "names", "label")
    if not isinstance(action, str) or not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UsageError("The page sent something that is no decision: load it again.")
    if len(names) > MAX_CHOSEN or not isinstance(label, str):
        raise UsageError(f"One decision can be about {MAX_CHOSEN:,} photos at most.")
    if action == actions.RELABEL:
        check_label(label.strip())
    return action, names, label.strip()


def _arguments(state: StudioState, snapshot: Snapshot) -> list[str]:
    """Of the train.py that "train again" starts. Raises UsageError where it must not."""
    if snapshot.is_foreign:
        raise UsageError(snapshot.problem)
    return train_arguments(state.name, state.folder, state.models, snapshot.info)


def _plan(state: StudioState, snapshot: Snapshot) -> tuple[list[str], str]:
    """These arguments, or a sentence on why there are none."""
    try:
        return _arguments(state, snapshot), ""
    except MirrorError as error:
        return [], str(error)


def _tab(snapshot: Snapshot, tab: str) -> str:
    number = undecided_count(snapshot, tab)
    return f"{TABS[tab]} ({number:,})" if number else TABS[tab]


def _sentence(sentence: str) -> str:
    return render("sentence.html", kind="status", sentence=sentence)


def _head(state: StudioState, snapshot: Snapshot) -> str:
    removed = f", {snapshot.removed:,} removed" if snapshot.removed else ""
    photos = count(sum(snapshot.counts.values()), "photo") + removed
    icon = Markup(FAVICON.read_text(encoding="utf-8"))
    return render("studio_head.html", icon=icon, folder=str(state.folder), photos=photos)
