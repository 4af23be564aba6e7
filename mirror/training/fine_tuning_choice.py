"""How much of fine-tuning ships: chosen by photos that are neither learned from nor reported on.

The network is tuned without a part of the training photos first, a fold, and these say which share of the way from the
head alone to the tuned network answers best (fine_tuning.py). Where one has a lower loss than the head, beyond chance,
and errs no more often, the learner is tuned likewise on all training photos and goes that share of the way; else the
head alone ships. With `--folds` every fold is left out in turn, and a fold's photos are judged by the share that the
other folds chose.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import fastai
import numpy as np
import torch

from mirror.collect.photo_records import TRAIN
from mirror.metrics_schema import EpochMetrics
from mirror.progress import ProgressBar
from mirror.training.augmented_features import KeptViews, last_layers_learner
from mirror.training.calibration import HeldOut, fit_temperature
from mirror.training.fine_tuning import Course, Log, blend, tune, validation_logits
from mirror.training.last_layers import split_body
from mirror.training.learner import Start, set_head
from mirror.training.linear_probe import LinearProbe, cross_entropy, fold_numbers
from mirror.training.settings import CHECKPOINTS, CLEAR_GAIN, DEFAULT_FOLDS, SHARES
from mirror.training.training_data import TrainingData
from mirror.training.view_features import ViewFeatures
from mirror.wording import count


@dataclass(frozen=True)
class FineTuning:
    """What came of it. unseen [N, L]: logits of each photo by a network that had not learned from it, nan where there
    is none. epochs: run; share: of them that ships, 0 being the head alone; history: a row an epoch of the first trial,
    by the photos that it left out."""

    unseen: np.ndarray
    epochs: int = 0
    share: float = 0.0
    history: tuple[EpochMetrics, ...] = ()

    @property
    def sentence(self) -> str:
        """The end of the recipe's."""
        if not self.epochs:
            return ""
        if not self.share:
            return f"; fine-tuned for {count(self.epochs, 'epoch')}, which was not better and is not used"
        way = "" if self.share == 1 else f", {100 * self.share:.0f} % of the way from there"
        return f"; the last layers fine-tuned for {count(self.epochs, 'epoch')}{way}"


def best_share(losses: np.ndarray, wrong: np.ndarray, groups: np.ndarray) -> int:
    """Which of SHARES has the lowest mean of losses [S, n] among those that are wrong [S, n] no more often than the
    head, the first, where it is below the head's by more than CLEAR_GAIN standard errors (groups [n] being right or
    wrong together); else 0."""
    errors = wrong.sum(axis=1)
    best = int(np.where(errors <= errors[0], losses.mean(axis=1), np.inf).argmin())
    gain = losses[0] - losses[best]
    _, group = np.unique(groups, return_inverse=True)
    totals = np.bincount(group, weights=gain - gain.mean())
    error = np.sqrt(len(totals) / max(1, len(totals) - 1) * (totals**2).sum()) / len(gain)
    return best if gain.mean() > CLEAR_GAIN * error else 0


def history_row(epoch: int, logits: np.ndarray, actual: np.ndarray) -> EpochMetrics:
    """The mean cross-entropy and the error rate of logits [N, L]."""
    loss = float(cross_entropy(logits.astype(np.float64), actual).mean())
    return EpochMetrics(epoch, loss, float(np.mean(logits.argmax(axis=1) != actual)))


@dataclass(frozen=True)
class TuningTrial:
    """A network that was tuned without the photos at `rows`: logits [S, n, L] of these, at each of SHARES."""

    rows: np.ndarray
    logits: np.ndarray
    history: tuple[EpochMetrics, ...]


