"""What a person decided about single photos: data/<name>/decisions.csv, a journal that only ever grows.

    time,file_name,action,label
    2026-11-21T09:30:00.000000+00:00,images/cygnet/0f3a….jpg,relabel,duckling
    2026-11-21T09:30:04.000000+00:00,images/cygnet/77b1….jpg,remove,
    2026-11-21T09:30:09.000000+00:00,images/cygnet/77b1….jpg,undo,

    relabel   the photo shows `label`, which may be a new one; its own label confirms it
    remove    it is not to be trained on; its file and its row in metadata.csv stay where they are
    restore   it is to be trained on after all
    undo      takes back the photo's latest correction that still stands

`CorrectedFolder(photo_folder).photos` is what training takes: the photos with their new labels, without the removed
ones. metadata.csv and rejected.csv stay as they were collected, except for the column `split`.

A correction is on disk, flushed, before `record_corrections` returns, and a line that was written is never changed, so
a process killed at any moment loses at most the line that it was writing. Lines of one `time` were decided together,
and are written together or not at all.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

from mirror.collect.label_names import check_label
from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.photo_records import (
    TRAIN,
    VALIDATION,
    Photo,
    Rejection,
    format_row,
    read_photos,
    read_rows,
    require_inside,
    write_rows,
    writing,
)
from mirror.collect.splits import assign_splits
from mirror.errors import DatasetError
from mirror.folders import locked
from mirror.storage import recover, sweep, write_atomically

DECISIONS_CSV = "decisions.csv"
COLUMNS = ("time", "file_name", "action", "label")
RELABEL, REMOVE, RESTORE, UNDO = "relabel", "remove", "restore", "undo"
ACTIONS = (RELABEL, REMOVE, RESTORE, UNDO)
LOCK_TIMEOUT = 1.0  # seconds to wait for another window's correction to be written
SHOWN_LINES = 5


@dataclass(frozen=True)
class Correction:
    """One line of decisions.csv. `line`: its number in the file, 0 for one that was not read from there."""

    time: str
    file_name: str
    action: str
    label: str = ""
    line: int = field(default=0, compare=False)


@dataclass(frozen=True)
class CurrentLabel:
    """What the corrections make of a photo: the label it now has, and whether it is left out."""

    label: str
    removed: bool = False


@dataclass(frozen=True)
class FolderState:
    """A photo folder at one moment: its photos as collected, the corrections, and what they make of the photos."""

    photos: list[Photo]
    corrections: list[Correction]
    current_labels: dict[str, CurrentLabel]

    @classmethod
    def of(cls, folder: PhotoFolder) -> FolderState:
        """Of an open folder, as its decisions.csv is now. Raises DatasetError."""
        corrections = read_corrections(folder.path)
        return cls(folder.photos, corrections, current_labels(folder.photos, corrections, folder.rejected))

    def current_label(self, photo: Photo) -> CurrentLabel:
        return self.current_labels.get(photo.file_name) or CurrentLabel(photo.label)


class CorrectedFolder:
    """An open PhotoFolder as its decisions.csv corrects it. Raises DatasetError for a line that cannot be applied.

    relabelled, removed: how many photos are; summary: the same in a sentence, "" where no photo is.
    """

    def __init__(self, folder: PhotoFolder):
        self._folder = folder
        self._corrections = read_corrections(folder.path)
        self.relabelled, self.removed = count_changes(
            folder.photos, current_labels(folder.photos, self._corrections, folder.rejected)
        )
        self.summary = corrections_summary(self.relabelled, self.removed)

    @property
    def photos(self) -> list[Photo]:
        return apply_corrections(self._folder.photos, self._corrections, self._folder.rejected)

    @property
    def labels(self) -> list[str]:
        return sorted({photo.label for photo in self.photos})

    @property
    def rejected(self) -> list[Rejection]:
        return self._folder.rejected

    def assign_splits(self, seed: int) -> None:
        """Gives every photo of the folder its split and stores it (`split_as_corrected`)."""
        photos = split_as_corrected(self._folder.photos, self._corrections, seed=seed, rejected=self._folder.rejected)
        self._folder.save_splits(photos)


def require_photo_folder(folder: Path) -> None:
    """Raise DatasetError unless train.py made this folder of photos."""
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise DatasetError(f"{folder} {what}; give a photo folder that train.py made, such as data/mirror.")
    if not (folder / "metadata.csv").is_file():
        raise DatasetError(f"{folder} holds no metadata.csv; give a photo folder that train.py made: data/mirror, say.")


# ---- what corrections make of photos --------------------------------------------------------------------------------


def effective_corrections(corrections: Iterable[Correction]) -> list[Correction]:
    """Those that were not taken back, in order. An undo without anything to take back changes nothing."""
    effective: list[Correction] = []
    for correction in corrections:
        if correction.action != UNDO:
            effective.append(correction)
            continue
        for index in reversed(range(len(effective))):
            if effective[index].file_name == correction.file_name:
                del effective[index]
                break
    return effective


def last_corrections(corrections: Iterable[Correction]) -> list[Correction]:
    """The corrections that an undo would take back: the latest effective ones that were made together."""
    effective = effective_corrections(corrections)
    return [correction for correction in effective if correction.time == effective[-1].time]


def current_labels(
    photos: Iterable[Photo], corrections: Sequence[Correction], rejected: Iterable[Rejection] = ()
) -> dict[str, CurrentLabel]:
    """file_name → what the corrections make of it, for each photo that has an effective one.

    A correction of a photo that was withdrawn since (a row of `rejected` has its bytes) is ignored; one of a photo
    that never was is a DatasetError with the line's number.
    """
    labels = {photo.file_name: photo.label for photo in photos}
    withdrawn = {row.sha256[:16] for row in rejected if row.sha256}
    unknown = [
        correction
        for correction in corrections
        if correction.file_name not in labels and PurePosixPath(correction.file_name).stem not in withdrawn
    ]
    if unknown:
        lines = [str(correction.line) for correction in unknown]
        where = f"line {lines[0]}" if len(lines) == 1 else f"lines {', '.join(lines[:SHOWN_LINES])}"
        more = f" and {len(lines) - SHOWN_LINES} more" if len(lines) > SHOWN_LINES else ""
        raise DatasetError(
            f"{DECISIONS_CSV}, {where}{more}: there is no photo {unknown[0].file_name}; correct the name, or delete "
            "the lines about photos that have gone."
        )
    current: dict[str, CurrentLabel] = {}
    for correction in effective_corrections(corrections):
        name = correction.file_name
        if name not in labels:
            continue
        before = current.get(name) or CurrentLabel(labels[name])
        if correction.action == RELABEL:
            current[name] = replace(before, label=correction.label)
        else:
            current[name] = replace(before, removed=correction.action == REMOVE)
    return current


def apply_corrections(
    photos: Sequence[Photo], corrections: Sequence[Correction], rejected: Iterable[Rejection] = ()
) -> list[Photo]:
    """The photos with their new labels, in their order, without the removed ones. Raises as `current_labels` does."""
    current = current_labels(photos, corrections, rejected)
    pairs = [(photo, current.get(photo.file_name) or CurrentLabel(photo.label)) for photo in photos]
    return [replace(photo, label=now.label) for photo, now in pairs if not now.removed]


def split_as_corrected(
    photos: Sequence[Photo], corrections: Sequence[Correction], *, seed: int, rejected: Iterable[Rejection] = ()
) -> list[Photo]:
    """`assign_splits` of the photos as they were collected: a correction of one photo moves no other to the other side.

    So a model trained before and one trained after are judged by the same photos. Where corrections leave a label
    without training photos, or without validation photos that it could have, the corrected photos are split anew.
    """
    rejected = list(rejected)
    split = assign_splits(photos, seed=seed)
    corrected = apply_corrections(split, corrections, rejected)
    anew = assign_splits(corrected, seed=seed)
    if all(_labels_of(anew, side) <= _labels_of(corrected, side) for side in (TRAIN, VALIDATION)):
        return split
    side_of = {photo.file_name: photo.split for photo in anew}
    return [replace(photo, split=side_of.get(photo.file_name, photo.split)) for photo in split]


def _labels_of(photos: Iterable[Photo], split: str) -> set[str]:
    return {photo.label for photo in photos if photo.split == split}


def count_changes(photos: Iterable[Photo], current: Mapping[str, CurrentLabel]) -> tuple[int, int]:
    """How many photos are relabelled, and how many removed."""
    labels = {photo.file_name: photo.label for photo in photos}
    relabelled = sum(now.label != labels[name] and not now.removed for name, now in current.items())
    return relabelled, sum(now.removed for now in current.values())


def corrections_summary(relabelled: int, removed: int) -> str:
    """ "3 photos relabelled, 1 removed by decisions.csv.", or ""."""
    changes = [(count, change) for count, change in ((relabelled, "relabelled"), (removed, "removed")) if count]
    if not changes:
        return ""
    (count, change), *others = changes
    parts = [f"{count} photo{'s' * (count != 1)} {change}", *(f"{count} {change}" for count, change in others)]
    return f"{', '.join(parts)} by {DECISIONS_CSV}."


# ---- the journal ----------------------------------------------------------------------------------------------------


def read_corrections(folder: Path) -> list[Correction]:
    """The corrections of a photo folder, in order; none where there is no decisions.csv. A torn last line is left out.

    Raises DatasetError, with the line's number, for a line that cannot be meant.
    """
    path = Path(folder) / DECISIONS_CSV
    if not path.exists():
        return []
    corrections = []
    undoable: Counter[str] = Counter()
    for line, (time, file_name, action, label) in read_rows(path, COLUMNS):
        correction, where = Correction(time, file_name, action, label, line), f"{path}, line {line}"
        require_inside(correction.file_name, where)
        if correction.action not in ACTIONS:
            raise DatasetError(f"{where}: action {correction.action!r} is none of {', '.join(ACTIONS)}; correct it.")
        if correction.action == RELABEL:
            try:
                check_label(correction.label)
            except DatasetError as error:
                raise DatasetError(f"{where}: {error}") from None
        elif correction.label:
            raise DatasetError(f"{where}: only relabel takes a label, not {correction.action}; clear it.")
        undoable[correction.file_name] += -1 if correction.action == UNDO else 1
        if undoable[correction.file_name] < 0:
            raise DatasetError(f"{where}: there is nothing to undo about {correction.file_name}; delete the line.")
        corrections.append(correction)
    return corrections


def record_corrections(folder: Path, choices: Sequence[tuple[str, str, str]]) -> list[Correction]:
    """Write (file_name, action, label) that were decided together and wait until they are on disk; returns the lines.

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
        if file_name not in known and action != UNDO:  # a correction of a photo that has gone can be taken back
            raise DatasetError(f"There is no photo {file_name!r} in {folder}; load the page again.")
    try:
        with locked(folder, LOCK_TIMEOUT):
            undoable = Counter(row.file_name for row in effective_corrections(read_corrections(folder)))
            if not Counter(file_name for file_name, action, _ in choices if action == UNDO) <= undoable:
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
    record_corrections(folder, [(correction.file_name, UNDO, "") for correction in reversed(latest)])
    return latest


def _append(path: Path, choices: Sequence[tuple[str, str, str]]) -> list[Correction]:
    now = datetime.now(UTC).isoformat(timespec="microseconds")
    added = "".join(format_row((now, *choice)) for choice in choices).encode("utf-8")
    with writing(path):
        if not path.exists():
            write_rows(path, COLUMNS, [])
        sweep(path)
        # Replaced whole, so that it is all of the lines or none: half a decision could be neither shown nor undone
        write_atomically(path, recover(path, quoted=True) + added, inside=path.parent)
    return [Correction(now, *choice) for choice in choices]
