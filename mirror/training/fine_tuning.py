"""Fine-tuning of the whole network, from the head that was fitted to the frozen body.

One cycle, small steps for the body ("LP-FT", Kumar et al. 2022, arXiv 2202.10054). Which epoch is kept is decided by
photos held out: the validation photos, or each fold's in turn. The head of the frozen body counts as epoch 0.
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mirror.collect.metadata import TRAIN, VALIDATION, Photo
from mirror.training.feature_cache import ViewFeatures
from mirror.training.folds import fold_numbers
from mirror.training.learner import Start, repeatable, set_head

PATIENCE = 1  # epochs without a better validation loss before it stops
LEARNING_RATE = 3e-4  # of the head; the body's first layers take a hundredth of it
COLUMNS = ("train_loss", "valid_loss", "error_rate")

Log = Callable[[str], None]


def fine_tune(learner: Any, epochs: int, log: Log) -> list[dict[str, float]]:
    """Fine-tunes for at most so many epochs and keeps the one with the lowest validation loss; a row an epoch, epoch 0
    first, by the weighted loss that fastai monitors."""
    from fastai.callback.tracker import EarlyStoppingCallback, SaveModelCallback

    watched = dict(monitor="valid_loss", reset_on_fit=False)
    save, stop = SaveModelCallback(fname="best", **watched), EarlyStoppingCallback(patience=PATIENCE, **watched)
    with _workplace(learner):
        with learner.no_bar(), learner.no_logging():
            loss, error = map(float, learner.validate(dl=learner.dls.valid))
        save.best = stop.best = loss
        learner.save("best")
        _one_cycle(learner, epochs, [save, stop], log)
    rows = [{"epoch": 0, "valid_loss": loss, "error_rate": error}]
    for epoch, values in enumerate(learner.recorder.values, start=1):
        rows.append({"epoch": epoch, **dict(zip(COLUMNS, map(float, values), strict=True))})
    return rows


def fine_tune_epochs(learner: Any, epochs: int, kept: int, log: Log) -> None:
    """The first `kept` of so many epochs, without any photo to judge by."""
    from fastai.callback.core import Callback, CancelFitException, CancelValidException

    class StopAt(Callback):
        order = 100  # after those that say what the epoch was like

        def before_validate(self) -> None:
            raise CancelValidException

        def after_epoch(self) -> None:
            if self.epoch + 1 == kept:
                raise CancelFitException

    with _workplace(learner):
        _one_cycle(learner, epochs, [StopAt()], log)


def tuned_out_of_fold(
    start: Start, photos: Sequence[Photo], seen: ViewFeatures, folds: int, epochs: int, log: Log
) -> np.ndarray:
    """[epochs + 1, N, L] logits of each photo after each epoch, by a network fine-tuned on the other folds; nan for
    those that are never left out. Every fold takes as long as a training."""
    number = fold_numbers(seen.labels, seen.groups, folds, start.seed)
    folds = number.max(initial=-1) + 1
    logits = np.full((epochs + 1, len(photos), len(start.labels)), np.nan, np.float32)
    for fold in range(folds):
        outside = number == fold
        log(f"fold {fold + 1} of {folds}: fine-tuning without {outside.sum()} of the {len(photos)} photos")
        pairs = zip(photos, outside, strict=True)
        learner = start.learner([replace(photo, split=VALIDATION if left else TRAIN) for photo, left in pairs])
        head = seen.fit(np.flatnonzero(~outside), start.seed)
        set_head(learner, head)
        repeatable(start.seed)
        logits[0, outside] = head.logits(seen.served[outside])
        logits[1:, outside] = _validation_logits(learner, epochs, log)
    return logits


def _validation_logits(learner: Any, epochs: int, log: Log) -> np.ndarray:
    """[epochs, N, L] of the learner's validation photos after each epoch of fine-tuning."""
    from fastai.callback.core import Callback

    found: list[np.ndarray] = []

    class Watch(Callback):
        def before_validate(self) -> None:
            self.batches: list[np.ndarray] = []

        def after_pred(self) -> None:
            if not self.training:
                self.batches.append(self.pred.detach().float().cpu().numpy())

        def after_validate(self) -> None:
            found.append(np.concatenate(self.batches))

    with _workplace(learner):
        _one_cycle(learner, epochs, [Watch()], log)
    return np.stack(found)


@contextlib.contextmanager
def _workplace(learner: Any) -> Iterator[None]:
    """A folder for the learner's files while it is trained, and the memory layout that is quickest."""
    learner.model.to(memory_format=torch.channels_last)
    with tempfile.TemporaryDirectory() as place:
        learner.path = Path(place)
        try:
            yield
        finally:
            learner.path = Path(".")
    learner.model.to(memory_format=torch.contiguous_format)


def _one_cycle(learner: Any, epochs: int, callbacks: list[Any], log: Log) -> None:
    def say(row: list[Any]) -> None:
        if isinstance(row[0], int):  # the first row holds the names
            values = [value for value in row[1:4] if isinstance(value, float)]  # the time is text
            told = [f"{name} {value:.4f}" for name, value in zip(COLUMNS, values, strict=False)]
            log(f"epoch {row[0] + 1}: " + ", ".join(told))

    terminal = sys.stdout.isatty()
    learner.unfreeze()
    rates = slice(LEARNING_RATE / 100, LEARNING_RATE)
    with warnings.catch_warnings(), contextlib.nullcontext() if terminal else learner.no_bar():
        warnings.simplefilter("ignore")
        if not terminal:
            learner.logger = say
        learner.fit_one_cycle(epochs, lr_max=rates, cbs=callbacks)
    learner.logger = print  # it is pickled with the learner, and ours must not be
