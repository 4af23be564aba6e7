"""The recipe: photos → a fastai learner.

1. The pretrained body, frozen, sees every photo a few times (views.py), and its features are kept (frozen.py).
2. The head is the logistic regression on them that cross-validates best (head.py). On a few hundred photos this is
   both accurate and quick (benchmarks/training/__main__.py --fine-tuning): fine-tuning the body then only raises the
   validation loss.
3. From FINE_TUNE_FROM training photos, or with `epochs`, the whole network is fine-tuned from there (tuning.py). The
   epoch with the best validation loss is kept, the head of step 2 counting as epoch 0.
4. Every photo is left out once (folds.py), for what is said of photos that were learned from says nothing: this is what
   the temperature and the doubts about labels rest on, and with `folds` the error as well.

Same photos, same seed, same machine: the same learner, to the last bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mirror.collect.metadata import TRAIN, VALIDATION, Photo
from mirror.collect.splits import group_photos
from mirror.errors import DatasetError
from mirror.terminal import say
from mirror.training.feature_cache import FeatureExtractor, ViewFeatures, extract_features
from mirror.training.fine_tuning import fine_tune, fine_tune_epochs, tuned_out_of_fold
from mirror.training.folds import out_of_fold
from mirror.training.learner import Start, head_logits, repeatable, set_head
from mirror.training.linear_probe import cross_entropy
from mirror.training.pretrained import find_architecture, load_weights

FINE_TUNE_FROM = 1000  # training photos: at 244 the frozen body did better; from where on it does not is a guess
FINE_TUNE_EPOCHS = 5  # at most
FOLDS = 5  # in which training photos are left out in turn, where no other number is asked for


@dataclass(frozen=True)
class TrainingSettings:
    """arch: a torchvision or timm name; weights: a file of them; size: side of the network's input in px, a little
    above the 224 of pretraining (Touvron et al. 2019, arXiv 1906.06423); views: of each photo; epochs of fine-tuning
    at most, None: by the number of photos; folds: cross-validate the error in so many and learn from every photo, None:
    judge by the validation photos."""

    arch: str = "resnet18"
    weights: Path | None = None
    size: int = 288
    views: int = 3
    epochs: int | None = None
    seed: int = 42
    folds: int | None = None


@dataclass
class TrainedModel:
    """A learner and what it is judged by.

    learner: fastai's, as `learner.export` takes it. photos: all of them, in the order of `features` [N, D] (each
    photo's serving view through the learner's body) and `logits` [N, L]. groups [N]: photos that belong together.
    unseen [N, L]: logits of each photo by what had not learned from it, nan where there is nothing such: the learner
    for a validation photo, the other folds' head for a training photo (with `folds`, their whole network).
    tuned: whether more than the head was trained. history: a row an epoch. recipe: one sentence.
    """

    learner: Any
    labels: tuple[str, ...]
    photos: list[Photo]
    features: np.ndarray
    logits: np.ndarray
    unseen: np.ndarray
    groups: np.ndarray
    weights: str
    folds: int | None = None
    tuned: bool = False
    recipe: str = ""
    seconds: float = 0.0
    notes: list[str] = field(default_factory=list)
    history: list[dict[str, float]] = field(default_factory=list)

    def rows(self, split: str) -> np.ndarray:
        """Places in `photos` of the train or validation photos."""
        return np.array([i for i, photo in enumerate(self.photos) if photo.split == split], dtype=int)

    @property
    def actual(self) -> np.ndarray:
        """[N] each photo's label as a place in `labels`."""
        return np.array([self.labels.index(photo.label) for photo in self.photos])

    @property
    def checked(self) -> np.ndarray:
        """Places of the photos that something has judged without having learned from them."""
        return np.flatnonzero(np.isfinite(self.unseen).all(axis=1))

    @property
    def judged(self) -> np.ndarray:
        """Places of the photos that the error counts: with folds all that were left out, else the validation photos."""
        return self.checked if self.folds else self.rows(VALIDATION)


def train(
    photos: Sequence[Photo], folder: Path, settings: TrainingSettings, log: Callable[[str], None] = say
) -> TrainedModel:
    """Photos with their splits assigned → a trained learner. folder: the photo folder they lie in. With
    `settings.folds` the splits do not count, and every photo's is "train" afterwards.

    Raises DatasetError where a label has no training photo, UsageError for an unknown architecture, WeightsError.
    """
    if settings.folds:
        photos = [replace(photo, split=TRAIN) for photo in photos]
    photos = sorted(photos, key=lambda photo: (photo.label, photo.sha256, photo.url))
    labels = tuple(sorted({photo.label for photo in photos}))
    untrained = sorted(set(labels) - {photo.label for photo in photos if photo.split == TRAIN})
    if len(labels) < 2 or untrained:
        what = f"{untrained[0]!r} has no training photo" if untrained else "there is only one label"
        raise DatasetError(f"Nothing can be learned, for {what}: add photos and train again.")
    begun = time.perf_counter()
    architecture = find_architecture(settings.arch)
    state, source = load_weights(architecture, settings.weights, log)
    start = Start(folder, labels, architecture, state, source, settings.size, settings.seed)
    learner = start.learner(photos)
    log(f"{architecture.name} at {settings.size} px, weights: {source}")

    sight = FeatureExtractor(learner.model[0], folder, architecture, settings.size, log)
    trained, seen = _fit_head(learner, labels, photos, sight, settings, log)
    trained.weights = source
    epochs = settings.epochs
    if epochs is None:
        epochs = FINE_TUNE_EPOCHS if len(trained.rows(TRAIN)) >= FINE_TUNE_FROM else 0
    if epochs and settings.folds:
        _tune_in_folds(trained, seen, start, epochs, log)
    else:
        _leave_out(trained, seen, settings, log)
        if epochs:
            _tune(trained, epochs, log)
    if trained.tuned:
        trained.features = sight.served(trained.photos)
        trained.logits = head_logits(learner, trained.features)
    held = trained.rows(VALIDATION)
    trained.unseen[held] = trained.logits[held]
    if not trained.history:
        trained.history = [_head_alone(trained)]
    trained.seconds = time.perf_counter() - begun
    return trained


