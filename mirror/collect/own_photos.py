"""Photos that a person adds to a label by hand, one or a few, of any photo folder: that of a search, too.

    add_own_photos(Path("data/fruit"), "pear", [("garden.jpg", body)])

A row of metadata.csv says that the photo is the person's own (Origin.engine "own"; its url, which nobody can fetch,
names it by its bytes). The label is decided: a line of decisions.csv confirms it, so that it is not disputed, and no
rule of a search, of a folder or of a photo list leaves the photo out again. What the folder holds already gets the
label by a decision instead.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from mirror.collect.corrections import (
    RELABEL,
    RESTORE,
    CurrentLabel,
    FolderState,
    current_labels,
    read_corrections,
    record_corrections,
)
from mirror.collect.label_names import check_label
from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.photo_records import OWN, Origin, Photo, Rejection, read_photos
from mirror.collect.screening import OWN_MIN_SIDE, screen, sha256_of
from mirror.errors import ImageError


@dataclass(frozen=True)
class Added:
    """photos: that are new; known: that the folder held before, and that have the label now; rejected: what is no photo
    that can be learned from."""

    photos: tuple[Photo, ...] = ()
    known: tuple[Photo, ...] = ()
    rejected: tuple[Rejection, ...] = ()


def add_own_photos(folder: Path, label: str, photos: Iterable[tuple[str, bytes]]) -> Added:
    """Adds (file name, bytes) to the label, which may be a new one. The folder is made where it is not there. Killed at
    any moment, it holds some of them, and the same again adds the others. Raises DatasetError."""
    check_label(label)
    new: list[Photo] = []
    known: list[Photo] = []
    rejected: list[Rejection] = []
    with PhotoFolder(folder) as opened:
        for name, body in photos:
            stored = next((photo for photo in opened.photos if photo.sha256 == sha256_of(body)), None)
            row = stored or _add(opened, label, name, body)
            into = known if stored else new if isinstance(row, Photo) else rejected
            into.append(row)  # type: ignore[arg-type]  # as the line before says
        current = current_labels(opened.photos, read_corrections(folder), opened.rejected)
    if choices := _choices(label, [*new, *known], current):
        record_corrections(folder, choices)
    return Added(tuple(new), tuple(known), tuple(rejected))


def waiting(state: FolderState, model: Path) -> int:
    """The photos of a person's own that the model has not learned, or not by this label, and the next one will. model:
    its folder, which may not be there. Raises DatasetError."""
    photos_csv = model / "photos.csv"
    learned = {(photo.sha256, photo.label) for photo in read_photos(photos_csv)} if photos_csv.is_file() else set()
    now = [(photo, state.current_label(photo)) for photo in state.photos if photo.is_own]
    return sum(not current.removed and (photo.sha256, current.label) not in learned for photo, current in now)


def _add(folder: PhotoFolder, label: str, name: str, body: bytes) -> Photo | Rejection:
    origin = Origin(f"own/{sha256_of(body)[:16]}", label, title=name, engine=OWN)
    folder.forget([origin.key])  # refused before, or deleted by hand: it is said again
    try:
        return folder.admit(origin, screen(body, OWN_MIN_SIDE))
    except ImageError as error:
        return folder.reject(
            origin, error.reason, str(error).replace("the file", name or "the file", 1), sha256_of(body)
        )


def _choices(label: str, photos: Iterable[Photo], current: Mapping[str, CurrentLabel]) -> list[tuple[str, str, str]]:
    """What is to be decided so that these photos have the label, and are seen to have been decided about."""
    choices = []
    for photo in photos:
        now = current.get(photo.file_name)
        if now and now.removed:
            choices.append((photo.file_name, RESTORE, ""))
        if now is None or now.label != label:
            choices.append((photo.file_name, RELABEL, label))
    return choices
