"""The evaluation: which photos each figure counts, and that nothing counts a photo that was learned from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import confusion_matrix, log_loss

from mirror.training.evaluation import evaluate
from mirror.training.recipe import TrainedModel
from mirror.training.training_data import TrainingData
from tests.support.training import honest, photo

LABELS = ("a", "b", "c")


def trained(photos: int = 240, held: int = 60, sure: float = 1.0, folds: int | None = None, **changes) -> TrainedModel:
    """Logits that stand for the labels' true probabilities, made `sure` times as sure; the last `held` photos are for
    validation. What was learned from has logits that are always right."""
    said = honest(photos, 3, seed=1)
    rows = [photo(i, LABELS[label]) for i, label in enumerate(said.actual)]
    rows = [replace(row, split="validation" if i >= photos - held else "train") for i, row in enumerate(rows)]
    known = 9 * np.eye(3)[said.actual]
    # Each feature for itself, so that no photo is like another
    given = {"features": np.eye(photos, dtype=np.float32), "width": photos, "unseen": sure * said.logits}
    return TrainedModel(None, TrainingData(rows, LABELS, said.groups, folds), logits=known, **(given | changes))


def test_the_error_counts_validation_photos_and_the_temperature_is_fitted_on_the_others() -> None:
    found = trained(sure=3)
    evaluation = evaluate(found, found.unseen, seed=0)
    validation, calibration = evaluation.metrics.validation, evaluation.metrics.calibration
    assert (validation.photos, validation.folds) == (60, None)
    assert (calibration.fitted_on, calibration.photos, calibration.source) == (180, 60, "out-of-fold")
    assert evaluation.temperature == pytest.approx(3, rel=0.3)
    actual, said = found.data.actual[180:], found.unseen[180:]
    assert np.array_equal(evaluation.metrics.confusion_matrix, confusion_matrix(actual, said.argmax(axis=1)))
    assert validation.loss == pytest.approx(log_loss(actual, softmax(said / evaluation.temperature, axis=1)))
    assert validation.loss == pytest.approx(calibration.after.nll.value)
    assert evaluation.metrics.labels["a"].train == int((found.data.actual[:180] == 0).sum())


def test_with_folds_every_photo_counts() -> None:
    found = trained(held=0, folds=5)
    found.unseen[7] = np.nan  # never left out
    evaluation = evaluate(found, found.unseen, seed=0)
    assert (evaluation.metrics.validation.photos, evaluation.metrics.validation.folds) == (239, 5)
    assert (evaluation.metrics.calibration.fitted_on, evaluation.metrics.calibration.photos) == (239, 239)
    assert sum(map(sum, evaluation.metrics.confusion_matrix)) == 239
    predicted = {one.file_name for one in evaluation.predictions}
    assert len(predicted) == 239 and found.data.photos[7].file_name not in predicted


def test_a_network_that_was_fine_tuned_is_calibrated_by_its_validation_photos() -> None:
    found = trained(held=120, sure=3, epochs=3)
    found.unseen[:120] = 50 * found.logits[:120]  # the frozen body's heads say nothing of it
    evaluation = evaluate(found, found.unseen, seed=0)
    calibration = evaluation.metrics.calibration
    assert (calibration.source, calibration.fitted_on, calibration.photos) == ("validation", 120, 120)
    assert evaluation.temperature == pytest.approx(3, rel=0.35)


def test_without_anything_held_out_there_is_no_error_but_a_temperature() -> None:
    found = trained(held=0)
    evaluation = evaluate(found, found.unseen, seed=0)
    assert evaluation.metrics.validation.photos == 0 and evaluation.metrics.calibration.photos == 240
    nothing = trained(held=0, unseen=np.full((240, 3), np.nan))
    evaluation = evaluate(nothing, nothing.unseen, seed=0)
    assert (evaluation.temperature, evaluation.metrics.calibration, evaluation.predictions) == (1, None, ())
    assert evaluation.issues == ()


def test_predictions_and_doubts_are_by_the_temperature_that_serves() -> None:
    found = trained(sure=3)
    evaluation = evaluate(found, found.unseen, seed=0)
    shares = softmax(found.unseen / evaluation.temperature, axis=1)
    for i, one in enumerate(evaluation.predictions):
        assert (one.file_name, one.split) == (found.data.photos[i].file_name, found.data.photos[i].split)
        assert one.predicted == LABELS[shares[i].argmax()] and one.probability == pytest.approx(shares[i].max())
    disputed = {one.file_name: one.score for one in evaluation.issues if one.issue == "disputed"}
    wrong = np.flatnonzero(shares.argmax(axis=1) != found.data.actual)
    assert disputed == {
        found.data.photos[i].file_name: pytest.approx(1 - shares[i, found.data.actual[i]]) for i in wrong
    }


def test_the_same_photos_and_seed_give_the_same_evaluation() -> None:
    found = trained(sure=3)
    assert evaluate(found, found.unseen, 4) == evaluate(found, found.unseen, 4)
    assert evaluate(found, found.unseen, 4) != evaluate(found, found.unseen, 5)  # the intervals' draws
