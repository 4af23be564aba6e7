"""How good a learner is on photos it was not trained on: error rate with its interval, per label, and the worst misses.

All of it from logits [N, L] and labels [N]; nothing here knows of networks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mirror.inference.classifier import softmax
from mirror.model_schema import LabelMetrics, Metrics, TopLoss, Validation
from mirror.training.linear_probe import cross_entropy

CONFIDENCE = 0.95
TOP_LOSSES = 12


def wilson_interval(errors: int, photos: int, confidence: float = CONFIDENCE) -> tuple[float, float]:
    """The score interval of a rate (Wilson 1927): honest for few photos and for rates near 0, unlike ±1.96 sigma."""
    from statistics import NormalDist

    if photos == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    rate, spread = errors / photos, z * z / photos
    middle = (rate + spread / 2) / (1 + spread)
    half = z / (1 + spread) * (rate * (1 - rate) / photos + spread / (4 * photos)) ** 0.5
    return (0.0 if errors == 0 else middle - half), (1.0 if errors == photos else middle + half)


def confusion_matrix(actual: np.ndarray, predicted: np.ndarray, labels: int) -> np.ndarray:
    """[L, L] counts: rows actual, columns predicted."""
    counts = np.zeros((labels, labels), dtype=int)
    np.add.at(counts, (actual, predicted), 1)
    return counts


def measure(
    logits: np.ndarray,
    actual: np.ndarray,
    labels: Sequence[str],
    trained_on: Sequence[int] | np.ndarray,
    files: Sequence[tuple[str, str | None]],
    folds: int | None = None,
) -> Metrics:
    """The metrics of photos that were not learned from. logits [N, L], actual [N]: their labels as indices in `labels`;
    trained_on [L]: training photos a label; files [N]: (file name, URL) of each; folds: in so many the photos took
    turns in being left out."""
    logits = np.asarray(logits, dtype=np.float64)
    predicted = logits.argmax(axis=1) if len(actual) else actual
    losses, probabilities = cross_entropy(logits, actual), softmax(logits)
    matrix = confusion_matrix(actual, predicted, len(labels))
    errors = int((predicted != actual).sum())
    per_label = {}
    for i, label in enumerate(labels):
        right, answered, photos = int(matrix[i, i]), int(matrix[:, i].sum()), int(matrix[i].sum())
        per_label[label] = LabelMetrics(
            train=int(trained_on[i]),
            validation=photos,
            precision=right / answered if answered else None,
            recall=right / photos if photos else None,
        )
    worst = sorted(range(len(actual)), key=lambda i: (-losses[i], files[i][0]))[:TOP_LOSSES]
    return Metrics(
        validation=Validation(
            photos=len(actual),
            errors=errors,
            error_rate=errors / len(actual) if len(actual) else 0.0,
            interval=wilson_interval(errors, len(actual)),
            confidence=CONFIDENCE,
            loss=float(losses.mean()) if len(actual) else None,
            folds=folds,
        ),
        labels=per_label,
        confusion_matrix=tuple(tuple(int(n) for n in row) for row in matrix),
        top_losses=tuple(
            TopLoss(
                file_name=files[i][0],
                url=files[i][1],
                label=labels[actual[i]],
                predicted=labels[predicted[i]],
                probability=float(probabilities[i, predicted[i]]),
                loss=float(losses[i]),
            )
            for i in worst
        ),
    )
