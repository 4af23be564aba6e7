"""A network from random weights, on tens of thousands of small grey images that fit into memory.

Muon (muon.py) under a one-cycle schedule (Smith 2018, arXiv 1803.09820), flips, shifts, labels smoothed (Szegedy et al.
2015, arXiv 1512.00567); bfloat16 where the processor computes it. When the network knows its images nearly by heart, a
second, lower cycle (Loshchilov & Hutter 2017, arXiv 1608.03983) shows them with parts missing. Two things save time:
the first epochs see smaller images (Tan & Le 2021, arXiv 2104.00298, section 4), and half of what is known well is left
out of an epoch while the other half counts twice (InfoBatch, Qin et al. 2023, arXiv 2303.04947). Every epoch is kept,
so that a training that was stopped goes on where it was, with the same draws as if it had not been.
"""

from __future__ import annotations

import contextlib
import math
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import torch
from PIL import Image
from torch import nn
from torch.nn.functional import cross_entropy, pad

from mirror.errors import DatasetError
from mirror.fashion_mnist.dataset import LABELS, FashionSet, hold_out
from mirror.fashion_mnist.fashion_settings import LEFT_OUT, FashionSettings, Plan
from mirror.fashion_mnist.muon import Muon
from mirror.folders import locked
from mirror.progress import ProgressBar
from mirror.storage import open_file, replacing, sweep
from mirror.terminal import say

AT_ONCE = 250  # images, to be looked at and not learned from


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
    images: FashionSet, folder: Path, settings: FashionSettings, log: Callable[[str], None] = say
) -> TrainedNetwork:
    """The network, trained; what was done of it is kept in `folder`, and goes on from there after a kill.

    Raises DatasetError where another process trains there, or the folder cannot be written.
    """
    begun = time.perf_counter()
    labels = torch.from_numpy(images.train.labels)
    learned, held = hold_out(images.train.labels, settings.seed, settings.held_out)
    network = new_network(settings.seed)

    def training_images(side: int) -> torch.Tensor:
        return enlarged(images.train.pixels[learned], side)

    def after(epoch: int, loss: float, seconds: float) -> None:
        (before, _), (done, total_work) = settings.plan.work(epoch - 1), settings.plan.work(epoch)
        side = settings.plan.sizes[epoch - 1]
        right = accuracy(network, enlarged(images.train.pixels[held], side), labels[held], settings.plan)
        left = seconds / 60 * (total_work - done) / (done - before)
        log(
            f"epoch {epoch} of {settings.epochs}, at {side} px: loss {loss:.3f}, {100 * right:.1f} % of {len(held):,} "
            f"held-out images right, {seconds:.0f} s" + (f"; about {left:.0f} min left" if left >= 1 else "")
        )

    with _locked(folder):
        checkpoint = folder / f"training-{settings.size}px.pt"
        done = epochs_done(checkpoint, settings.plan)
        if done:
            log(f"{done} of {settings.epochs} epochs were done before: going on from what {folder} keeps.")
        bar = ProgressBar("training", "px", log=lambda line: None)  # a line an epoch is said anyway
        train_from_scratch(
            network, training_images, labels[learned], settings.plan, checkpoint=checkpoint, after=after, progress=bar
        )
    right = accuracy(network, enlarged(images.train.pixels[held], settings.size), labels[held], settings.plan)
    return TrainedNetwork(network.cpu().eval(), learned, held, right, None if done else time.perf_counter() - begun)


def new_network(seed: int) -> nn.Module:
    """A ResNet-18 for LABELS; each block begins as the identity (Goyal et al. 2017, arXiv 1706.02677)."""
    from torchvision.models import resnet18

    torch.manual_seed(seed)
    return resnet18(num_classes=len(LABELS), zero_init_residual=True)


def enlarged(pixels: np.ndarray, size: int) -> torch.Tensor:
    """[N, 28, 28] uint8 → [N, size, size] uint8, by Pillow's bilinear filter as in serving."""
    shape = (size, size)
    large = [np.asarray(Image.fromarray(image).resize(shape, Image.Resampling.BILINEAR)) for image in pixels]
    return torch.from_numpy(np.stack(large))


