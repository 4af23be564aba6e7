"""Features → the linear head: logistic regression, its strength chosen by cross-validation on the training photos.

With few photos the head decides, and its L2 strength is what early stopping is elsewhere. Chosen by the training
photos alone it leaves the validation photos unseen, so that the error rate measured on them is an honest one.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from mirror.training.settings import MAX_ITERATIONS, PROBE_FOLDS, STRENGTHS, VARIANCE_FLOOR

RISEN, MANY = 1.05, 200  # a loss so much above a stricter head's, on so many views, is no chance


@dataclass(frozen=True)
class LinearProbe:
    """logits = features @ weight.T + bias. weight [L, D], bias [L]; strength: the C chosen; loss: its cross-validated
    cross-entropy in nats a photo, None where there were too few photos to cross-validate."""

    weight: np.ndarray
    bias: np.ndarray
    strength: float
    loss: float | None

    def logits(self, features: np.ndarray) -> np.ndarray:
        return features @ self.weight.T + self.bias


def fit_probe(
    features: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    groups: Sequence[int],
    *,
    base: np.ndarray,
    seed: int,
) -> LinearProbe:
    """features [V, D] of views, their labels [V] (0..L-1, every one present), loss weights [V], and groups [V]: views
    of one group (a photo, its look-alikes) are never on both sides of a fold. base [V]: views that count in a
    fold's loss, the ones serving would make.
    """
    return _head(features, labels, weights, _cross_validated(features, labels, weights, np.asarray(groups), base, seed))


def _head(features: np.ndarray, labels: np.ndarray, weights: np.ndarray, losses: dict[float, float]) -> LinearProbe:
    """The head of the strength with the lowest loss."""
    scaled, mean, deviation = _standardised(features, weights)
    scaled, basis = _spanned(scaled)
    strength = min(losses, key=lambda c: (losses[c], c)) if losses else STRENGTHS[len(STRENGTHS) // 2]
    weight, bias = _fit(scaled, labels, weights, strength)
    weight = weight if basis is None else weight @ basis.T
    weight = weight / deviation  # the standardising is folded in, so that the head takes plain features
    return LinearProbe(
        weight.astype(np.float32), (bias - weight @ mean).astype(np.float32), strength, losses.get(strength)
    )


def _cross_validated(
    features: np.ndarray, labels: np.ndarray, weights: np.ndarray, groups: np.ndarray, base: np.ndarray, seed: int
) -> dict[float, float]:
    """C → held-out cross-entropy, every label weighing the same; {} where a label has too few groups for two folds."""
    from sklearn.model_selection import StratifiedGroupKFold

    fewest = min(len(np.unique(groups[labels == label])) for label in np.unique(labels))
    if fewest < 2:
        return {}
    folds = StratifiedGroupKFold(min(PROBE_FOLDS, fewest), shuffle=True, random_state=seed)
    found = [
        _path(features, labels, weights, inside, [outside[base[outside]]])[0]
        for inside, outside in folds.split(features, labels, groups)
        if len(np.unique(labels[inside])) == len(np.unique(labels))
    ]
    return _added_up(found)


def heads_left_out(
    features: np.ndarray, labels: np.ndarray, weights: np.ndarray, base: np.ndarray, folds: np.ndarray
) -> list[LinearProbe | None]:
    """For each fold the head that learned from the others, which chose its strength by leaving these out in turn; None
    where that cannot be. folds [V]: in which each view is left out, -1 for one that never is; else as `fit_probe`.

    A head that leaves out two folds serves the choices of both, so there are half as many to fit as there would be with
    a cross-validation of each fold's own.
    """
    count, every = int(folds.max(initial=-1)) + 1, len(np.unique(labels))
    found: list[list[dict[float, float]]] = [[] for _ in range(count)]
    for one, other in combinations(range(count), 2):
        inside = np.flatnonzero((folds != one) & (folds != other))
        if len(np.unique(labels[inside])) == every:
            outside = [np.flatnonzero((folds == fold) & base) for fold in (other, one)]
            for fold, losses in zip((one, other), _path(features, labels, weights, inside, outside), strict=True):
                found[fold].append(losses)
    heads: list[LinearProbe | None] = []
    for fold in range(count):
        losses = _added_up(found[fold])
        if losses:
            inside = np.flatnonzero(folds != fold)
            heads.append(_head(features[inside], labels[inside], weights[inside], losses))
        else:
            heads.append(None)
    return heads


def _path(
    features: np.ndarray, labels: np.ndarray, weights: np.ndarray, inside: np.ndarray, outsides: list[np.ndarray]
) -> list[dict[float, float]]:
    """For each of `outsides` the summed loss by strength of heads that learned from the views `inside`, the total
    weight under the key 0. A strength is not tried where a stricter one did clearly better on many views."""
    scaled, mean, deviation = _standardised(features[inside], weights[inside])
    scaled, basis = _spanned(scaled)
    held = [(features[outside] - mean) / deviation for outside in outsides]
    held = held if basis is None else [shown @ basis for shown in held]
    losses = [{0.0: float(weights[outside].sum())} for outside in outsides]
    start, best = None, np.inf
    for strength in STRENGTHS:
        weight, bias = start = _fit(scaled, labels[inside], weights[inside], strength, start)
        for outside, shown, found in zip(outsides, held, losses, strict=True):
            loss = cross_entropy((shown @ weight.T + bias).astype(np.float64), labels[outside])
            found[strength] = float(weights[outside] @ loss)
        total = sum(found[strength] for found in losses)
        if total > RISEN * best and sum(map(len, outsides)) >= MANY:
            break
        best = min(best, total)
    return losses


def _added_up(found: list[dict[float, float]]) -> dict[float, float]:
    """C → loss a photo, of the strengths that all of them tried."""
    total = sum(losses[0.0] for losses in found)
    tried = [c for c in STRENGTHS if all(c in losses for losses in found)]
    return {c: sum(losses[c] for losses in found) / total for c in tried} if total else {}


def fold_numbers(labels: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """[N] the fold in which each photo is left out, 0 to at most folds - 1; -1 for one that never is, since without its
    group there would be nothing to learn its label from. The same numbers for the same seed.

    A group is left out as a whole, and each fold has its share of every label (scikit-learn's StratifiedGroupKFold).
    """
    from sklearn.model_selection import StratifiedGroupKFold

    labels, groups = np.asarray(labels), np.asarray(groups)
    number = np.full(len(labels), -1)
    folds = min(folds, len(np.unique(groups)), int(np.bincount(labels).max(initial=0)))
    if folds < 2:
        return number
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a label with fewer photos than folds: some folds lack it
        for fold, (inside, outside) in enumerate(splitter.split(labels, labels, groups)):
            lost = outside[~np.isin(labels[outside], labels[inside])]
            held = outside[~np.isin(groups[outside], groups[lost])]
            number[held] = fold
    _, renumbered = np.unique(number[number >= 0], return_inverse=True)  # a fold may be left with no photo
    number[number >= 0] = renumbered
    return number


def cross_entropy(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """[N] in nats, of logits [N, L]."""
    top = logits.max(axis=1)
    return np.log(np.exp(logits - top[:, None]).sum(axis=1)) + top - logits[np.arange(len(labels)), labels]


def _standardised(features: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The features in float32, which is twice as quick to fit to, their mean and deviation."""
    share = weights / weights.sum()
    mean = share @ features
    scaled = (features - mean).astype(np.float32)
    deviation = np.sqrt(share @ np.square(scaled) + VARIANCE_FLOOR)
    scaled /= deviation.astype(np.float32)
    return scaled, mean, deviation


def _spanned(scaled: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
    """The views [V, D] within the space [D, V] that they span, where that is a small one, and its basis: an
    L2-penalised head lies in it, and is fitted to fewer numbers."""
    if 2 * len(scaled) > scaled.shape[1]:
        return scaled, None
    basis, within = np.linalg.qr(scaled.T)
    return np.ascontiguousarray(within.T), basis


def _fit(
    scaled: np.ndarray,
    labels: np.ndarray,
    weights: np.ndarray,
    strength: float,
    start: tuple[np.ndarray, np.ndarray] | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """weight [L, D], bias [L], float32, of the weighted, L2-penalised logistic regression (scikit-learn's, L-BFGS)."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=strength, max_iter=MAX_ITERATIONS, tol=1e-4, warm_start=start is not None)
    if start is not None:
        weight, bias = start
        model.coef_, model.intercept_ = (weight, bias) if len(weight) > 2 else (2 * weight[1:], 2 * bias[1:])
        model.classes_ = np.unique(labels)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the last digits of a head do not matter
        model.fit(scaled, labels, sample_weight=weights)
    weight, bias = model.coef_, model.intercept_
    if len(weight) == 1:  # two labels: scikit-learn keeps one logit, the difference
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return weight, bias
