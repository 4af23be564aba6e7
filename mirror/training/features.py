"""The frozen body's features of every view, computed once: each photo is decoded once, and no gradient is kept.

A body is frozen for the head's sake anyway, so an epoch would compute the same features again; kept, they make an
epoch cost milliseconds, and cross-validation affordable.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import nn

from mirror.images import load_image
from mirror.training.augmentation import View, render

# Views in one batch on a CPU: a thread that takes up to four at a time keeps them in its cache, and needs a third less
# time for each than with 16; two threads with a batch each need half of what one batch on two threads needs.
BATCH = 4
CUDA_BATCH = 64


def pooled_features(
    body: nn.Module,
    photos: Sequence[Path],
    views: Sequence[View],
    *,
    size: int,
    mean: Sequence[float],
    std: Sequence[float],
    progress: Callable[[int, int], None] | None = None,
) -> np.ndarray:
    """[V, D] float32: the body's output for each view, averaged over its places. views: sorted by photo.

    `progress(done, total)` counts views. The body is left in evaluation mode. The numbers do not depend on how many
    threads there are.
    """
    device = next(body.parameters()).device
    network = _Pooled(body.eval()).eval().to(memory_format=torch.channels_last)
    shift, scale = (torch.tensor(v, dtype=torch.float32).view(1, 3, 1, 1).to(device) for v in (mean, std))
    with torch.inference_mode():
        network = _frozen(network, torch.zeros(1, 3, size, size, device=device))

    def extract(own: list[View]) -> np.ndarray:
        photo = load_image(photos[own[0].photo])
        rendered = np.stack([np.asarray(render(photo, view, size)) for view in own])
        found, step = [], BATCH if device.type == "cpu" else CUDA_BATCH
        with torch.inference_mode():
            for start in range(0, len(own), step):
                pixels = torch.from_numpy(rendered[start : start + step]).to(device).permute(0, 3, 1, 2)
                pixels = pixels.float().div_(255).sub_(shift).div_(scale)
                found.append(network(pixels.contiguous(memory_format=torch.channels_last)).float().cpu().numpy())
        return np.concatenate(found)

    of_photo: dict[int, list[View]] = {}
    for view in views:
        of_photo.setdefault(view.photo, []).append(view)
    before, found, done = torch.get_num_threads(), [], 0
    try:
        with ThreadPoolExecutor(os.cpu_count() or 1, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for features in pool.map(extract, of_photo.values()):
                found.append(features)
                done += len(features)
                if progress:
                    progress(done, len(views))
    finally:
        torch.set_num_threads(before)
    return np.concatenate(found)


class _Pooled(nn.Module):
    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.body(pixels).mean(dim=(2, 3))


def _frozen(network: nn.Module, example: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """The network traced, with its BatchNorms folded into its convolutions; itself where it cannot be traced."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sizes that become constants: every batch has this one; of torch.jit's age
        try:
            return torch.jit.freeze(torch.jit.trace(network, example, check_trace=False))
        except RuntimeError:
            return network
