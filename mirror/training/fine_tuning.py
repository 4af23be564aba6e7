"""Fine-tuning of the whole network, from the head that was fitted to the frozen body.

One cycle, small steps for the body ("LP-FT", Kumar et al. 2022, arXiv 2202.10054). Which epoch is kept is decided by
photos held out: the validation photos, or each fold's in turn. The head of the frozen body counts as epoch 0.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mirror.collect.metadata import TRAIN, VALIDATION
from mirror.model_schema import EpochMetrics
from mirror.training.feature_cache import ViewFeatures
from mirror.training.learner import Start, repeatable, set_head
from mirror.training.linear_probe import cross_entropy, fold_numbers
from mirror.training.settings import LEARNING_RATE, PATIENCE
from mirror.training.training_data import TrainingData

COLUMNS = ("train_loss", "valid_loss", "error_rate")

Log = Callable[[str], None]


@dataclass(frozen=True)
class FineTuning:
    """What came of it, the learner having the weights of the epoch that is kept.

    unseen [N, L]: logits of each photo by models that had not learned from it, nan where there is none; epoch: the one
    that is kept, 0 being the frozen body's head; sentence: the end of the recipe's; history: a row an epoch."""

    unseen: np.ndarray
    epoch: int = 0
    sentence: str = ""
    history: tuple[EpochMetrics, ...] = ()


def fine_tune(learner: Any, data: TrainingData, out_of_fold: np.ndarray, epochs: int, log: Log) -> FineTuning:
    """Fine-tunes for at most so many epochs and keeps the one with the lowest validation loss. out_of_fold [N, L]: of
    the frozen body's heads. The history's rows have the weighted loss that fastai monitors."""
    if not len(data.rows(VALIDATION)):
        log("Without validation photos there is nothing to stop fine-tuning by, so it is left out.")
        return FineTuning(out_of_fold)
    from fastai.callback.tracker import EarlyStoppingCallback, SaveModelCallback

    monitored: dict[str, Any] = {"monitor": "valid_loss", "reset_on_fit": False}
    save, stop = SaveModelCallback(fname="best", **monitored), EarlyStoppingCallback(patience=PATIENCE, **monitored)
    with _workplace(learner):
        with learner.no_bar(), learner.no_logging():
            loss, error = map(float, learner.validate(dl=learner.dls.valid))
        save.best = stop.best = loss
        learner.save("best")
        _one_cycle(learner, epochs, [save, stop], log)
    rows = [EpochMetrics(0, loss, error)]
    for epoch, values in enumerate(learner.recorder.values, start=1):
        train_loss, valid_loss, error_rate = map(float, values)
        rows.append(EpochMetrics(epoch, valid_loss, error_rate, train_loss))
    return _chosen(rows, epochs, "validation loss", out_of_fold)


def fine_tune_in_folds(
    learner: Any, start: Start, data: TrainingData, views: ViewFeatures, epochs: int, log: Log
) -> FineTuning:
    """The epoch with the lowest loss over all folds is the one that is kept: the learner is fine-tuned on all photos
    until then. Every fold takes as long as a training."""
    logits = tuned_out_of_fold(start, data, views, epochs, log)
    judged = np.flatnonzero(np.isfinite(logits[0]).all(axis=1))
    actual = data.actual[judged]
    rows = [history_row(epoch, by[judged], actual) for epoch, by in enumerate(logits)] if len(judged) else []
    tuning = _chosen(rows, epochs, "the folds' loss", logits[0])
    if tuning.epoch:
        log(f"fine-tuning on all {len(data.photos)} photos, {tuning.epoch} of {epochs} epochs")
        repeatable(start.seed)
        fine_tune_epochs(learner, epochs, tuning.epoch, log)
    return replace(tuning, unseen=logits[tuning.epoch])


def history_row(epoch: int, logits: np.ndarray, actual: np.ndarray) -> EpochMetrics:
    """The mean cross-entropy and the error rate of logits [N, L]."""
    loss = float(cross_entropy(logits.astype(np.float64), actual).mean())
    return EpochMetrics(epoch, loss, float(np.mean(logits.argmax(axis=1) != actual)))


def _chosen(rows: list[EpochMetrics], epochs: int, by: str, unseen: np.ndarray) -> FineTuning:
    epoch = int(np.argmin([row.valid_loss for row in rows])) if rows else 0
    sentence = f", fine-tuned for up to {epochs} epochs, the best by {by} being epoch {epoch}"
    return FineTuning(unseen, epoch, sentence, tuple(rows))


def fine_tune_epochs(learner: Any, epochs: int, last: int, log: Log) -> None:
    """The first `kept` of so many epochs, without any photo to judge by."""
    from fastai.callback.core import Callback, CancelFitException, CancelValidException

    class StopAt(Callback):
        order = 100  # after those that say what the epoch was like

        def before_validate(self) -> None:
            raise CancelValidException

        def after_epoch(self) -> None:
            if self.epoch + 1 == last:
                raise CancelFitException

    with _workplace(learner):
        _one_cycle(learner, epochs, [StopAt()], log)


def tuned_out_of_fold(start: Start, data: TrainingData, views: ViewFeatures, epochs: int, log: Log) -> np.ndarray:
    """[epochs + 1, N, L] logits of each photo after each epoch, by a network fine-tuned on the other folds; nan for
    those that are never left out."""
    number = fold_numbers(data.actual, data.groups, data.folds or 0, start.seed)
    folds = number.max(initial=-1) + 1
    logits = np.full((epochs + 1, len(data.photos), len(data.labels)), np.nan, np.float32)
    for fold in range(folds):
        outside = number == fold
        log(f"fold {fold + 1} of {folds}: fine-tuning without {outside.sum()} of the {len(data.photos)} photos")
        pairs = zip(data.photos, outside, strict=True)
        learner = start.learner([replace(photo, split=VALIDATION if left else TRAIN) for photo, left in pairs])
        probe = views.fit(np.flatnonzero(~outside), start.seed)
        set_head(learner, probe)
        repeatable(start.seed)
        logits[0, outside] = probe.logits(views.served[outside])
        logits[1:, outside] = _validation_logits(learner, epochs, log)
    return logits


def _validation_logits(learner: Any, epochs: int, log: Log) -> np.ndarray:
    """[epochs, N, L] of the learner's validation photos after each epoch of fine-tuning."""
    from fastai.callback.core import Callback

    logits: list[np.ndarray] = []

    class Watch(Callback):
        def before_validate(self) -> None:
            self.batches: list[np.ndarray] = []

        def after_pred(self) -> None:
            if not self.training:
                self.batches.append(self.pred.detach().float().cpu().numpy())

        def after_validate(self) -> None:
            logits.append(np.concatenate(self.batches))

    with _workplace(learner):
        _one_cycle(learner, epochs, [Watch()], log)
    return np.stack(logits)


