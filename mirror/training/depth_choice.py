"""Whether a head on features of every depth (depth_features.py) or on the last layer's ships: the one with the lower
loss on photos left out, as a head's strength is chosen. The simpler one stays where next to nothing is to be gained.

Where it is the one on every depth, each photo is reported on as the kind answers that the photos of the other folds
choose, so the choice has no part in the error.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mirror.training.linear_probe import LinearProbe, cross_entropy
from mirror.training.training_data import TrainingData
from mirror.training.view_features import OutOfFold, ViewFeatures

LAST_LAYER = "on the last layer's features"
LEAST_GAIN = 0.01  # nats a photo. Frames of one camera are told apart by either kind


@dataclass(frozen=True)
class DepthChoice:
    """views: the features that the head is to be fitted to; out_of_fold: heads on such, without a fold each; deep:
    whether they are those of every depth; phrase: which, and why."""

    views: ViewFeatures
    out_of_fold: OutOfFold
    deep: bool = False
    phrase: str = LAST_LAYER


def choose_depth(data: TrainingData, views: ViewFeatures, learned: np.ndarray, folds: int, seed: int) -> DepthChoice:
    """views: with features of every depth, where there are such; learned: indices of the photos that are learned
    from."""
    last = views.last
    alone = last.out_of_fold(learned, folds, seed)
    if views.width == views.features.shape[1]:
        return DepthChoice(last, alone)
    deep = views.out_of_fold(learned, folds, seed)
    judged = np.flatnonzero(np.isfinite(alone.logits).all(axis=1))
    if not len(judged):
        return DepthChoice(last, alone)
    actual, fold = data.actual[judged], alone.fold[judged]
    both = np.stack([found.logits[judged].astype(np.float64) for found in (alone, deep)])
    losses = np.stack([cross_entropy(logits, actual) for logits in both])
    before, after = (f"{100 * rate:.1f}" for rate in np.mean(both.argmax(axis=2) != actual, axis=1))
    change = f"take the loss of photos left out from {losses[0].mean():.3f} to {losses[1].mean():.3f}"
    errors = f"{change} and their error from {before} to {after} %"
    if not _pays(losses):
        return DepthChoice(last, alone, phrase=f"{LAST_LAYER}, for those of every depth {errors}")
    heads = []
    for number, (own, wide) in enumerate(zip(alone.heads, deep.heads, strict=True)):
        heads.append(wide if _pays(losses[:, fold != number]) else _widened(own, wide.weight.shape[1]))
    nested = replace(deep, heads=tuple(heads)).of(views.served)
    return DepthChoice(views, nested, True, f"on features of every depth, which {errors}")


def _pays(losses: np.ndarray) -> bool:
    """losses [2, N], in nats: of the last layer's head and of the one on every depth."""
    before, after = losses.mean(axis=1)
    return bool(after < before - LEAST_GAIN)


def _widened(head: LinearProbe, width: int) -> LinearProbe:
    """The same on so many features, of which it takes the last ones."""
    missing = width - head.weight.shape[1]
    return replace(head, weight=np.pad(head.weight, ((0, 0), (missing, 0))))
