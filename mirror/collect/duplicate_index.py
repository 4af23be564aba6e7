"""What a photo folder has seen: its photos by content, and those it stored once and took back. In memory only."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mirror.collect.metadata import Photo, Rejection
from mirror.collect.screening import HashIndex, ScreenedPhoto

TWO_LABELS = "same-photo-under-two-labels"
REMOVED_BY_HAND = "removed-by-hand"
WITHDRAWN_REASONS = (TWO_LABELS, REMOVED_BY_HAND)

_MARK = re.compile(r"perceptual hash ([0-9a-f]{16}); ")


def mark(phash: str) -> str:
    """Begins the `detail` of a photo taken back, so that a reopened folder knows copies of what it no longer stores."""
    return f"perceptual hash {phash}; " if phash else ""


class DuplicateIndex:
    """Content → photos and withdrawn rows, by the bytes' sha256 and by perceptual hash within NEAR_DISTANCE."""

    def __init__(self) -> None:
        self._photos: dict[str, Photo] = {}  # by sha256
        self._photo_hashes = HashIndex()
        self._withdrawn: dict[tuple[str, str], Rejection] = {}
        self._withdrawn_hashes = HashIndex()

    def add(self, photo: Photo) -> None:
        self._photos[photo.sha256] = photo
        self._photo_hashes.add(photo.sha256, photo.phash)

    def discard(self, photo: Photo) -> None:
        self._photos.pop(photo.sha256, None)
        self._photo_hashes.discard(photo.sha256)

    def twins(self, examined: ScreenedPhoto) -> list[Photo]:
        """Photos that show the same: that of the same bytes first, then by distance."""
        same = self._photos.get(examined.sha256)
        near = [self._photos[key] for _, key in self._photo_hashes.near(examined.phash)]
        return ([same] if same else []) + [photo for photo in near if photo is not same]

    def withdraw(self, row: Rejection) -> None:
        """Remember a row of rejected.csv whose photo must not come back as a copy; other rows are passed over."""
        if row.reason in WITHDRAWN_REASONS:
            self._withdrawn[row.key] = row
            found = _MARK.match(row.detail)
            self._withdrawn_hashes.add(row.key, found.group(1) if found else "")

    def replace_withdrawn(self, rows: Iterable[Rejection]) -> None:
        self._withdrawn, self._withdrawn_hashes = {}, HashIndex()
        for row in rows:
            self.withdraw(row)

    def unwanted(self, examined: ScreenedPhoto, label: str) -> Rejection | None:
        """The withdrawn row of which this is a copy: under two labels for any label, removed by hand for that label."""
        same = [row for row in self._withdrawn.values() if row.sha256 == examined.sha256]
        near = [self._withdrawn[key] for _, key in self._withdrawn_hashes.near(examined.phash)]
        return next((row for row in same + near if row.reason == TWO_LABELS or row.label == label), None)
