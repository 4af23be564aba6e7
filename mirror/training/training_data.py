"""The photos of a training, in one order, with their labels and groups as numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mirror.collect.photo_records import TRAIN, VALIDATION, Photo
from mirror.collect.splits import group_photos
from mirror.errors import DatasetError


@dataclass(frozen=True)
class TrainingData:
    """photos [N], their splits assigned; labels [L]; groups [N]: the same number for photos that belong together
    (look-alikes, crops, photos of one page; `groups.py`). folds: in so many each photo is left out once to judge
    by, None: the validation photos judge. blocks: labels of one group, left out by neighbouring files.
    """

    photos: list[Photo]
    labels: tuple[str, ...]
    groups: np.ndarray
    folds: int | None = None
    blocks: tuple[str, ...] = ()

    @classmethod
    def of(cls, photos: Sequence[Photo], folds: int | None = None) -> TrainingData:
        """With `folds` every photo's split is "train", else where it has none. Raises DatasetError where a label has no
        training photo."""
        photos = [replace(photo, split=TRAIN if folds else photo.split or TRAIN) for photo in photos]
        photos = sorted(photos, key=lambda photo: (photo.label, photo.sha256, photo.url))
        labels = tuple(sorted({photo.label for photo in photos}))
        untrained = sorted(set(labels) - {photo.label for photo in photos if photo.split == TRAIN})
        if len(labels) < 2 or untrained:
            reason = f"{untrained[0]!r} has no training photo" if untrained else "there is only one label"
            raise DatasetError(f"Nothing can be learned, for {reason}: add photos and train again.")
        return cls(photos, labels, group_numbers(photos), folds)

    def without(self, rows: np.ndarray) -> TrainingData:
        """All but the photos at these indices. Raises DatasetError where a label is left without a training photo."""
        gone = set(rows.tolist())
        photos = [photo for i, photo in enumerate(self.photos) if i not in gone]
        untrained = sorted(set(self.labels) - {photo.label for photo in photos if photo.split == TRAIN})
        if untrained:
            raise DatasetError(f"No training photo of {untrained[0]!r} can be opened: add photos and train again.")
        return replace(self, photos=photos, groups=np.delete(self.groups, rows))

    def cross_validated(self, folds: int) -> TrainingData:
        """The same, every photo being learned from and left out once."""
        return replace(self, photos=[replace(photo, split=TRAIN) for photo in self.photos], folds=folds)

    def held_apart(self) -> TrainingData:
        """The same, no validation photo of which belongs to a training photo: it becomes one, unless its split came
        with the photos."""
        learned = set(self.groups[self.rows(TRAIN)].tolist())
        photos = [
            photo if photo.split_given or group not in learned else replace(photo, split=TRAIN)
            for photo, group in zip(self.photos, self.groups.tolist(), strict=True)
        ]
        return replace(self, photos=photos)

    @property
    def leaks(self) -> int:
        """Validation photos that belong to a training photo."""
        return int(np.isin(self.groups[self.rows(VALIDATION)], self.groups[self.rows(TRAIN)]).sum())

    @cached_property
    def actual(self) -> np.ndarray:
        """[N] each photo's label as its index in `labels`."""
        return np.array([self.labels.index(photo.label) for photo in self.photos], dtype=int)

    def rows(self, split: str) -> np.ndarray:
        """Indices of the "train" or "validation" photos."""
        return np.array([i for i, photo in enumerate(self.photos) if photo.split == split], dtype=int)


def group_numbers(photos: Sequence[Photo]) -> np.ndarray:
    """[N] the number of each photo's group of look-alikes and photos of one page."""
    indices = {photo.key: i for i, photo in enumerate(photos)}
    numbers = np.zeros(len(photos), dtype=int)
    for number, group in enumerate(group_photos(photos)):
        for photo in group:
            numbers[indices[photo.key]] = number
    return numbers
