"""How alike a photo must be to the training photos to be one of theirs: the bank and its threshold.

A photo's similarity is the mean cosine of its pooled features with its K nearest training photos' (deep nearest
neighbours: Sun et al. 2022, arXiv 2204.06507). Max softmax, energy, ReAct, SCALE, fDBD, ViM and Mahalanobis distance
tell strangers worse; so does standardising the features. Mirrored or coarser copies of the photos in the bank, or
another K, change little; a threshold for each label lets more strangers pass.

The threshold comes from the training photos' own similarities, each compared with the others only, its copies and
neighbours left out: two deviations below their median, the deviation being that of the lower half, which is the longer.
With 40 photos it refuses 3.8 % of further ones on average, and more than 7 % in 14 draws of 100; their sample 5 %
quantile does in 43. What it costs depends on how near strangers are: nothing with the shipped mirror.

Where there are photos of none of the labels (`--others`), a photo loses what its similarity to those, times
OTHERS_WEIGHT, exceeds a margin by: it must pass two thresholds, being like the labels' photos, and more like them than
like the others. What is unlike both is refused as before; the plain difference of both would let it pass.

The figures are printed by benchmarks/novelty/__main__.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mirror.intervals import rate_interval
from mirror.model_schema import Novelty

K = 3
DEVIATIONS = 2  # below the median
OTHERS_WEIGHT = 0.5  # 1 refuses more of what is like the others, and fewer of all else
MAX_BANK = 2000  # photos: 4 MB of ResNet-18 features, 10 MB of EfficientNet-Lite0 ones
FOLDS = 5  # to judge the threshold by photos that had no part in it


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
class FeatureBank:
    """features [M, D] float32 of the photos compared with, others [O, D] of photos of none of the labels, or None, and
    their margin; a photo below `threshold` is none of the labels'. real_refused, others_refused: which photos are
    refused when they are held out; None where there were too few to tell."""

    features: np.ndarray
    k: int
    threshold: float
    others: np.ndarray | None = None
    margin: float = 0.0
    real_refused: Refused | None = None
    others_refused: Refused | None = None


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


def margin_of(own: np.ndarray, to_others: np.ndarray) -> float:
    """How much of OTHERS_WEIGHT times a photo's similarity to the others is forgiven, from both similarities [N] of the
    training photos: as much as lets either threshold refuse as many of them."""
    return threshold_of(own) - threshold_of(own - OTHERS_WEIGHT * to_others)


def combined(own: np.ndarray, to_others: np.ndarray, margin: float) -> np.ndarray:
    """The similarity [N] of photos with these to the labels' photos and to the others, as the graph computes it."""
    return own - np.maximum(OTHERS_WEIGHT * to_others - margin, 0)


def fit_feature_bank(
    features: np.ndarray,
    groups: Sequence[int] | np.ndarray,
    others: np.ndarray | None = None,
    other_groups: Sequence[int] | np.ndarray = (),
) -> FeatureBank | None:
    """features [N, D] of the serving views of the photos at `bank_rows`, as the network that ships gives them;
    groups [N]: photos that belong together are not compared. others [O, D], other_groups [O]: photos of none of the
    labels.

    None where there are too few groups for K neighbours.
    """
    unit, group = unit_rows(features), np.asarray(groups)
    cosines = unit @ unit.T
    cosines[group[:, None] == group[None]] = -np.inf
    own = nearest(cosines)
    comparable = np.isfinite(own)
    if not comparable.any():
        return None
    bank = FeatureBank(
        features.astype(np.float32), K, threshold_of(own[comparable]), real_refused=_real_refused(cosines, group)
    )
    if others is None:
        return bank
    to_others = unit @ unit_rows(others).T
    nearest_others = nearest(to_others)
    margin = margin_of(own[comparable], nearest_others[comparable])
    return replace(
        bank,
        threshold=threshold_of(combined(own, nearest_others, margin)[comparable]),
        others=others.astype(np.float32),
        margin=margin,
        real_refused=_real_refused(cosines, group, to_others),
        others_refused=_others_refused(own, to_others, unit_rows(others), np.asarray(other_groups)),
    )


def describe(bank: FeatureBank) -> Novelty:
    """The bank as model.json has it."""
    real, others = bank.real_refused, bank.others_refused
    return Novelty(
        method="knn-cosine" if bank.others is None else "knn-cosine-less-others",
        k=bank.k,
        threshold=bank.threshold,
        photos=len(bank.features),
        real_refused=real.share if real else None,
        real_interval=real.interval if real else None,
        others=0 if bank.others is None else len(bank.others),
        others_refused=others.share if others else None,
        others_interval=others.interval if others else None,
    )


def unit_rows(features: np.ndarray) -> np.ndarray:
    """Rows of unit length (L2), float32; a row of zeros stays one."""
    lengths = np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    return (features / np.where(lengths == 0, 1, lengths)).astype(np.float32)


def nearest(cosines: np.ndarray, k: int = K) -> np.ndarray:
    """[N] the mean of each row's k largest; -inf where there are fewer."""
    if cosines.shape[1] < k:
        return np.full(len(cosines), -np.inf)
    return np.partition(cosines, -k, axis=1)[:, -k:].mean(axis=1)


def _real_refused(cosines: np.ndarray, groups: np.ndarray, to_others: np.ndarray | None = None) -> Refused | None:
    """Which of the training photos are refused, each held out of the bank and of the threshold. cosines [N, N] among
    them, -inf within a group; to_others [N, O] with the others."""
    refused = np.zeros(len(groups), dtype=bool)
    for inside, outside in folds(groups):
        own, judged = (nearest(cosines[np.ix_(rows, inside)]) for rows in (inside, outside))
        if not np.isfinite(own).all():
            return None
        if to_others is not None:
            nearest_others = nearest(to_others)
            margin = margin_of(own, nearest_others[inside])
            own = combined(own, nearest_others[inside], margin)
            judged = combined(judged, nearest_others[outside], margin)
        refused[outside] = judged < threshold_of(own)
    return Refused(refused, groups) if len(np.unique(groups)) >= FOLDS else None


def _others_refused(own: np.ndarray, to_others: np.ndarray, others: np.ndarray, groups: np.ndarray) -> Refused | None:
    """Which of the others are refused, each held out of their bank, of the margin and of the threshold. own [N]: the
    training photos' similarities; to_others [N, O]: their cosines with the others, of unit length [O, D]."""
    refused, comparable, among = np.zeros(len(groups), dtype=bool), np.isfinite(own), others @ others.T
    for inside, outside in folds(groups):
        nearest_others = nearest(to_others[:, inside])
        margin = margin_of(own[comparable], nearest_others[comparable])
        threshold = threshold_of(combined(own, nearest_others, margin)[comparable])
        judged = combined(nearest(to_others[:, outside].T), nearest(among[np.ix_(outside, inside)]), margin)
        refused[outside] = judged < threshold
    return Refused(refused, groups) if len(np.unique(groups)) >= FOLDS else None


def folds(groups: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """FOLDS times (inside, outside): places, each outside once, groups whole. Groups are dealt in turn as they come, so
    what is sorted by label is spread evenly. Nothing where there are fewer than FOLDS groups."""
    names, first, group = np.unique(groups, return_index=True, return_inverse=True)
    if len(names) < FOLDS:
        return
    turn = np.argsort(np.argsort(first))[group] % FOLDS
    for fold in range(FOLDS):
        yield np.flatnonzero(turn != fold), np.flatnonzero(turn == fold)