@torch.no_grad()
def accuracy(network: nn.Module, pixels: torch.Tensor, labels: torch.Tensor, plan: Plan) -> float:
    """The share of images [N, H, W] uint8 that it is right on."""
    device, learning = next(network.parameters()).device, network.training
    network.eval()
    correct = 0
    for rows in torch.arange(len(pixels)).split(AT_ONCE):
        predicted = network(to_pixels(pixels[rows].to(device), plan)).argmax(dim=1).cpu()
        correct += int((predicted == labels[rows]).sum())
    network.train(learning)
    return correct / len(pixels)


def train_from_scratch(
    network: nn.Module,
    images: Callable[[int], torch.Tensor],
    labels: torch.Tensor,
    plan: Plan,
    *,
    checkpoint: Path,
    make_optimizer: Callable[..., torch.optim.SGD] = Muon,
    after: Callable[[int, float, float], None] = lambda epoch, loss, seconds: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Trains `network` in place on images(side) [N, side, side] uint8 and labels [N] int64, shown to it as three equal
    channels.

    checkpoint: the file that holds the state after the last full epoch, of this very plan; where it exists, training
    goes on from there. make_optimizer: Muon, or what is called as it is, for comparisons. after: is told each epoch's
    number, mean loss and seconds; progress: how much of the work is done, and of how much.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device).to(memory_format=torch.channels_last)
    optimizer = make_optimizer(network.parameters(), plan.rate, plan.plain_rate, plan.momentum)
    losses = torch.full((len(labels),), math.inf)  # of each image, when it was last seen
    first = _restore(checkpoint, plan, network, optimizer, losses)
    shown, labels = torch.empty(0), labels.to(device)
    for epoch in range(first, plan.epochs):
        clock = time.perf_counter()
        if shown.shape[-1] != plan.sizes[epoch]:
            shown = images(plan.sizes[epoch]).to(device)
        loss = _epoch(network, optimizer, shown, labels, losses, plan, epoch, progress)
        _save(checkpoint, plan, network, optimizer, losses, epoch + 1)
        after(epoch + 1, loss, time.perf_counter() - clock)
    network.eval()


