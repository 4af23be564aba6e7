"""What is known of a trained model before it is published: error, temperature, and which photos to doubt.

Only what was said of photos by something that had not learned from them counts (`Trained.unseen`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np

from mirror.collect.issue_files import PhotoIssue, PhotoPrediction
from mirror.collect.metadata import TRAIN
from mirror.inference.classifier import softmax
from mirror.model_schema import Calibration, EpochMetrics, Metrics
from mirror.training.calibration import HeldOut, calibrate
from mirror.training.label_issues import HeldOutPredictions, find_issues
from mirror.training.metrics import measure
from mirror.training.recipe import TrainedModel


@dataclass(frozen=True)
class Evaluation:
    """temperature: to serve with, and what every figure and probability here is by; predictions: of every photo that
    was checked; suspects: the most suspicious first."""

    temperature: float
    metrics: Metrics
    predictions: list[PhotoPrediction]
    suspects: list[PhotoIssue]


def evaluate(trained: TrainedModel, unseen: np.ndarray, seed: int) -> Evaluation:
    """unseen [N, L]: `trained.unseen`, with the logits of the network that ships in place of the learner's."""
    judged, photos = trained.judged, trained.photos
    temperature, calibration = _calibrated(trained, unseen, seed)
    trained_on = {label: sum(photos[i].label == label for i in trained.rows(TRAIN)) for label in trained.labels}
    metrics = measure(
        unseen[judged] / temperature, [photos[i] for i in judged], trained.labels, trained_on, folds=trained.folds
    )
    history = tuple(EpochMetrics(**row) for row in trained.history)
    metrics = dataclasses.replace(metrics, calibration=calibration, history=history)
    probabilities = np.full(unseen.shape, np.nan)
    probabilities[trained.checked] = softmax(unseen[trained.checked], temperature)
    said = [(i, int(probabilities[i].argmax())) for i in trained.checked]
    return Evaluation(
        temperature,
        metrics,
        [
            PhotoPrediction(
                photos[i].file_name, photos[i].label, trained.labels[k], probabilities[i, k], photos[i].split
            )
            for i, k in said
        ],
        find_issues(HeldOutPredictions(photos, trained.labels, probabilities, trained.features, trained.groups)),
    )


def _calibrated(trained: TrainedModel, unseen: np.ndarray, seed: int) -> tuple[float, Calibration | None]:
    """The temperature is fitted out of fold where the folds' heads are as the one that ships, and judged by validation
    photos. A network that was fine-tuned is another one, and its only unseen photos serve for both."""

    def held_out(rows: np.ndarray) -> HeldOut:
        return HeldOut(unseen[rows], trained.actual[rows], trained.groups[rows])

    judged = trained.judged
    if trained.folds:
        return calibrate(held_out(judged), None, "out-of-fold", seed)
    if trained.tuned:
        return calibrate(held_out(judged), None, "validation", seed)
    own = np.intersect1d(trained.checked, trained.rows(TRAIN))
    return calibrate(held_out(own), held_out(judged) if len(judged) else None, "out-of-fold", seed)
