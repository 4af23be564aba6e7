"""The training: a ResNet-18 with random weights, on Fashion-MNIST's training images but for those held out.

The images are enlarged to 56 px, exactly as they are when the model answers: at 28 px the last map of a ResNet-18 is
one pixel. On two CPU cores an epoch takes three minutes where they compute bfloat16, else seven.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from mirror.errors import DatasetError
from mirror.lock import locked
from mirror.progress import progress_bar
from mirror.training.fashion.dataset import HELD_OUT, LABELS, FashionSet, hold_out
from mirror.training.scratch import Plan, epochs_kept, to_pixels, train_from_scratch

ARCH = "resnet18"
SIZE, EPOCHS, SEED = 56, 19, 42
SHIFT, ERASED = 4 / 56, 16 / 56  # of the side: what `Plan` shifts by at most, and erases
GENTLE = 0.05  # the highest rate of the last epochs
AT_ONCE = 250  # images, to be looked at and not learned from


@dataclass(frozen=True)
class Recipe:
    """size: side of the network's input in px; epochs over the images; seed: of the held-out images, the first weights
    and every draw; held_out: training images of each label that are not learned from."""

    size: int = SIZE
    epochs: int = EPOCHS
    seed: int = SEED
    held_out: int = HELD_OUT

    @property
    def plan(self) -> Plan:
        """Of all epochs but the last ones, four of nineteen."""
        shift, erased = (round(share * self.size) for share in (SHIFT, ERASED))
        return Plan(self.epochs - (self.epochs + 1) // 5, shift=shift, erased=erased, seed=self.seed)

    @property
    def last(self) -> Plan:
        """Of the last epochs: a second, gentler cycle on images with nothing erased and shifted by half as much, nearer
        to those that it will see (so Ge et al. 2021, arXiv 2107.08430)."""
        plan, epochs = self.plan, self.epochs - self.plan.epochs
        return replace(plan, epochs=epochs, rate=GENTLE, shift=plan.shift // 2, erased=0, seed=self.seed + 1)

    def sentence(self) -> str:
        """What model.json says of it."""
        plan, last = self.plan, self.last
        gentler = f"; then {last.epochs} epochs up to {last.rate} with nothing erased and half the shift"
        return (
            f"{ARCH} from random weights, {plan.epochs} epochs of SGD (momentum {plan.momentum}, weight decay "
            f"{plan.decay:g}, batches of {plan.batch}) under a one-cycle schedule up to {plan.rate}, labels smoothed "
            f"by {plan.smoothing}; images enlarged to {self.size} px, flipped, shifted by up to {plan.shift} px, a "
            f"square of {plan.erased} px erased in every second"
            f"{gentler if last.epochs else ''}"
        )


@dataclass(frozen=True)
class Grown:
    """A trained network, the places of the training images it learned from and of those held out, the share of the
    latter that it is right on, and the seconds that it took, None where some of it was done before."""

    network: nn.Module
    learned: np.ndarray
    held: np.ndarray
    accuracy: float
    seconds: float | None


def grow(images: FashionSet, folder: Path, recipe: Recipe, log: Callable[[str], None] = print) -> Grown:
    """The network, trained; what was done of it is kept in `folder`, and goes on from there after a kill.

    Raises DatasetError where another process trains there, or the folder cannot be written.
    """
    begun = time.perf_counter()
    pixels, labels = enlarged(images.train.pixels, recipe.size), torch.from_numpy(images.train.labels)
    learned, held = hold_out(images.train.labels, recipe.seed, recipe.held_out)
    network = new_network(recipe.seed)

    def after(epoch: int, loss: float, seconds: float, before: int = 0) -> None:
        epoch += before
        right = accuracy(network, pixels[held], labels[held], recipe.plan)
        left = (recipe.epochs - epoch) * seconds / 60
        log(
            f"epoch {epoch} of {recipe.epochs}: loss {loss:.3f}, {100 * right:.1f} % of {len(held):,} held-out images "
            f"right, {seconds:.0f} s" + (f"; about {left:.0f} min left" if left >= 1 else "")
        )

    with _alone(folder):
        kept, kept_last = (folder / f"{name}-{recipe.size}px.pt" for name in ("training", "last"))
        done = epochs_kept(kept, recipe.plan)
        if done < recipe.plan.epochs:
            kept_last.unlink(missing_ok=True)  # of another training
        done += epochs_kept(kept_last, recipe.last)
        if done:
            log(f"{done} of {recipe.epochs} epochs were done before: going on from what {folder} keeps.")
        shown = pixels[learned], labels[learned]
        steps = progress_bar("training", "step", log=lambda line: None)  # a line an epoch is said anyway
        train_from_scratch(network, *shown, recipe.plan, kept=kept, after=after, progress=steps)
        if recipe.last.epochs:
            steps = progress_bar("its last epochs", "step", log=lambda line: None)
            after_last = partial(after, before=recipe.plan.epochs)
            train_from_scratch(network, *shown, recipe.last, kept=kept_last, after=after_last, progress=steps)
    right = accuracy(network, pixels[held], labels[held], recipe.plan)
    return Grown(network.cpu().eval(), learned, held, right, None if done else time.perf_counter() - begun)


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
