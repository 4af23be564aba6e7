"""The judge, against statsmodels, scikit-learn and numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix as reference_matrix
from sklearn.metrics import log_loss, precision_score, recall_score

from mirror.metric_sentences import error_sentence
from mirror.training.metrics import confusion_matrix, measure


def names(count: int) -> list[tuple[str, str | None]]:
    return [(f"{i}.jpg", None) for i in range(count)]


def test_metrics_agree_with_scikit_learn() -> None:
    random = np.random.default_rng(0)
    labels = ("a", "b", "c")
    actual = random.integers(0, 3, 60)
    logits = random.normal(size=(60, 3)) + 1.5 * np.eye(3)[actual]
    metrics = measure(logits, actual, labels, [5, 6, 7], names(60))
    predicted = logits.argmax(axis=1)
    probabilities = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert metrics.confusion_matrix == tuple(map(tuple, reference_matrix(actual, predicted).tolist()))
    assert metrics.validation.loss == pytest.approx(log_loss(actual, probabilities))
    assert metrics.validation.errors == int((actual != predicted).sum())
    for k, label in enumerate(labels):
        found = metrics.labels[label]
        assert found.precision == pytest.approx(precision_score(actual, predicted, labels=[k], average="macro"))
        assert found.recall == pytest.approx(recall_score(actual, predicted, labels=[k], average="macro"))
        assert (found.train, found.validation) == (5 + k, int((actual == k).sum()))


def test_top_losses_come_worst_first_with_file_and_url() -> None:
    logits = np.array([[3.0, 0.0], [0.0, 2.0], [5.0, 0.0]])
    files = [(f"{name}.jpg", f"https://e.example/{name}") for name in ("sure", "wrong", "very-wrong")]
    worst = measure(logits, np.array([0, 0, 1]), ("a", "b"), [0, 0], files).top_losses
    assert [found.file_name for found in worst] == ["very-wrong.jpg", "wrong.jpg", "sure.jpg"]
    assert (worst[0].label, worst[0].predicted, worst[0].url) == ("b", "a", "https://e.example/very-wrong")
    assert worst[0].probability == pytest.approx(1 / (1 + np.exp(-5)))
    assert worst[0].loss == pytest.approx(5 + np.log(1 + np.exp(-5)))


def test_a_label_never_predicted_has_no_precision() -> None:
    found = measure(np.array([[1.0, 0.0], [1.0, 0.0]]), np.array([0, 1]), ("a", "b"), [0, 0], names(2)).labels["b"]
    assert (found.precision, found.recall) == (None, 0.0)


def test_rows_are_actual_and_columns_predicted() -> None:
    assert confusion_matrix(np.array([0, 0, 1]), np.array([1, 1, 1]), 2).tolist() == [[0, 2], [0, 1]]


def test_the_summary_is_worded_as_documented() -> None:
    logits = np.tile([[1.0, 0.0]], (153, 1))
    logits[:6] = [0.0, 1.0]
    metrics = measure(logits, np.zeros(153, int), ("a", "b"), [0, 0], names(153))
    assert error_sentence(metrics.validation) == "error 3.9 % (95 % interval 1.5–8.3 %) on 153 photos"