@dataclass(frozen=True)
class Tuner:
    """Tunes networks that begin alike. views: of the last layer, whose head they begin from; best: those whose head
    ships where tuning does not help; epochs: of each. Where each stands lies in the photo folder until all is done, so
    that a training that was killed goes on."""

    start: Start
    data: TrainingData
    views: ViewFeatures
    best: ViewFeatures
    kept: KeptViews
    epochs: int
    log: Log

    def run(self, learner: Any, head: LinearProbe, unseen: np.ndarray) -> FineTuning:
        """Tunes `learner`, which has that head, where photos left out show that it pays; unseen [N, L]: logits by heads
        that had not learned from the photo. The learner has what ships afterwards."""
        data, learned = self.data, self.data.rows(TRAIN)
        number = fold_numbers(data.actual[learned], data.groups[learned], data.folds or DEFAULT_FOLDS, self.start.seed)
        if number.max(initial=-1) < 0:
            self.log("The photos of a label all hang together, so none can be left out to tell whether it helps.")
            return FineTuning(unseen)
        folds = range(number.max() + 1) if data.folds else range(1)
        parts = [(learned[number != fold], learned[number == fold]) for fold in folds]
        total = self.epochs * (sum(len(inside) for inside, _ in parts) + len(learned))
        with ProgressBar("fine-tuning", "photo", self.log) as progress:
            trials: list[TuningTrial] = []
            before = 0
            progress(before, total)
            for fold, (inside, outside) in enumerate(parts):
                course = self._course(progress, before, total, f"without-{fold}")
                trials.append(self._trial(inside, outside, course))
                before += self.epochs * len(inside)
            share = self._choose(trials)
            if share:
                self.tune_all(learner, head, share, self._course(progress, before, total, "all"))
        self._sweep()
        if data.folds:
            unseen = self._crossed(trials, unseen)
        return FineTuning(unseen, self.epochs, share, trials[0].history)

    def _trial(self, inside: np.ndarray, outside: np.ndarray, course: Course) -> TuningTrial:
        actual = self.data.actual[outside]
        learner = self.start.learner([self.data.photos[i] for i in inside])
        head = self.views.fit(inside, self.start.seed)
        set_head(learner, head)
        last = self._last_layers(learner, inside, outside)
        alone = self.best.fit(inside, self.start.seed).logits(self.best.served[outside])
        history = [history_row(0, alone, actual)]

        def each_epoch(epoch: int, logits: np.ndarray) -> None:
            history.append(history_row(epoch, logits, actual))
            row = history[-1]
            course.progress.log(
                f"epoch {epoch} of {self.epochs}: loss {row.valid_loss:.3f}, error {100 * row.error_rate:.1f} % on "
                f"{count(len(outside), 'photo')} left out (head alone: {history[0].valid_loss:.3f}, "
                f"{100 * history[0].error_rate:.1f} %)"
            )

        begun = tune(last, course, each_epoch)
        tuned = {name: value.clone() for name, value in last.model.state_dict().items()}
        logits = [alone]
        for share in SHARES[1:]:
            last.model.load_state_dict(blend(begun, tuned, share))
            logits.append(validation_logits(last))
        return TuningTrial(outside, np.stack(logits), tuple(history))

    def tune_all(self, learner: Any, head: LinearProbe, share: float, course: Course) -> None:
        """Gives the learner the head and last layers tuned on all training photos, that share of the way."""
        set_head(learner, head)
        learned = self.data.rows(TRAIN)
        last = self._last_layers(learner, learned, learned[:1])
        begun = tune(last, course)
        last.model.load_state_dict(blend(begun, last.model.state_dict(), share))
        learner.model.cpu()

    def _last_layers(self, learner: Any, learned: np.ndarray, held: np.ndarray) -> Any:
        split = split_body(learner.model[0], self.start.size)
        return last_layers_learner(learner, split, self.kept, learned, held)

    def _course(self, progress: ProgressBar, before: int, total: int, name: str) -> Course:
        key = hashlib.sha256(json.dumps([name, *self._key()]).encode()).hexdigest()[:16]
        file = self.start.folder / CHECKPOINTS / f"{name}-{key}.pth"
        return Course(self.epochs, self.start.seed, progress, before, total, file)

    def _key(self) -> list[Any]:
        """All that decides what comes of a training, as JSON."""
        start, data = self.start, self.data
        photos = [(photo.sha256, photo.label, photo.split) for photo in data.photos]
        versions = [torch.__version__, fastai.__version__]
        return [
            start.architecture.name,
            start.source,
            start.size,
            start.seed,
            self.epochs,
            data.folds,
            photos,
            versions,
        ]

    def _sweep(self) -> None:
        folder = self.start.folder / CHECKPOINTS
        for file in folder.glob("*.pth"):
            file.unlink()
        with contextlib.suppress(OSError):  # it was never made, or holds what a person put there
            folder.rmdir()

    def _choose(self, trials: Sequence[TuningTrial]) -> float:
        judged, losses, wrong = self._losses(trials)
        chosen = best_share(losses, wrong, self.data.groups[judged])
        shown = chosen or int(np.argmin(losses[1:].mean(axis=1))) + 1
        rates = f"error {100 * wrong[0].mean():.1f} to {100 * wrong[shown].mean():.1f} %"
        change = f"from {losses[0].mean():.3f} to {losses[shown].mean():.3f} ({rates})"
        photos = f"On {count(len(judged), 'photo')} that were not learned from, fine-tuning takes the loss {change}"
        self.log(
            f"{photos}: the last layers are fine-tuned on all of them."
            if chosen
            else f"{photos}, which is no gain that chance would not give: the head alone is kept."
        )
        return SHARES[chosen]

    def _losses(self, trials: Sequence[TuningTrial]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The photos [n] left out, their losses [S, n] at each share, by its best temperature, and whether the answer
        is wrong [S, n]."""
        judged = np.concatenate([trial.rows for trial in trials])
        logits = np.concatenate([trial.logits for trial in trials], axis=1)
        actual, groups = self.data.actual[judged], self.data.groups[judged]
        losses = [
            cross_entropy(one.astype(np.float64) / fit_temperature(HeldOut(one, actual, groups)), actual)
            for one in logits
        ]
        return judged, np.stack(losses), logits.argmax(axis=2) != actual

    def _crossed(self, trials: Sequence[TuningTrial], unseen: np.ndarray) -> np.ndarray:
        """`unseen`, with each fold's photos by its network at the share that the other folds chose."""
        unseen = unseen.copy()
        for fold, trial in enumerate(trials):
            others = [other for i, other in enumerate(trials) if i != fold]
            judged, losses, wrong = self._losses(others)
            unseen[trial.rows] = trial.logits[best_share(losses, wrong, self.data.groups[judged])]
        return unseen
