"""fastai learners to train: a pretrained body, an average pool where it gives a map, and one linear layer.

Nothing in one is ours, so that its pickle opens where this package is not installed, and no path in it is this
machine's.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mirror.collect.photo_records import VALIDATION, Photo
from mirror.training.backbones import head_of, make_body
from mirror.training.depth_features import deepened
from mirror.training.linear_probe import LinearProbe
from mirror.training.pretrained import Architecture, load_into
from mirror.training.settings import BATCH


@dataclass(frozen=True)
class Start:
    """What every learner of a training starts from. folder: the photos'; state: the body's pretrained weights, and
    `source` where they came from; size: side of the network's input in px."""

    folder: Path
    labels: tuple[str, ...]
    architecture: Architecture
    state: Any
    source: str
    size: int
    seed: int

    def body(self) -> Any:
        """The pretrained body alone, where fastai would put it: a graphics card, if there is one."""
        from fastai.torch_core import default_device

        body = make_body(self.architecture, self.size)
        load_into(body, self.state, self.source)
        return body.to(default_device())

    def learner(self, photos: Sequence[Photo]) -> Any:
        """A learner for these photos and their splits, its head still to be set. The same each time."""
        repeatable(self.seed)
        learner = _learner(photos, self.folder, self.labels, self.architecture, self.size)
        load_into(learner.model[0], self.state, self.source)
        return learner


def repeatable(seed: int) -> None:
    """Every generator seeded, and only algorithms that add up in one order."""
    from fastai.torch_core import set_seed

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    set_seed(seed, reproducible=True)
    torch.use_deterministic_algorithms(True, warn_only=True)


def set_head(learner: Any, head: LinearProbe) -> None:
    """Makes `head` the learner's last layer."""
    linear = nn.Linear(head.weight.shape[1], len(head.weight))
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(head.weight))
        linear.bias.copy_(torch.from_numpy(head.bias))
    learner.model[1][2] = linear.to(next(learner.model.parameters()).device)


def deepen(learner: Any, size: int) -> None:
    """Gives the learner the body that `deepened` makes of its own, its head still to be set."""
    from fastai.vision.learner import default_split

    body = deepened(learner.model[0], size)
    assert body is not None
    learner.model, learner.splitter = nn.Sequential(body, head_of(body, size)), default_split


def head_logits(learner: Any, features: np.ndarray) -> np.ndarray:
    """[N, L] what the learner's last layer makes of features [N, D]."""
    linear = learner.model[1][2]
    return features @ linear.weight.detach().cpu().numpy().T + linear.bias.detach().cpu().numpy()


def _learner(
    photos: Sequence[Photo], folder: Path, labels: tuple[str, ...], architecture: Architecture, size: int
) -> Any:
    import pandas as pd
    from fastai.vision import all as fv
    from fastai.vision.learner import default_split, model_meta

    frame = pd.DataFrame({
        "file": [str(photo.path(folder)) for photo in photos],
        "label": [photo.label for photo in photos],
        "held_out": [photo.split == VALIDATION for photo in photos],
    })  # fmt: skip
    block = fv.DataBlock(
        blocks=(fv.ImageBlock, fv.CategoryBlock(vocab=list(labels), sort=False)),
        get_x=fv.ColReader("file"),
        get_y=fv.ColReader("label"),
        splitter=fv.ColSplitter("held_out"),
        item_tfms=fv.Resize(size, method=fv.ResizeMethod.Crop),
        batch_tfms=[
            *fv.aug_transforms(do_flip=False),
            fv.Normalize.from_stats(list(architecture.mean), list(architecture.std)),
        ],
    )
    training = [photo.label for photo in photos if photo.split != VALIDATION]
    workers = min(8, os.cpu_count() or 1) if torch.cuda.is_available() else 0
    loaders = block.dataloaders(frame, path=Path("."), bs=max(1, min(BATCH, len(training))), num_workers=workers)
    counts = np.array([training.count(label) for label in labels])
    balance = torch.tensor(counts.sum() / (len(labels) * counts), dtype=torch.float32)
    body = make_body(architecture, size)
    meta = model_meta.get(architecture.arch, {"split": default_split})
    split = meta["split"] if isinstance(body, nn.Sequential) else default_split  # fastai's own know fastai's own cuts
    learner = fv.Learner(
        loaders,
        nn.Sequential(body, head_of(body, size)),
        metrics=fv.error_rate,
        loss_func=fv.CrossEntropyLossFlat(weight=balance.to(loaders.device)),
        splitter=split,
        path=Path("."),
    )
    learner.arch = architecture.name
    return learner
