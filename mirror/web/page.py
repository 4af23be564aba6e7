"""The page: its question, the picker where there are several models, and a tab for each way of looking.

`build` makes the gr.Blocks; `launch_settings` is what it is launched with, so that visitors' photos stay private.
"""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator, Callable, Container, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.blocks import Block
from markupsafe import Markup
from starlette.middleware import Middleware

from mirror import answer_sentences
from mirror.net.fetch import NetworkSettings
from mirror.preparation import preparation
from mirror.templates import FOLDER, render
from mirror.web import about, heat_map, link_preview, mirror_api, retention
from mirror.web.arguments import quoted
from mirror.web.examples import Examples, changed_tiles
from mirror.web.failures import Failures
from mirror.web.fair_scheduling import on_thread
from mirror.web.gateway import connection_limits
from mirror.web.gateway.middleware import Policy, in_front
from mirror.web.gateway.routes import page_routes
from mirror.web.gateway.security_headers import ScriptNonces, hosts_of
from mirror.web.gateway.upload_routes import Uploads
from mirror.web.gradio_blocks import ASKED, PRIVATE, VisitedBlocks
from mirror.web.model_picker import lay_out_picker
from mirror.web.photo_input import upload_folder
from mirror.web.served_models import ModelRegistry, ServedModel
from mirror.web.tabs import live_tab, mirror_tab, task_tabs
from mirror.web.tabs.task_models import TaskModels
from mirror.web.theme import css, theme
from mirror.web.uploads import MAX_UPLOAD_BYTES, TOO_MANY_BYTES
from mirror.wording import unbroken

FAVICON = FOLDER / "favicon.svg"
STATUS_SECONDS = 2.0  # a waiting visitor learns of their place this often, not whenever anyone's answer is ready
SESSIONS = 500  # gradio remembers the last values of this many sessions in memory, not 10,000

MODEL_JS = "name => { document.documentElement.dataset.model = name }"  # for camera.js
TITLE_JS = "document.title = document.querySelector('#question h1').textContent;"
OPENED_JS = f"name => {{ {TITLE_JS} if (name) ({MODEL_JS})(name); }}"
# ?model=NAME in the address, and what was chosen here before; a page in a frame may have no storage
WANTED_JS = """() => {
  const asked = new URLSearchParams(location.search).get('model') || '';
  try { return [asked, localStorage.getItem('mirror-model') || '']; } catch { return [asked, '']; }
}"""
CHOSEN_JS = f"""name => {{
  {TITLE_JS}
  try {{
    localStorage.setItem('mirror-model', name);
    const address = new URL(location.href);
    address.searchParams.set('model', name);
    history.replaceState(history.state, '', address);
  }} catch {{}}
}}"""