@contextlib.contextmanager
def _workplace(learner: Any) -> Iterator[None]:
    """A folder for the learner's files while it is trained, and the memory layout that is quickest."""
    learner.model.to(memory_format=torch.channels_last)
    with tempfile.TemporaryDirectory() as folder:
        learner.path = Path(folder)
        try:
            yield
        finally:
            learner.path = Path(".")
    learner.model.to(memory_format=torch.contiguous_format)


def _one_cycle(learner: Any, epochs: int, callbacks: list[Any], log: Log) -> None:
    def say(row: list[Any]) -> None:
        if isinstance(row[0], int):  # the first row holds the names
            values = [value for value in row[1:4] if isinstance(value, float)]  # the time is text
            log(f"epoch {row[0] + 1}: " + ", ".join(f"{n} {v:.4f}" for n, v in zip(COLUMNS, values, strict=False)))

    terminal = sys.stdout.isatty()
    learner.unfreeze()
    rates = slice(LEARNING_RATE / 100, LEARNING_RATE)
    with warnings.catch_warnings(), contextlib.nullcontext() if terminal else learner.no_bar():
        warnings.simplefilter("ignore")
        if not terminal:
            learner.logger = say
        learner.fit_one_cycle(epochs, lr_max=rates, cbs=callbacks)
    learner.logger = print  # it is pickled with the learner, and ours must not be