def _epoch(
    network: nn.Module, optimizer: torch.optim.SGD, images: torch.Tensor, labels: torch.Tensor, losses: torch.Tensor,
    plan: Plan, epoch: int, progress: Callable[[int, int], None],
) -> float:  # fmt: skip
    """Its mean loss. losses [N]: brought up to date."""
    device, total = labels.device, 0.0
    random = torch.Generator().manual_seed(plan.seed * 1000 + epoch)
    order, weights = select_images(losses, plan.is_full(epoch), random)
    steps = max(1, len(order) // plan.batch)
    bfloat16 = computes_bfloat16(device)
    network.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = group["highest"] * plan.rate_at(epoch + step / steps)
        batch = slice(step * plan.batch, (step + 1) * plan.batch)
        rows = order[batch].to(device)
        augmented = shift_and_flip(images[rows], plan.shift, random)
        pixels = to_pixels(erase(augmented, plan.erased, random) if plan.cycle(epoch)[0] else augmented, plan)
        with torch.autocast(device.type, torch.bfloat16, enabled=bfloat16):
            logits = network(pixels)
            image_losses = cross_entropy(logits, labels[rows], label_smoothing=plan.smoothing, reduction="none")
        loss = (image_losses * weights[batch].to(device)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses[order[batch]] = image_losses.detach().float().cpu()
        total += float(loss.detach())
        progress(*plan.work(epoch, (step + 1) / steps))
    return total / steps


def select_images(losses: torch.Tensor, full_epoch: bool, random: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """The indices of the images that an epoch sees, in its order, and how much each counts.

    LEFT_OUT of those whose loss [N] is below the mean are not among them, drawn anew each epoch; the others of these
    count 1 / (1 - LEFT_OUT), so that the expected gradient is that of all (Qin et al., equation 4). A loss that is
    infinite was never seen. `full_epoch`: all of them.
    """
    order, seen = torch.randperm(len(losses), generator=random), torch.isfinite(losses)
    if full_epoch or not seen.any():
        return order, torch.ones(len(order))
    known = losses < losses[seen].mean()
    left_out = known & (torch.rand(len(losses), generator=random) < LEFT_OUT)
    selected = order[~left_out[order]]
    return selected, torch.where(known[selected], 1 / (1 - LEFT_OUT), 1.0)


def to_pixels(images: torch.Tensor, plan: Plan) -> torch.Tensor:
    """[B, H, W] uint8 → [B, 3, H, W] float32, normalised."""
    grey = (images[:, None].float() / 255 - plan.mean) / plan.std
    return grey.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


def computes_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster there than float32: on a GPU, and on processors with instructions for it."""
    return device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()


def _save(
    path: Path, plan: Plan, network: nn.Module, optimizer: torch.optim.Optimizer, losses: torch.Tensor, epoch: int
) -> None:
    state = {
        "plan": asdict(plan), "epoch": epoch, "network": network.state_dict(),
        "optimizer": optimizer.state_dict(), "losses": losses,
    }  # fmt: skip
    sweep(path)
    with replacing(path) as beside:
        torch.save(state, beside)


def epochs_done(path: Path, plan: Plan) -> int:
    """How many epochs of this very plan the checkpoint holds. Raises DatasetError where it cannot be read."""
    state = _load(path, plan)
    return state["epoch"] if state else 0


def _restore(path: Path, plan: Plan, network: nn.Module, optimizer: torch.optim.Optimizer, losses: torch.Tensor) -> int:
    """The epochs that are done."""
    state = _load(path, plan)
    if state is None:
        return 0
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    losses.copy_(state["losses"])
    return state["epoch"]


def _load(path: Path, plan: Plan) -> dict | None:
    """The state after the last whole epoch of this very plan; None where there is none."""
    if not path.exists():
        return None
    try:
        with os.fdopen(open_file(path), "rb") as file:
            state = torch.load(file, weights_only=True, map_location="cpu")
        return state if state["plan"] == asdict(plan) else None
    except OSError as error:
        reason = error.strerror or error
        raise DatasetError(f"{path} cannot be read ({reason}): remove it, and the training begins anew.") from None
    except (RuntimeError, EOFError, KeyError, TypeError, UnpicklingError):
        raise DatasetError(f"{path} is not what a training keeps: remove it, and the training begins anew.") from None


def shift_and_flip(images: torch.Tensor, limit: float, random: torch.Generator) -> torch.Tensor:
    """[B, H, W] uint8 → the same: half of them flipped, all shifted by `limit` of the side or less, black coming in."""
    count, height, width = images.shape
    shift = round(limit * width)

    def draw(high: int) -> torch.Tensor:
        return torch.randint(0, high, (count, 1), generator=random)

    flipped, top, left = draw(2).bool(), draw(2 * shift + 1), draw(2 * shift + 1)
    rows, columns = torch.arange(height)[None] + top, torch.arange(width)[None]
    columns = torch.where(flipped, width - 1 - columns, columns) + left
    device = images.device
    padded = pad(images, [shift] * 4)
    image = torch.arange(count, device=device)[:, None, None]
    return padded[image, rows.to(device)[:, :, None], columns.to(device)[:, None, :]]


def erase(images: torch.Tensor, share: float, random: torch.Generator) -> torch.Tensor:
    """[B, H, W] uint8, square → the same: in that share of them a rectangle, of an eighth to half of the side either
    way, is one grey (Zhong et al. 2020, arXiv 1708.04896)."""
    count, _, side = images.shape
    device, index = images.device, torch.arange(side)[None]

    def span() -> torch.Tensor:
        long = torch.randint(side // 8, side // 2 + 1, (count, 1), generator=random)
        begin = (torch.rand((count, 1), generator=random) * (side + 1 - long)).long()
        return (index >= begin) & (index < begin + long)

    rows, columns = span(), span()
    some = torch.rand((count, 1, 1), generator=random) < share
    grey = torch.randint(0, 256, (count, 1, 1), generator=random).to(torch.uint8)
    return torch.where((some & rows[:, :, None] & columns[:, None, :]).to(device), grey.to(device), images)


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The folder exists and is this process's own."""
    with contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(locked(folder))
        except BlockingIOError as error:
            raise DatasetError(f"{folder} is in use by another training ({error}): wait for it to end.") from None
        except OSError as error:
            raise DatasetError(f"{folder} cannot be written: {error.strerror or error}.") from None
        yield
