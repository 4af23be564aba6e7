"""Which photos belong together, so that none is judged by a head that has learned from its copy.

Photos of the same bytes or from the same page do, and near-copies by their perceptual hash (near_duplicates.py), where
the body's features agree: of drawings, signs and garments on a plain ground, hashes confuse one with another. And
photos whose features alone are alike (`close_pairs`): crops and turned copies, which no hash finds.

    cropped by 30 %, turned by 5° and cropped by 15 %, a corner of 75 %: hashes miss 98 to 100 % of the copies, both
    together 0.5 to 2.6 % (benchmarks/training/copies.py)

A label whose photos nearly all belong together (frames of one camera) could not be judged so: they are cut into blocks
of neighbouring files, and the error is said to be that of the one scene.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations_with_replacement

import numpy as np

from mirror.collect.near_duplicates import connected_components, look_alike_pairs
from mirror.collect.splits import same_source_pairs
from mirror.export.novelty import unit_rows
from mirror.training.training_data import TrainingData
from mirror.training.view_features import ViewFeatures

# Cosine of two photos' features, their labels' mean taken off, of the two views that are most alike. Of 6,786 pairs of
# different photos of ants, bees and waterfowl the closest are 0.56, 0.54 and 0.53 (the same benchmark)
ALIKE = 0.6
DEVIATIONS, CERTAIN = 5, 0.9  # from `alike_from`: what hardly any pair of different photos reaches; of copies most do
SAMPLE = 500  # views
# Cosine of plain features, without which a near hash is chance: frames of one camera reach 0.9, hash-near garments 0.6
SEEN_ALIKE = 0.85
MOST_VIEWS = 15_000  # compared with each other; of more photos only the view that serving makes: seconds, not hours
BLOCKS = 5  # of neighbouring files, in a label of one group
ALONE = 2.0  # groups of equal size that would say as much as a label's own, below which it counts as one group
BLOCK = 1000  # rows compared with all others at a time


def group_alike(data: TrainingData, views: ViewFeatures) -> tuple[TrainingData, ViewFeatures]:
    """Both with the groups of all that is known, cut into blocks where a label is one group."""
    groups = np.array(connected_components(len(data.photos), _pairs(data, views.last)))
    groups, blocks = in_blocks(data, groups)
    return replace(data, groups=groups, blocks=blocks), replace(views, groups=groups)


def _pairs(data: TrainingData, views: ViewFeatures) -> list[tuple[int, int]]:
    pairs = same_source_pairs(data.photos)
    unit = unit_rows(views.served)
    near = look_alike_pairs([photo.phash for photo in data.photos])
    pairs += [(i, j) for i, j in near if float(unit[i] @ unit[j]) >= SEEN_ALIKE]
    shown = np.flatnonzero(views.serving) if len(views.photo) > MOST_VIEWS else np.arange(len(views.photo))
    shown_features, photo = views.features[shown], views.photo[shown]
    alike = close_pairs(shown_features, photo, data.actual, alike_from(shown_features, photo, data.actual))
    return pairs + [(i, j) for _, i, j in alike]


def alike_from(features: np.ndarray, photo: np.ndarray, labels: np.ndarray) -> float:
    """The cosine from which photos are copies, by all pairs of these; as for `close_pairs`.

    Photographs are all different to the network, and ALIKE is far above their pairs. Drawings, digits, stripes and
    parts on a plain ground are much the same to it: pairs of different ones reach 0.9, and by ALIKE nearly all would
    belong together. Half of the pairs lie below the median, and how far tells how wide all would lie without any copy.
    """
    rows = np.unique(np.linspace(0, len(photo) - 1, SAMPLE).round().astype(int))
    label, unit = labels[photo[rows]], np.zeros((len(rows), features.shape[1]), np.float32)
    for one in np.unique(label):
        unit[label == one] = unit_rows(features[rows[label == one]] - features[labels[photo] == one].mean(axis=0))
    cosines = (unit @ unit.T)[photo[rows][:, None] < photo[rows][None]]
    if not len(cosines):
        return ALIKE
    quarter, median = np.quantile(cosines, [0.25, 0.5])
    return float(np.clip(median + DEVIATIONS * (median - quarter) / 0.6745, ALIKE, CERTAIN))


def close_pairs(
    features: np.ndarray, photo: np.ndarray, labels: np.ndarray, least: float
) -> Iterator[tuple[float, int, int]]:
    """(cosine, i, j), i < j, of photos of which two views have at least this cosine, each pair once or more often.

    features [V, D] of views, photo [V]: the index of each view's photo, labels [N]: of the photos. What is common to
    photos of a label is taken off first: the mean of its photos, or the middle between two labels' means.
    """
    rows_of = {label: np.flatnonzero(labels[photo] == label) for label in np.unique(labels[photo])}
    means = {label: features[rows].mean(axis=0, dtype=np.float64) for label, rows in rows_of.items()}
    for first, second in combinations_with_replacement(rows_of, 2):
        middle = (means[first] + means[second]) / 2
        unit = unit_rows(features[rows_of[second]] - middle)
        for start in range(0, len(rows_of[first]), BLOCK):
            rows = rows_of[first][start : start + BLOCK]
            cosines = unit_rows(features[rows] - middle) @ unit.T
            for row, column in zip(*np.nonzero(cosines >= least), strict=True):
                i, j = int(photo[rows[row]]), int(photo[rows_of[second][column]])
                if i != j and (first != second or i < j):
                    yield float(cosines[row, column]), min(i, j), max(i, j)


def in_blocks(data: TrainingData, groups: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """The groups [N], those that make up nearly all of a label cut into BLOCKS of neighbouring files, and the labels
    of which that is so."""
    groups, next_group, blocks = groups.copy(), int(groups.max(initial=-1)) + 1, []
    for number, label in enumerate(data.labels):
        own = np.flatnonzero(data.actual == number)
        sizes = np.unique(groups[own], return_counts=True)[1]
        if len(own) ** 2 / (sizes**2).sum() >= ALONE or sizes.max() < BLOCKS:
            continue
        names, counts = np.unique(groups[own], return_counts=True)
        together = own[groups[own] == names[counts.argmax()]]
        order = sorted(together.tolist(), key=lambda i: _natural(data.photos[i].url))
        for block in np.array_split(order, BLOCKS):
            groups[block] = next_group
            next_group += 1
        blocks.append(label)
    return groups, tuple(blocks)


def _natural(name: str) -> list[tuple[int, str]]:
    """Sorts frame_2 before frame_10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"([0-9]{1,18})", name)]
