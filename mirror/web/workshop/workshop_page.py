"""The workshop's page: the start page with a card a project, and a project's steps as tabs.

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

from mirror.errors import MirrorError, UsageError
from mirror.templates import render
from mirror.web.gateway import connection_limits
from mirror.web.gateway.middleware import in_front
from mirror.web.gradio_blocks import PRIVATE, SentenceBlocks
from mirror.web.page import FAVICON, page_script
from mirror.web.studio.photo_routes import routes
from mirror.web.studio.state import StudioState
from mirror.web.theme import css, theme
from mirror.web.workshop import (
    begin_step,
    clean_step,
    collect_step,
    history_step,
    preview_step,
    publish_step,
    start_page,
    train_step,
    try_step,
)
from mirror.web.workshop.access import Key, middleware, policy
from mirror.web.workshop.collected import read_collected
from mirror.web.workshop.projects import Project, Projects
from mirror.web.workshop.report_route import report_route
from mirror.web.workshop.step import Workshop
from mirror.wording import count

HERE = Path(__file__).parent
STEPS: dict[str, tuple[str, Callable[[Workshop], None]]] = {
    "begin": ("Begin", begin_step.add),
    "look": ("Look", preview_step.add),
    "collect": ("Collect", collect_step.add),
    "train": ("Train", train_step.add),
    "try": ("Try", try_step.add),
    "clean": ("Clean", clean_step.add),
    "history": ("History", history_step.add),
    "publish": ("Publish", publish_step.add),
}
# ?project=NAME&step=STEP in the address; what else the event carries stays as it is
ADDRESSED_JS = """(...given) => {
  const asked = new URLSearchParams(location.search);
  return [asked.get('project') || '', asked.get('step') || '', ...given.slice(2)];
}"""


def build(projects: Projects) -> SentenceBlocks:
    """The page for these projects."""
    title = f"{projects.only}: the studio" if projects.only else "The workshop"
    with SentenceBlocks(title=title, analytics_enabled=False, error_title="That cannot be done") as page:
        asked, step = gr.Textbox(visible=False), gr.Textbox(visible=False)
        head = gr.HTML(js_on_load=(HERE / "workshop_page.js").read_text(encoding="utf-8"))
        start = gr.HTML(elem_id="projects")
        workshop = Workshop(projects, lambda project, shown: {head: _head(project, projects, shown)}, [head])
        with gr.Column(visible=False) as project_page, gr.Tabs(elem_id="steps") as workshop.steps:
            tabs = {}
            for name, (title, add) in STEPS.items():
                with gr.Tab(title, id=name, elem_id=f"step-{name}") as tabs[name]:
                    add(workshop)
        workshop.wire(tabs)

        def load(wanted: str, step: str) -> dict[Any, Any]:
            top = {head: render("workshop_head.html", icon=_icon(), name="")}
            if not (projects.only or wanted):
                return {**top, start: start_page.render_cards(projects, _icon())}
            try:
                project = projects.of(projects.only or wanted.strip())
            except UsageError as error:  # a name that a link has, or that somebody typed
                return {**top, start: start_page.render_cards(projects, _icon(), wanted), **workshop.say(str(error))}
            opened = step if step in tabs else _first_step(project, projects.only is not None)
            return {project_page: gr.update(visible=True), start: "", **workshop.open(project, opened)}

        page.load(load, [asked, step], [*workshop.outputs, start, project_page], js=ADDRESSED_JS, **PRIVATE)
    return page.queue(default_concurrency_limit=1)


def launch_settings(projects: Projects, key: Key) -> dict[str, Any]:
    """For `Blocks.launch`, which then returns: gradio itself serves no file, says nothing of an address without the
    token, and asks nobody whether the page is up; whoever has `key` is answered, and nobody else."""
    studio = HERE.parent / "studio" / "studio.css"
    styles = css() + "".join(file.read_text(encoding="utf-8") for file in (studio, HERE / "workshop.css"))

    def find(name: str) -> StudioState | None:
        return projects.of(name).state()

    shut = [projects.home / "data", projects.models, *(projects.of(name).folder for name in projects.names())]
    return {
        "theme": theme(), "css": styles, "js": page_script(),
        "favicon_path": FAVICON, "footer_links": [], "show_error": False, "run_history": False,
        "allowed_paths": [], "blocked_paths": [str(folder.resolve()) for folder in shut],
        "enable_monitoring": False, "ssr_mode": False, "pwa": False, "mcp_server": False,
        "share": False, "max_file_size": 1, "root_path": "",
        "app_kwargs": {
            "routes": [*routes(find), report_route(find)],
            "lifespan": in_front(policy(key)), "middleware": middleware(),
        },
        "quiet": True, "_frontend": False, "prevent_thread_lock": True,
    }  # fmt: skip


def open_studio(projects: Projects) -> tuple[gr.Blocks, dict[str, Any], Callable[[], None]]:
    """The page, what to launch it with, and what to call once it is launched: it prints the address, once."""
    key = Key()
    mask = os.umask(0o022)  # which cannot be read without setting it
    os.umask(mask | 0o022)  # what is written, by a training too, is nobody else's to write
    connection_limits.install()
    page = build(projects)

    def announce() -> None:
        key.launched = True
        print(f"The studio, for you alone: {key.address(str(page.local_url))}", flush=True)

    return page, launch_settings(projects, key), announce


def _first_step(project: Project, alone: bool) -> str:
    """The step that a project is opened with: what is next to do. alone: the studio is for it, to clean its photos."""
    try:
        state = project.state()
        if state is None:
            wanted = "try" if project.info() else "look" if project.words() else "begin"
        else:
            collected = "train" if read_collected(project.folder).is_done else "collect"
            wanted = "clean" if alone or state.snapshot().info else collected
    except MirrorError:
        wanted = "clean"
    return wanted if wanted in STEPS else next(iter(STEPS))


def _head(project: Project, projects: Projects, step: str) -> str:
    photos = ""
    try:
        if state := project.state():
            snapshot = state.snapshot()
            removed = f", {snapshot.removed:,} removed" if snapshot.removed else ""
            photos = count(sum(snapshot.counts.values()), "photo") + removed
    except MirrorError as error:
        photos = str(error)
    return render(
        "workshop_head.html", icon=_icon(), name=project.name, folder=project.shown_folder, photos=photos, step=step,
        alone=projects.only is not None,
    )  # fmt: skip


def _icon() -> Markup:
    return Markup(FAVICON.read_text(encoding="utf-8"))
