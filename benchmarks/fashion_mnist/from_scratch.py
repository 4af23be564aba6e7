"""Training from random weights: each part of the recipe against the same training without it, on Fashion-MNIST.

    python -m benchmarks.fashion_mnist.from_scratch                  # needs the set, and 2 cores for a while
    python -m benchmarks.fashion_mnist.from_scratch --images 5000    # less to learn from, in less time

A ResNet-18 learns from 15,000 of the training images, and is judged by 6,000 others of them; the test images are not
looked at. Without Muon it is SGD with weight decay, at a rate of 0.2. What is left out of an epoch, and images that
grow, are compared with fewer epochs of about the same time.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from benchmarks import ROOT
from mirror.fashion_mnist.dataset import NAME, ImageSplit, open_set
from mirror.fashion_mnist.fashion_settings import Plan
from mirror.fashion_mnist.from_scratch import accuracy, enlarged, new_network, train_from_scratch
from mirror.fashion_mnist.muon import Muon
from mirror.intervals import rate_interval

SEED, JUDGED = 0, 6000
SMALL, LARGE = 32, 56  # px
RATE, DECAY = 0.2, 5e-4  # of SGD


def sgd(parameters: Iterable[nn.Parameter], rate: float, plain_rate: float, momentum: float) -> torch.optim.SGD:
    """What a training without Muon takes; `rate` is that of convolutions there."""
    kinds: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for parameter in parameters:
        kinds[parameter.ndim > 1].append(parameter)
    groups = [{"params": kinds[matrix], "weight_decay": DECAY * matrix, "highest": RATE} for matrix in kinds]
    return torch.optim.SGD(groups, lr=RATE, momentum=momentum, nesterov=True)


TRAININGS: dict[str, tuple[Plan, Callable[..., Any]]] = {
    "Muon, every image in every epoch": (Plan((SMALL,) * 4, full_epochs=4), Muon),
    "SGD instead": (Plan((SMALL,) * 4, full_epochs=4), sgd),
    "half of the known left out, more epochs": (Plan((SMALL,) * 6, full_epochs=1), Muon),
    "images that grow": (Plan((SMALL,) * 3 + (LARGE,) * 2, full_epochs=5), Muon),
    "large from the first epoch": (Plan((LARGE,) * 3, full_epochs=3), Muon),
}


def trained(name: str, learned: ImageSplit, judged: ImageSplit) -> None:
    """Trains, judges and prints."""
    plan, optimizer = TRAININGS[name]
    network, begun = new_network(SEED), time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        train_from_scratch(
            network, lambda side: enlarged(learned.pixels, side), torch.from_numpy(learned.labels), plan,
            checkpoint=Path(place) / "kept.pt", make_optimizer=optimizer,
        )  # fmt: skip
    seconds = time.perf_counter() - begun
    right = accuracy(network, enlarged(judged.pixels, plan.sizes[-1]), torch.from_numpy(judged.labels), plan)
    low, high = rate_interval(np.arange(len(judged.labels)) < round(right * len(judged.labels)))
    each = ", ".join(f"{plan.sizes.count(side)} at {side} px" for side in dict.fromkeys(plan.sizes))
    share = f"{100 * right:.1f} % right ({100 * low:.1f}–{100 * high:.1f})"
    print(f"{name:40} {each:20} {seconds:4.0f} s  {share}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=15_000, help="to learn from (default: %(default)s)")
    options = parser.parse_args()
    train = open_set(ROOT / "data" / NAME).train
    places = np.random.default_rng(SEED).permutation(len(train.labels))
    learned, judged = (
        ImageSplit(train.pixels[some], train.labels[some]) for some in (places[: options.images], places[-JUDGED:])
    )
    print(f"{len(learned.labels):,} images to learn from, {len(judged.labels):,} others to be judged by")
    for name in TRAININGS:
        trained(name, learned, judged)


if __name__ == "__main__":
    main()
