"""`--collected DIR`: a photo folder that train.py made, as it lies there; nothing is searched for or fetched.

What the photos came from is what the model that was made from them says; where there is none, what their rows say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mirror.collect.corrected import require_photo_folder
from mirror.collect.from_folder import ENGINES
from mirror.collect.photo_folder import PhotoFolder
from mirror.errors import ModelFolderError
from mirror.model_folder import DataInfo, Query, read_model_folder
from mirror.terminal import say


@dataclass(frozen=True)
class Collected:
    """folder: open. source: "search", "folder" or "recipe", as in model.json; queries: (label, query) pairs."""

    folder: PhotoFolder
    source: str
    queries: tuple[tuple[str, str], ...]
    license_filter: str | None


def open_collected(folder: Path, model: Path, *, log: Callable[[str], None] = say) -> Collected:
    """Opens the photo folder. model: where a model made from it may lie. DatasetError where `folder` is no such one."""
    require_photo_folder(Path(folder))
    photos = PhotoFolder(folder)
    for note in photos.notes:
        log(note)
    told = _told_by(model, photos.labels) or _read_off(photos)
    return Collected(
        photos, told.source, tuple((query.label, query.query) for query in told.queries), told.license_filter
    )


def _told_by(model: Path, labels: list[str]) -> DataInfo | None:
    try:
        info = read_model_folder(model).info
    except ModelFolderError:
        return None
    return info.data if set(labels) & set(info.labels) else None


def _read_off(photos: PhotoFolder) -> DataInfo:
    rows = photos.photos
    queries = sorted({(row.label, row.query) for row in rows if row.query})
    licences = {row.license_filter for row in rows}
    source = "folder" if all(row.engine in ENGINES for row in rows) else "search"
    only = licences.pop() if len(licences) == 1 else ""
    return DataInfo(source, queries=tuple(Query(*pair) for pair in queries), license_filter=only or None)
