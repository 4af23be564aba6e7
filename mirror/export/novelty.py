"""How alike a photo must be to the training photos to be one of theirs: the bank and its threshold.

A photo's similarity is the mean cosine of its pooled features with its K nearest training photos' (deep nearest
neighbours: Sun et al. 2022, arXiv 2204.06507). Max softmax, energy, ReAct, SCALE, fDBD, ViM and Mahalanobis distance
tell strangers worse; so does standardising the features. Mirrored or coarser copies of the photos in the bank, or
another K, change little; a threshold for each label lets more strangers pass.

The threshold comes from the training photos' own similarities, each compared with the others only, its copies and
neighbours left out: two deviations below their median, the deviation being that of the lower half, which is the longer.
With 40 photos it refuses 3.8 % of further ones on average, and more than 7 % in 14 draws of 100; their sample 5 %
quantile does in 43. What it costs depends on how near strangers are: nothing with the shipped mirror.

Where there are photos of none of the labels (`--others`), a photo must also lie on the labels' side of a plane between
those and the labels' photos: a logistic regression on the same features, with a threshold set likewise, by photos of
the labels that the plane was not fitted to. It refuses nearly all of what is like the others, where comparing with the
nearest of them, as large a bank again, lets up to half of it pass.

The figures are printed by benchmarks/novelty/__main__.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mirror.intervals import rate_interval
from mirror.model_schema import Novelty

NEIGHBOURS = 3
DEVIATIONS = 2  # below the median
PLANE_STRENGTH = 0.01  # of the plane's logistic regression (C); 0.001 to 1 tell alike
VARIANCE_FLOOR = 1e-3  # added to a feature's variance, as in training/linear_probe.py
MAX_BANK = 2000  # photos: 4 MB of ResNet-18 features, 10 MB of EfficientNet-Lite0 ones
THRESHOLD_FOLDS = 5  # to judge the threshold by photos that had no part in it


@dataclass(frozen=True)
class Refused:
    """hits [N]: which of the photos held out were refused; groups [N]: photos that belong together."""

    hits: np.ndarray
    groups: np.ndarray

    @property
    def share(self) -> float:
        return float(self.hits.mean())

    @property
    def interval(self) -> tuple[float, float]:
        return rate_interval(self.hits, self.groups)


@dataclass(frozen=True)
class Plane:
    """A photo of features [D] lies at `features @ weight + bias`: higher is more like the labels' photos."""

    weight: np.ndarray
    bias: float

    def of(self, features: np.ndarray) -> np.ndarray:
        """[N] of photos with features [N, D]."""
        return features @ self.weight + self.bias


@dataclass(frozen=True)
class FeatureBank:
    """features [M, D] float32 of the photos compared with; a photo below `threshold` is none of the labels'. plane:
    between these and photos of none of the labels, on the scale of the similarity, which is the lesser of both; others:
    how many those were. real_refused, others_refused: which photos are refused when they are held out; None where there
    were too few to tell."""

    features: np.ndarray
    k: int
    threshold: float
    plane: Plane | None = None
    others: int = 0
    real_refused: Refused | None = None
    others_refused: Refused | None = None

    def similarity(self, features: np.ndarray) -> np.ndarray:
        """[N] of photos with features [N, D], as the graph computes it."""
        own = nearest(unit_rows(features) @ unit_rows(self.features).T, self.k)
        return own if self.plane is None else np.minimum(own, self.plane.of(features))


def bank_rows(photos: int, seed: int) -> np.ndarray:
    """The places of the photos that are compared with, of so many: all, or MAX_BANK drawn with `seed`."""
    if photos <= MAX_BANK:
        return np.arange(photos)
    return np.sort(np.random.default_rng(seed).choice(photos, MAX_BANK, replace=False))


def threshold_of(similarities: np.ndarray) -> float:
    """The similarity below which few further photos lie, from those [N] of photos like them."""
    median = np.median(similarities)
    below = similarities[similarities < median]
    return float(median - DEVIATIONS * np.sqrt(np.mean((median - below) ** 2))) if len(below) else float(median)


def fit_feature_bank(
    features: np.ndarray,
    groups: Sequence[int] | np.ndarray,
    others: np.ndarray | None = None,
    other_groups: Sequence[int] | np.ndarray = (),
    judge: bool = True,
) -> FeatureBank | None:
    """features [N, D] of the serving views of the photos at `bank_rows`, as the network that ships gives them;
    groups [N]: photos that belong together are not compared. others [O, D], other_groups [O]: photos of none of the
    labels. judge: find out what is refused when held out, which takes eleven times as long.

    None where there are too few groups for K neighbours.
    """
    real = _Photos(features.astype(np.float32), np.asarray(groups))
    strange = None if others is None else _Photos(others.astype(np.float32), np.asarray(other_groups))
    bank = _bank(real, strange)
    if bank is None or not judge:
        return bank
    return replace(
        bank,
        real_refused=_refused(real, lambda inside: _bank(inside, strange)),
        others_refused=_refused(strange, lambda inside: _bank(real, inside)) if strange else None,
    )


