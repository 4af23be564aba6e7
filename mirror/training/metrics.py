"""How good a learner is on photos it was not trained on: error rate with its interval, per label, and the worst misses.

All of it from logits [N, L] and labels [N]; nothing here knows of networks.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mirror.inference.classifier import softmax
from mirror.intervals import CONFIDENCE, rate_interval
from mirror.metrics_schema import LabelMetrics, Metrics, TopLoss, Validation
from mirror.training.linear_probe import cross_entropy

TOP_LOSSES = 12


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
    groups: np.ndarray | None = None,
    blocks: Sequence[str] = (),
) -> Metrics:
    """The metrics of photos that were not learned from. logits [N, L], actual [N]: their labels as indices in `labels`;
    trained_on [L]: training photos a label; files [N]: (file name, URL) of each; folds: in so many the photos took
    turns in being left out; groups [N]: the same number for photos that belong together, None: each is alone; blocks:
    labels of whose photos neighbouring ones were left out together, for want of more than one group."""
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
            interval=rate_interval(predicted != actual, groups),
            confidence=CONFIDENCE,
            loss=float(losses.mean()) if len(actual) else None,
            folds=folds,
            groups=None if groups is None else len(np.unique(groups)),
            blocks=tuple(blocks),
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
