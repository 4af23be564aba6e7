"""The recipe: photos → a fastai learner.

1. The pretrained body, frozen, sees every photo a few times (views.py), and its features are kept (features.py).
2. The head is the logistic regression on them that cross-validates best (head.py). On a few hundred photos this is
   both accurate and quick (benchmarks/training.py --fine-tuning): fine-tuning the body then only raises the
   validation loss.
3. From FINE_TUNE_FROM training photos, or with `epochs`, the whole network is fine-tuned from there: augmentation,
   one-cycle, small steps for the body ("LP-FT", Kumar et al. 2022, arXiv 2202.10054). The epoch with the best
   validation loss is kept, the head of step 2 counting as epoch 0, and it stops when the loss stops falling.

Same photos, same seed, same machine: the same learner, to the last bit.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from mirror.collect.rows import TRAIN, VALIDATION, Photo
from mirror.collect.splits import group_photos
from mirror.errors import DatasetError
from mirror.progress import progress_bar
from mirror.training.features import pooled_features
from mirror.training.head import Head, cross_entropy, fit_head
from mirror.training.views import View, plan_views
from mirror.training.weights import Architecture, find_architecture, load_into, load_weights

FINE_TUNE_FROM = 1000  # training photos: at 244 the frozen body did better; from where on it does not is a guess
FINE_TUNE_EPOCHS = 5  # at most
PATIENCE = 1  # epochs without a better validation loss before it stops
BATCH = 32  # photos; fewer where there are fewer, for fastai drops the last, incomplete batch of training photos
LEARNING_RATE = 3e-4  # of the head; the body's first layers take a hundredth of it


@dataclass(frozen=True)
class Settings:
    """arch: a torchvision or timm name; weights: a file of them; size: side of the network's input in px, a little
    above the 224 of pretraining (Touvron et al. 2019, arXiv 1906.06423); views: of each photo; epochs of fine-tuning
    at most, None: by the number of photos."""

    arch: str = "resnet18"
    weights: Path | None = None
    size: int = 288
    views: int = 3
    epochs: int | None = None
    seed: int = 42


@dataclass
class Trained:
    """A learner and what it is judged by.

    learner: fastai's, as `learner.export` takes it. photos: all of them, in the order of `features` [N, D] (each
    photo's serving view through the learner's body) and `logits` [N, L]. groups [N]: photos that belong together.
    history: a row an epoch. recipe: one sentence.
    """

    learner: Any
    labels: tuple[str, ...]
    photos: list[Photo]
    features: np.ndarray
    logits: np.ndarray
    groups: np.ndarray
    weights: str
    recipe: str
    seconds: float
    notes: list[str] = field(default_factory=list)
    history: list[dict[str, float]] = field(default_factory=list)

    def rows(self, split: str) -> np.ndarray:
        """Places in `photos` of the train or validation photos."""
        return np.array([i for i, photo in enumerate(self.photos) if photo.split == split], dtype=int)

    @property
    def actual(self) -> np.ndarray:
        """[N] each photo's label as a place in `labels`."""
        return np.array([self.labels.index(photo.label) for photo in self.photos])


def train(photos: Sequence[Photo], folder: Path, settings: Settings, log: Callable[[str], None] = print) -> Trained:
    """Photos with their splits assigned → a trained learner. folder: the photo folder they lie in.

    Raises DatasetError where a label has no training photo, UsageError for an unknown architecture, WeightsError.
    """
    photos = sorted(photos, key=lambda photo: (photo.label, photo.sha256, photo.url))
    labels = tuple(sorted({photo.label for photo in photos}))
    untrained = sorted(set(labels) - {photo.label for photo in photos if photo.split == TRAIN})
    if len(labels) < 2 or untrained:
        what = f"{untrained[0]!r} has no training photo" if untrained else "there is only one label"
        raise DatasetError(f"Nothing can be learned, for {what}: add photos and train again.")
    start = time.perf_counter()
    architecture = find_architecture(settings.arch)
    state, source = load_weights(architecture, settings.weights, log)
    _repeatable(settings.seed)
    learner = _learner(photos, folder, labels, architecture, settings)
    load_into(learner.model[0], state, source)
    log(f"{architecture.name} at {settings.size} px, weights: {source}")

    trained = Trained(learner, labels, photos, *_no_features(len(labels)), source, "", 0.0)
    trained.groups = _group_numbers(photos)
    head = _fit_frozen(trained, folder, architecture, settings, log)
    best = head.loss
    strength = f"L2 strength 1/{head.strength:g}" + (f", cross-validated loss {best:.3f}" if best is not None else "")
    log(f"head: logistic regression on {trained.features.shape[1]} features a view ({strength})")
    recipe = f"frozen body, {settings.views} views a photo, logistic-regression head (C = {head.strength:g})"

    epochs = settings.epochs
    if epochs is None:
        epochs = FINE_TUNE_EPOCHS if len(trained.rows(TRAIN)) >= FINE_TUNE_FROM else 0
    if epochs and not len(trained.rows(VALIDATION)):
        log("Without validation photos there is nothing to stop fine-tuning by, so it is left out.")
    elif epochs:
        kept = _fine_tune(trained, epochs, settings, log)
        recipe += f", fine-tuned for up to {epochs} epochs, the best by validation loss being epoch {kept}"
        if kept:
            trained.features = _serving_features(trained, folder, architecture, settings, log)
            trained.logits = _head_logits(learner, trained.features)
    trained.recipe, trained.seconds = recipe, time.perf_counter() - start
    return trained