def describe(bank: FeatureBank) -> Novelty:
    """The bank as model.json has it."""
    real, others = bank.real_refused, bank.others_refused
    return Novelty(
        method="knn-cosine" if bank.plane is None else "knn-cosine-and-plane",
        k=bank.k,
        threshold=bank.threshold,
        photos=len(bank.features),
        real_refused=real.share if real else None,
        real_interval=real.interval if real else None,
        others=bank.others,
        others_refused=others.share if others else None,
        others_interval=others.interval if others else None,
    )


def unit_rows(features: np.ndarray) -> np.ndarray:
    """Rows of unit length (L2), float32; a row of zeros stays one."""
    lengths = np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    return (features / np.where(lengths == 0, 1, lengths)).astype(np.float32)


def nearest(cosines: np.ndarray, k: int = NEIGHBOURS) -> np.ndarray:
    """[N] the mean of each row's k largest; -inf where there are fewer."""
    if cosines.shape[1] < k:
        return np.full(len(cosines), -np.inf)
    return np.partition(cosines, -k, axis=1)[:, -k:].mean(axis=1)


@dataclass(frozen=True)
class _Photos:
    """features [N, D] float32; groups [N]: photos that belong together."""

    features: np.ndarray
    groups: np.ndarray

    def at(self, rows: np.ndarray) -> _Photos:
        return _Photos(self.features[rows], self.groups[rows])


def _bank(real: _Photos, strange: _Photos | None) -> FeatureBank | None:
    """Of all these photos; None where no photo has K others to be compared with."""
    unit = unit_rows(real.features)
    cosines = unit @ unit.T
    cosines[real.groups[:, None] == real.groups[None]] = -np.inf
    own = nearest(cosines)
    own = own[np.isfinite(own)]
    if not len(own):
        return None
    if strange is None:
        return FeatureBank(real.features, NEIGHBOURS, threshold_of(own))
    left_out = np.zeros(len(real.groups))
    for inside, outside in folds(real.groups, least=2):
        plane = _fit_plane(real.features[inside], strange.features)
        left_out[outside] = plane.of(real.features[outside])
    threshold, level = threshold_of(own), threshold_of(left_out)
    # Median on median and threshold on threshold, so that one threshold is that of both
    spread, wide = np.median(left_out) - level, np.median(own) - threshold
    scale = float(wide / spread) if spread > 0 and wide > 0 else 1.0
    plane = _fit_plane(real.features, strange.features)
    plane = Plane((scale * plane.weight).astype(np.float32), threshold + scale * (plane.bias - level))
    return FeatureBank(real.features, NEIGHBOURS, threshold, plane, len(strange.features))


def _fit_plane(real: np.ndarray, strange: np.ndarray) -> Plane:
    """Between photos with features [N, D] and [O, D], both sides weighing the same."""
    from sklearn.linear_model import LogisticRegression

    both = np.concatenate([real, strange])
    mean, deviation = both.mean(axis=0), np.sqrt(both.var(axis=0) + VARIANCE_FLOOR)
    model = LogisticRegression(C=PLANE_STRENGTH, class_weight="balanced", max_iter=1000)
    model.fit((both - mean) / deviation, np.arange(len(both)) < len(real))
    weight = model.coef_[0] / deviation
    return Plane(weight, float(model.intercept_[0] - weight @ mean))


def _refused(photos: _Photos, fitted: Callable[[_Photos], FeatureBank | None]) -> Refused | None:
    """Which of the photos are refused, each by what was fitted without its fold."""
    refused = np.zeros(len(photos.groups), dtype=bool)
    parts = list(folds(photos.groups))
    for inside, outside in parts:
        bank = fitted(photos.at(inside))
        if bank is None:
            return None
        refused[outside] = bank.similarity(photos.features[outside]) < bank.threshold
    return Refused(refused, photos.groups) if parts else None


def folds(groups: np.ndarray, least: int = THRESHOLD_FOLDS) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """THRESHOLD_FOLDS times (inside, outside): places, each outside once, groups whole. Groups are dealt in turn as
    they come, so what is sorted by label is spread evenly. Fewer where there are fewer groups, none below `least`."""
    names, first, group = np.unique(groups, return_index=True, return_inverse=True)
    if len(names) < least:
        return
    count = min(THRESHOLD_FOLDS, len(names))
    turn = np.argsort(np.argsort(first))[group] % count
    for fold in range(count):
        yield np.flatnonzero(turn != fold), np.flatnonzero(turn == fold)
