"""What the first layers of a network give of views of the photos, kept: the last layers are trained on it."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from mirror.progress import ProgressBar
from mirror.training.augmentation import View, plan_views
from mirror.training.last_layers import Flat, SplitBody
from mirror.training.settings import BATCH, SMALLEST_BATCH, STEPS
from mirror.training.training_data import TrainingData
from mirror.training.view_features import FeatureExtractor

CHUNK = 256  # photos whose views are in memory in float32
BYTES = 2  # a value, in float16
MOST_BYTES = 4 << 30


@dataclass(frozen=True)
class KeptViews:
    """given [V, *shape] float16 of views; photo [V]: whose; weight [V]: how often it is learned from, 0: never;
    serving [N]: which is the view that serving makes of each photo; labels [N]."""

    given: torch.Tensor
    photo: np.ndarray
    weight: np.ndarray
    serving: np.ndarray
    labels: np.ndarray


def views_that_fit(split: SplitBody, photos: int, views: int) -> int:
    """How many views of each photo can be kept besides its serving one, at most `views`; 0: none."""
    each = BYTES * int(np.prod(split.shape)) * photos
    return max(0, min(views, MOST_BYTES // max(1, each) - 1))


def keep_views(
    extractor: FeatureExtractor, split: SplitBody, data: TrainingData, learned: np.ndarray, views: int, seed: int
) -> KeptViews:
    """Each photo's serving view, and `views` of each photo at the indices `learned`, drawn anew: not those of the
    head."""
    sizes = [(data.photos[i].width, data.photos[i].height) for i in learned]
    plan = plan_views(sizes, data.actual[learned], size=extractor.size, views=views, seed=seed + 1)
    of_photo: dict[int, list[View]] = {i: [View(i, weight=0.0)] for i in range(len(data.photos))}
    for view in plan:
        own = int(learned[view.photo])
        of_photo[own].append(View(own, view.level, view.box, view.weight))
    first = FeatureExtractor(Flat(split.first), extractor.folder, extractor.architecture, extractor.size, _quiet)
    given, total = [], sum(map(len, of_photo.values()))
    with ProgressBar("first layers", "view", extractor.log) as progress:
        done = 0
        for start in range(0, len(data.photos), CHUNK):
            rows = range(start, min(start + CHUNK, len(data.photos)))
            shown = [view for i in rows for view in of_photo[i]]
            found = first.features(data.photos, shown)
            given.append(torch.from_numpy(found.astype(np.float16)).reshape(len(shown), *split.shape))
            done += len(shown)
            progress(done, total)
    shown = [view for own in of_photo.values() for view in own]
    photo = np.array([view.photo for view in shown])
    weight = np.array([view.weight for view in shown])
    return KeptViews(torch.cat(given), photo, weight, np.searchsorted(photo, np.arange(len(data.photos))), data.actual)


def _quiet(_: str) -> None:
    """One bar tells of all chunks."""


class PhotoViews:
    """A fastai data set: one of a photo's views, drawn by its weight, and the photo's label; `served`: always the view
    that serving makes."""

    def __init__(self, kept: KeptViews, photos: np.ndarray, served: bool = False):
        self.kept, self.photos, self.served = kept, photos, served

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, place: int) -> tuple[torch.Tensor, torch.Tensor]:
        photo, kept = int(self.photos[place]), self.kept
        row = int(kept.serving[photo])
        if not self.served:
            end = int(np.searchsorted(kept.photo, photo, side="right"))
            (row,) = random.choices(range(row + 1, end), kept.weight[row + 1 : end].tolist())
        return kept.given[row].float(), torch.tensor(kept.labels[photo])


def last_layers_learner(learner: Any, split: SplitBody, kept: KeptViews, learned: np.ndarray, held: np.ndarray) -> Any:
    """A learner of the last layers and the head of `learner`, whose weights they are: it learns from the photos at
    `learned`, and its validation photos are those at `held`."""
    from fastai.data.core import DataLoaders
    from fastai.data.load import DataLoader
    from fastai.learner import Learner

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")  # Apple's is not safe with threads about
    size = batch_size(len(learned))
    loaders = DataLoaders(
        DataLoader(PhotoViews(kept, learned), bs=size, shuffle=True, drop_last=True, num_workers=0),
        DataLoader(PhotoViews(kept, held, served=True), bs=BATCH, num_workers=0),
        device=device,
    )
    model = nn.Sequential(split.last, learner.model[1])
    return Learner(loaders, model.to(device), loss_func=learner.loss_func)


def batch_size(photos: int) -> int:
    """Photos in a batch: as many as leave STEPS steps an epoch, within bounds; fastai drops what does not fill one."""
    return max(1, min(photos, BATCH, max(SMALLEST_BATCH, photos // STEPS)))