def _no_features(labels: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.zeros((0, 0), np.float32), np.zeros((0, labels), np.float32), np.zeros(0, int)


def _repeatable(seed: int) -> None:
    """Every generator seeded, and only algorithms that add up in one order."""
    from fastai.torch_core import set_seed

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    set_seed(seed, reproducible=True)
    torch.use_deterministic_algorithms(True, warn_only=True)


def _learner(
    photos: Sequence[Photo], folder: Path, labels: tuple[str, ...], architecture: Architecture, settings: Settings
) -> Any:
    """fastai's vision_learner with an average pool and one linear layer for a head. Nothing in it is ours, so that its
    pickle opens where this package is not installed, and none of its paths are this machine's."""
    import pandas as pd
    from fastai.vision import all as fv

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
        item_tfms=fv.Resize(settings.size, method=fv.ResizeMethod.Crop),
        batch_tfms=[*fv.aug_transforms(), fv.Normalize.from_stats(list(architecture.mean), list(architecture.std))],
    )
    training = sum(photo.split == TRAIN for photo in photos)
    workers = min(8, os.cpu_count() or 1) if torch.cuda.is_available() else 0
    loaders = block.dataloaders(frame, path=Path("."), bs=max(1, min(BATCH, training)), num_workers=workers)
    counts = np.array([sum(p.label == label and p.split == TRAIN for p in photos) for label in labels])
    balance = torch.tensor(counts.sum() / (len(labels) * counts), dtype=torch.float32)
    return fv.vision_learner(
        loaders,
        architecture.arch,
        pretrained=False,
        normalize=False,
        metrics=fv.error_rate,
        loss_func=fv.CrossEntropyLossFlat(weight=balance.to(loaders.device)),
        custom_head=nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Identity()),
        path=Path("."),
    )


def _fit_frozen(
    trained: Trained, folder: Path, architecture: Architecture, settings: Settings, log: Callable[[str], None]
) -> Head:
    """Features, head and logits of the frozen body, written into `trained` and its learner."""
    rows, held = trained.rows(TRAIN), trained.rows(VALIDATION)
    sizes = [(trained.photos[i].width, trained.photos[i].height) for i in rows]
    plan = plan_views(sizes, trained.actual[rows], size=settings.size, views=settings.views, seed=settings.seed)
    if any(view.level for view in plan):
        levels = sorted({view.level for view in plan if view.level})
        note = (
            "The labels' photos differ in resolution, which would give them away: every label is seen at "
            f"{', '.join(map(str, levels))} px alike."
        )
        trained.notes.append(note)
        log(note)
    # In the photos' order: each photo's serving view, then a training photo's planned ones
    views: list[View] = []
    weights: list[float] = []
    planned: dict[int, list[View]] = {}
    for view in plan:
        planned.setdefault(int(rows[view.photo]), []).append(view)
    for i in range(len(trained.photos)):
        own = planned.get(i, [])
        if not any(view.level is None and view.box is None for view in own):
            views.append(View(i))
            weights.append(0.0)
        views += [View(i, view.level, view.box, view.flip) for view in own]
        weights += [view.weight for view in own]
    features = _extract(trained.learner, views, trained.photos, folder, architecture, settings, log)
    photo_of = np.array([view.photo for view in views])
    serving = np.array([view.level is None and view.box is None and not view.flip for view in views])
    weight = np.array(weights)
    used = weight > 0
    # A fold's loss counts what serving would see; where that has no weight of its own, every plain middle square
    base = serving if (serving & used).any() else np.array([view.box is None for view in views])
    head = fit_head(
        features[used],
        trained.actual[photo_of[used]],
        weight[used],
        trained.groups[photo_of[used]],
        base=base[used],
        seed=settings.seed,
    )
    trained.features = features[serving]
    trained.logits = head.logits(trained.features)
    linear = nn.Linear(features.shape[1], len(trained.labels))
    with torch.no_grad():
        linear.weight.copy_(torch.from_numpy(head.weight))
        linear.bias.copy_(torch.from_numpy(head.bias))
    trained.learner.model[1][2] = linear.to(next(trained.learner.model.parameters()).device)
    judged = held if len(held) else rows
    trained.history.append(_judgement(0, trained.logits[judged], trained.actual[judged]))
    return head