def build(
    registry: ModelRegistry, *, network: NetworkSettings, examples: Examples, task_models: TaskModels | None = None
) -> gr.Blocks:
    """The page for the models of `registry` and of the tasks. Photo addresses are fetched through `network`."""
    task_models = task_models or TaskModels()
    upload_folder()
    with VisitedBlocks(title=_title(registry.default), analytics_enabled=False) as page:
        built = registry.default
        question = gr.HTML(_question(built))
        notice = gr.HTML(visible=False, elem_id="notice")
        picker = lay_out_picker(registry)
        picker.change(None, picker, None, js=MODEL_JS)  # before what waits for an answer: gradio goes one by one
        with gr.Tabs():
            with gr.Tab("The mirror", elem_id="mirror-tab"):
                missing = gr.HTML("" if built else about.how_to_train(registry.folder), visible=built is None)
                tab = mirror_tab.build(registry, network, examples, picker)
                mirror_api.add_endpoints(registry, network, tab.photo, picker)
            with gr.Tab("Live", elem_id="live-tab", visible=built is not None) as live:
                live_tab.build(registry)
            task_tabs.build(task_models, network)
            with gr.Tab("About this mirror", elem_id="about-tab", visible=built is not None) as about_tab:
                note = gr.HTML(about.note(built) if built else "")
                pictures = gr.HTML()
        late = [] if built else [missing, tab.parts, live, about_tab]  # shown, or not, once there is a model

        def describe(served: ServedModel) -> dict[Block, Any]:
            """Everything that speaks of a model."""
            return {
                picker: picker.update(served), question: _question(served), note: about.note(served),
                notice: gr.update(visible=False),
                pictures: about.pictures(served), tab.tiles: changed_tiles(examples.of(served)),
                tab.button: gr.update(visible=heat_map.can_explain(served)),
                **{part: gr.update(visible=part is not missing) for part in late},
            }  # fmt: skip

        async def open_page(asked: str, chosen: str) -> dict[Block, Any]:
            """The models that there are by now, and the one that the visitor wants, where it is not the first."""
            await on_thread(picker.refresh)
            served = registry.served.get(asked) or registry.served.get(chosen) or registry.default
            if served is None:
                return {picker: gr.skip()}
            told: dict[Block, Any] = {notice: _not_there(asked, served)}
            if served is built:
                return {picker: picker.update(served) if picker.differs() else gr.skip(), **told}
            return {**describe(served), **told}

        # A change of the picker's, by the visitor or by open_page, has the photo answered anew: mirror_tab.py
        outputs = [picker, question, notice, note, pictures, tab.tiles, tab.button, *late]
        picker.input(lambda model: describe(registry.get(model)), picker, outputs, **ASKED).then(
            None, picker, js=CHOSEN_JS
        )
        wanted = [gr.Textbox(visible=False), gr.Textbox(visible=False)]
        page.load(open_page, wanted, outputs, js=WANTED_JS, **PRIVATE).then(None, picker, js=OPENED_JS)
        about_tab.select(lambda model: about.pictures(registry.get(model)), picker, pictures, **ASKED)
    return page.queue(
        default_concurrency_limit=None,  # every event begins at once; what waits, waits in fair_scheduling.py
        status_update_rate=STATUS_SECONDS,
    )


def launch_settings(
    registry: ModelRegistry, repository: Path, host: str | None = None, *, mcp: bool = False
) -> dict[str, Any]:
    """For `Blocks.launch`: no file of the repository is served, nothing is recorded or kept, only what the page needs
    is answered, and a Space gets the same page. host: the address to listen on, if it was given. mcp: the endpoints
    are offered as tools of the Model Context Protocol too."""
    own = [repository / name for name in ("models", "data", "mirror", "tests", ".git", ".cache")]
    private = [registry.folder, *own]
    return {
        "theme": theme(), "css": css(), "js": page_script(), "favicon_path": FAVICON, "footer_links": ["api"],
        "max_file_size": MAX_UPLOAD_BYTES, "blocked_paths": sorted({str(path.resolve()) for path in private}),
        "allowed_paths": [], "show_error": False, "run_history": False, "enable_monitoring": False,
        "ssr_mode": False, "pwa": False, "mcp_server": mcp, "state_session_capacity": SESSIONS,
        "app_kwargs": app_settings(
            Path(upload_folder()), MAX_UPLOAD_BYTES, host, told=partial(_told, registry), mcp=mcp,
            clickable=lambda name: Examples(repository / "examples").of(registry.served.get(name) or registry.default),
            models=lambda: registry.served,
        ),
    }  # fmt: skip


def page_script() -> str:
    """What gradio runs once in the browser, as the function that it wants; here and in the studio."""
    script = Path(__file__).with_name("page.js").read_text(encoding="utf-8")
    limits = f"const MAX_UPLOAD_BYTES = {MAX_UPLOAD_BYTES}, TOO_MANY_BYTES = {json.dumps(unbroken(TOO_MANY_BYTES))};"
    return script.replace("() => {", f"() => {{\n  {limits}", 1)


