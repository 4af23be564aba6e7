"""Whether the network is fine-tuned, and for how many epochs: where the head alone leaves room, in the time that
there is. One sentence says why it is, or is not.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from mirror.intervals import rate_interval
from mirror.progress import duration
from mirror.training.last_layers import SplitBody
from mirror.training.settings import (
    ARTICLE_PASSES,
    BATCH,
    DEFAULT_FOLDS,
    EPOCHS,
    FEWEST_EPOCHS,
    FEWEST_TO_TUNE,
    MINUTES,
    ROOM,
    TrainingSettings,
)
from mirror.wording import count

FEW = 4  # views in a batch to measure by


@dataclass(frozen=True)
class Costs:
    """Seconds a photo: of reading it and training the whole network on it once, as fastai's recipe does; of a view
    through the first layers; of training the last layers on what was kept of one."""

    article: float
    first: float
    last: float


@dataclass(frozen=True)
class TuningPlan:
    """epochs: of fine-tuning, 0: the head alone; reason: a sentence; by_the_clock: on a machine of another speed there
    would be another number of them."""

    epochs: int
    reason: str
    by_the_clock: bool = False


def plan_tuning(
    settings: TrainingSettings,
    photos: int,
    wrong: np.ndarray,
    groups: np.ndarray,
    measured: Callable[[], Costs],
) -> TuningPlan:
    """photos: to learn from; wrong [n]: whether the head errs on each photo that it had not learned from, groups [n]:
    those that belong together; measured: what a photo costs on this machine."""
    if settings.epochs == 0:
        return TuningPlan(0, "The network stays as it was, as --epochs 0 asks: only a new last layer is fitted.")
    passes = passes_an_epoch(settings.folds)
    if settings.epochs:
        costs = measured()
        takes = duration(photos * (costs.first * (settings.views + 1) + costs.last * passes * settings.epochs))
        epochs = count(settings.epochs, "epoch")
        return TuningPlan(
            settings.epochs, f"Fine-tuning the last layers for {epochs}, as --epochs asks: about {takes}."
        )
    low, high = rate_interval(wrong, groups)
    rate = 100 * wrong.sum() / max(1, len(wrong))
    head = (
        f"the new last layer alone errs on {rate:.1f} % of the photos left out in turn "
        f"(95 % interval {100 * low:.1f}–{100 * high:.1f} %)"
    )
    if photos < FEWEST_TO_TUNE:
        few = f"{photos} photos to learn from are too few to tell whether it helps, {FEWEST_TO_TUNE} would do"
        return TuningPlan(0, f"Not fine-tuned: {few}; --epochs {EPOCHS} tries it.")
    if low < ROOM:
        return TuningPlan(0, f"Not fine-tuned: {head}, which leaves too little to gain; --epochs {EPOCHS} tries it.")
    costs = measured()
    before, an_epoch = photos * costs.first * (settings.views + 1), photos * costs.last * passes
    article = ARTICLE_PASSES * photos * costs.article
    budget = min(article, MINUTES * 60) if settings.minutes is None else settings.minutes * 60
    fitting = int(max(0, budget - before) / max(an_epoch, 1e-9))
    number = min(EPOCHS, fitting)
    by_the_clock = fitting < EPOCHS
    if number < FEWEST_EPOCHS:
        needed = duration(before + FEWEST_EPOCHS * an_epoch)
        lacks = f"{FEWEST_EPOCHS} epochs would take about {needed}, and {duration(budget)} are what there is"
        return TuningPlan(0, f"Not fine-tuned: {head}, but {lacks}; --epochs {EPOCHS} takes the time.", by_the_clock)
    takes = f"{count(number, 'epoch')}, about {duration(before + number * an_epoch)} of at most {duration(budget)}"
    return TuningPlan(number, f"Fine-tuning the last layers for {takes}: {head}.", by_the_clock)


def passes_an_epoch(folds: int | None) -> float:
    """How often a photo is trained on for each epoch: by what was tuned without a fold, or each of `folds`, and by what
    is tuned on all."""
    return 1 + (folds - 1 if folds else 1 - 1 / DEFAULT_FOLDS)


def measure_costs(learner: Any, split: SplitBody) -> Costs:
    """By a batch that is read and goes through the whole network and back, as in the article's recipe, and by one
    through each part. No weight changes."""
    model, loaders, last = learner.model.eval(), learner.dls, nn.Sequential(split.last, learner.model[1])
    device = next(model.parameters()).device
    model.to(memory_format=torch.channels_last)
    pixels_of_few = torch.zeros(FEW, *loaders.train.one_batch()[0].shape[1:], device=device)

    def whole() -> int:
        pixels, labels = (given.as_subclass(torch.Tensor).to(device) for given in loaders.train.one_batch())
        nn.functional.cross_entropy(model(pixels), labels).backward()
        return len(pixels)

    def first() -> int:
        with torch.inference_mode():
            split.first(pixels_of_few)
        return FEW

    def end() -> int:
        last(torch.zeros(BATCH, *split.shape, device=device)).sum().backward()
        return BATCH

    def fastest(step: Callable[[], int]) -> float:
        seconds = []
        for _ in range(2):  # the first pays for what is made once
            begun = time.perf_counter()
            photos = step()
            if device.type == "cuda":
                torch.cuda.synchronize()
            seconds.append((time.perf_counter() - begun) / photos)
        model.zero_grad()
        return min(seconds)

    costs = Costs(fastest(whole), fastest(first), fastest(end))
    model.to(memory_format=torch.contiguous_format)
    return costs
