"""The training: a ResNet-18 with random weights, on Fashion-MNIST's training images but for those held out.

The images are enlarged to 112 px, exactly as they are when the model answers: torchvision's first layers quarter the
side, and so the first maps have the image's own 28. Such an epoch takes several times as long as one with smaller
images, so that most see these, while the rate is high. A second cycle of the rate, over the last epochs, is at the
whole side: tried without one, when the rate was already low, larger images were strange to the network, and two epochs
did not make up for it.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from mirror.errors import DatasetError
from mirror.fashion_mnist.dataset import HELD_OUT, LABELS, SIDE, FashionSet, hold_out
from mirror.fashion_mnist.loop import Plan, epochs_kept, to_pixels, train_from_scratch
from mirror.fashion_mnist.plugin import ARCH, EPOCHS, SIZE
from mirror.folders import locked
from mirror.progress import ProgressBar
from mirror.terminal import say

SEED = 42
SMALL, MIDDLE = 2 / 7, 1 / 2  # of the side: what the halves of the first cycle see
AGAIN = 5  # the second cycle, at the whole side, is one epoch in so many
AT_ONCE = 250  # images, to be looked at and not learned from


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
        again = max(1, self.epochs // AGAIN)
        first = (self.epochs - again) // 2
        sides = (small,) * first + (middle,) * (self.epochs - again - first) + (self.size,) * again
        return Plan(sides, again, seed=self.seed)

    def sentence(self) -> str:
        """What model.json says of it."""
        plan = self.plan
        sides = ", then ".join(f"{len(list(run))} at {side} px" for side, run in groupby(plan.sizes))
        cycles = "one cycle of the rate"
        if plan.again < plan.epochs:
            cycles += (
                f" and, over the last {plan.again} epochs, another {plan.again_rate} times as high, in which "
                f"{100 * plan.erased:.0f} % of the images have a rectangle erased"
            )
        return (
            f"{ARCH} from random weights, {plan.epochs} epochs ({sides}) of Muon (rates up to {plan.rate} for "
            f"convolutions and {plan.plain_rate} for the rest, momentum {plan.momentum}, batches of {plan.batch}), "
            f"{cycles}; labels smoothed by {plan.smoothing}; images flipped and shifted by up to "
            f"{100 * plan.shift:.0f} % of their side; except in the last {plan.whole} epochs of a cycle, half of those "
            "whose loss is below the mean is left out, and the other half counts twice"
        )


@dataclass(frozen=True)
class TrainedNetwork:
    """A trained network, the places of the training images it learned from and of those held out, the share of the
    latter that it is right on, and the seconds that it took, None where some of it was done before."""

    network: nn.Module
    learned: np.ndarray
    held: np.ndarray
    accuracy: float
    seconds: float | None


def train_network(
    images: FashionSet, folder: Path, recipe: FashionSettings, log: Callable[[str], None] = say
) -> TrainedNetwork:
    """The network, trained; what was done of it is kept in `folder`, and goes on from there after a kill.

    Raises DatasetError where another process trains there, or the folder cannot be written.
    """
    begun = time.perf_counter()
    labels = torch.from_numpy(images.train.labels)
    learned, held = hold_out(images.train.labels, recipe.seed, recipe.held_out)
    network = new_network(recipe.seed)

    def shown(side: int) -> torch.Tensor:
        return enlarged(images.train.pixels[learned], side)

    def after(epoch: int, loss: float, seconds: float) -> None:
        (before, _), (done, whole) = recipe.plan.work(epoch - 1), recipe.plan.work(epoch)
        side = recipe.plan.sizes[epoch - 1]
        right = accuracy(network, enlarged(images.train.pixels[held], side), labels[held], recipe.plan)
        left = seconds / 60 * (whole - done) / (done - before)
        log(
            f"epoch {epoch} of {recipe.epochs}, at {side} px: loss {loss:.3f}, {100 * right:.1f} % of {len(held):,} "
            f"held-out images right, {seconds:.0f} s" + (f"; about {left:.0f} min left" if left >= 1 else "")
        )

    with _alone(folder):
        kept = folder / f"training-{recipe.size}px.pt"
        done = epochs_kept(kept, recipe.plan)
        if done:
            log(f"{done} of {recipe.epochs} epochs were done before: going on from what {folder} keeps.")
        bar = ProgressBar("training", "px", log=lambda line: None)  # a line an epoch is said anyway
        train_from_scratch(network, shown, labels[learned], recipe.plan, kept=kept, after=after, progress=bar)
    right = accuracy(network, enlarged(images.train.pixels[held], recipe.size), labels[held], recipe.plan)
    return TrainedNetwork(network.cpu().eval(), learned, held, right, None if done else time.perf_counter() - begun)


def new_network(seed: int) -> nn.Module:
    """A ResNet-18 for LABELS; each block begins as the identity (Goyal et al. 2017, arXiv 1706.02677)."""
    from torchvision.models import resnet18

    torch.manual_seed(seed)
    return resnet18(num_classes=len(LABELS), zero_init_residual=True)


def enlarged(pixels: np.ndarray, size: int) -> torch.Tensor:
    """[N, 28, 28] uint8 → [N, size, size] uint8, by Pillow's bilinear filter as in serving."""
    shape = (size, size)
    large = [np.asarray(Image.fromarray(one).resize(shape, Image.Resampling.BILINEAR)) for one in pixels]
    return torch.from_numpy(np.stack(large))


@torch.no_grad()
def accuracy(network: nn.Module, pixels: torch.Tensor, labels: torch.Tensor, plan: Plan) -> float:
    """The share of images [N, H, W] uint8 that it is right on."""
    device, learning = next(network.parameters()).device, network.training
    network.eval()
    right = 0
    for rows in torch.arange(len(pixels)).split(AT_ONCE):
        said = network(to_pixels(pixels[rows].to(device), plan)).argmax(dim=1).cpu()
        right += int((said == labels[rows]).sum())
    network.train(learning)
    return right / len(pixels)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """The folder exists and is this process's own."""
    with contextlib.ExitStack() as held:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held.enter_context(locked(folder))
        except BlockingIOError as error:
            raise DatasetError(f"{folder} is in use by another training ({error}): wait for it to end.") from None
        except OSError as error:
            raise DatasetError(f"{folder} cannot be written: {error.strerror or error}.") from None
        yield
