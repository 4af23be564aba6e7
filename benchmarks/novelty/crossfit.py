"""Scores judged on photos they have not seen: splits, thresholds, and the shares that lie above and below."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from sklearn.linear_model import LogisticRegression

from benchmarks.novelty.material import Known
from benchmarks.novelty.scores import FEATURES, HEADED, Fitting, knn
from benchmarks.novelty.thresholds import expected_quantile
from mirror.export.novelty import fit_feature_bank

SEED = 42
REPEATS = 5  # of the 5-fold splits
FOLDS = 5
STRENGTH = 0.1  # C of the heads: train.py would choose it anew in each fold
SHIPS = "KNN, with the threshold that ships"
Split = tuple[np.ndarray, np.ndarray]


@dataclass
class Judged:
    """Of one score. above: set → [real photos] the share of the set's photos that each scored above; real: [real
    photos] the share of splits that refused each; strange: set → [photos] likewise."""

    above: dict[str, list[np.ndarray]] = field(default_factory=dict)
    real: list[np.ndarray] = field(default_factory=list)
    strange: dict[str, list[np.ndarray]] = field(default_factory=dict)


def splits_of(known: Known, rows: np.ndarray, seed: int = SEED) -> list[Split]:
    """(inside, outside): places in `rows`. The split that came with the photos, or REPEATS of FOLDS."""
    if known.held_out is not None:
        held = known.held_out[rows]
        return [(np.flatnonzero(~held), np.flatnonzero(held))]
    return [
        split
        for repeat in range(REPEATS)
        for split in folds(known.labels[rows], known.groups[rows], np.random.default_rng([seed, repeat]))
    ]


def folds(labels: np.ndarray, groups: np.ndarray, random: np.random.Generator) -> Iterator[Split]:
    """Every photo is outside once, with the others of its group; each label spread evenly."""
    part = np.zeros(len(labels), int)
    dealt = 0
    for label in np.unique(labels):
        for group in random.permutation(np.unique(groups[labels == label])):
            part[groups == group] = dealt % FOLDS
            dealt += 1
    for number in range(FOLDS):
        yield np.flatnonzero(part != number), np.flatnonzero(part == number)


def fit(features: np.ndarray, labels: np.ndarray) -> Fitting:
    """The training photos with a head like train.py's, where they have two labels or more."""
    if len(np.unique(labels)) < 2:
        return Fitting(features, labels)
    mean, deviation = features.mean(axis=0), np.sqrt(features.var(axis=0) + 1e-3)
    model = LogisticRegression(C=STRENGTH, max_iter=1000).fit((features - mean) / deviation, labels)
    weight, bias = model.coef_ / deviation, model.intercept_
    bias = bias - weight @ mean
    if len(weight) == 1:
        weight, bias = np.concatenate([-weight, weight]) / 2, np.concatenate([-bias, bias]) / 2
    return Fitting(features, labels, weight, bias)


def judge(known: Known, rows: np.ndarray, features: np.ndarray, strange: dict[str, np.ndarray]) -> dict[str, Judged]:
    """Score → what it makes of photos it has not seen. features [N, D]: of the known photos at `rows`."""
    labels, groups = known.labels[rows], known.groups[rows]
    two = len(np.unique(labels)) > 1
    scores = {**(HEADED if two else {}), **FEATURES}
    found = {name: Judged() for name in (*scores, SHIPS)}
    for inside, outside in splits_of(known, rows):
        whole = fit(features[inside], labels[inside])
        own: dict[str, list[np.ndarray]] = {name: [] for name in scores}
        inner = list(folds(labels[inside], groups[inside], np.random.default_rng(SEED)))
        for a, b in inner:
            part = fit(features[inside][a], labels[inside][a])
            for name, score in scores.items():
                own[name].append(score(part)(features[inside][b]))
        made = {name: (score(whole), expected_quantile(np.concatenate(own[name]))) for name, score in scores.items()}
        # train.py sees no sources in a folder: only copies are of one group there, and these sets hold none
        made[SHIPS] = knn(whole), fit_feature_bank(features[inside], np.arange(len(inside))).threshold
        for name, (score, threshold) in made.items():
            one = found[name]
            real = score(features[outside])
            one.real.append(_placed(len(rows), outside, real < threshold))
            for title, others in strange.items():
                shown = score(others)
                one.above.setdefault(title, []).append(_placed(len(rows), outside, share_above(real, shown)))
                one.strange.setdefault(title, []).append((shown < threshold).astype(float))
    return found


def share_above(real: np.ndarray, shown: np.ndarray) -> np.ndarray:
    return (real[:, None] > shown[None]).mean(axis=1) + 0.5 * (real[:, None] == shown[None]).mean(axis=1)


def _placed(length: int, places: np.ndarray, values: np.ndarray) -> np.ndarray:
    found = np.full(length, np.nan)
    found[places] = values
    return found
