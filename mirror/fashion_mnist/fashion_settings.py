"""The settings of the training from scratch, each with its reason, and the schedule that they make. Imports no torch.

The images are enlarged to 112 px, exactly as they are when the model answers: torchvision's first layers quarter the
side, and so the first maps have the image's own 28. Such an epoch takes several times as long as one with smaller
images, so that most see these, while the rate is high. A second cycle of the rate, over the last epochs, is at the
whole side: tried without one, when the rate was already low, larger images were strange to the network, and two epochs
did not make up for it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import groupby

from mirror.fashion_mnist.dataset import HELD_OUT, SIDE

ARCH = "resnet18"
SIZE, EPOCHS, SEED = 112, 30, 42
SMALL, MIDDLE = 2 / 7, 1 / 2  # of the side: what the halves of the first cycle see
SECOND_CYCLE = 5  # the second cycle, at the whole side, is one epoch in so many
OPTIMIZER = 28 * 28  # px: its steps take as long as so many pixels, whatever the images' size
SEEN = 0.6  # of the images, in an epoch that leaves some out: about that many, epoch after epoch
WARM = 0.25  # of a cycle: the rate rises
FIRST, LAST = 0.1, 1e-4  # of the highest rate: where it begins, and ends
LEFT_OUT = 0.5  # of the images whose loss is below the mean


@dataclass(frozen=True)
class Plan:
    """How to train. sizes: the images' side in px, epoch by epoch; second_cycle: how many of these epochs, at the end,
    are a second cycle; full_epochs: how many, at the end of each cycle, leave out no image; shift: by at most this
    share of the side, to either side; mean, std: of values in 0..1, for every channel."""

    sizes: tuple[int, ...]
    second_cycle: int = 0
    full_epochs: int = 2
    batch: int = 256
    rate: float = 0.05  # the highest, of convolutions: how far a step turns them; reached after WARM of the training
    plain_rate: float = 0.2  # the highest of everything else
    momentum: float = 0.9
    smoothing: float = 0.1
    shift: float = 4 / 56
    second_rate: float = 0.3  # of the highest rates: the highest of the second cycle
    erased: float = 0.5  # of its images: how many have a part missing
    mean: float = 0.2860
    std: float = 0.3530
    seed: int = 42

    @property
    def epochs(self) -> int:
        return len(self.sizes)

    def cycle(self, epoch: int) -> tuple[int, int]:
        """The first epoch of the cycle that this one is in, counted from 0, and the first one after it."""
        first = self.epochs - self.second_cycle
        return (0, first) if epoch < first else (first, self.epochs)

    def is_full(self, epoch: int) -> bool:
        """Whether the epoch leaves out no image."""
        return self.cycle(epoch)[1] - epoch <= self.full_epochs

    def rate_at(self, epoch: float) -> float:
        """The rate after so many epochs, as a share of the highest."""
        begin, end = self.cycle(int(epoch))
        return (self.second_rate if begin else 1) * rate_at((epoch - begin) / (end - begin))

    def work(self, epoch: int, share: float = 0.0) -> tuple[int, int]:
        """The work that is done when `share` of an epoch is, counted from 0, and all of it, in pixels of an image: what
        an epoch takes grows with them, and with how many images it sees."""
        work = [
            (side * side + OPTIMIZER) * (1 if number == 0 or self.is_full(number) else SEEN)
            for number, side in enumerate(self.sizes)
        ]
        return round(sum(work[:epoch]) + share * sum(work[epoch : epoch + 1])), round(sum(work))


def rate_at(share: float) -> float:
    """The rate at this share of a cycle, as a share of its highest: up, and down again, along half cosines."""
    low, way = (FIRST, share / WARM) if share < WARM else (LAST, (1 - share) / (1 - WARM))
    return low + (1 - low) * (1 - math.cos(math.pi * way)) / 2


@dataclass(frozen=True)
class FashionSettings:
    """size: side of the network's input in px; epochs over the images; seed: of the held-out images, the first weights
    and every draw; held_out: training images of each label that are not learned from."""

    size: int = SIZE
    epochs: int = EPOCHS
    seed: int = SEED
    held_out: int = HELD_OUT

    @property
    def plan(self) -> Plan:
        small, middle = (max(min(SIDE, self.size), round(share * self.size)) for share in (SMALL, MIDDLE))
        second = max(1, self.epochs // SECOND_CYCLE)
        first = (self.epochs - second) // 2
        sides = (small,) * first + (middle,) * (self.epochs - second - first) + (self.size,) * second
        return Plan(sides, second, seed=self.seed)

    def sentence(self) -> str:
        """What model.json says of it."""
        plan = self.plan
        sides = ", then ".join(f"{len(list(run))} at {side} px" for side, run in groupby(plan.sizes))
        cycles = "one cycle of the rate"
        if plan.second_cycle < plan.epochs:
            cycles += (
                f" and, over the last {plan.second_cycle} epochs, another {plan.second_rate} times as high, in which "
                f"{100 * plan.erased:.0f} % of the images have a rectangle erased"
            )
        return (
            f"{ARCH} from random weights, {plan.epochs} epochs ({sides}) of Muon (rates up to {plan.rate} for "
            f"convolutions and {plan.plain_rate} for the rest, momentum {plan.momentum}, batches of {plan.batch}), "
            f"{cycles}; labels smoothed by {plan.smoothing}; images flipped and shifted by up to "
            f"{100 * plan.shift:.0f} % of their side; except in the last {plan.full_epochs} epochs of a cycle, half of "
            "those whose loss is below the mean is left out, and the other half counts twice"
        )
