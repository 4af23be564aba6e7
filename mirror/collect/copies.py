"""What a photo folder does with copies: which photo is a copy of which, and what becomes of it.

    SEARCHED     a search finds one photo at many places: of near-copies the first stays, of copies under two labels
                 none does, for which label is right nobody has said
    LABELLED     a person has labelled the photos: only a file with the same bytes under the same label is left out, and
                 a photo under two labels stays under both until that person decides

A photo that a person added by hand stays under either rule: of its copies, those that a search finds go.

Copies that stay are no help in judging a model, so they are kept on one side of every split (splits.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

from mirror.collect.near_duplicates import HashIndex
from mirror.collect.photo_records import Origin, Photo, Rejection
from mirror.collect.screening import ScreenedPhoto

EXACT_DUPLICATE = "exact-duplicate"
NEAR_DUPLICATE = "near-duplicate"
TWO_LABELS = "same-photo-under-two-labels"
REMOVED_BY_HAND = "removed-by-hand"
DUPLICATE_REASONS = (EXACT_DUPLICATE, NEAR_DUPLICATE, TWO_LABELS)
WITHDRAWN_REASONS = (TWO_LABELS, REMOVED_BY_HAND)  # of photos that were stored, and withdrawn


@dataclass(frozen=True)
class CopyRule:
    """keep_near: photos that only look alike (within NEAR_DISTANCE) count as different photos; keep_labels: a photo
    under two labels is kept under both."""

    keep_near: bool
    keep_labels: bool

    def with_near(self, kept: bool | None) -> CopyRule:
        """With near-copies kept or dropped, as a person asks for; None: as before."""
        return self if kept is None else replace(self, keep_near=kept)

    def mislabeled(self, copies: Sequence[Photo], label: str) -> list[Photo]:
        """The copies of a photo of this label that it cannot stay beside, being under another."""
        return [] if self.keep_labels else [photo for photo in copies if photo.label != label]

    def outdated(self, rejections: Iterable[Rejection]) -> list[Rejection]:
        """Those of copies that this rule may keep, and that were left out by another."""
        reasons = {NEAR_DUPLICATE: self.keep_near, TWO_LABELS: self.keep_near or self.keep_labels}
        return [row for row in rejections if reasons.get(row.reason)]


SEARCHED = CopyRule(keep_near=False, keep_labels=False)
LABELLED = CopyRule(keep_near=True, keep_labels=True)


class DuplicateIndex:
    """What a photo folder knows by content, by sha256 of the bytes and by perceptual hash within NEAR_DISTANCE: the
    photos it stores, and the rejections of photos that it stored once and withdrew."""

    def __init__(self) -> None:
        self._photos: dict[tuple[str, str], Photo] = {}
        self._same: dict[str, list[Photo]] = {}  # by sha256
        self._hashes: HashIndex[tuple[str, str]] = HashIndex()
        self._withdrawn: dict[tuple[str, str], Rejection] = {}
        self._withdrawn_hashes: HashIndex[tuple[str, str]] = HashIndex()

    def add(self, photo: Photo) -> None:
        self._photos[photo.key] = photo
        self._same.setdefault(photo.sha256, []).append(photo)
        self._hashes.add(photo.key, photo.phash)

    def discard(self, photo: Photo) -> None:
        known = self._photos.pop(photo.key, None)
        if known is not None:
            self._same[known.sha256].remove(known)
            self._hashes.discard(photo.key)

    def copies_of(self, photo: ScreenedPhoto | Photo, rule: CopyRule) -> list[Photo]:
        """Stored photos that the rule takes for the same: those of the same bytes first, then by distance."""
        same = list(self._same.get(photo.sha256, ()))
        near = [] if rule.keep_near else [self._photos[key] for _, key in self._hashes.near(photo.phash)]
        return same + [other for other in near if other.sha256 != photo.sha256]

    def add_rejection(self, rejection: Rejection) -> None:
        """Adds a withdrawn photo, so that it does not return as a copy; other rejections are ignored."""
        if rejection.reason in WITHDRAWN_REASONS:
            self._withdrawn[rejection.key] = rejection
            self._withdrawn_hashes.add(rejection.key, rejection.phash)

    def replace_rejections(self, rejections: Iterable[Rejection]) -> None:
        self._withdrawn, self._withdrawn_hashes = {}, HashIndex()
        for rejection in rejections:
            self.add_rejection(rejection)

    def withdrawn_copy_of(self, screened: ScreenedPhoto, label: str, rule: CopyRule) -> Rejection | None:
        """The withdrawn photo of which this is a copy: one that was under two labels counts for any label, one that
        was removed by hand for its own label only."""
        same = [row for row in self._withdrawn.values() if row.sha256 == screened.sha256]
        keys = [] if rule.keep_near else self._withdrawn_hashes.near(screened.phash)
        near = [self._withdrawn[key] for _, key in keys]
        return next((row for row in same + near if row.reason == TWO_LABELS or row.label == label), None)


def copy_of(photo: Photo, sha256: str) -> tuple[str, str]:
    """The reason and the detail of leaving out a photo with these bytes as a copy of `photo`."""
    if photo.sha256 == sha256:
        return EXACT_DUPLICATE, f"the same bytes as {photo.url}"
    return NEAR_DUPLICATE, f"nearly the same as {photo.url}"


def two_labels(other: Origin) -> tuple[str, str]:
    """The reason and the detail of leaving out a photo that `other` shows as well, under another label."""
    return TWO_LABELS, f"also under {other.label}: {other.url}"


def copies_among(photos: Iterable[Photo], rule: CopyRule) -> Iterator[tuple[Photo, tuple[str, str]]]:
    """The photos that the rule leaves out of these, each once, with the reason and the detail. The first of copies
    stays."""
    kept, given = DuplicateIndex(), set[tuple[str, str]]()  # … and the keys of those that were yielded already
    photos = sorted(photos, key=lambda photo: not photo.is_own)
    for photo in photos:
        if photo.is_own:
            kept.add(photo)
            continue
        copies = kept.copies_of(photo, rule)
        first = next((copy for copy in copies if copy.label == photo.label), None)
        if others := rule.mislabeled(copies, photo.label):
            yield photo, two_labels(others[0])
            yield from ((other, two_labels(photo)) for other in others if other.key not in given and not other.is_own)
            given.update(other.key for other in (photo, *others))
        elif first:
            yield photo, copy_of(first, photo.sha256)
            continue  # its own copies are none of those that stay
        kept.add(photo)


def under_two_labels(photos: Iterable[Photo]) -> list[tuple[Photo, Photo]]:
    """The pairs of photos with the same bytes and different labels, in the photos' order."""
    same: dict[str, list[Photo]] = {}
    for photo in photos:
        same.setdefault(photo.sha256, []).append(photo)
    return [pair for group in same.values() for pair in combinations(group, 2) if pair[0].label != pair[1].label]
