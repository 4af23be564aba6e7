"""The frozen body's features of every view, computed once, and heads fitted to any part of them.

A body is frozen for the head's sake anyway, so an epoch would compute the same features again; kept, they make an epoch
cost milliseconds, and cross-validation affordable: a head for other photos, a fold's say, costs a second.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mirror.collect.photo_records import Photo
from mirror.inference.user_cache import user_cache
from mirror.progress import ProgressBar
from mirror.terminal import say
from mirror.training.augmentation import View, plan_views
from mirror.training.backbones import width_of
from mirror.training.depth_features import deepened
from mirror.training.linear_probe import LinearProbe, fit_probe, fold_numbers, heads_left_out
from mirror.training.pooled_features import pooled_features
from mirror.training.pretrained import Architecture
from mirror.training.settings import PROBE_FOLDS
from mirror.training.training_data import TrainingData

MOST_VALUES = 1 << 27  # features of all views: 512 MB, ResNet-18's of 17,000 photos; some copies are made of them


@dataclass(frozen=True)
class ViewFeatures:
    """features [V, D] of views; photo [V]: the index of the photo that each is of; weight [V]: in a head's loss, 0
    where it is not learned from; plain [V]: the middle square, not a random crop; serving [V]: the view that serving
    makes, one a photo. labels [N] and groups [N]: of the photos. levels: the resolutions that every label is seen at,
    () for the photos' own. width: how many of the D features, the last ones, are the last layer's.
    """

    features: np.ndarray
    photo: np.ndarray
    weight: np.ndarray
    plain: np.ndarray
    serving: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    width: int
    levels: tuple[int, ...] = ()

    @property
    def served(self) -> np.ndarray:
        """[N, D] features of each photo as serving sees it."""
        return self.features[self.serving]

    @property
    def last(self) -> ViewFeatures:
        """With the last layer's features alone."""
        return replace(self, features=self.features[:, -self.width :])

    @property
    def unreadable(self) -> np.ndarray:
        """Indices of the photos that could not be opened."""
        return np.unique(self.photo[np.isnan(self.features).any(axis=1)])

    def without(self, photos: np.ndarray) -> ViewFeatures:
        """All but the photos at these indices, which are no longer counted."""
        kept = np.delete(np.arange(len(self.labels)), photos)
        rows = np.isin(self.photo, kept)
        return replace(
            self, features=self.features[rows], photo=np.searchsorted(kept, self.photo[rows]), weight=self.weight[rows],
            plain=self.plain[rows], serving=self.serving[rows], labels=self.labels[kept], groups=self.groups[kept],
        )  # fmt: skip

    def fit(self, photos: np.ndarray, seed: int) -> LinearProbe:
        """The head that learns from the photos at these indices."""
        used = (self.weight > 0) & np.isin(self.photo, photos)
        # A fold's loss counts what serving would see; where that has no weight of its own, every plain middle square
        base = self.serving if (self.serving & used).any() else self.plain
        photo = self.photo[used]
        return fit_probe(
            self.features[used], self.labels[photo], self.weight[used], self.groups[photo], base=base[used], seed=seed
        )

    def out_of_fold(self, photos: np.ndarray, folds: int, seed: int) -> OutOfFold:
        """Each of the photos at these indices by the head that learned from the other folds. Each head chooses its own
        strength, by its own photos."""
        number = np.full(len(self.labels), -1)
        number[photos] = fold_numbers(self.labels[photos], self.groups[photos], folds, seed)
        used = (self.weight > 0) & np.isin(self.photo, photos)
        base = self.serving if (self.serving & used).any() else self.plain
        photo = self.photo[used]
        few = number.max(initial=-1) < 2 * PROBE_FOLDS  # of more folds, pairs are more than each fold's own would be
        found = (
            heads_left_out(self.features[used], self.labels[photo], self.weight[used], base[used], number[photo])
            if few
            else [None] * (number.max() + 1)
        )
        heads = [head or self.fit(photos[number[photos] != fold], seed) for fold, head in enumerate(found)]
        return OutOfFold(number, tuple(heads), int(self.labels.max()) + 1).of(self.served)