def _judgement(epoch: int, logits: np.ndarray, actual: np.ndarray) -> dict[str, float]:
    loss = float(cross_entropy(logits.astype(np.float64), actual).mean())
    return {"epoch": epoch, "valid_loss": loss, "error_rate": float(np.mean(logits.argmax(axis=1) != actual))}


def _extract(
    learner: Any,
    views: list[View],
    photos: Sequence[Photo],
    folder: Path,
    architecture: Architecture,
    settings: Settings,
    log: Callable[[str], None],
) -> np.ndarray:
    return pooled_features(
        learner.model[0],
        [photo.path(folder) for photo in photos],
        views,
        size=settings.size,
        mean=architecture.mean,
        std=architecture.std,
        progress=progress_bar("looking at photos", "view", log),
    )


def _serving_features(
    trained: Trained, folder: Path, architecture: Architecture, settings: Settings, log: Callable[[str], None]
) -> np.ndarray:
    views = [View(i) for i in range(len(trained.photos))]
    return _extract(trained.learner, views, trained.photos, folder, architecture, settings, log)


def _head_logits(learner: Any, features: np.ndarray) -> np.ndarray:
    linear = learner.model[1][2]
    return features @ linear.weight.detach().cpu().numpy().T + linear.bias.detach().cpu().numpy()


def _fine_tune(trained: Trained, epochs: int, settings: Settings, log: Callable[[str], None]) -> int:
    """Fine-tunes the whole network from the head that was fitted; returns the epoch kept, 0 for the head's."""
    from fastai.callback.tracker import EarlyStoppingCallback, SaveModelCallback

    learner = trained.learner
    watched = dict(monitor="valid_loss", reset_on_fit=False)
    save, stop = SaveModelCallback(fname="best", **watched), EarlyStoppingCallback(patience=PATIENCE, **watched)
    learner.model.to(memory_format=torch.channels_last)
    names = ("train_loss", "valid_loss", "error_rate")

    def say(row: list[Any]) -> None:
        if isinstance(row[0], int):  # the first row holds the names
            log(f"epoch {row[0] + 1}: " + ", ".join(f"{n} {v:.4f}" for n, v in zip(names, row[1:4], strict=True)))

    terminal = sys.stdout.isatty()
    with tempfile.TemporaryDirectory() as place:
        learner.path = Path(place)
        with learner.no_bar(), learner.no_logging():
            baseline = float(learner.validate(dl=learner.dls.valid)[0])
        save.best = stop.best = baseline
        learner.save("best")
        learner.unfreeze()
        rates = slice(LEARNING_RATE / 100, LEARNING_RATE)
        with warnings.catch_warnings(), contextlib.nullcontext() if terminal else learner.no_bar():
            warnings.simplefilter("ignore")
            if not terminal:
                learner.logger = say
            learner.fit_one_cycle(epochs, lr_max=rates, cbs=[save, stop])
        learner.path = Path(".")
    learner.logger = print  # it is pickled with the learner, and ours must not be
    learner.model.to(memory_format=torch.contiguous_format)
    for epoch, values in enumerate(learner.recorder.values, start=1):
        trained.history.append({"epoch": epoch, **dict(zip(names, map(float, values), strict=True))})
    # The weighted loss that fastai monitors decides; the history's epoch 0 is the head's, by the same measure
    trained.history[0]["valid_loss"] = baseline
    losses = [row["valid_loss"] for row in trained.history]
    return int(np.argmin(losses))


def _group_numbers(photos: Sequence[Photo]) -> np.ndarray:
    """[N] the number of each photo's group of near-duplicates and photos of one page."""
    places = {photo.key: i for i, photo in enumerate(photos)}
    numbers = np.zeros(len(photos), dtype=int)
    for number, group in enumerate(group_photos(photos)):
        for photo in group:
            numbers[places[photo.key]] = number
    return numbers
