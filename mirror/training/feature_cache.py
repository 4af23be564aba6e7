"""The frozen body's features of every view, computed once, and heads fitted to any part of them.

A body is frozen for the head's sake anyway, so an epoch would compute the same features again; kept, they make an epoch
cost milliseconds, and cross-validation affordable: a head for other photos, a fold's say, costs a second.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mirror.collect.metadata import Photo
from mirror.images import load_image
from mirror.progress import ProgressBar
from mirror.terminal import say
from mirror.training.augmentation import View, plan_views, render
from mirror.training.backbones import pooled
from mirror.training.linear_probe import LinearProbe, fit_probe, fold_numbers, heads_left_out
from mirror.training.pretrained import Architecture
from mirror.training.settings import PROBE_FOLDS
from mirror.training.training_data import TrainingData

# Views in one batch on a CPU: a thread that takes up to four at a time keeps them in its cache, and needs a third less
# time for each than with 16; two threads with a batch each need half of what one batch on two threads needs.
BATCH = 4
CUDA_BATCH = 64


@dataclass(frozen=True)
class ViewFeatures:
    """features [V, D] of views; photo [V]: the index of the photo that each is of; weight [V]: in a head's loss, 0
    where it is not learned from; plain [V]: the middle square, not a random crop; serving [V]: the view that serving
    makes, one a photo. labels [N] and groups [N]: of the photos. levels: the resolutions that every label is seen at,
    () for the photos' own.
    """

    features: np.ndarray
    photo: np.ndarray
    weight: np.ndarray
    plain: np.ndarray
    serving: np.ndarray
    labels: np.ndarray
    groups: np.ndarray
    levels: tuple[int, ...] = ()

    @property
    def served(self) -> np.ndarray:
        """[N, D] features of each photo as serving sees it."""
        return self.features[self.serving]

    def fit(self, photos: np.ndarray, seed: int) -> LinearProbe:
        """The head that learns from the photos at these indices."""
        used = (self.weight > 0) & np.isin(self.photo, photos)
        # A fold's loss counts what serving would see; where that has no weight of its own, every plain middle square
        base = self.serving if (self.serving & used).any() else self.plain
        photo = self.photo[used]
        return fit_probe(
            self.features[used], self.labels[photo], self.weight[used], self.groups[photo], base=base[used], seed=seed
        )

    def out_of_fold(self, photos: np.ndarray, folds: int, seed: int) -> np.ndarray:
        """[N, L] logits of each of the photos at these indices by the head that learned from the other folds, nan for
        other photos and for those that are never left out. Each head chooses its own strength, by its own photos."""
        logits = np.full((len(self.labels), int(self.labels.max()) + 1), np.nan, np.float32)
        number = np.full(len(self.labels), -1)
        number[photos] = fold_numbers(self.labels[photos], self.groups[photos], folds, seed)
        used = (self.weight > 0) & np.isin(self.photo, photos)
        base = self.serving if (self.serving & used).any() else self.plain
        photo = self.photo[used]
        few = number.max(initial=-1) < 2 * PROBE_FOLDS  # of more folds, pairs are more than each fold's own would be
        heads = (
            heads_left_out(self.features[used], self.labels[photo], self.weight[used], base[used], number[photo])
            if few
            else [None] * (number.max() + 1)
        )
        served = self.served
        for fold, head in enumerate(heads):
            outside = np.flatnonzero(number == fold)
            chosen = head or self.fit(photos[number[photos] != fold], seed)
            logits[outside] = chosen.logits(served[outside])
        return logits


@dataclass(frozen=True)
class FeatureExtractor:
    """How a body is shown photos: those of `folder`, at `size` px, normalised as `architecture` wants them."""

    body: Any
    folder: Path
    architecture: Architecture
    size: int
    log: Callable[[str], None] = say

    def features(self, photos: Sequence[Photo], views: Sequence[View]) -> np.ndarray:
        """[V, D] of views sorted by photo."""
        return pooled_features(
            self.body,
            [photo.path(self.folder) for photo in photos],
            views,
            size=self.size,
            mean=self.architecture.mean,
            std=self.architecture.std,
            progress=ProgressBar("looking at photos", "view", self.log),
        )

    def served(self, photos: Sequence[Photo]) -> np.ndarray:
        """[N, D] features of each photo as serving sees it."""
        return self.features(photos, [View(i) for i in range(len(photos))])


def extract_features(
    extractor: FeatureExtractor, data: TrainingData, learned: np.ndarray, *, views: int, seed: int
) -> ViewFeatures:
    """Every photo's serving view, and `views` of each photo at the indices `learned`."""
    sizes = [(data.photos[i].width, data.photos[i].height) for i in learned]
    plan = plan_views(sizes, data.actual[learned], size=extractor.size, views=views, seed=seed)
    # In the photos' order: each photo's serving view, then a training photo's planned ones
    shown: list[View] = []
    weights: list[float] = []
    planned: dict[int, list[View]] = {}
    for view in plan:
        planned.setdefault(int(learned[view.photo]), []).append(view)
    for i in range(len(data.photos)):
        own = planned.get(i, [])
        if not any(view.level is None and view.box is None for view in own):
            shown.append(View(i))
            weights.append(0.0)
        shown += [View(i, view.level, view.box, view.flip) for view in own]
        weights += [view.weight for view in own]
    plain = np.array([view.box is None for view in shown])
    return ViewFeatures(
        features=extractor.features(data.photos, shown),
        photo=np.array([view.photo for view in shown]),
        weight=np.array(weights),
        plain=plain,
        serving=plain & np.array([view.level is None and not view.flip for view in shown]),
        labels=data.actual,
        groups=data.groups,
        levels=tuple(sorted({view.level for view in plan if view.level})),
    )


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
    """[V, D] float32: the body's output for each view, averaged over its positions. views: sorted by photo.

    `progress(done, total)` counts views. The body is left in evaluation mode. The numbers do not depend on how many
    threads there are.
    """
    device = next(body.parameters()).device
    whole = _Pooled(body.eval()).eval().to(memory_format=torch.channels_last)
    shift, scale = (torch.tensor(v, dtype=torch.float32).view(1, 3, 1, 1).to(device) for v in (mean, std))
    with torch.inference_mode():
        network = _frozen(whole, torch.zeros(1, 3, size, size, device=device))

    def extract(own: list[View]) -> np.ndarray:
        photo = load_image(photos[own[0].photo])
        rendered = np.stack([np.asarray(render(photo, view, size)) for view in own])
        features, step = [], BATCH if device.type == "cpu" else CUDA_BATCH
        with torch.inference_mode():
            for start in range(0, len(own), step):
                pixels = torch.from_numpy(rendered[start : start + step]).to(device).permute(0, 3, 1, 2)
                pixels = pixels.float().div_(255).sub_(shift).div_(scale)
                features.append(network(pixels.contiguous(memory_format=torch.channels_last)).float().cpu().numpy())
        return np.concatenate(features)

    of_photo: dict[int, list[View]] = {}
    for view in views:
        of_photo.setdefault(view.photo, []).append(view)
    before, all_features, done = torch.get_num_threads(), [], 0
    try:
        with ThreadPoolExecutor(os.cpu_count() or 1, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            for features in pool.map(extract, of_photo.values()):
                all_features.append(features)
                done += len(features)
                if progress:
                    progress(done, len(views))
    finally:
        torch.set_num_threads(before)
    return np.concatenate(all_features)


class _Pooled(nn.Module):
    def __init__(self, body: nn.Module):
        super().__init__()
        self.body = body

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return pooled(self.body(pixels))


def _frozen(network: nn.Module, example: torch.Tensor) -> Callable[[torch.Tensor], torch.Tensor]:
    """The network traced, with its BatchNorms folded into its convolutions; itself where it cannot be traced."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of sizes that become constants: every batch has this one; of torch.jit's age
        try:
            return torch.jit.freeze(torch.jit.trace(network, example, check_trace=False))
        except Exception:  # whatever a network does that cannot be traced
            return network
