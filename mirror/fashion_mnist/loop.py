"""A network from random weights, on tens of thousands of small grey images that fit into memory.

Muon (muon.py) under a one-cycle schedule (Smith 2018, arXiv 1803.09820), flips, shifts, labels smoothed (Szegedy et al.
2015, arXiv 1512.00567); bfloat16 where the processor computes it. When the network knows its images nearly by heart, a
second, lower cycle (Loshchilov & Hutter 2017, arXiv 1608.03983) shows them with parts missing. Two things save time:
the first epochs see smaller images (Tan & Le 2021, arXiv 2104.00298, section 4), and half of what is known well is left
out of an epoch while the other half counts twice (InfoBatch, Qin et al. 2023, arXiv 2303.04947). Every epoch is kept,
so that a training that was stopped goes on where it was, with the same draws as if it had not been.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from pickle import UnpicklingError

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from mirror.errors import DatasetError
from mirror.fashion_mnist.augment import erase, shift_and_flip
from mirror.fashion_mnist.memory import keep_memory
from mirror.fashion_mnist.muon import Muon
from mirror.fashion_mnist.small_maps import quick_small_maps
from mirror.storage import open_file, replacing, sweep


@dataclass(frozen=True)
class Plan:
    """How to train. sizes: the images' side in px, epoch by epoch; again: how many of these epochs, at the end, are a
    second cycle; whole: how many, at the end of each cycle, leave out no image; shift: by at most this share of the
    side, to either side; mean, std: of values in 0..1, for every channel."""

    sizes: tuple[int, ...]
    again: int = 0
    whole: int = 2
    batch: int = 256
    rate: float = 0.05  # the highest, of convolutions: how far a step turns them; reached after WARM of the training
    plain_rate: float = 0.2  # the highest of everything else
    momentum: float = 0.9
    smoothing: float = 0.1
    shift: float = 4 / 56
    again_rate: float = 0.3  # of the highest rates: the highest of the second cycle
    erased: float = 0.5  # of its images: how many have a part missing
    mean: float = 0.2860
    std: float = 0.3530
    seed: int = 42

    @property
    def epochs(self) -> int:
        return len(self.sizes)

    def cycle(self, epoch: int) -> tuple[int, int]:
        """The first epoch of the cycle that this one is in, counted from 0, and the first one after it."""
        first = self.epochs - self.again
        return (0, first) if epoch < first else (first, self.epochs)

    def is_whole(self, epoch: int) -> bool:
        """Whether the epoch leaves out no image."""
        return self.cycle(epoch)[1] - epoch <= self.whole

    def rate_at(self, epoch: float) -> float:
        """The rate after so many epochs, as a share of the highest."""
        begin, end = self.cycle(int(epoch))
        return (self.again_rate if begin else 1) * rate_at((epoch - begin) / (end - begin))

    def work(self, epoch: int, share: float = 0.0) -> tuple[int, int]:
        """The work that is done when `share` of an epoch is, counted from 0, and all of it, in pixels of an image: what
        an epoch takes grows with them, and with how many images it sees."""
        each = [
            (side * side + OPTIMIZER) * (1 if number == 0 or self.is_whole(number) else SEEN)
            for number, side in enumerate(self.sizes)
        ]
        return round(sum(each[:epoch]) + share * sum(each[epoch : epoch + 1])), round(sum(each))


OPTIMIZER = 28 * 28  # px: its steps take as long as so many pixels, whatever the images' size
SEEN = 0.6  # of the images, in an epoch that leaves some out: about that many, epoch after epoch
WARM = 0.25  # of a cycle: the rate rises
FIRST, LAST = 0.1, 1e-4  # of the highest rate: where it begins, and ends
LEFT_OUT = 0.5  # of the images whose loss is below the mean


def train_from_scratch(
    network: nn.Module,
    images: Callable[[int], torch.Tensor],
    labels: torch.Tensor,
    plan: Plan,
    *,
    kept: Path,
    make_optimizer: Callable[..., torch.optim.SGD] = Muon,
    after: Callable[[int, float, float], None] = lambda epoch, loss, seconds: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Trains `network` in place on images(side) [N, side, side] uint8 and labels [N] int64, shown to it as three equal
    channels.

    kept: the file that holds the state after the last whole epoch, of this very plan; where it exists, training goes on
    from there. make_optimizer: Muon, or what is called as it is, for comparisons. after: is told each epoch's number,
    mean loss and seconds; progress: how much of the work is done, and of how much. The process keeps its memory from
    then on (memory.py).
    """
    keep_memory()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device, memory_format=torch.channels_last)
    optimizer = make_optimizer(network.parameters(), plan.rate, plan.plain_rate, plan.momentum)
    losses = torch.full((len(labels),), math.inf)  # of each image, when it was last seen
    begun = _restore(kept, plan, network, optimizer, losses)
    shown, labels = torch.empty(0), labels.to(device)
    for epoch in range(begun, plan.epochs):
        clock = time.perf_counter()
        if shown.shape[-1] != plan.sizes[epoch]:
            shown = images(plan.sizes[epoch]).to(device)
        loss = _epoch(network, optimizer, shown, labels, losses, plan, epoch, progress)
        _keep(kept, plan, network, optimizer, losses, epoch + 1)
        after(epoch + 1, loss, time.perf_counter() - clock)
    network.eval()


