"""Pictures that a visitor can click: those of a model's own folder, else those of examples/ that show its labels."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr

from mirror.errors import ImageError, UsageError
from mirror.model_folder import PICTURES, own_examples
from mirror.preparation import NAMES, preparation
from mirror.templates import data_url, render
from mirror.terminal import say
from mirror.web.photo_input import preview
from mirror.web.served_models import ServedModel
from mirror.wording import plain

# Labels → the folder in examples/ whose pictures show them
SHOWN = {frozenset(made.labels): made.examples for made in map(preparation, NAMES)}
THUMBNAIL_PIXELS = 192  # twice what a tile shows, for screens that are twice as fine
TILES_JS = """element.addEventListener("click", event => {
  const tile = event.target.closest("button.example");
  if (tile) trigger("choose", {name: tile.dataset.name});
});"""


class Examples:
    """folder: examples/ beside app.py, where it is there."""

    def __init__(self, folder: Path | None = None):
        self._of_labels = {labels: _pictures(folder / kind) for labels, kind in SHOWN.items()} if folder else {}

    def of(self, served: ServedModel | None) -> list[Path]:
        """The model's pictures; to another model they are the wrong question."""
        if served is None or served.folder is None:
            return []
        own = own_examples(served.folder.path)
        return [path for path in own or self._of_labels.get(frozenset(served.labels), []) if _thumbnail(path)]

    def named(self, served: ServedModel, event: gr.EventData) -> Path:
        """The picture whose tile was clicked. Raises UsageError for one that is not there any more."""
        name = event._data.get("name") if isinstance(event._data, dict) else None
        found = next((path for path in self.of(served) if path.name == name), None)
        if found is None:
            raise UsageError("This picture is not there any more: reload the page.")
        return found


def lay_out_tiles(paths: list[Path], name: str) -> gr.HTML:
    """A tile for each picture, in the current column; `choose` is its event. name: the element's id."""
    return gr.HTML(tiles(paths), js_on_load=TILES_JS, elem_id=name, elem_classes="examples-box", visible=bool(paths))


def tiles(paths: list[Path]) -> str:
    """The tiles as HTML; each picture is within it, for a file of its own would be deleted with visitors' uploads."""
    shown = [(path.name, plain(path.stem).replace("-", " "), _thumbnail(path)) for path in paths]
    return render("examples.html", examples=[each for each in shown if each[2]])


def changed_tiles(paths: list[Path]) -> dict[str, Any]:
    return gr.update(value=tiles(paths), visible=bool(paths))


def _pictures(folder: Path) -> list[Path]:
    return sorted(p for p in folder.glob("*") if p.suffix.lower() in PICTURES) if folder.is_dir() else []


def _thumbnail(path: Path) -> str:
    try:
        status = path.stat()
    except OSError:
        return ""
    return _thumbnail_of(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=256)
def _thumbnail_of(path: Path, *_: int) -> str:
    """A picture as an address; "" for one that cannot be opened, of which who started the page is told once."""
    try:
        return data_url(preview(path, THUMBNAIL_PIXELS))
    except ImageError as error:
        say(f"{path} is no example to click: {error}")
        return ""
