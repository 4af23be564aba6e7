"""A network from random weights, on tens of thousands of small grey images that fit into memory.

Stochastic gradient descent with momentum under a one-cycle schedule (Smith 2018, arXiv 1803.09820), flips, shifts and
erased squares (Zhong et al. 2017, arXiv 1708.04896), labels smoothed (Szegedy et al. 2015, arXiv 1512.00567); bfloat16
where the processor computes it. Every epoch is kept, so that a training that was stopped goes on where it was, with
the same draws as if it had not been.
"""

from __future__ import annotations

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


@dataclass(frozen=True)
class Plan:
    """How to train. shift: px, to either side; erased: side of the square in px, in half of the images;
    mean, std: of values in 0..1, for every channel."""

    epochs: int
    batch: int = 256
    rate: float = 0.2  # the highest, reached after a quarter of the steps
    momentum: float = 0.9
    decay: float = 5e-4
    smoothing: float = 0.1
    shift: int = 4
    erased: int = 16
    mean: float = 0.2860
    std: float = 0.3530
    seed: int = 42


def train_from_scratch(
    network: nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    plan: Plan,
    *,
    kept: Path,
    after: Callable[[int, float, float], None] = lambda epoch, loss, seconds: None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> None:
    """Trains `network` in place on images [N, H, W] uint8 and labels [N] int64, shown to it as three equal channels.

    kept: the file that holds the state after the last whole epoch, of this very plan; where it exists, training goes on
    from there. after: is told each epoch's number, mean loss and seconds; progress: steps done, and of how many.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    network.to(device, memory_format=torch.channels_last)
    images, labels = images.to(device), labels.to(device)
    decayed = [p for p in network.parameters() if p.ndim > 1]
    plain = [p for p in network.parameters() if p.ndim <= 1]  # biases and batch normalisation keep their scale
    groups = [{"params": decayed, "weight_decay": plan.decay}, {"params": plain, "weight_decay": 0.0}]
    optimizer = torch.optim.SGD(groups, lr=plan.rate, momentum=plan.momentum, nesterov=True)
    steps = len(images) // plan.batch
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, plan.rate, total_steps=plan.epochs * steps + 1, pct_start=0.25, div_factor=10, final_div_factor=1000
    )
    begun = _restore(kept, plan, network, optimizer, schedule)
    network.train()
    for epoch in range(begun, plan.epochs):
        clock, total = time.perf_counter(), 0.0
        random = torch.Generator().manual_seed(plan.seed * 1000 + epoch)
        order = torch.randperm(len(images), generator=random)
        for step in range(steps):
            rows = order[step * plan.batch : (step + 1) * plan.batch].to(device)
            pixels = to_pixels(augment(images[rows], plan, random), plan)
            with torch.autocast(device.type, torch.bfloat16, enabled=computes_bfloat16(device)):
                loss = cross_entropy(network(pixels), labels[rows], label_smoothing=plan.smoothing)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += float(loss.detach())
            progress(epoch * steps + step + 1, plan.epochs * steps)
        _keep(kept, plan, network, optimizer, schedule, epoch + 1)
        after(epoch + 1, total / steps, time.perf_counter() - clock)
    network.eval()


def augment(images: torch.Tensor, plan: Plan, random: torch.Generator) -> torch.Tensor:
    """[B, H, W] uint8 → the same: half of them flipped, all shifted, a square of half of them erased to black."""
    count, height, width = images.shape

    def draw(high: int) -> torch.Tensor:
        return torch.randint(0, high, (count, 1), generator=random)

    flipped, erase = draw(2).bool(), draw(2).bool()
    top, left = draw(2 * plan.shift + 1), draw(2 * plan.shift + 1)
    y, x = draw(height) - plan.erased // 2, draw(width) - plan.erased // 2
    rows, columns = torch.arange(height)[None], torch.arange(width)[None]
    hidden = erase[..., None] & ((rows >= y) & (rows < y + plan.erased))[:, :, None]
    hidden = hidden & ((columns >= x) & (columns < x + plan.erased))[:, None, :]
    columns = torch.where(flipped, width - 1 - columns, columns)
    device = images.device
    padded = nn.functional.pad(images, [plan.shift] * 4)
    place = torch.arange(count, device=device)[:, None, None]
    shown = padded[place, (rows + top).to(device)[:, :, None], (columns + left).to(device)[:, None, :]]
    return shown.masked_fill(hidden.to(device), 0)


def to_pixels(images: torch.Tensor, plan: Plan) -> torch.Tensor:
    """[B, H, W] uint8 → [B, 3, H, W] float32, normalised."""
    grey = (images[:, None].float() / 255 - plan.mean) / plan.std
    return grey.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)


def computes_bfloat16(device: torch.device) -> bool:
    """Whether bfloat16 is faster there than float32: on a GPU, and on processors with instructions for it."""
    return device.type == "cuda" or torch.cpu._is_avx512_bf16_supported()


def _keep(path: Path, plan: Plan, network, optimizer, schedule, epoch: int) -> None:
    state = {
        "plan": asdict(plan), "epoch": epoch, "network": network.state_dict(),
        "optimizer": optimizer.state_dict(), "schedule": schedule.state_dict(),
    }  # fmt: skip
    beside = path.with_name(f".{path.name}.part")
    torch.save(state, beside)
    os.replace(beside, path)


def epochs_kept(path: Path, plan: Plan) -> int:
    """How many epochs of this very plan the file `kept` holds. Raises DatasetError where it cannot be read."""
    state = _kept(path, plan)
    return state["epoch"] if state else 0


def _restore(path: Path, plan: Plan, network, optimizer, schedule) -> int:
    """The epochs that are done."""
    state = _kept(path, plan)
    if state is None:
        return 0
    network.load_state_dict(state["network"])
    optimizer.load_state_dict(state["optimizer"])
    schedule.load_state_dict(state["schedule"])
    return state["epoch"]


def _kept(path: Path, plan: Plan) -> dict | None:
    """The state after the last whole epoch of this very plan; None where there is none."""
    if not path.exists():
        return None
    try:
        state = torch.load(path, weights_only=True, map_location="cpu")
        return state if state["plan"] == asdict(plan) else None
    except (RuntimeError, EOFError, KeyError, TypeError, UnpicklingError):
        raise DatasetError(f"{path} is not what a training keeps: remove it, and the training begins anew.") from None
