"""Which photos a tab shows, a page at a time. Pure: a scene and a view in, tiles out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from mirror.collect.corrections import CurrentLabel
from mirror.collect.issue_files import DISPUTED, NEAR_DUPLICATE, OUTLIER, PhotoIssue
from mirror.collect.metadata import Photo
from mirror.web.studio.state import Snapshot
from mirror.wording import percent, plain

LABELS, CONFUSION, DECIDED, RETRAIN = "labels", "confusion", "decided", "retrain"
TABS = {
    LABELS: "Photos",
    DISPUTED: "Disputed",
    OUTLIER: "Outliers",
    NEAR_DUPLICATE: "Near-duplicates",
    CONFUSION: "Mix-ups",
    DECIDED: "Decided",
    RETRAIN: "Train again",
}
ISSUE_TABS = (DISPUTED, OUTLIER, NEAR_DUPLICATE)
TILES_A_PAGE = 48  # divides into rows of 8, 6, 4 or 3, and into near-duplicate pairs


@dataclass(frozen=True)
class View:
    """What is looked at. label: only photos of it, "" for all; cell: (actual, predicted) of the confusion matrix."""

    tab: str = LABELS
    label: str = ""
    cell: tuple[str, str] | None = None
    page: int = 0


@dataclass(frozen=True)
class Tile:
    """A photo on the board. note: a line on why it is here; pair: photos of one number are copies of each other."""

    photo: Photo
    standing: CurrentLabel
    decided: bool
    missing: bool
    note: str = ""
    suggested: str = ""
    pair: int | None = None

    @property
    def name(self) -> str:
        return self.photo.title or PurePosixPath(self.photo.url).name or self.photo.file_name


@dataclass(frozen=True)
class GalleryPage:
    """A page of a view. total: photos in the whole view."""

    view: View
    tiles: list[Tile]
    total: int

    @property
    def pages(self) -> int:
        return max(1, -(-self.total // TILES_A_PAGE))


@dataclass(frozen=True)
class _Entry:
    file_name: str
    note: str = ""
    suggested: str = ""
    pair: int | None = None


def lay_out(scene: Snapshot, view: View) -> GalleryPage:
    """The photos of a view, on the page it asks for or the last one there is."""
    entries = _entries(scene, view)
    page = max(0, min(view.page, (len(entries) - 1) // TILES_A_PAGE))
    shown = entries[page * TILES_A_PAGE : (page + 1) * TILES_A_PAGE]
    view = View(view.tab, view.label, view.cell, page)
    return GalleryPage(view, [_tile(scene, entry) for entry in shown], len(entries))


def waiting(scene: Snapshot, tab: str) -> int:
    """How many photos a tab has to look at; pairs count once."""
    if tab == DECIDED:
        return len(scene.reading.current_labels)
    return sum(one.issue == tab for one in scene.open_suspects)


def _entries(scene: Snapshot, view: View) -> list[_Entry]:
    reading = scene.reading
    if view.tab == LABELS:
        shown = [(photo, reading.current_label(photo)) for photo in reading.photos]
        return [
            _Entry(photo.file_name)
            for photo, standing in shown
            if not standing.removed and view.label in ("", standing.label)
        ]
    if view.tab in ISSUE_TABS:
        return _suspects(scene, view.tab, view.label)
    if view.tab == CONFUSION:
        return [
            _Entry(one.file_name, f"taken for {plain(one.predicted)}, {percent(one.probability)}")
            for one in sorted(scene.predictions, key=lambda one: (-one.probability, one.file_name))
            if (one.label, one.predicted) == view.cell
        ]
    if view.tab == DECIDED:
        latest = {decision.file_name: place for place, decision in enumerate(reading.corrections)}
        return [_Entry(name) for name in sorted(reading.current_labels, key=lambda name: -latest[name])]
    return []


def _suspects(scene: Snapshot, issue: str, label: str) -> list[_Entry]:
    found: list[_Entry] = []
    for number, one in enumerate(one for one in scene.open_suspects if one.issue == issue):
        if label in ("", scene.reading.current_label(scene.photos[one.file_name]).label):
            found += _of(scene, one, number)
    return found


def _of(scene: Snapshot, one: PhotoIssue, number: int) -> list[_Entry]:
    if one.issue != NEAR_DUPLICATE:
        return [_Entry(one.file_name, one.reason, one.suggested)]
    pair = [scene.photos[name] for name in (one.file_name, one.other)]
    return [_Entry(photo.file_name, f"{photo.width} × {photo.height} pixels", pair=number) for photo in pair]


def _tile(scene: Snapshot, entry: _Entry) -> Tile:
    photo = scene.photos[entry.file_name]
    decided = entry.file_name in scene.reading.current_labels
    current = scene.reading.current_label(photo)
    return Tile(photo, current, decided, scene.is_missing(photo), entry.note, entry.suggested, entry.pair)
