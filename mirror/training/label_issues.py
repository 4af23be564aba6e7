"""Photos worth a look before the model is believed: disputed labels, outliers within a label, look-alikes.

A label is disputed where a head that had not learned from the photo gives it another one, the surer the worse (the
self-confidence of confident learning: Northcutt et al. 2021, arXiv 1911.00068). benchmarks/training/label_noise.py
compares this with cleanlab's filters: those list fewer photos and miss more wrong labels, and a person looks at each
anyway.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mirror.collect.issue_files import DISPUTED, LOOK_ALIKE, OUTLIER, PhotoIssue, worst_first
from mirror.collect.near_duplicates import GROUP_DISTANCE, UNRELATED, hamming, near_pairs
from mirror.collect.photo_records import Photo
from mirror.export.novelty import nearest, unit_rows
from mirror.training.groups import close_pairs
from mirror.wording import percent

OUTLIER_NEIGHBOURS = 3  # nearest photos of its label that tell an outlier
FENCE = 1.5  # interquartile ranges below the lower quartile (Tukey 1977) …
MARGIN = 0.05  # … and at least so much: where all photos of a label are nearly alike, a little less is nothing
FEWEST = 8  # photos of a label: fewer have no quartiles to speak of
# Cosine of two photos' features, their labels' mean taken off: of 78,606 pairs of different photos of ants and bees the
# closest are 0.75, 0.73 and 0.64, the first two being shots of one scene; of copies that were mirrored, turned by 5°,
# lightened or cropped by 20 %, 98 % or more reach 0.7 (benchmarks/training/label_noise.py)
CLOSE = 0.7
MOST_OF_A_GROUP = 5


@dataclass(frozen=True)
class HeldOutPredictions:
    """photos [N], and of each: probabilities [N, L] by what had not learned from it, nan where there is nothing such;
    features [N, D]; groups [N], the same number for photos that belong together. labels: in the order of L."""

    photos: list[Photo]
    labels: Sequence[str]
    probabilities: np.ndarray
    features: np.ndarray
    groups: np.ndarray

    @cached_property
    def actual(self) -> np.ndarray:
        return np.array([self.labels.index(photo.label) for photo in self.photos], dtype=int)


def find_issues(evidence: HeldOutPredictions) -> list[PhotoIssue]:
    """All of them, the most suspicious first; a photo may be there for several reasons."""
    return worst_first([*mislabeled(evidence), *outliers(evidence), *look_alikes(evidence)])


def mislabeled(evidence: HeldOutPredictions) -> Iterator[PhotoIssue]:
    """Photos that are taken for another label than theirs; score: 1 less the probability of theirs."""
    for row in np.flatnonzero(np.isfinite(evidence.probabilities).all(axis=1)):
        photo, shares = evidence.photos[row], evidence.probabilities[row]
        own, predicted = evidence.actual[row], int(shares.argmax())
        if predicted != own:
            label = evidence.labels[predicted]
            reason = f"filed under {photo.label}, but taken for {label} ({percent(shares[predicted])})"
            yield PhotoIssue(photo.file_name, DISPUTED, float(1 - shares[own]), photo.label, label, reason=reason)


def outliers(evidence: HeldOutPredictions) -> Iterator[PhotoIssue]:
    """Photos far from all others of their label; score: 1 less the mean cosine with the nearest OUTLIER_NEIGHBOURS."""
    actual = evidence.actual
    for number, label in enumerate(evidence.labels):
        own = np.flatnonzero(actual == number)
        if len(own) < FEWEST:
            continue
        unit, groups = unit_rows(evidence.features[own]), evidence.groups[own]
        cosines = unit @ unit.T
        cosines[groups[:, None] == groups[None]] = -np.inf
        likeness = nearest(cosines, OUTLIER_NEIGHBOURS)
        known = likeness[np.isfinite(likeness)]
        if len(known) < FEWEST:
            continue
        low, high = np.quantile(known, [0.25, 0.75])
        for row in np.flatnonzero(np.isfinite(likeness) & (likeness < low - max(FENCE * (high - low), MARGIN))):
            score = float(np.clip(1 - likeness[row], 0, 1))
            reason = f"unlike the other photos of {label} ({likeness[row]:.2f} alike, most are {low:.2f} or more)"
            yield PhotoIssue(evidence.photos[own[row]].file_name, OUTLIER, score, label, reason=reason)


def look_alikes(evidence: HeldOutPredictions) -> Iterator[PhotoIssue]:
    """Photos that look like an earlier one, each with the one it is most like; score: how alike, by their perceptual
    hashes (mirrored or not) or by their features. Of a group the MOST_OF_A_GROUP most alike: nobody goes through all
    frames of a camera; those of two labels are all there."""
    photos = evidence.photos
    hashes = [photo.phash for photo in photos]
    closest: dict[int, tuple[float, int]] = {}
    alike = [(1 - hamming(hashes[i], hashes[j]) / UNRELATED, i, j) for i, j in near_pairs(hashes, GROUP_DISTANCE)]
    alike += [(1 - GROUP_DISTANCE / UNRELATED, i, j) for i, j in near_pairs(hashes, GROUP_DISTANCE, mirror=True)]
    for likeness, first, second in [
        *alike,
        *close_pairs(evidence.features, np.arange(len(photos)), evidence.actual, CLOSE),
    ]:
        closest[second] = max(closest.get(second, (0.0, first)), (likeness, first))
    listed: dict[int, int] = {}  # group → its photos that are
    for second, (likeness, first) in sorted(closest.items(), key=lambda item: (-item[1][0], item[0])):
        group = int(evidence.groups[second])
        listed[group] = listed.get(group, 0) + 1
        if listed[group] > MOST_OF_A_GROUP and photos[first].label == photos[second].label:
            continue
        photo, other = photos[second], photos[first]
        filed = "" if photo.label == other.label else f", which is filed under {other.label}"
        reason, score = f"almost the same as {other.file_name}{filed}", min(likeness, 1.0)
        yield PhotoIssue(photo.file_name, LOOK_ALIKE, score, photo.label, other=other.file_name, reason=reason)
