"""A photo folder as a person decided about it: what training takes from it, and what the studio shows.

    DecidedFolder(photo_folder).photos      with their new labels, without the removed ones

metadata.csv and rejected.csv stay as they were collected, but for the column `split`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from mirror.collect.corrections import (
    DECISIONS_CSV,
    Correction,
    CurrentLabel,
    apply_corrections,
    current_labels,
    read_corrections,
)
from mirror.collect.metadata import TRAIN, VALIDATION, Photo, Rejection
from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.splits import assign_splits
from mirror.errors import DatasetError


class CorrectedFolder:
    """An open PhotoFolder seen through its decisions.csv. Raises DatasetError for decisions that cannot be meant.

    relabelled, removed: how many photos are; line: the same in a sentence, "" where every photo is as it was collected.
    """

    def __init__(self, folder: PhotoFolder):
        self._folder = folder
        self._decisions = read_corrections(folder.path)
        found = current_labels(folder.photos, self._decisions, folder.rejected)
        self.relabelled, self.removed = changed(folder.photos, found)
        self.line = corrections_line(self.relabelled, self.removed)

    @property
    def photos(self) -> list[Photo]:
        return apply_corrections(self._folder.photos, self._decisions, self._folder.rejected)

    @property
    def labels(self) -> list[str]:
        return sorted({photo.label for photo in self.photos})

    @property
    def rejected(self) -> list[Rejection]:
        return self._folder.rejected

    def assign_splits(self, seed: int) -> None:
        """Gives every photo of the folder its side and stores it (`split_as_corrected`)."""
        photos = split_as_corrected(self._folder.photos, self._decisions, seed=seed, rejected=self._folder.rejected)
        self._folder.save_splits(photos)


@dataclass(frozen=True)
class FolderState:
    """A photo folder at one moment: its photos as collected, the decisions, and what they make of the photos."""

    photos: list[Photo]
    decisions: list[Correction]
    current_labels: dict[str, CurrentLabel]

    def standing(self, photo: Photo) -> CurrentLabel:
        return self.current_labels.get(photo.file_name) or CurrentLabel(photo.label)


def require_photo_folder(folder: Path) -> None:
    """Raise DatasetError unless train.py made this folder of photos."""
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise DatasetError(f"{folder} {what}; give a photo folder that train.py made, such as data/mirror.")
    if not (folder / "metadata.csv").is_file():
        raise DatasetError(f"{folder} holds no metadata.csv; give a photo folder that train.py made: data/mirror, say.")


def split_as_corrected(
    photos: Sequence[Photo], decisions: Sequence[Correction], *, seed: int, rejected: Iterable[Rejection] = ()
) -> list[Photo]:
    """`assign_splits` of the photos as they were collected: what was decided about one photo moves no other across.

    So a model trained before and one trained after are judged by the same photos. Where decisions leave a label without
    training photos, or without validation photos that it could have, the photos as decided are split anew.
    """
    rejected = list(rejected)
    split = assign_splits(photos, seed=seed)
    decided = apply_corrections(split, decisions, rejected)
    anew = assign_splits(decided, seed=seed)
    if all(gained <= had for gained, had in zip(_sides(anew), _sides(decided), strict=True)):
        return split
    side = {photo.file_name: photo.split for photo in anew}
    return [replace(photo, split=side.get(photo.file_name, photo.split)) for photo in split]


def changed(photos: Iterable[Photo], found: Mapping[str, CurrentLabel]) -> tuple[int, int]:
    """How many photos are relabelled, and how many removed."""
    labels = {photo.file_name: photo.label for photo in photos}
    relabelled = sum(standing.label != labels[name] and not standing.removed for name, standing in found.items())
    return relabelled, sum(standing.removed for standing in found.values())


def corrections_line(relabelled: int, removed: int) -> str:
    """ "3 photos relabelled, 1 removed by decisions.csv.", or ""."""
    told = [(number, what) for number, what in ((relabelled, "relabelled"), (removed, "removed")) if number]
    if not told:
        return ""
    first = f"{told[0][0]} photo{'s' * (told[0][0] != 1)} {told[0][1]}"
    return ", ".join([first, *(f"{number} {what}" for number, what in told[1:])]) + f" by {DECISIONS_CSV}."


def _sides(photos: Iterable[Photo]) -> tuple[set[str], set[str]]:
    """The labels that have training photos, and those that have validation photos."""
    photos = list(photos)
    trained, judged = ({photo.label for photo in photos if photo.split == side} for side in (TRAIN, VALIDATION))
    return trained, judged
