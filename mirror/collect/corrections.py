"""What a person decided about single photos: data/<name>/decisions.csv, a journal that only ever grows.

    time,file_name,action,label
    2026-11-21T09:30:00.000000+00:00,images/cygnet/0f3a….jpg,relabel,duckling
    2026-11-21T09:30:04.000000+00:00,images/cygnet/77b1….jpg,remove,
    2026-11-21T09:30:09.000000+00:00,images/cygnet/77b1….jpg,undo,

    relabel   the photo shows `label`, which may be a new one; its own label confirms it
    remove    it is not to be trained on; its file and its row in metadata.csv stay where they are
    restore   it is to be trained on after all
    undo      takes back the photo's latest decision that still stands

A decision is on disk, flushed, before `record_corrections` returns, and nothing that was written is ever changed, so a
process killed at any moment loses at most the line that it was writing. Lines of one `time` were decided together, and
are written together or not at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import astuple, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from mirror.collect.label_names import check_label
from mirror.collect.metadata import (
    Photo,
    Rejection,
    append_rows,
    cut_torn_row,
    format_row,
    read_photos,
    read_rows,
    require_inside,
    write_rows,
    writing,
)
from mirror.errors import DatasetError
from mirror.folders import locked
from mirror.storage import read_file, sweep, write_atomically

DECISIONS_CSV = "decisions.csv"
COLUMNS = ("time", "file_name", "action", "label")
RELABEL, REMOVE, RESTORE, UNDO = "relabel", "remove", "restore", "undo"
ACTIONS = (RELABEL, REMOVE, RESTORE, UNDO)
PATIENCE = 1.0  # seconds to wait for another window's decision to be written
SHOWN_LINES = 5


@dataclass(frozen=True)
class Correction:
    """One line of decisions.csv. `line`: where it stands in the file, 0 for one that is not written yet."""

    time: str
    file_name: str
    action: str
    label: str = ""
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class CurrentLabel:
    """What the decisions make of a photo: the label it now has, and whether it is left out."""

    label: str
    removed: bool = False


def read_corrections(folder: Path) -> list[Correction]:
    """The decisions about a photo folder, in order; none where there is no decisions.csv. A torn last line is left out.

    Raises DatasetError, with the line's number, for a line that cannot be meant.
    """
    path = Path(folder) / DECISIONS_CSV
    if not path.exists():
        return []
    found = []
    for line, values in read_rows(path, COLUMNS):
        decision, where = Correction(*values, line=line), f"{path}, line {line}"
        require_inside(decision.file_name, where)
        if decision.action not in ACTIONS:
            raise DatasetError(f"{where}: action {decision.action!r} is none of {', '.join(ACTIONS)}; correct it.")
        if decision.action == RELABEL:
            try:
                check_label(decision.label)
            except DatasetError as error:
                raise DatasetError(f"{where}: {error}") from None
        elif decision.label:
            raise DatasetError(f"{where}: only relabel takes a label, not {decision.action}; clear it.")
        found.append(decision)
    _check_undone(found, path)
    return found


def effective_corrections(decisions: Iterable[Correction]) -> list[Correction]:
    """Those that were not taken back, in order. An undo without anything to take back changes nothing."""
    stands: list[Correction] = []
    for decision in decisions:
        if decision.action != UNDO:
            stands.append(decision)
        elif (latest := _latest(stands, decision.file_name)) is not None:
            del stands[latest]
    return stands


def last_corrections(decisions: Iterable[Correction]) -> list[Correction]:
    """The decisions that an undo would take back: the latest that stand and were made together."""
    stands = effective_corrections(decisions)
    return [decision for decision in stands if decision.time == stands[-1].time]


def current_labels(
    photos: Iterable[Photo], decisions: Sequence[Correction], rejected: Iterable[Rejection] = ()
) -> dict[str, CurrentLabel]:
    """file_name → what the decisions make of it, for each photo that one stands about.

    A decision about a photo that was withdrawn since (a row of `rejected` has its bytes) is passed over; one about a
    photo that never was is a DatasetError with the line's number.
    """
    labels = {photo.file_name: photo.label for photo in photos}
    withdrawn = {row.sha256[:16] for row in rejected if row.sha256}
    found: dict[str, CurrentLabel] = {}
    strangers = []
    for decision in decisions:
        if decision.file_name not in labels and PurePosixPath(decision.file_name).stem not in withdrawn:
            strangers.append(decision)
    if strangers:
        raise DatasetError(_unknown(strangers))
    for decision in effective_corrections(decisions):
        if decision.file_name not in labels:
            continue
        before = found.get(decision.file_name) or CurrentLabel(labels[decision.file_name])
        if decision.action == RELABEL:
            found[decision.file_name] = replace(before, label=decision.label)
        else:
            found[decision.file_name] = replace(before, removed=decision.action == REMOVE)
    return found


def apply_corrections(
    photos: Sequence[Photo], decisions: Sequence[Correction], rejected: Iterable[Rejection] = ()
) -> list[Photo]:
    """The photos with their new labels, in their order, without the removed ones. Raises as `current_labels` does."""
    found = current_labels(photos, decisions, rejected)
    decided = [(photo, found.get(photo.file_name) or CurrentLabel(photo.label)) for photo in photos]
    return [replace(photo, label=standing.label) for photo, standing in decided if not standing.removed]


def record_corrections(folder: Path, file_names: Sequence[str], action: str, label: str = "") -> list[Correction]:
    """`record_each` for one decision about several photos."""
    given = label if action == RELABEL else ""
    return record_each(folder, [(name, action, given) for name in dict.fromkeys(file_names)])


def record_each(folder: Path, choices: Sequence[tuple[str, str, str]]) -> list[Correction]:
    """Write down (file_name, action, label) decided together and wait until they are on disk; returns the lines.

    Raises DatasetError for photos that the folder does not hold, for a label that cannot be one, for an action that is
    none of ACTIONS, where there is nothing to undo, while another process works on the folder, and on a full disk.
    """
    folder = Path(folder)
    known = {photo.file_name for photo in read_photos(folder / "metadata.csv")}
    for file_name, action, label in choices:
        if action not in ACTIONS:
            raise DatasetError(f"{action!r} is no decision; it is one of {', '.join(ACTIONS)}.")
        if action == RELABEL:
            check_label(label)
        if file_name not in known and action != UNDO:  # what was decided of a photo that has gone can be taken back
            raise DatasetError(f"There is no photo {file_name!r} in {folder}; load the page again.")
    try:
        with locked(folder, PATIENCE):
            stands = Counter(decision.file_name for decision in effective_corrections(read_corrections(folder)))
            if not Counter(file_name for file_name, action, _ in choices if action == UNDO) <= stands:
                raise DatasetError("There is nothing left to undo.")
            return _append(folder / DECISIONS_CSV, choices)
    except BlockingIOError as holder:
        raise DatasetError(
            f"{folder} is in use by another process ({holder}), a training perhaps; decide again when it has ended."
        ) from None
    except OSError as error:
        raise DatasetError(f"{folder} cannot be written ({error.strerror or error}); check it.") from None


def undo_last(folder: Path) -> list[Correction]:
    """Take back what was last decided together, and return it. Raises DatasetError as `record_corrections`."""
    latest = last_corrections(read_corrections(folder))
    if not latest:
        raise DatasetError("There is nothing left to undo.")
    record_each(folder, [(decision.file_name, UNDO, "") for decision in reversed(latest)])
    return latest


def _append(path: Path, lines: Sequence[tuple[str, str, str]]) -> list[Correction]:
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    rows = [_Row(now, *line) for line in lines]
    with writing(path):
        if not path.exists():
            write_rows(path, COLUMNS, [])
        cut_torn_row(path)
        sweep(path)
        if len(rows) > 1:  # all of them or none: half of what was decided together would be neither said nor undone
            added = "".join(format_row(astuple(row)) for row in rows)
            write_atomically(path, read_file(path, inside=path.parent) + added.encode("utf-8"), inside=path.parent)
    if len(rows) == 1:
        append_rows(path, rows)
    return [Correction(row.time, row.file_name, row.action, row.label) for row in rows]


@dataclass(frozen=True)
class _Row:
    """A Decision as it is written."""

    time: str
    file_name: str
    action: str
    label: str


def _latest(stands: Sequence[Correction], file_name: str) -> int | None:
    return next((place for place in reversed(range(len(stands))) if stands[place].file_name == file_name), None)


def _check_undone(decisions: Iterable[Correction], path: Path) -> None:
    stands: dict[str, int] = {}
    for decision in decisions:
        left = stands.get(decision.file_name, 0) + (-1 if decision.action == UNDO else 1)
        if left < 0:
            raise DatasetError(
                f"{path}, line {decision.line}: there is nothing to undo about {decision.file_name}; delete the line."
            )
        stands[decision.file_name] = left


def _unknown(strangers: Sequence[Correction]) -> str:
    first, lines = strangers[0], [str(decision.line) for decision in strangers]
    where = f"line {lines[0]}" if len(lines) == 1 else f"lines {', '.join(lines[:SHOWN_LINES])}"
    more = f" and {len(lines) - SHOWN_LINES} more" if len(lines) > SHOWN_LINES else ""
    return (
        f"{DECISIONS_CSV}, {where}{more}: there is no photo {first.file_name}; correct the name, or delete the lines "
        "about photos that have gone."
    )
