"""Fine-tuning by fastai, from the head that was fitted to the frozen features ("LP-FT", Kumar et al. 2022, arXiv
2202.10054): of the head and the network's last layers, which hold most of its weights (last_layers.py).

BatchNorm keeps the statistics of pretraining, which the head was fitted to: with those of each batch the head meets
other features from the first step on, and the network is ruined (Ha et al. 2024, arXiv 2308.07728). One cycle of rates,
annealed to its end.

What may ship lies between the network that it began from and the tuned one, weight by weight (WiSE-FT, Wortsman et al.
2022, arXiv 2109.01903): a share of 0 is the head alone, of 1 the tuned network. fine_tuning_choice.py chooses.
"""

from __future__ import annotations

import contextlib
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch
from fastai.callback.core import Callback, CancelValidException, TrainEvalCallback
from torch import nn

from mirror.progress import ProgressBar
from mirror.storage import replacing
from mirror.training.learner import repeatable
from mirror.training.settings import BATCH, BODY_GROUPS, BODY_RATE, HEAD_RATE, RATE_STEP

Log = Callable[[str], None]
State = dict[str, torch.Tensor]
EpochEnd = Callable[[int, np.ndarray], None]


@dataclass(frozen=True)
class Course:
    """How long a learner is tuned, and what is told and kept meanwhile. progress counts photos, `before` of `total`
    having been seen by earlier learners; checkpoint: a file that holds where it is after each epoch, None: nowhere."""

    epochs: int
    seed: int
    progress: ProgressBar
    before: int = 0
    total: int = 0
    checkpoint: Path | None = None


def tune(learner: Any, course: Course, each_epoch: EpochEnd | None = None) -> State:
    """Trains a learner (body, head), its head being set, for all of the course, and returns the weights that it began
    from.

    each_epoch(epoch, logits [n, L]): called with those of its validation photos, where it is given. A course that was
    stopped goes on from its checkpoint, and ends with the same weights to the last bit.
    """
    begun = {name: value.detach().clone() for name, value in learner.model.state_dict().items()}
    callbacks = [FrozenStatistics(), SameEpochs(course.seed), Progress(course)]
    callbacks.append(Watch(each_epoch) if each_epoch else NoValidation())
    with _workplace(learner):
        learner.splitter = layer_groups
        learner.create_opt()
        learner.unfreeze()
        start = _resume(learner, course)
        if course.checkpoint:
            callbacks.append(Checkpoints(course.checkpoint, course.progress.log))
        if start < course.epochs:
            learner.fit_one_cycle(
                course.epochs, lr_max=rates(learner.model, learner.dls.train.bs), cbs=callbacks, start_epoch=start
            )
    return begun


def layer_groups(model: nn.Module) -> list[list[nn.Parameter]]:
    """The body's parameters in BODY_GROUPS parts of as many layers each, the first layers first, then the head's."""
    body, head = (list(part.parameters()) for part in model.children())
    layers = [i for i, parameter in enumerate(body) if parameter.ndim > 1]
    if len(layers) < BODY_GROUPS:
        return [body, head] if body else [head]
    cuts = [0, *(layers[len(layers) * part // BODY_GROUPS] for part in range(1, BODY_GROUPS)), len(body)]
    return [*(body[start:end] for start, end in zip(cuts, cuts[1:], strict=False)), head]


def rates(model: nn.Module, batch: int) -> np.ndarray:
    """The highest learning rate of each of `layer_groups`, falling towards the first layers; batch: photos in one."""
    groups = len(layer_groups(model)) - 1
    body = [BODY_RATE * RATE_STEP ** (groups - 1 - group) for group in range(groups)]
    return np.array([*body, HEAD_RATE]) * batch / BATCH


def blend(begun: State, tuned: State, share: float) -> State:
    """The weights that lie so far on the way from `begun` to `tuned`; whole numbers (BatchNorm's counters) stay."""
    if share >= 1:
        return tuned
    return {
        name: begun[name].lerp(value, share) if value.is_floating_point() else begun[name]
        for name, value in tuned.items()
    }


def validation_logits(learner: Any) -> np.ndarray:
    """[n, L] of the learner's validation photos."""
    from fastai.torch_core import noop

    with _workplace(learner):
        return learner.get_preds(dl=learner.dls.valid, act=noop)[0].float().cpu().numpy()


@contextlib.contextmanager
def _workplace(learner: Any) -> Iterator[None]:
    """The memory layout that is quickest, a folder for the learner's files, and nothing printed."""
    learner.model.to(memory_format=torch.channels_last)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        learner.path = Path(folder)
        with learner.no_bar(), learner.no_logging():
            yield
    learner.model.to(memory_format=torch.contiguous_format)


class FrozenStatistics(Callback):
    run_after = TrainEvalCallback

    def before_train(self) -> None:
        for module in self.model.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.eval()


class SameEpochs(Callback):
    """Each epoch's photos and their changes are drawn by its own number, so that one that goes on sees the same."""

    def __init__(self, seed: int):
        self.seed = seed

    def before_train(self) -> None:
        repeatable(self.seed + self.epoch)
        self.dls.train.rng = Random(self.seed + self.epoch)


class NoValidation(Callback):
    order = 100

    def before_validate(self) -> None:
        raise CancelValidException


class Watch(Callback):
    def __init__(self, each_epoch: EpochEnd):
        self.each_epoch = each_epoch

    def before_validate(self) -> None:
        self.batches: list[np.ndarray] = []

    def after_pred(self) -> None:
        if not self.training:
            self.batches.append(self.pred.detach().float().cpu().numpy())

    def after_validate(self) -> None:
        self.each_epoch(self.epoch + 1, np.concatenate(self.batches))


class Progress(Callback):
    def __init__(self, course: Course):
        self.course = course

    def after_batch(self) -> None:
        if self.training:
            seen = self.epoch * len(self.dls.train_ds) + (self.iter + 1) * self.dls.train.bs
            self.course.progress(min(self.course.before + seen, self.course.total), self.course.total)


class Checkpoints(Callback):
    order = 90  # after the optimiser and the recorder
    trained = said = False

    def __init__(self, file: Path, log: Log):
        self.file, self.log = file, log

    def before_train(self) -> None:
        self.trained = True

    def after_epoch(self) -> None:
        if not self.trained:  # fastai counts epochs that it skips as well
            return
        state = self.opt.state_dict()
        hypers = [{name: _plain(value) for name, value in hyper.items()} for hyper in state["hypers"]]
        kept = {"epoch": self.epoch + 1, "model": self.model.state_dict(), "hypers": hypers, "state": state["state"]}
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            with replacing(self.file) as part:
                torch.save(kept, part)
        except (OSError, RuntimeError) as error:  # torch's, on a full disk
            if not self.said:
                self.log(f"{self.file.parent} cannot be written ({error}): stopped now, fine-tuning would begin anew.")
            self.said = True


def _plain(value: Any) -> Any:
    """A number of numpy's as Python's, so that it is read without running code."""
    return value.item() if isinstance(value, np.generic) else value


def _resume(learner: Any, course: Course) -> int:
    """The epochs that are done, the learner standing where its checkpoint stood."""
    if course.checkpoint is None or not course.checkpoint.is_file():
        return 0
    try:
        kept = torch.load(course.checkpoint, map_location="cpu", weights_only=True)
    except Exception:  # half a file, or no file of tensors: it begins anew
        return 0
    learner.model.load_state_dict(kept["model"])
    learner.opt.load_state_dict({"hypers": kept["hypers"], "state": kept["state"]})
    return int(kept["epoch"])