def _epoch(
    network: nn.Module, optimizer: torch.optim.SGD, images: torch.Tensor, labels: torch.Tensor, losses: torch.Tensor,
    plan: Plan, epoch: int, progress: Callable[[int, int], None],
) -> float:  # fmt: skip
    """Its mean loss. losses [N]: brought up to date."""
    device, total = labels.device, 0.0
    random = torch.Generator().manual_seed(plan.seed * 1000 + epoch)
    places, weights = chosen(losses, plan.is_whole(epoch), random)
    steps = max(1, len(places) // plan.batch)
    small = computes_bfloat16(device)
    network.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = group["highest"] * plan.rate_at(epoch + step / steps)
        now = slice(step * plan.batch, (step + 1) * plan.batch)
        rows = places[now].to(device)
        seen = shift_and_flip(images[rows], plan.shift, random)
        pixels = to_pixels(erase(seen, plan.erased, random) if plan.cycle(epoch)[0] else seen, plan)
        with torch.autocast(device.type, torch.bfloat16, enabled=small), quick_small_maps(network, unless=small):
            said = network(pixels)
            each = cross_entropy(said, labels[rows], label_smoothing=plan.smoothing, reduction="none")
        loss = (each * weights[now].to(device)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses[places[now]] = each.detach().float().cpu()
        total += float(loss.detach())
        progress(*plan.work(epoch, (step + 1) / steps))
    return total / steps


def rate_at(share: float) -> float:
    """The rate at this share of a cycle, as a share of its highest: up, and down again, along half cosines."""
    low, way = (FIRST, share / WARM) if share < WARM else (LAST, (1 - share) / (1 - WARM))
    return low + (1 - low) * (1 - math.cos(math.pi * way)) / 2


def chosen(losses: torch.Tensor, whole: bool, random: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """The places of the images that an epoch sees, in its order, and how much each counts.

    LEFT_OUT of those whose loss [N] is below the mean are not among them, drawn anew each epoch; the others of these
    count 1 / (1 - LEFT_OUT), so that the expected gradient is that of all (Qin et al., equation 4). A loss that is
    infinite was never seen. `whole`: all of them.
    """
    order, seen = torch.randperm(len(losses), generator=random), torch.isfinite(losses)
    if whole or not seen.any():
        return order, torch.ones(len(order))
    known = losses < losses[seen].mean()
    left_out = known & (torch.rand(len(losses), generator=random) < LEFT_OUT)
    places = order[~left_out[order]]
    return places, torch.where(known[places], 1 / (1 - LEFT_OUT), 1.0)


def to_pixels(images: torch.Tensor, plan: Plan) -> torch.Tensor:
    """[B, H, W] uint8 → [B, 3, H, W] float32, normalised."""
    grey = (images[:, None].float() / 255 - plan.mean) / plan.std
    return grey.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


def computes_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster there than float32: on a GPU, and on processors with instructions for it."""
    return device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()


def _keep(path: Path, plan: Plan, network, optimizer, losses: torch.Tensor, epoch: int) -> None:
    state = {
        "plan": asdict(plan), "epoch": epoch, "network": network.state_dict(),
        "optimizer": optimizer.state_dict(), "losses": losses,
    }  # fmt: skip
    sweep(path)
    with replacing(path) as beside:
        torch.save(state, beside)


def epochs_kept(path: Path, plan: Plan) -> int:
    """How many epochs of this very plan the file `kept` holds. Raises DatasetError where it cannot be read."""
    state = _kept(path, plan)
    return state["epoch"] if state else 0


def _restore(path: Path, plan: Plan, network, optimizer, losses: torch.Tensor) -> int:
    """The epochs that are done."""
    state = _kept(path, plan)
    if state is None:
        return 0
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    losses.copy_(state["losses"])
    return state["epoch"]


def _kept(path: Path, plan: Plan) -> dict | None:
    """The state after the last whole epoch of this very plan; None where there is none."""
    if not path.exists():
        return None
    try:
        with os.fdopen(open_file(path), "rb") as file:
            state = torch.load(file, weights_only=True, map_location="cpu")
        return state if state["plan"] == asdict(plan) else None
    except OSError as error:
        why = error.strerror or error
        raise DatasetError(f"{path} cannot be read ({why}): remove it, and the training begins anew.") from None
    except (RuntimeError, EOFError, KeyError, TypeError, UnpicklingError):
        raise DatasetError(f"{path} is not what a training keeps: remove it, and the training begins anew.") from None
