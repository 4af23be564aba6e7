"""Which photos a tab shows, a page at a time. Pure: a snapshot and a view in, tiles out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from mirror.collect.corrections import CurrentLabel
from mirror.collect.issue_files import DISPUTED, LOOK_ALIKE, OUTLIER, PhotoIssue
from mirror.collect.photo_records import Photo
from mirror.web.studio.state import Snapshot
from mirror.wording import percent, plain

LABELS, CONFUSION, DECIDED = "labels", "confusion", "decided"
TABS = {
    LABELS: "Photos",
    DISPUTED: "Disputed",
    OUTLIER: "Outliers",
    LOOK_ALIKE: "Look-alikes",
    CONFUSION: "Mix-ups",
    DECIDED: "Decided",
}
ISSUE_TABS = (DISPUTED, OUTLIER, LOOK_ALIKE)
TILES_A_PAGE = 48  # divides into rows of 8, 6, 4 or 3, and into look-alike pairs


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
    current: CurrentLabel
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


def lay_out(snapshot: Snapshot, view: View) -> GalleryPage:
    """The photos of a view, on the page it asks for or the last one there is."""
    entries = _entries(snapshot, view)
    page = max(0, min(view.page, (len(entries) - 1) // TILES_A_PAGE))
    shown = entries[page * TILES_A_PAGE : (page + 1) * TILES_A_PAGE]
    view = View(view.tab, view.label, view.cell, page)
    return GalleryPage(view, [_tile(snapshot, entry) for entry in shown], len(entries))


def undecided_count(snapshot: Snapshot, tab: str) -> int:
    """How many photos a tab has to look at; pairs count once."""
    if tab == DECIDED:
        return len(snapshot.folder_state.current_labels)
    return sum(issue.issue == tab for issue in snapshot.open_issues)


def _entries(snapshot: Snapshot, view: View) -> list[_Entry]:
    folder_state = snapshot.folder_state
    if view.tab == LABELS:
        shown = [(photo, folder_state.current_label(photo)) for photo in folder_state.photos]
        return [
            _Entry(photo.file_name)
            for photo, current in shown
            if not current.removed and view.label in ("", current.label)
        ]
    if view.tab in ISSUE_TABS:
        return _issue_entries(snapshot, view.tab, view.label)
    if view.tab == CONFUSION:
        return [
            _Entry(mistake.file_name, f"taken for {plain(mistake.predicted)}, {percent(mistake.probability)}")
            for mistake in sorted(snapshot.predictions, key=lambda mistake: (-mistake.probability, mistake.file_name))
            if (mistake.label, mistake.predicted) == view.cell
        ]
    if view.tab == DECIDED:
        latest = {decision.file_name: index for index, decision in enumerate(folder_state.corrections)}
        return [_Entry(name) for name in sorted(folder_state.current_labels, key=lambda name: -latest[name])]
    return []


def _issue_entries(snapshot: Snapshot, kind: str, label: str) -> list[_Entry]:
    entries: list[_Entry] = []
    for number, issue in enumerate(issue for issue in snapshot.open_issues if issue.issue == kind):
        if label in ("", snapshot.folder_state.current_label(snapshot.photos[issue.file_name]).label):
            entries += _entries_of(snapshot, issue, number)
    return entries


def _entries_of(snapshot: Snapshot, issue: PhotoIssue, number: int) -> list[_Entry]:
    if issue.issue != LOOK_ALIKE:
        return [_Entry(issue.file_name, issue.reason, issue.suggested)]
    pair = [snapshot.photos[name] for name in (issue.file_name, issue.other)]
    return [_Entry(photo.file_name, f"{photo.width} × {photo.height} pixels", pair=number) for photo in pair]


def _tile(snapshot: Snapshot, entry: _Entry) -> Tile:
    photo = snapshot.photos[entry.file_name]
    decided = entry.file_name in snapshot.folder_state.current_labels
    current = snapshot.folder_state.current_label(photo)
    return Tile(photo, current, decided, snapshot.is_missing(photo), entry.note, entry.suggested, entry.pair)
