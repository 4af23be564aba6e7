"""How good a learner is on photos it was not trained on: error rate with its interval, per label, and the worst misses.

All of it from logits [N, L] and labels [N]; nothing here knows of networks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mirror.collect.metadata import Photo
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
    photos: Sequence[Photo],
    labels: Sequence[str],
    trained_on: dict[str, int],
    folds: int | None = None,
) -> Metrics:
    """The metrics of photos that were not learned from. trained_on: training photos a label; folds: in so many the
    photos took turns in being left out."""
    places = {label: i for i, label in enumerate(labels)}
    actual = np.array([places[photo.label] for photo in photos], dtype=int)
    logits = np.asarray(logits, dtype=np.float64)
    predicted = logits.argmax(axis=1) if len(photos) else actual
    losses = cross_entropy(logits, actual)
    matrix = confusion_matrix(actual, predicted, len(labels))
    errors = int((predicted != actual).sum())
    per_label = {}
    for i, label in enumerate(labels):
        right, told, had = int(matrix[i, i]), int(matrix[:, i].sum()), int(matrix[i].sum())
        per_label[label] = LabelMetrics(
            train=trained_on.get(label, 0),
            validation=had,
            precision=right / told if told else None,
            recall=right / had if had else None,
        )
    probabilities = np.exp(logits - logits.max(axis=1, keepdims=True))
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    worst = sorted(range(len(photos)), key=lambda i: (-losses[i], photos[i].file_name))[:TOP_LOSSES]
    return Metrics(
        validation=Validation(
            photos=len(photos),
            errors=errors,
            error_rate=errors / len(photos) if len(photos) else 0.0,
            interval=wilson_interval(errors, len(photos)),
            confidence=CONFIDENCE,
            loss=float(losses.mean()) if len(photos) else None,
            folds=folds,
        ),
        labels=per_label,
        confusion_matrix=tuple(tuple(int(n) for n in row) for row in matrix),
        top_losses=tuple(
            TopLoss(
                file_name=photos[i].file_name,
                url=photos[i].url or None,
                label=photos[i].label,
                predicted=labels[predicted[i]],
                probability=float(probabilities[i, predicted[i]]),
                loss=float(losses[i]),
            )
            for i in worst
        ),
    )


def error_sentence(validation: Validation) -> str:
    """`error 3.1 % (95 % interval 1.2–7.6 %) on 153 photos`."""
    low, high = (100 * end for end in validation.interval)
    share = f"{100 * validation.confidence:g} %"
    return (
        f"error {100 * validation.error_rate:.1f} % ({share} interval {low:.1f}–{high:.1f} %) "
        f"on {validation.photos} photos"
    )