@dataclass(frozen=True)
class OutOfFold:
    """fold [N]: the one in which each photo was left out, -1 for none; heads: of each fold, fitted without its photos;
    labels: their number; logits [N, L]: by the head that had not learned from the photo, nan where there is none."""

    fold: np.ndarray
    heads: tuple[LinearProbe, ...]
    labels: int
    logits: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))

    def only(self, rows: np.ndarray) -> OutOfFold:
        """For the photos at these indices."""
        return replace(self, fold=self.fold[rows], logits=self.logits[rows])

    def answer(self, features: np.ndarray) -> np.ndarray:
        """[N, L] logits of the photos by other features of theirs."""
        return self.of(features).logits

    def of(self, features: np.ndarray) -> OutOfFold:
        """The same heads' logits by other features [N, D] of the photos, those of int8 say."""
        logits = np.full((len(self.fold), self.labels), np.nan, np.float32)
        for number, head in enumerate(self.heads):
            logits[self.fold == number] = head.logits(features[self.fold == number])
        return replace(self, logits=logits)


@dataclass(frozen=True)
class FeatureExtractor:
    """How a body is shown photos: those of `folder`, at `size` px, normalised as `architecture` wants them."""

    body: Any
    folder: Path
    architecture: Architecture
    size: int
    log: Callable[[str], None] = say

    def features(self, photos: Sequence[Photo], views: Sequence[View], keep: bool = False) -> np.ndarray:
        """[V, D] of views sorted by photo, nan of photos that cannot be opened. keep: on disk."""
        progress = ProgressBar("looking at photos", "view", self.log)

        def unreadable(photo: int, why: str) -> None:
            progress.log(f"{photos[photo].file_name} is left out: {why}")

        def known(count: int, failure: str) -> None:
            if failure:
                progress.log(
                    f"Features cannot be kept in {user_cache('features')} ({failure}): stopped, it begins anew."
                )
            else:
                progress.log(f"Of {count} photos this network's features were kept in {user_cache('features')}.")

        if views:
            progress(0, len(views))  # before the network is made ready for them
        return pooled_features(
            self.body,
            [photo.path(self.folder) for photo in photos],
            views,
            size=self.size,
            mean=self.architecture.mean,
            std=self.architecture.std,
            progress=progress,
            unreadable=unreadable,
            keep=known if keep else None,
        )

    def served(self, photos: Sequence[Photo]) -> np.ndarray:
        """[N, D] features of each photo as serving sees it."""
        return self.features(photos, [View(i) for i in range(len(photos))])


def extract_features(
    extractor: FeatureExtractor, data: TrainingData, learned: np.ndarray, *, views: int, seed: int
) -> ViewFeatures:
    """Every photo's serving view, and `views` of each photo at the indices `learned`: features of every depth, where
    the body is a chain of stages and so many fit into memory, else of the last layer."""
    sizes = [(data.photos[i].width, data.photos[i].height) for i in learned]
    plan = plan_views(sizes, data.actual[learned], size=extractor.size, views=views, seed=seed)
    # In the photos' order: each photo's serving view, then a training photo's planned ones
    shown: list[View] = []
    weights: list[float] = []
    planned: dict[int, list[View]] = {}
    for view in plan:
        planned.setdefault(int(learned[view.photo]), []).append(view)
    for i in range(len(data.photos)):
        own = planned.get(i, [])
        if not any(view.level is None and view.box is None for view in own):
            shown.append(View(i))
            weights.append(0.0)
        shown += [View(i, view.level, view.box) for view in own]
        weights += [view.weight for view in own]
    plain = np.array([view.box is None for view in shown])
    deep, width = deepened(extractor.body, extractor.size), width_of(extractor.body, extractor.size) or 0
    if deep is not None and len(shown) * (width_of(deep, extractor.size) or 0) > MOST_VALUES:
        extractor.log("Of so many photos the last layer's features alone are kept: those of every depth take too much.")
        deep = None
    extractor = replace(extractor, body=deep or extractor.body)
    return ViewFeatures(
        features=extractor.features(data.photos, shown, keep=True),
        photo=np.array([view.photo for view in shown]),
        weight=np.array(weights),
        plain=plain,
        serving=plain & np.array([view.level is None for view in shown]),
        labels=data.actual,
        groups=data.groups,
        width=width,
        levels=tuple(sorted({view.level for view in plan if view.level})),
    )