def _fit_head(
    learner: Any,
    labels: tuple[str, ...],
    photos: list[Photo],
    sight: FeatureExtractor,
    settings: TrainingSettings,
    log: Callable[[str], None],
) -> tuple[TrainedModel, ViewFeatures]:
    """Steps 1 and 2: the learner with its head, and what its frozen body saw."""
    nothing = np.full((len(photos), len(labels)), np.nan, np.float32)
    trained = TrainedModel(
        learner, labels, photos, nothing, nothing, nothing.copy(), group_numbers(photos), "", settings.folds
    )
    rows = trained.rows(TRAIN)
    seen = extract_features(
        sight, photos, trained.actual, trained.groups, rows, views=settings.views, seed=settings.seed
    )
    if seen.levels:
        trained.notes.append(
            "The labels' photos differ in resolution, which would give them away: every label is seen at "
            f"{', '.join(map(str, seen.levels))} px alike."
        )
        log(trained.notes[-1])
    head = seen.fit(rows, settings.seed)
    set_head(learner, head)
    trained.features = seen.served
    trained.logits = head.logits(trained.features)
    loss = f", cross-validated loss {head.loss:.3f}" if head.loss is not None else ""
    log(
        f"head: logistic regression on {trained.features.shape[1]} features a view "
        f"(L2 strength 1/{head.strength:g}{loss})"
    )
    trained.recipe = f"frozen body, {settings.views} views a photo, logistic-regression head (C = {head.strength:g})"
    return trained, seen


def _leave_out(
    trained: TrainedModel, seen: ViewFeatures, settings: TrainingSettings, log: Callable[[str], None]
) -> None:
    """Step 4, of the head: a second or so, for no photo is looked at again."""
    rows, folds = trained.rows(TRAIN), settings.folds or FOLDS
    log(f"leaving each photo out once, in {folds} folds")
    trained.unseen[rows] = out_of_fold(seen, rows, folds, settings.seed)[rows]


def _tune(trained: TrainedModel, epochs: int, log: Callable[[str], None]) -> None:
    """Step 3, judged by the validation photos."""
    if not len(trained.rows(VALIDATION)):
        log("Without validation photos there is nothing to stop fine-tuning by, so it is left out.")
        return
    trained.history = fine_tune(trained.learner, epochs, log)
    kept = int(np.argmin([row["valid_loss"] for row in trained.history]))
    trained.tuned = kept > 0
    trained.recipe += f", fine-tuned for up to {epochs} epochs, the best by validation loss being epoch {kept}"


def _tune_in_folds(
    trained: TrainedModel, seen: ViewFeatures, start: Start, epochs: int, log: Callable[[str], None]
) -> None:
    """Step 3, judged by the folds: the epoch with the lowest loss over all of them is the one that is kept."""
    found = tuned_out_of_fold(start, trained.photos, seen, trained.folds, epochs, log)
    trained.unseen = found[0]
    judged, kept = trained.judged, 0
    if len(judged):
        actual = trained.actual[judged]
        trained.history = [_judgement(epoch, logits[judged], actual) for epoch, logits in enumerate(found)]
        kept = int(np.argmin([row["valid_loss"] for row in trained.history]))
        trained.unseen = found[kept]
    if kept:
        log(f"fine-tuning on all {len(trained.photos)} photos, {kept} of {epochs} epochs")
        repeatable(start.seed)
        fine_tune_epochs(trained.learner, epochs, kept, log)
    trained.tuned = kept > 0
    trained.recipe += f", fine-tuned for up to {epochs} epochs, the best by the folds' loss being epoch {kept}"


def _head_alone(trained: TrainedModel) -> dict[str, float]:
    """The history where nothing but the head was trained, by the photos judged, or by those it learned from."""
    rows, logits = (trained.judged, trained.unseen) if len(trained.judged) else (trained.rows(TRAIN), trained.logits)
    return _judgement(0, logits[rows], trained.actual[rows])


def _judgement(epoch: int, logits: np.ndarray, actual: np.ndarray) -> dict[str, float]:
    """A row of the history."""
    loss = float(cross_entropy(logits.astype(np.float64), actual).mean())
    return {"epoch": epoch, "valid_loss": loss, "error_rate": float(np.mean(logits.argmax(axis=1) != actual))}


def group_numbers(photos: Sequence[Photo]) -> np.ndarray:
    """[N] the number of each photo's group of near-duplicates and photos of one page."""
    places = {photo.key: i for i, photo in enumerate(photos)}
    numbers = np.zeros(len(photos), dtype=int)
    for number, group in enumerate(group_photos(photos)):
        for photo in group:
            numbers[places[photo.key]] = number
    return numbers
