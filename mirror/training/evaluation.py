"""What is known of a trained model before it is published: error, temperature, and which photos to doubt.

Only predictions for photos that the predictor had not learned from count (`TrainedModel.unseen`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from mirror.collect.issue_files import PhotoIssue, PhotoPrediction
from mirror.collect.photo_records import TRAIN
from mirror.inference.classifier import softmax
from mirror.metrics_schema import Calibration, Metrics
from mirror.model_schema import Novelty
from mirror.training.calibration import HeldOut, calibrate
from mirror.training.label_issues import HeldOutPredictions, find_issues
from mirror.training.metrics import measure
from mirror.training.recipe import TrainedModel


@dataclass(frozen=True)
class Evaluation:
    """temperature: to serve with, and what every figure and probability here is by; novelty: when an image is none of
    the labels; predictions: of every photo that was checked; issues: the most suspicious photos first."""

    temperature: float
    metrics: Metrics
    novelty: Novelty | None = None
    predictions: tuple[PhotoPrediction, ...] = ()
    issues: tuple[PhotoIssue, ...] = ()


def evaluate(trained: TrainedModel, unseen: np.ndarray, seed: int) -> Evaluation:
    """unseen [N, L]: `trained.unseen`, with the logits of the network that ships in place of the learner's."""
    data, judged, checked = trained.data, trained.judged, trained.checked
    temperature, calibration = _calibrated(trained, unseen, seed)
    trained_on = np.bincount(data.actual[data.rows(TRAIN)], minlength=len(data.labels))
    metrics = measure(
        unseen[judged] / temperature,
        data.actual[judged],
        data.labels,
        trained_on,
        [(data.photos[i].file_name, data.photos[i].url or None) for i in judged],
        folds=data.folds,
        groups=data.groups[judged],
        blocks=data.blocks if data.folds else (),
    )
    metrics = dataclasses.replace(metrics, calibration=calibration, history=trained.history)
    probabilities = np.full(unseen.shape, np.nan)
    probabilities[checked] = softmax(unseen[checked], temperature)
    predictions = []
    for i in checked:
        photo, label = data.photos[i], int(probabilities[i].argmax())
        predictions.append(
            PhotoPrediction(photo.file_name, photo.label, data.labels[label], probabilities[i, label], photo.split)
        )
    evidence = HeldOutPredictions(data.photos, data.labels, probabilities, trained.last_layer, data.groups)
    return Evaluation(temperature, metrics, None, tuple(predictions), tuple(find_issues(evidence)))


def _calibrated(trained: TrainedModel, unseen: np.ndarray, seed: int) -> tuple[float, Calibration | None]:
    """The temperature is fitted out of fold where the folds' heads are as the one that ships, and judged by validation
    photos. A network that was fine-tuned is another one, and its only unseen photos serve for both."""
    data = trained.data

    def held_out(rows: np.ndarray) -> HeldOut:
        return HeldOut(unseen[rows], data.actual[rows], data.groups[rows])

    judged = trained.judged
    if data.folds:
        return calibrate(held_out(judged), None, "out-of-fold", seed)
    if trained.tuned:
        return calibrate(held_out(judged), None, "validation", seed)
    own = np.intersect1d(trained.checked, data.rows(TRAIN))
    return calibrate(held_out(own), held_out(judged) if len(judged) else None, "out-of-fold", seed)
