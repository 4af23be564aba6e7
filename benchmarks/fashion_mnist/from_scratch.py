"""Training from random weights: each part of the recipe against the same training without it, on Fashion-MNIST.

    python -m benchmarks.fashion_mnist.from_scratch                  # needs the set, and 2 cores for a while
    python -m benchmarks.fashion_mnist.from_scratch --images 5000    # less to learn from, in less time

A ResNet-18 learns from 15,000 of the training images, and is judged by 6,000 others of them; the test images are not
looked at. Without Muon it is SGD with weight decay, at a rate of 0.2. What is left out of an epoch, and images that
grow, are compared with fewer epochs of about the same time. Before that, what a step costs: of the network's widest
layer on a map of two pixels, by our gradient and torch's, and of the whole network at 112 px, with the memory kept
between steps and handed back.
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
from mirror.fashion_mnist.loop import Plan, train_from_scratch
from mirror.fashion_mnist.memory import keep_memory
from mirror.fashion_mnist.muon import Muon
from mirror.fashion_mnist.small_maps import quick_small_maps
from mirror.fashion_mnist.training import accuracy, enlarged, new_network
from mirror.training.metrics import wilson_interval

SEED, JUDGED = 0, 6000
SMALL, LARGE = 32, 56  # px
RATE, DECAY = 0.2, 5e-4  # of SGD
WIDE, BATCH, TIMES = 512, 256, 5  # channels of the layer; images at once; the best of so many times
WHOLE = 112  # px


def sgd(parameters: Iterable[nn.Parameter], rate: float, plain_rate: float, momentum: float) -> torch.optim.SGD:
    """What a training without Muon takes; `rate` is that of convolutions there."""
    kinds: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for parameter in parameters:
        kinds[parameter.ndim > 1].append(parameter)
    groups = [{"params": kinds[matrix], "weight_decay": DECAY * matrix, "highest": RATE} for matrix in kinds]
    return torch.optim.SGD(groups, lr=RATE, momentum=momentum, nesterov=True)


TRAININGS: dict[str, tuple[Plan, Callable[..., Any]]] = {
    "Muon, every image in every epoch": (Plan((SMALL,) * 4, whole=4), Muon),
    "SGD instead": (Plan((SMALL,) * 4, whole=4), sgd),
    "half of the known left out, more epochs": (Plan((SMALL,) * 6, whole=1), Muon),
    "images that grow": (Plan((SMALL,) * 3 + (LARGE,) * 2, whole=5), Muon),
    "large from the first epoch": (Plan((LARGE,) * 3, whole=3), Muon),
}


def trained(name: str, learned: ImageSplit, judged: ImageSplit) -> None:
    """Trains, judges and prints."""
    plan, optimizer = TRAININGS[name]
    network, begun = new_network(SEED), time.perf_counter()
    with tempfile.TemporaryDirectory() as place:
        train_from_scratch(
            network, lambda side: enlarged(learned.pixels, side), torch.from_numpy(learned.labels), plan,
            kept=Path(place) / "kept.pt", make_optimizer=optimizer,
        )  # fmt: skip
    seconds = time.perf_counter() - begun
    right = accuracy(network, enlarged(judged.pixels, plan.sizes[-1]), torch.from_numpy(judged.labels), plan)
    low, high = wilson_interval(round(right * len(judged.labels)), len(judged.labels))
    each = ", ".join(f"{plan.sizes.count(side)} at {side} px" for side in dict.fromkeys(plan.sizes))
    share = f"{100 * right:.1f} % right ({100 * low:.1f}–{100 * high:.1f})"
    print(f"{name:40} {each:20} {seconds:4.0f} s  {share}", flush=True)


def milliseconds(network: nn.Module, maps: torch.Tensor, ours: bool) -> float:
    """Forward and back, the best of TIMES."""
    network, maps = (one.to(memory_format=torch.channels_last) for one in (network, maps))
    taken = []
    for _ in range(TIMES):
        begun = time.perf_counter()
        with quick_small_maps(network, unless=not ours):
            network(maps).square().mean().backward()
        taken.append(time.perf_counter() - begun)
    return 1000 * min(taken)


def steps() -> None:
    """Measures and prints what makes a step quicker; afterwards the memory is kept."""
    layer, maps = nn.Conv2d(WIDE, WIDE, 3, padding=1, bias=False), torch.randn(BATCH, WIDE, 2, 2)
    theirs, ours = (milliseconds(layer, maps, ours) for ours in (False, True))
    print(f"{BATCH} maps of 2 px, {WIDE} channels, forward and back: torch {theirs:.0f} ms, ours {ours:.0f} ms")
    network, images = new_network(SEED), torch.randn(BATCH, 3, WHOLE, WHOLE)
    theirs = milliseconds(network, images, ours=True)
    kept = "kept" if keep_memory() else "(it cannot be kept here)"
    ours = milliseconds(network, images, ours=True)
    print(f"{BATCH} images of {WHOLE} px, the whole network: {theirs:.0f} ms, with the memory {kept} {ours:.0f} ms")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--images", type=int, default=15_000, help="to learn from (default: %(default)s)")
    options = parser.parse_args()
    steps()
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
