"""The studio's page: a tab for each way of looking at the photos, one board below them, and the tab that trains again.

`open_studio` is what `app.py --studio` calls. Every handler is private; the browser sends names and labels, and both
are checked before anything is written.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from mirror.collect.label_names import check_label
from mirror.errors import MirrorError, UsageError
from mirror.templates import render
from mirror.web.gateway import connections
from mirror.web.gateway.gate import in_front
from mirror.web.page import FAVICON
from mirror.web.studio import actions
from mirror.web.studio.access import Key, middleware, policy
from mirror.web.studio.compare import outcome, plan
from mirror.web.studio.gallery import DECIDED, ISSUE_TABS, RETRAIN, TABS, View, waiting
from mirror.web.studio.photo_routes import routes
from mirror.web.studio.render import render_dialogs, render_gallery
from mirror.web.studio.retrain import Retraining, recorded_options, train_arguments
from mirror.web.studio.state import Snapshot, StudioState
from mirror.web.theme import css, theme
from mirror.wording import count

HERE = Path(__file__).parent
SECONDS = 1.0  # between looks at a training that runs
MOST_CHOSEN = 1000  # photos that one decision may be about


def build(desk: StudioState) -> gr.Blocks:
    """The page for one photo folder."""
    training = Retraining()
    with gr.Blocks(title=f"{desk.name}: the studio", analytics_enabled=False) as page:
        head = gr.HTML()
        view = gr.State(View())
        with gr.Tabs(elem_id="views"):
            tabs = {tab: gr.Tab(name, id=tab) for tab, name in TABS.items()}
        with tabs[RETRAIN]:
            planned = gr.HTML()
            with gr.Row(elem_id="training-buttons"):
                start = gr.Button("Train again", variant="primary")
                cancel = gr.Button("Cancel", visible=False)
            told = gr.HTML()
        clock = gr.Timer(SECONDS, active=False)
        said = gr.HTML(_sentence(""), elem_id="said")
        shown = gr.HTML(js_on_load=(HERE / "board.js").read_text(encoding="utf-8"), elem_id="board")
        gr.HTML(render_dialogs(), elem_id="dialogs")

        def look(looked_at: View, sentence: str = "") -> dict[Any, Any]:
            """Everything on the page, as it is now."""
            scene = desk.look()
            progress = training.progress()
            arguments, problem = _plan(desk, scene)
            changes: dict[Any, Any] = {
                view: looked_at,
                head: _head(desk, scene),
                said: _sentence(sentence),
                shown: render_gallery(scene, looked_at),
                planned: plan(scene, arguments, problem, recorded_options(scene.info).note),
                told: outcome(scene, progress, training.before),
                start: gr.update(interactive=not progress.running and not problem),
                cancel: gr.update(visible=progress.running),
                clock: gr.update(active=progress.running),
            }
            return changes | {tabs[tab]: gr.update(label=_tab(scene, tab)) for tab in (*ISSUE_TABS, DECIDED)}

        everything = [view, head, said, shown, planned, told, start, cancel, clock, *tabs.values()]
        # one at a time, so that a look at the training cannot bring back a tab that was just left
        quiet = {"api_visibility": "private", "show_progress": "hidden", "concurrency_id": "studio"}

        def open_page() -> dict[Any, Any]:
            return _kindly(look, View())

        def go(looked_at: View, event: gr.EventData) -> dict[Any, Any]:
            return _kindly(lambda: look(_asked(looked_at, event)))

        def decide(looked_at: View, event: gr.EventData) -> dict[Any, Any]:
            def act() -> dict[Any, Any]:
                deed, names, label = _ordered(event)
                return look(looked_at, actions.perform(desk.folder, desk.look(), deed, names, label))

            return _kindly(act)

        def begin(looked_at: View) -> dict[Any, Any]:
            def act() -> dict[Any, Any]:
                scene = desk.look()
                training.start(_arguments(desk, scene), scene.info)
                return look(looked_at, "The training has begun.")

            return _kindly(act)

        def stop(looked_at: View) -> dict[Any, Any]:
            training.cancel()
            return _kindly(look, looked_at)

        def watch(looked_at: View) -> dict[Any, Any]:
            changes = _kindly(look, looked_at)
            return {part: change for part, change in changes.items() if part not in (view, said)}

        page.load(open_page, None, everything, **quiet)
        for name, tab in tabs.items():
            tab.select(lambda name=name: _kindly(look, View(name)), None, everything, **quiet)
        shown.go(go, view, everything, **quiet)
        shown.decide(decide, view, everything, **quiet)
        start.click(begin, view, everything, **quiet)
        cancel.click(stop, view, everything, **quiet)
        clock.tick(watch, view, everything, **quiet)
    return page.queue(default_concurrency_limit=1)


def launch_settings(desk: StudioState, key: Key) -> dict[str, Any]:
    """For `Blocks.launch`, which then returns: gradio itself serves no file, says nothing of an address without the
    token, and asks nobody whether the page is up; whoever has `key` is answered, and nobody else."""
    return {
        "theme": theme(), "css": css() + (HERE / "studio.css").read_text(encoding="utf-8"), "favicon_path": FAVICON,
        "footer_links": [], "allowed_paths": [], "blocked_paths": [str(desk.folder.resolve())], "show_error": False,
        "run_history": False, "enable_monitoring": False, "ssr_mode": False, "pwa": False, "mcp_server": False,
        "share": False, "max_file_size": 1, "root_path": "",
        "app_kwargs": {"routes": routes(desk), "lifespan": in_front(policy(key)), "middleware": middleware()},
        "quiet": True, "_frontend": False, "prevent_thread_lock": True,
    }  # fmt: skip


def open_studio(folder: Path, models: Path) -> tuple[gr.Blocks, dict[str, Any], Callable[[], None]]:
    """The page, what to launch it with, and what to call once it is launched: it prints the address, once. Raises
    DatasetError for a folder that is no photo folder."""
    desk, key = StudioState(folder, models), Key()
    os.umask(os.umask(0o022) | 0o022)  # what is written, by a training too, is nobody else's to write
    connections.install()
    page = build(desk)

    def announce() -> None:
        key.launched = True
        print(f"The studio, for you alone: {key.address(page.local_url)}", flush=True)

    return page, launch_settings(desk, key), announce


def _kindly(work: Any, *arguments: Any) -> dict[Any, Any]:
    """A MirrorError becomes the sentence that gradio shows, without a traceback in the log."""
    try:
        return work(*arguments)
    except MirrorError as error:
        raise gr.Error(str(error), print_exception=False, title="That cannot be done") from None


def _asked(view: View, event: gr.EventData) -> View:
    """The view that a button of the board leads to. Raises UsageError for what no button sends."""
    label, cell, number = (getattr(event, name, None) for name in ("label", "cell", "page"))
    if not isinstance(label, str) or not isinstance(number, int):
        raise UsageError("The page asked for a view that there is none of; load it again.")
    if cell is not None and not (isinstance(cell, list) and len(cell) == 2 and all(isinstance(c, str) for c in cell)):
        raise UsageError("The page asked for a cell that there is none of; load it again.")
    return View(view.tab, label, tuple(cell) if cell else None, number)


def _ordered(event: gr.EventData) -> tuple[str, list[str], str]:
    """(deed, file names, label) as the board sends them. Raises UsageError or DatasetError."""
    deed, names, label = (getattr(event, name, None) for name in ("deed", "names", "label"))
    if not isinstance(deed, str) or not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UsageError("The page sent something that is no decision; load it again.")
    if len(names) > MOST_CHOSEN or not isinstance(label, str):
        raise UsageError(f"One decision can be about {MOST_CHOSEN:,} photos at most.")
    if deed == actions.RELABEL:
        check_label(label.strip())
    return deed, names, label.strip()


def _arguments(desk: StudioState, scene: Snapshot) -> list[str]:
    """Of the train.py that "train again" starts. Raises UsageError where it must not."""
    if scene.stranger:
        raise UsageError(scene.problem)
    return train_arguments(desk.name, desk.folder, desk.models, scene.info)


def _plan(desk: StudioState, scene: Snapshot) -> tuple[list[str], str]:
    """These arguments, or a sentence on why there are none."""
    try:
        return _arguments(desk, scene), ""
    except MirrorError as error:
        return [], str(error)


def _tab(scene: Snapshot, tab: str) -> str:
    number = waiting(scene, tab)
    return f"{TABS[tab]} ({number:,})" if number else TABS[tab]


def _sentence(sentence: str) -> str:
    return render("sentence.html", kind="status", sentence=sentence)


def _head(desk: StudioState, scene: Snapshot) -> str:
    kept = sum(scene.counts.values())
    removed = f", {scene.removed:,} removed" if scene.removed else ""
    crest = Markup(FAVICON.read_text(encoding="utf-8"))
    return render("studio_head.html", crest=crest, folder=str(desk.folder), photos=f"{count(kept, 'photo')}{removed}")
