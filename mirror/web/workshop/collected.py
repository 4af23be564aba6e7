"""How far a photo folder is filled: its photos by label, and what was left out and why. Pure: read from its two tables.

    collected = read_collected(project.folder)
    collected.labels[0].photos, collected.left_out[0].reason

The tables grow a row at a time, by whatever command collects, so what is read here is how far that is.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from mirror.collect.photo_records import Photo, Rejection, read_photos, read_rejections
from mirror.collect.search_json import SearchFile, read_search
from mirror.collect.splits import MIN_PHOTOS_PER_LABEL
from mirror.errors import reason_in_words
from mirror.web.studio.state import Stamp, file_stamp
from mirror.wording import count, listed, plain

MOST_SHOWN = 1500  # photos on the sheet, of all labels together
LEAST_SHOWN = 12  # of each label in any case
MOST_LEFT_OUT = 12  # examples of each reason


@dataclass(frozen=True)
class LabelCount:
    """photos: those on the sheet, in the order in which they came; number: all that there are; wanted: None where
    nobody asked for a number of them; exhausted: the search finds no more."""

    label: str
    photos: tuple[Photo, ...]
    number: int
    wanted: int | None
    exhausted: bool = False

    @property
    def is_full(self) -> bool:
        return self.number >= (self.wanted or 0)

    @property
    def told(self) -> str:
        return f"{self.number:,} of {count(self.wanted, 'photo')}" if self.wanted else count(self.number, "photo")


@dataclass(frozen=True)
class LeftOut:
    """Photos that were tried and left out for one reason. examples: the first of them, each with the photo of the
    folder that it is a copy of, or None."""

    reason: str
    number: int
    examples: tuple[tuple[Rejection, Photo | None], ...]


@dataclass(frozen=True)
class Collected:
    """search: what is searched for, None where nothing is; refused: photos of one's own that were left out."""

    search: SearchFile | None
    labels: tuple[LabelCount, ...] = ()
    left_out: tuple[LeftOut, ...] = ()
    refused: int = 0

    @property
    def number(self) -> int:
        return sum(label.number for label in self.labels)

    @property
    def is_full(self) -> bool:
        """Whether every label has what was asked for."""
        return bool(self.number) and all(label.is_full for label in self.labels)

    @property
    def is_done(self) -> bool:
        """Whether the same search would add nothing."""
        return self.is_full or (bool(self.labels) and all(label.is_full or label.exhausted for label in self.labels))

    @property
    def exhausted(self) -> list[str]:
        """The labels that lack photos which their words do not find."""
        return [label.label for label in self.labels if label.exhausted and not label.is_full]

    @property
    def can_train(self) -> bool:
        return len(self.labels) > 1 and all(label.number >= MIN_PHOTOS_PER_LABEL for label in self.labels)

    @property
    def told(self) -> str:
        """`37 of 100 photos of apple and 12 of 100 photos of pear`."""
        return listed([f"{label.told} of {plain(label.label)}" for label in self.labels]) if self.labels else "no photo"


def read_collected(folder: Path) -> Collected:
    """What lies in a photo folder now; none of it may be there yet. Raises DatasetError."""
    photos, rejected = folder / "metadata.csv", folder / "rejected.csv"
    return collected_of(
        read_search(folder), _photos(photos, file_stamp(photos)), _rejections(rejected, file_stamp(rejected))
    )


def collected_of(search: SearchFile | None, photos: Sequence[Photo], rejected: Sequence[Rejection]) -> Collected:
    """The labels in the order of the search, then others as they were found."""
    words = [one.label for one in search.labels] if search else []
    names = list(dict.fromkeys([*words, *(photo.label for photo in photos)]))
    most = max(LEAST_SHOWN, MOST_SHOWN // max(1, len(names)))
    labels = []
    for name in names:
        mine = [photo for photo in photos if photo.label == name]
        wanted = search.count if search and name in words else None
        exhausted = bool(search and name in search.exhausted)
        labels.append(LabelCount(name, tuple(mine[:most]), len(mine), wanted, exhausted))
    stored = {photo.url: photo for photo in photos}
    left_out = []
    for reason, number in Counter(row.reason for row in rejected).most_common():
        rows = [row for row in rejected if row.reason == reason][:MOST_LEFT_OUT]
        examples = tuple((row, stored.get(row.detail.rpartition(" ")[2])) for row in rows)
        left_out.append(LeftOut(reason_in_words(reason), number, examples))
    return Collected(search, tuple(labels), tuple(left_out), sum(row.is_own for row in rejected))


@lru_cache(maxsize=8)
def _photos(path: Path, stamp: Stamp | None) -> tuple[Photo, ...]:
    """stamp: of the file as it is now, so that a table that has grown is read anew."""
    return tuple(read_photos(path)) if stamp else ()


@lru_cache(maxsize=8)
def _rejections(path: Path, stamp: Stamp | None) -> tuple[Rejection, ...]:
    return tuple(read_rejections(path)) if stamp else ()
