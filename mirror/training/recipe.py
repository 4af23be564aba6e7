"""The recipe: photos → a trained model.

1. The pretrained body, frozen, sees every photo a few times (augmentation.py), and its features are kept
   (view_features.py).
2. The head is the logistic regression on them that cross-validates best (linear_probe.py): on those of every depth
   (depth_features.py), or on the last layer's, whichever photos left out prefer (depth_choice.py).
3. Every photo is left out once, with all that belong to it (groups.py), for predictions of photos that were learned
   from mean nothing: the error, the temperature and the doubts about labels rest on these. The head learns from all.
4. Where the head errs often enough, and there is the time (fine_tuning_plan.py), the network's last layers are
   fine-tuned from there (fine_tuning.py), and ship where photos left out show that it helps (fine_tuning_choice.py).
   Such a network is not trained once a fold, unless asked to: it learns from what is not held out, and the validation
   photos judge it.

Same photos, same seed, same machine: the same learner, to the last bit.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mirror.collect.photo_records import TRAIN, VALIDATION, Photo
from mirror.collect.screening import LONG_SIDE
from mirror.metrics_schema import EpochMetrics
from mirror.progress import working
from mirror.terminal import say
from mirror.training.augmented_features import keep_views, views_that_fit
from mirror.training.backbones import Backbone, find_backbone
from mirror.training.depth_choice import LAST_LAYER, choose_depth
from mirror.training.fine_tuning_choice import FineTuning, Tuner, history_row
from mirror.training.fine_tuning_plan import TuningPlan, measure_costs, plan_tuning
from mirror.training.groups import group_alike
from mirror.training.last_layers import split_body
from mirror.training.learner import Start, deepen, head_logits, set_head
from mirror.training.settings import DEFAULT_FOLDS, TrainingSettings
from mirror.training.training_data import TrainingData
from mirror.training.view_features import FeatureExtractor, OutOfFold, ViewFeatures, extract_features
from mirror.wording import count

CHOSEN = (
    "The network is the best of {} by photos that its error is measured by too (--arch auto), so the error of new ones "
    "is a little higher; with --hold-out, others measure it."
)


@dataclass(frozen=True)
class TrainedModel:
    """A learner and what it is judged by.

    learner: fastai's, as `learner.export` takes it. features [N, D]: of each photo's serving view, as the learner's
    head takes them; width: how many of the D, the last ones, are the last layer's; logits [N, L]: the learner's.
    unseen [N, L]: logits of each photo by a model that had not learned from it, nan where there is none: the learner
    for a validation photo, the other folds' head for a training photo (with folds and fine-tuning, their whole
    network). out_of_fold: those heads, None where the body was trained as well (`tuned`). plan: whether to fine-tune,
    and why; epochs: of fine-tuning that the learner has gone through, 0: only its head was trained. weights, recipe: a
    phrase each; history: a row an epoch, by the photos that fine-tuning was chosen by, or else by those judged.
    """

    learner: Any
    data: TrainingData
    features: np.ndarray
    width: int
    logits: np.ndarray
    unseen: np.ndarray
    out_of_fold: OutOfFold | None = None
    weights: str = ""
    plan: TuningPlan = TuningPlan(0, "")
    epochs: int = 0
    recipe: str = ""
    seconds: float = 0.0
    notes: tuple[str, ...] = ()
    history: tuple[EpochMetrics, ...] = ()

    @property
    def tuned(self) -> bool:
        return self.epochs > 0

    @property
    def last_layer(self) -> np.ndarray:
        """[N, width] of the features those of the last layer, by which photos are compared with each other."""
        return self.features[:, -self.width :]

    @property
    def checked(self) -> np.ndarray:
        """Indices of the photos that were judged by a model that had not learned from them."""
        return np.flatnonzero(np.isfinite(self.unseen).all(axis=1))

    @property
    def judged(self) -> np.ndarray:
        """Indices of the photos that the error counts: with folds all that were left out, else the validation
        photos."""
        return self.checked if self.data.folds else self.data.rows(VALIDATION)


def train(
    photos: Sequence[Photo],
    folder: Path,
    settings: TrainingSettings,
    log: Callable[[str], None] = say,
    backbone: Backbone | None = None,
) -> TrainedModel:
    """Photos with their splits assigned → a trained model. folder: the photo folder they lie in. The splits count where
    one came with the photos, where `settings.hold_out` says so, and where the whole network is fine-tuned without
    `settings.folds`; else every photo is learned from, and its split is "train" afterwards. backbone: where it was
    found already, as the settings name it.

    Raises DatasetError where a label has no training photo, UsageError for an unknown architecture, WeightsError.
    """
    data = TrainingData.of(photos, settings.folds)
    begun = time.perf_counter()
    found = backbone or find_backbone(settings.arch, settings.weights, settings.size, settings.size, log)
    architecture, source = found.architecture, found.source
    start = Start(folder, data.labels, architecture, found.state, source, settings.size, settings.seed)
    log(f"{architecture.name} at {settings.size} px, weights: {source}")

    with working(f"Making {architecture.name} ready", log):
        body = start.body()
    extractor = FeatureExtractor(body, folder, architecture, settings.size, log)
    given = any(photo.split_given and photo.split == VALIDATION for photo in data.photos)
    crossed = not (settings.hold_out or given)  # unless the whole network is tuned
    learned = np.arange(len(data.photos)) if crossed else data.rows(TRAIN)
    views = extract_features(extractor, data, learned, views=settings.views, seed=settings.seed)
    damaged = views.unreadable
    if len(damaged):
        data, views = data.without(damaged), views.without(damaged)
    data, views = group_alike(data, views)
    if settings.hold_out and not given:
        data = data.held_apart()
    learned = np.arange(len(data.photos)) if crossed else data.rows(TRAIN)
    notes = (*_notes(data, views, settings.size, given, log), *_left_out(len(damaged)))
    folds = data.folds or DEFAULT_FOLDS
    with working(f"Leaving each photo out once, in {folds} folds", log):
        chosen = choose_depth(data, views, learned, folds, settings.seed)
    last, views, unseen = views.last, chosen.views, chosen.out_of_fold.logits
    log(f"the head is {chosen.phrase}")

    judging = data.held_apart() if crossed and not data.folds else data
    with working("Finding out whether fine-tuning may pay", log):
        learner, tuning = start.learner(data.photos), FineTuning(unseen)
        plan, room = _plan(settings, judging, unseen, learner)
    log(plan.reason)
    if plan.epochs:
        learned = judging.rows(TRAIN)
        kept = keep_views(extractor, split_body(body, settings.size), judging, learned, room, settings.seed)
        tuner = Tuner(start, judging, last, views, kept, plan.epochs, log)
        with working("Fitting the last layer to begin from", log):
            begin = last.fit(learned, settings.seed)
        tuning = tuner.run(learner, begin, unseen)
        if tuning.share:
            data = judging
    if not tuning.share and crossed:
        data = data.cross_validated(folds)
    if found.chosen_of > 1 and data.folds:
        notes = (*notes, CHOSEN.format(found.chosen_of))
        log(notes[-1])
    held = data.rows(VALIDATION)
    with working("Fitting the last layer", log):
        probe = views.fit(data.rows(TRAIN), settings.seed)
    loss = f", cross-validated loss {probe.loss:.3f}" if probe.loss is not None else ""
    log(f"head: logistic regression on {views.features.shape[1]} features (L2 strength 1/{probe.strength:g}{loss})")
    if not tuning.share:
        if chosen.deep:
            deepen(learner, settings.size)
        set_head(learner, probe)

    tuned = replace(extractor, body=learner.model[0])
    features = tuned.served(data.photos) if tuning.share else views.served
    logits = head_logits(learner, features) if tuning.share else probe.logits(features)
    unseen = tuning.unseen.copy()
    unseen[held] = logits[held]
    return TrainedModel(
        learner=learner,
        data=data,
        features=features,
        width=last.features.shape[1],
        logits=logits,
        unseen=unseen,
        out_of_fold=None if tuning.share else chosen.out_of_fold,
        weights=source,
        plan=plan,
        epochs=tuning.epochs if tuning.share else 0,
        recipe=f"frozen body, {settings.views} views a photo, logistic-regression head (C = {probe.strength:g}) "
        + (chosen.phrase if not tuning.share else LAST_LAYER)
        + tuning.sentence,
        seconds=time.perf_counter() - begun,
        notes=notes,
        history=tuning.history or (_history_of_the_head(data, logits, unseen),),
    )


def _plan(
    settings: TrainingSettings, data: TrainingData, out_of_fold: np.ndarray, learner: Any
) -> tuple[TuningPlan, int]:
    """The plan by photos that do not judge what comes of it, and how many views of each photo there is room for."""
    learned, split = data.rows(TRAIN), split_body(learner.model[0], settings.size)
    left_out = learned[np.isfinite(out_of_fold[learned]).all(axis=1)]
    wrong = out_of_fold[left_out].argmax(axis=1) != data.actual[left_out]
    plan = plan_tuning(settings, len(learned), wrong, data.groups[left_out], lambda: measure_costs(learner, split))
    views = views_that_fit(split, len(data.photos), settings.views)
    if plan.epochs and not views:
        plan = TuningPlan(0, "Not fine-tuned: what is kept of so many photos would not fit into memory.")
    return plan, views


def _notes(
    data: TrainingData, views: ViewFeatures, size: int, given: bool, log: Callable[[str], None]
) -> tuple[str, ...]:
    """What a person should know of how it was trained, a sentence each."""
    notes = []
    if views.levels:
        notes.append(
            "The labels' photos differ in resolution, which would give them away: every label is seen at "
            f"{', '.join(map(str, views.levels))} px alike."
        )
    enlarged = sum(min(photo.width, photo.height) < size for photo in data.photos)
    if enlarged > len(data.photos) / 2:
        notes.append(
            f"{enlarged:,} of {len(data.photos):,} photos are smaller than the {size} px that the network sees, and "
            f"were enlarged: photos are stored with {LONG_SIDE} px on the long side at most."
        )
    if given and data.leaks:
        notes.append(
            f"{count(data.leaks, 'photo')} of the validation photos that came with the set look like training photos "
            "(near-copies, crops, one page), so the error of new photos is higher than the one measured; without the "
            "split, or with --folds 5, such photos are kept together."
        )
    for note in notes:
        log(note)
    return tuple(notes)


def _left_out(damaged: int) -> tuple[str, ...]:
    return (f"{damaged} photo{'' if damaged == 1 else 's'} could not be opened, and had no part in it.",) * bool(
        damaged
    )


def _history_of_the_head(data: TrainingData, logits: np.ndarray, unseen: np.ndarray) -> EpochMetrics:
    """Its only row where nothing but the head was trained: by the photos judged, or by those it learned from."""
    judged = np.flatnonzero(np.isfinite(unseen).all(axis=1)) if data.folds else data.rows(VALIDATION)
    rows, by = (judged, unseen) if len(judged) else (data.rows(TRAIN), logits)
    return history_row(0, by[rows], data.actual[rows])