def _title(served: ServedModel | None) -> str:
    return answer_sentences.title(served.labels) if served and served.labels else "Mirror, mirror on the wall"


def _told(registry: ModelRegistry, name: str) -> tuple[str, str]:
    """The page's title and description, where it is linked to with that model, or with none."""
    served = registry.served.get(name) or registry.default
    return _title(served), _subtitle(served)


def _subtitle(served: ServedModel | None) -> str:
    if served is None:
        return "The mirror has nothing to go by yet. Train a model, and it will answer."
    if served.info is None:
        return "This model cannot be opened."
    knows_strangers = served.info.novelty is not None and served.info.novelty.threshold is not None
    subject = preparation(served.info.preprocessing.prepare).subject
    return answer_sentences.subtitle(served.labels, knows_strangers=knows_strangers, subject=subject)


def _question(served: ServedModel | None) -> str:
    icon = Markup(FAVICON.read_text(encoding="utf-8"))
    first, wall, second = _title(served).partition("wall,")  # a narrow screen breaks the line there
    lines = (first + wall.rstrip(","), second.strip())
    return render("question.html", icon=icon, lines=lines, subtitle=_subtitle(served))


def _not_there(asked: str, served: ServedModel) -> dict[str, Any]:
    """That the model which an address names is not here; nothing, where it is, or none is named."""
    sentence = f"There is no model named {quoted(asked)} here: {served.name} answers."
    gone = bool(asked) and asked != served.name
    return gr.update(value=render("sentence.html", kind="problem", sentence=sentence) if gone else "", visible=gone)


def app_settings(
    folder: Path, largest: int, host: str | None, environ: Mapping[str, str] = os.environ, *,
    told: Callable[[str], tuple[str, str]] = lambda _: (_title(None), _subtitle(None)), mcp: bool = False,
    clickable: Callable[[str], list[Path]] = lambda _: [], models: Callable[[], Container[str]] = tuple,
) -> dict:  # fmt: skip
    """For FastAPI, through `Blocks.launch(app_kwargs=…)`. folder: where gradio puts visitors' files. largest: bytes of
    one. host: the address to listen on, if it was given. told, clickable: a model's name, "" for the first one → the
    page's title and description, and its pictures to click, for the preview of a link; models: gives those names."""
    connection_limits.install()
    sweeper: retention.Sweeper | None = None
    page: Any = None

    @asynccontextmanager
    async def swept(app: Any) -> AsyncIterator[None]:
        nonlocal sweeper, page
        page, memory = app.get_blocks(), retention.Memory()

        def after() -> None:
            retention.forget_paths(page)
            memory.give_back()

        sweeper = retention.Sweeper(folder, named, after)
        sweeper.start()
        yield
        sweeper.stop()

    def named() -> set[str]:
        return retention.named_in_queue(page)

    uploads = Uploads(folder, largest, lambda: sweeper is not None and sweeper.works(), named)
    policy = Policy(page_routes(largest, mcp=mcp), known_hosts(host, environ), uploads, models)
    page_html = Middleware(ScriptNonces, rewrite=link_preview.with_preview(told))
    return {
        "lifespan": in_front(policy, swept), "routes": link_preview.routes(clickable),
        "middleware": [page_html, Middleware(Failures)],
    }  # fmt: skip


def known_hosts(host: str | None, environ: Mapping[str, str] = os.environ) -> frozenset[str] | None:
    """The names that the page may be asked by: any where other machines reach it, else this machine's and those of
    MIRROR_ALLOWED_HOSTS, which a proxy on this machine may pass on."""
    shared = environ.get("GRADIO_SHARE", "").lower() in ("true", "1")
    if shared or environ.get("SYSTEM") == "spaces" or environ.get("SPACE_ID"):
        return None
    return hosts_of(host or environ.get("GRADIO_SERVER_NAME"), environ.get("MIRROR_ALLOWED_HOSTS", "").split(","))
