"""What the frozen body sees of the photos, computed once, and heads fitted to any part of it.

A head for other photos, a fold's say, then costs a second and no further look at any photo.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mirror.collect.metadata import Photo
from mirror.progress import ProgressBar
from mirror.terminal import say
from mirror.training.augmentation import View, plan_views
from mirror.training.features import pooled_features
from mirror.training.linear_probe import LinearProbe, fit_probe
from mirror.training.pretrained import Architecture


@dataclass(frozen=True)
class ViewFeatures:
    """features [V, D] of views; photo [V]: the place of the photo that each is of; weight [V]: in a head's loss, 0
    where it is not learned from; plain [V]: the middle square, not a random crop; serving [V]: the view that serving
    makes, one a photo. labels [N] and groups [N]: of the photos. levels: the resolutions that every label is seen at,
    () for the photos' own.
    """

    features: np.ndarray
    photo: np.ndarray
    weight: np.ndarray
    plain: np.ndarray
    serving: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    levels: tuple[int, ...] = ()

    @property
    def served(self) -> np.ndarray:
        """[N, D] features of each photo as serving sees it."""
        return self.features[self.serving]

    def fit(self, photos: np.ndarray, seed: int) -> LinearProbe:
        """The head that learns from the photos at these places."""
        used = (self.weight > 0) & np.isin(self.photo, photos)
        # A fold's loss counts what serving would see; where that has no weight of its own, every plain middle square
        base = self.serving if (self.serving & used).any() else self.plain
        place = self.photo[used]
        return fit_probe(
            self.features[used], self.labels[place], self.weight[used], self.groups[place], base=base[used], seed=seed
        )


@dataclass(frozen=True)
class FeatureExtractor:
    """How a body is shown photos: those of `folder`, at `size` px, normalised as `architecture` wants them."""

    body: Any
    folder: Path
    architecture: Architecture
    size: int
    log: Callable[[str], None] = say

    def features(self, photos: Sequence[Photo], views: Sequence[View]) -> np.ndarray:
        """[V, D] of views sorted by photo."""
        return pooled_features(
            self.body,
            [photo.path(self.folder) for photo in photos],
            views,
            size=self.size,
            mean=self.architecture.mean,
            std=self.architecture.std,
            progress=ProgressBar("looking at photos", "view", self.log),
        )

    def served(self, photos: Sequence[Photo]) -> np.ndarray:
        """[N, D] features of each photo as serving sees it."""
        return self.features(photos, [View(i) for i in range(len(photos))])


def extract_features(
    sight: FeatureExtractor,
    photos: Sequence[Photo],
    labels: np.ndarray,
    groups: np.ndarray,
    learned: np.ndarray,
    *,
    views: int,
    seed: int,
) -> ViewFeatures:
    """Every photo's serving view, and `views` of each photo at the places `learned`. labels, groups [N]: of photos."""
    sizes = [(photos[i].width, photos[i].height) for i in learned]
    plan = plan_views(sizes, labels[learned], size=sight.size, views=views, seed=seed)
    # In the photos' order: each photo's serving view, then a training photo's planned ones
    shown: list[View] = []
    weights: list[float] = []
    planned: dict[int, list[View]] = {}
    for view in plan:
        planned.setdefault(int(learned[view.photo]), []).append(view)
    for i in range(len(photos)):
        own = planned.get(i, [])
        if not any(view.level is None and view.box is None for view in own):
            shown.append(View(i))
            weights.append(0.0)
        shown += [View(i, view.level, view.box, view.flip) for view in own]
        weights += [view.weight for view in own]
    plain = np.array([view.box is None for view in shown])
    return ViewFeatures(
        features=sight.features(photos, shown),
        photo=np.array([view.photo for view in shown]),
        weight=np.array(weights),
        plain=plain,
        serving=plain & np.array([view.level is None and not view.flip for view in shown]),
        labels=labels,
        groups=groups,
        levels=tuple(sorted({view.level for view in plan if view.level})),
    )
