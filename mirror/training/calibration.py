"""Probabilities that mean what they say: one temperature for all logits, and what it does to held-out photos.

A head that is sure of 99 % ought to be wrong once in a hundred times. Dividing its logits by a temperature (Guo et al.
2017, arXiv 1706.04599) makes it more or less sure of everything alike, and changes no answer. It is fitted on logits of
photos that the head had not learned from, and applied only where it can be shown to help.

All of it from logits, labels and groups; nothing here knows of networks.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from mirror.inference.classifier import softmax
from mirror.metrics_schema import Calibration, CalibrationScores, Estimate, ReliabilityBin
from mirror.training.linear_probe import cross_entropy, fold_numbers

COLDEST, HOTTEST = 0.25, 4.0  # temperatures beyond these say that something else is wrong
CALIBRATION_FOLDS = 5
FEWEST = 30  # groups of photos: a bootstrap of fewer is surer of itself than it should be
BINS = 15  # of equal width, for the expected calibration error, as in Guo et al.
RESAMPLES = 2000  # of the bootstrap: the ends of an interval then move by a few percent of its width between seeds
CONFIDENCE = 0.95


@dataclass(frozen=True)
class HeldOut:
    """What was said of photos that were not learned from: logits [N, L]; actual [N]: their labels as places among the
    L; groups [N]: photos that belong together."""

    logits: np.ndarray
    actual: np.ndarray
    groups: np.ndarray

    def __len__(self) -> int:
        return len(self.actual)

    def tempered(self, temperature: float | np.ndarray) -> HeldOut:
        """The same, by one temperature or by one for each photo [N]."""
        scale = np.broadcast_to(np.asarray(temperature, np.float64), len(self))[:, None]
        return replace(self, logits=self.logits / scale)


def calibrate(own: HeldOut, judged: HeldOut | None, source: str, seed: int) -> tuple[float, Calibration | None]:
    """The temperature to serve with, fitted on `own`, and what it does to `judged` photos. Where those are None it is
    judged by its own photos, each by a temperature fitted without it. 1.0 and None where there is no photo at all.

    The temperature stays 1 where the interval of what it gains reaches 0, or where the photos are too few for one: then
    nothing shows that it helps.
    """
    if not len(own):
        return 1.0, None
    best = fit_temperature(own)
    crossed = cross_fitted(own, seed)
    before, after = (cross_entropy(held.logits.astype(np.float64), own.actual) for held in (own, own.tempered(crossed)))
    gain = estimate(before - after, own.groups, seed)
    helps = gain.interval[0] > 0 and len(np.unique(own.groups)) >= FEWEST
    temperature = best if helps else 1.0
    raw = judged or own
    by = temperature if judged or temperature == 1 else crossed
    used = raw.tempered(by)
    return temperature, Calibration(
        source=source,
        fitted_on=len(own),
        found=best,
        gain=gain,
        photos=len(raw),
        before=calibration_scores(raw, seed),
        after=calibration_scores(used, seed),
        bins=reliability(used),
    )


def fit_temperature(held: HeldOut) -> float:
    """The temperature with the least cross-entropy, between COLDEST and HOTTEST.

    Each photo counts as its label but for 1 in N + 2, which goes to the other labels: without it, photos that are all
    told apart would ask for a temperature of 0 (Platt 1999, "Probabilistic outputs for support vector machines").
    """
    from scipy.optimize import minimize_scalar

    photos, labels = held.logits.shape
    missed = 1 / (photos + 2)
    target = np.full((photos, labels), missed / (labels - 1))
    target[np.arange(photos), held.actual] = 1 - missed
    logits = held.logits.astype(np.float64)

    def loss(coldness: float) -> float:  # convex in the inverse temperature
        scaled = logits * coldness
        top = scaled.max(axis=1)
        partition = top + np.log(np.exp(scaled - top[:, None]).sum(axis=1))
        return float((partition - (target * scaled).sum(axis=1)).mean())

    minimum = minimize_scalar(loss, bounds=(1 / HOTTEST, 1 / COLDEST), method="bounded", options={"xatol": 1e-6})
    return float(1 / minimum.x)


def cross_fitted(held: HeldOut, seed: int) -> np.ndarray:
    """[N] a temperature for each photo, fitted on folds that hold none of its group; 1 where none can be fitted."""
    number = fold_numbers(held.actual, held.groups, CALIBRATION_FOLDS, seed)
    temperatures = np.ones(len(held))
    for fold in range(number.max(initial=-1) + 1):
        rest = number != fold
        temperatures[~rest] = fit_temperature(HeldOut(held.logits[rest], held.actual[rest], held.groups[rest]))
    return temperatures


def calibration_scores(held: HeldOut, seed: int) -> CalibrationScores:
    """How far the probabilities softmax(logits) can be trusted, each figure with its interval."""
    probabilities = softmax(held.logits)
    hit = np.eye(probabilities.shape[1])[held.actual]
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == held.actual
    gaps = np.zeros((len(held), BINS))
    gaps[np.arange(len(held)), bin_of(confidence)] = confidence - right
    return CalibrationScores(
        nll=estimate(cross_entropy(held.logits.astype(np.float64), held.actual), held.groups, seed),
        brier=estimate(((probabilities - hit) ** 2).sum(axis=1), held.groups, seed),
        ece=estimate(gaps, held.groups, seed, lambda means: np.abs(means).sum(axis=1)),
    )


def reliability(held: HeldOut) -> tuple[ReliabilityBin, ...]:
    """The bins that hold a photo, by rising confidence: how sure the model was in them, and how often right."""
    probabilities = softmax(held.logits)
    confidence, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == held.actual
    bins = bin_of(confidence)
    return tuple(
        ReliabilityBin(int((bins == i).sum()), float(confidence[bins == i].mean()), float(right[bins == i].mean()))
        for i in np.unique(bins)
    )


def bin_of(confidence: np.ndarray) -> np.ndarray:
    """Which of BINS bins (lower end, upper end] a confidence lies in."""
    return np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)


def estimate(
    values: np.ndarray,
    groups: np.ndarray,
    seed: int,
    combine: Callable[[np.ndarray], np.ndarray] = lambda means: means[:, 0],
) -> Estimate:
    """The mean of `values` [N] with its bootstrap interval; of several columns [N, B], what `combine` makes of their
    means ([R, B] → [R]).

    Whole groups are drawn, for photos that belong together say less than as many that do not.
    """
    values = values.reshape(len(values), -1)
    names, group = np.unique(groups, return_inverse=True)
    sums, sizes = np.zeros((len(names), values.shape[1])), np.bincount(group)
    np.add.at(sums, group, values)
    draws = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), RESAMPLES)
    resampled = combine(draws @ sums / (draws @ sizes)[:, None])
    low, high = np.quantile(resampled, [0.5 - CONFIDENCE / 2, 0.5 + CONFIDENCE / 2])
    return Estimate(float(combine(values.mean(axis=0, keepdims=True))[0]), (float(low), float(high)))
