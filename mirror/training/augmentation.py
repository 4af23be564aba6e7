"""The crops and resolutions at which the frozen body sees each training photo.

The first view of a photo is the one serving makes of it; the others are random crops of it (RandomResizedCrop with a
scale from 0.35), as augmentation does, but drawn once, so that their features can be kept. None is flipped: of arrows,
letters and stripes the mirror image is another label's, and of photos it gains nothing (benchmarks: docs/figures.md).

Where the photos' resolution tells the labels apart (all ducklings sharp, all cygnets thumbnails), by more than chance
does, a network learns that instead. Then every photo is also seen at lower resolutions, and at each resolution the
labels weigh the same, so that knowing the resolution says nothing about the label.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
from PIL import Image

from mirror.training.settings import CHANCE, LEVELS, MIN_SCALE, RATIOS, REACHED, RESOLUTION_CUE

DEALT = 999  # times that labels are dealt out at random


@dataclass(frozen=True)
class View:
    """One look at a photo. level: short side in px it is reduced to first, None for all it has; box: (left, top, right,
    bottom) in fractions of the photo, None for the middle square; weight: in the head's loss."""

    photo: int
    level: int | None = None
    box: tuple[float, float, float, float] | None = None
    weight: float = 1.0


def plan_views(
    sizes: Sequence[tuple[int, int]], labels: Sequence[int], *, size: int, views: int, seed: int
) -> list[View]:
    """The views of all photos, in the photos' order, `views` of each, more where resolution is levelled.

    sizes: (width, height) in px; labels: 0..L-1; size: of the network's input. A label's weights add up to the same as
    every other's (class imbalance), and all of them to the number of photos.
    """
    random = np.random.default_rng(seed)
    short = np.array([min(pair) for pair in sizes])
    label_of = np.asarray(labels)
    plan: list[View] = []
    levels = resolution_levels(short, label_of, size, seed)
    for photo, (width, height) in enumerate(sizes):
        for level in levels:
            if level is not None and short[photo] < 0.95 * level:
                continue
            plan.append(View(photo, level))
            plan += [
                View(photo, level, _random_box(random, width, height)) for _ in range(views - 1 if level is None else 1)
            ]
    groups: dict[tuple[int, int | None], int] = {}
    for view in plan:
        key = (int(label_of[view.photo]), view.level)
        groups[key] = groups.get(key, 0) + 1
    share = len(sizes) / len(groups)
    return [View(v.photo, v.level, v.box, share / groups[int(label_of[v.photo]), v.level]) for v in plan]


def resolution_levels(short: np.ndarray, labels: np.ndarray, size: int, seed: int = 0) -> list[int | None]:
    """[None] where resolution is no cue; else short sides in px, rising, that some photos of every label reach."""
    if not is_cue(np.minimum(short, size), labels, seed):
        return [None]
    reach = [np.sort(short[labels == label])[::-1] for label in np.unique(labels)]
    low = min(int(np.min(short)), size // 2)
    high = min(size, min(int(sides[min(len(sides), max(3, ceil(REACHED * len(sides)))) - 1]) for sides in reach))
    levels = np.geomspace(low, max(high, low), LEVELS).round().astype(int)
    return [int(level) for level in np.unique(levels)]


def is_cue(short: np.ndarray, labels: np.ndarray, seed: int) -> bool:
    """Whether the short side tells labels apart, and by more than it does where they are dealt out at random."""
    cue = resolution_cue(short, labels)
    if cue < RESOLUTION_CUE:
        return False
    random = np.random.default_rng(seed)
    by_chance = sum(resolution_cue(short, random.permutation(labels)) >= cue for _ in range(DEALT))
    return (1 + by_chance) / (1 + DEALT) <= CHANCE


def resolution_cue(short: np.ndarray, labels: np.ndarray) -> float:
    """How well the short side alone tells two labels apart: the largest |AUC - 0.5| of any label against the rest."""
    _, label, counts = np.unique(labels, return_inverse=True, return_counts=True)
    _, place, ties = np.unique(short, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2)[place]  # from 1, the mean one of those that are alike
    others = len(short) - counts
    if not others.all():  # only one label
        return 0.0
    auc = (np.bincount(label, weights=ranks) - counts * (counts + 1) / 2) / (counts * others)
    return float(np.abs(auc - 0.5).max())


def render(photo: Image.Image, view: View, size: int) -> Image.Image:
    """The view's pixels: an RGB image of `size` x `size`."""
    if view.level is not None and min(photo.size) > view.level:
        scale = view.level / min(photo.size)
        smaller = (max(1, round(photo.width * scale)), max(1, round(photo.height * scale)))
        photo = photo.resize(smaller, Image.Resampling.BOX)
    if view.box is None:
        side = min(photo.size)
        x, y = int(0.5 * (photo.width - side)), int(0.5 * (photo.height - side))
        photo = photo.crop((x, y, x + side, y + side)).resize((size, size), Image.Resampling.BILINEAR)
    else:
        left, top, right, bottom = view.box
        box = (left * photo.width, top * photo.height, right * photo.width, bottom * photo.height)
        photo = photo.resize((size, size), Image.Resampling.BILINEAR, box=box)
    return photo


def _random_box(random: np.random.Generator, width: int, height: int) -> tuple[float, float, float, float]:
    """torchvision's and fastai's draw: a share of the area, a ratio log-uniformly, ten tries, else the middle."""
    for _ in range(10):
        area = random.uniform(MIN_SCALE, 1) * width * height
        ratio = np.exp(random.uniform(*np.log(RATIOS)))
        w, h = np.sqrt(area * ratio), np.sqrt(area / ratio)
        if w <= width and h <= height:
            left, top = random.uniform(0, width - w), random.uniform(0, height - h)
            return left / width, top / height, (left + w) / width, (top + h) / height
    side = min(width, height)
    x, y = (width - side) / 2, (height - side) / 2
    return x / width, y / height, (x + side) / width, (y + side) / height
