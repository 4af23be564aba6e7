"""The page: its question, the picker where there are several models, and a tab for each way of looking.

`build` makes the gr.Blocks; `launch_settings` is what it is launched with, so that visitors' photos stay private.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr
from markupsafe import Markup

from mirror.net.fetch import NetworkSettings
from mirror.preparation import preparation
from mirror.templates import render
from mirror.web import about, heat_map, mirror_tab, phrases
from mirror.web.blocks import VisitedBlocks
from mirror.web.models import ModelRegistry, ServedModel
from mirror.web.photo_input import upload_folder
from mirror.web.public import app_settings
from mirror.web.tabs import task_tabs
from mirror.web.tabs.task_models import TaskModels
from mirror.web.theme import css, theme
from mirror.web.uploads import MAX_UPLOAD_BYTES, Sent
from mirror.wording import plain

FAVICON = Path(__file__).with_name("favicon.svg")
STATUS_SECONDS = 2.0  # a waiting visitor learns of their place this often, not whenever anyone's answer is ready
SESSIONS = 500  # gradio remembers the last values of this many sessions in memory, not 10,000

# a live region must be there before its text changes, so the attribute cannot come with the answer; a tab's parts come
# when it is first opened
ANNOUNCED = """() => {
  const regions = '#answer, #why, .answer';
  const announce = () => document.querySelectorAll(regions).forEach(e => e.setAttribute('aria-live', 'polite'));
  announce();
  new MutationObserver(announce).observe(document.body, {childList: true, subtree: true});
}"""
TITLE_FOLLOWS = "() => { document.title = document.querySelector('#question h1').textContent }"


def build(
    shelf: ModelRegistry, *, network: NetworkSettings, examples: list[Path], opened: TaskModels | None = None
) -> gr.Blocks:
    """The page for the models on `shelf`, and for the tasks' models. Photo addresses are fetched through `network`."""
    opened = opened or TaskModels()
    upload_folder()
    with VisitedBlocks(title=_title(shelf.default), analytics_enabled=False) as page:
        question = gr.HTML(_question(shelf.default))
        picker = gr.Dropdown(
            [(_choice(mirror), name) for name, mirror in shelf.mirrors.items()],
            value=shelf.default.name if shelf.default else None, label="Model", visible=len(shelf.mirrors) > 1,
            elem_id="picker", filterable=len(shelf.mirrors) > 12,
        )  # fmt: skip
        if shelf.default is None:
            with gr.Tabs():
                with gr.Tab("The mirror"):
                    gr.HTML(about.how_to_train(shelf.models))
                task_tabs.build(opened, network)
        else:
            with gr.Tabs():
                with gr.Tab("The mirror"):
                    tab = mirror_tab.build(shelf, network, examples, picker)
                task_tabs.build(opened, network)
                with gr.Tab("About this mirror") as about_tab:
                    note = gr.HTML(about.note(shelf.default))
                    pictures = gr.HTML()
            mirror_tab.add_api(shelf, network, tab.photo, picker)

            async def swap(model: str, photo: Sent | None) -> dict:
                """Everything that speaks of the model; a photo that is still there is shown to the new one."""
                mirror = shelf.get(model)
                shown, answer, probabilities = await mirror_tab.look(shelf, network, photo, model)
                changes = {
                    question: _question(mirror), note: about.note(mirror), pictures: about.pictures(mirror),
                    tab.answer: answer, tab.probabilities: probabilities,
                    tab.why: gr.update(value=phrases.WHY, visible=heat_map.can_tell(mirror)), tab.reason: "",
                }  # fmt: skip
                if photo:  # else one may be on its way by now, and must not be cleared
                    changes[tab.photo] = shown
                for kind, box in tab.examples.items():
                    changes[box] = gr.update(visible=mirror_tab.has_examples(mirror, kind))
                return changes

            touched = [question, note, pictures, tab.photo, tab.answer, tab.probabilities, tab.why, tab.reason]
            picker.input(
                swap,
                [picker, tab.photo],
                [*touched, *tab.examples.values()],
                api_visibility="private",
                show_progress="hidden",
            ).then(None, js=TITLE_FOLLOWS)
            about_tab.select(
                lambda model: about.pictures(shelf.get(model)),
                picker,
                pictures,
                api_visibility="private",
                show_progress="hidden",
            )
    return page.queue(
        default_concurrency_limit=None,  # every event begins at once; what waits, waits in scheduling.py
        status_update_rate=STATUS_SECONDS,
    )


def launch_settings(shelf: ModelRegistry, repository: Path, host: str | None = None) -> dict[str, Any]:
    """For `Blocks.launch`: no file of the repository is served, nothing is recorded or kept, only what the page needs
    is answered, and a Space gets the same page. host: the address to listen on, if it was given."""
    private = [shelf.models, *(repository / name for name in ("models", "data", "mirror", "tests", ".git", ".cache"))]
    return {
        "theme": theme(), "css": css(), "js": ANNOUNCED, "favicon_path": FAVICON, "footer_links": ["api"],
        "max_file_size": MAX_UPLOAD_BYTES, "blocked_paths": sorted({str(path.resolve()) for path in private}),
        "allowed_paths": [], "show_error": False, "run_history": False, "enable_monitoring": False,
        "ssr_mode": False, "pwa": False, "mcp_server": False, "state_session_capacity": SESSIONS,
        "app_kwargs": app_settings(Path(upload_folder()), MAX_UPLOAD_BYTES, host),
    }  # fmt: skip


def _title(mirror: ServedModel | None) -> str:
    return phrases.title(mirror.labels) if mirror and mirror.labels else "Mirror, mirror on the wall"


def _choice(mirror: ServedModel) -> str:
    if mirror.problem:
        return f"{mirror.name} (cannot be opened)"
    labels = [plain(label) for label in mirror.labels]
    shown = " · ".join(labels) if len(labels) <= phrases.SPELLED_OUT else f"{len(labels)} labels"
    return f"{mirror.name}: {shown}"


def _question(mirror: ServedModel | None) -> str:
    if mirror is None:
        promise = "The mirror has nothing to go by yet. Train a model, and it will answer."
    elif mirror.info is None:
        promise = "This model cannot be opened."
    else:
        stranger = mirror.info.novelty is not None and mirror.info.novelty.threshold is not None
        subject = preparation(mirror.info.preprocessing.prepare).subject
        promise = phrases.subtitle(mirror.labels, knows_strangers=stranger, subject=subject)
    crest = Markup(FAVICON.read_text(encoding="utf-8"))
    call, comma, rest = _title(mirror).partition("wall,")  # a narrow screen breaks the line there
    return render("question.html", crest=crest, call=call + comma, rest=rest.strip(), promise=promise)
