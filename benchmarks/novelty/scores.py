"""Scores of how much a photo looks like the training photos, on pooled features: the benchmark's contenders.

Each is a function of a Fitting that returns another, features [N, D] → [N], higher for what looks known. Those of
HEADED need the head's weight and bias, which one label alone does not have. Constants are the papers' own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

K = 3
PERCENTILE_REACT = 90  # of all training activations, what ReAct clips at
PERCENTILE_SCALE = 85  # activations above it carry SCALE's factor

Score = Callable[[np.ndarray], np.ndarray]


@dataclass(frozen=True)
class Fitting:
    """features [N, D] and labels [N] of training photos; weight [L, D], bias [L]: the head, None with one label."""

    features: np.ndarray
    labels: np.ndarray
    weight: np.ndarray | None = None
    bias: np.ndarray | None = None

    def logits(self, features: np.ndarray) -> np.ndarray:
        return features @ self.weight.T + self.bias


def max_softmax(known: Fitting) -> Score:
    """Hendrycks & Gimpel 2017, arXiv 1610.02136."""
    return lambda f: np.exp(known.logits(f).max(axis=1) - log_sum_exp(known.logits(f)))


def energy(known: Fitting) -> Score:
    """Liu et al. 2020, arXiv 2010.03759."""
    return lambda f: log_sum_exp(known.logits(f))


def react(known: Fitting) -> Score:
    """Energy of clipped features: Sun et al. 2021, arXiv 2111.12797."""
    ceiling = np.percentile(known.features, PERCENTILE_REACT)
    return lambda f: log_sum_exp(known.logits(np.minimum(f, ceiling)))


def scale(known: Fitting) -> Score:
    """Energy of features scaled by how concentrated they are: Xu et al. 2024, arXiv 2310.00227."""

    def score(f: np.ndarray) -> np.ndarray:
        positive = np.maximum(f, 0)  # it is made for features after a ReLU
        top = np.where(positive >= np.percentile(positive, PERCENTILE_SCALE, axis=1, keepdims=True), positive, 0)
        factor = np.exp(positive.sum(axis=1) / np.maximum(top.sum(axis=1), 1e-12))
        return log_sum_exp(known.logits(f * factor[:, None]))

    return score


def fdbd(known: Fitting) -> Score:
    """Distance to the decision boundaries over that to the training mean: Liu & Qin 2024, arXiv 2312.11536."""
    mean = known.features.mean(axis=0)

    def score(f: np.ndarray) -> np.ndarray:
        logits = known.logits(f)
        top = logits.argmax(axis=1)
        apart = np.linalg.norm(known.weight[top][:, None] - known.weight[None], axis=2)
        distance = (logits.max(axis=1)[:, None] - logits) / np.where(apart > 0, apart, 1)
        others = distance.sum(axis=1) / (logits.shape[1] - 1)
        return others / np.maximum(np.linalg.norm(f - mean, axis=1), 1e-12)

    return score


def vim(known: Fitting) -> Score:
    """Energy less the feature's part outside the principal space, on one scale: Wang et al. 2022, arXiv 2203.10807.

    The paper's principal space is about half as wide as the features; with fewer photos than features, half the photos.
    """
    origin = -np.linalg.pinv(known.weight) @ known.bias
    centred = known.features - origin
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    principal = directions[: max(1, len(known.features) // 2)]

    def residual(f: np.ndarray) -> np.ndarray:
        return np.linalg.norm((f - origin) - (f - origin) @ principal.T @ principal, axis=1)

    alpha = known.logits(known.features).max(axis=1).mean() / max(residual(known.features).mean(), 1e-12)
    return lambda f: log_sum_exp(known.logits(f)) - alpha * residual(f)


def mahalanobis(known: Fitting) -> Score:
    """Lee et al. 2018, arXiv 1807.03888; the covariance shrunk (Ledoit-Wolf), for photos are few."""
    from sklearn.covariance import ledoit_wolf_shrinkage

    names = np.unique(known.labels)
    means = np.stack([known.features[known.labels == name].mean(axis=0) for name in names])
    centred = (known.features - means[np.searchsorted(names, known.labels)]).astype(np.float64)
    shrinkage = max(ledoit_wolf_shrinkage(centred, assume_centered=True), 1e-6)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    variances = (1 - shrinkage) * singular**2 / len(centred)
    rest = shrinkage * (centred**2).sum() / len(centred) / centred.shape[1]  # of every direction, and outside of them

    def score(f: np.ndarray) -> np.ndarray:
        apart = f[:, None] - means[None]
        inside = apart @ directions.T
        outside = (apart**2).sum(axis=2) - (inside**2).sum(axis=2)
        return -((inside**2 / (variances + rest)).sum(axis=2) + outside / rest).min(axis=1)

    return score


def knn(known: Fitting) -> Score:
    """Sun et al. 2022, arXiv 2204.06507, with the mean of the k nearest cosines: what ships."""
    bank = unit(known.features)
    return lambda f: nearest(unit(f) @ bank.T)


def knn_standardised(known: Fitting) -> Score:
    """The same, each feature brought to mean 0 and variance 1 over the training photos first."""
    mean, deviation = known.features.mean(axis=0), np.sqrt(known.features.var(axis=0) + 1e-3)
    bank = unit((known.features - mean) / deviation)
    return lambda f: nearest(unit((f - mean) / deviation) @ bank.T)


def knn_and_fdbd(known: Fitting) -> Score:
    """The sum of both, each in standard deviations of the training photos' own (for KNN: compared with the others)."""
    bank = unit(known.features)
    cosines = bank @ bank.T
    np.fill_diagonal(cosines, -np.inf)
    first, second = knn(known), fdbd(known)
    own = nearest(cosines), second(known.features)
    (m1, s1), (m2, s2) = ((scores.mean(), max(scores.std(), 1e-12)) for scores in own)
    return lambda f: (first(f) - m1) / s1 + (second(f) - m2) / s2


HEADED: dict[str, Callable[[Fitting], Score]] = {
    "max softmax": max_softmax,
    "energy": energy,
    "ReAct": react,
    "SCALE": scale,
    "fDBD": fdbd,
    "ViM": vim,
    "KNN + fDBD": knn_and_fdbd,
}
FEATURES: dict[str, Callable[[Fitting], Score]] = {
    "Mahalanobis": mahalanobis,
    "KNN, standardised": knn_standardised,
    "KNN": knn,
}


def unit(features: np.ndarray) -> np.ndarray:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


def nearest(cosines: np.ndarray, k: int = K) -> np.ndarray:
    """[N] mean of each row's k largest."""
    return np.sort(cosines, axis=1)[:, -k:].mean(axis=1)


def log_sum_exp(logits: np.ndarray) -> np.ndarray:
    top = logits.max(axis=1)
    return top + np.log(np.exp(logits - top[:, None]).sum(axis=1))
