"""The page without a server, as a static Space: plain files that any web server can show."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import PurePosixPath

from mirror.model_folder import ModelFolder
from mirror.publish.published_files import MARK, MARK_TEXT
from mirror.publish.published_model import published_info
from mirror.publish.space_card import space_card
from mirror.publish.space_gradio import example_pictures, own_pictures
from mirror.static_site.site_files import PREVIEW, site_files
from mirror.static_site.site_tabs import WORDS, NetworkTab, tab_model
from mirror.static_site.words_tab import words_tab
from mirror.tasks.request import ZERO_SHOT, TaskRequest


def space_static(
    model: ModelFolder, *, repository: str | None = None, models: Sequence[str] = (), datasets: Sequence[str] = (),
    photos_may_go: bool = False, others: Sequence[ModelFolder] = (), tabs: Sequence[str] = (),
    words: TaskRequest | None = None,
) -> dict[str, bytes]:  # fmt: skip
    """Path → content of the site. The arguments are those of `space_gradio`; others: further models, for its picker;
    tabs: further tabs (mirror/static_site/site_tabs.py); words: what answers in the one of that name."""
    from huggingface_hub.constants import ENDPOINT

    address = f"{ENDPOINT}/spaces/{repository}/resolve/main/" if repository else ""
    sdk = {"sdk": "static", "app_file": "index.html", "thumbnail": f"{address}{PREVIEW}" if repository else None}
    card = space_card(model.info, repository=repository, models=models, datasets=datasets, **sdk)

    def examples(model: ModelFolder) -> dict[str, bytes]:
        shipped = {PurePosixPath(name).name: body for name, body in example_pictures(model, photos_may_go).items()}
        return own_pictures(model, photos_may_go) or shipped

    shown = [ModelFolder(each.path, published_info(each.info)) for each in (model, *others)]
    models_of_tabs = {tab: tab_model(tab) for tab in tabs}
    further: dict[str, ModelFolder | NetworkTab | None] = {
        tab: ModelFolder(found.path, published_info(found.info)) if found else None
        for tab, found in models_of_tabs.items()
    }
    if WORDS in tabs:
        further[WORDS] = words_tab(words or TaskRequest(ZERO_SHOT))
    site = site_files(shown, tabs=further, examples=examples, photos_may_go=photos_may_go, address=address)
    return site | {"README.md": card, MARK: MARK_TEXT}
