"""The verdict: which photos each figure counts, and that nothing counts a photo that was learned from."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.metrics import confusion_matrix, log_loss

from mirror.training.evaluation import evaluate
from mirror.training.recipe import TrainedModel
from tests.training.test_calibration import honest
from tests.training.test_label_issues import photo

LABELS = ("a", "b", "c")


def trained(photos: int = 240, held: int = 60, sure: float = 1.0, **changes) -> TrainedModel:
    """Logits that stand for the labels' true probabilities, made `sure` times as sure; the last `held` photos are for
    validation. What was learned from has logits that are always right."""
    said = honest(photos, 3, seed=1)
    rows = [photo(i, LABELS[label]) for i, label in enumerate(said.actual)]
    rows = [replace(row, split="validation" if i >= photos - held else "train") for i, row in enumerate(rows)]
    known = 9 * np.eye(3)[said.actual]
    # Each feature for itself, so that no photo is like another
    given = {"features": np.eye(photos, dtype=np.float32), "groups": said.groups, "unseen": sure * said.logits}
    return TrainedModel(None, LABELS, rows, logits=known, weights="w", **(given | changes))


def test_the_error_counts_validation_photos_and_the_temperature_is_fitted_on_the_others() -> None:
    found = trained(sure=3)
    verdict = evaluate(found, found.unseen, seed=0)
    validation, calibration = verdict.metrics.validation, verdict.metrics.calibration
    assert (validation.photos, validation.folds) == (60, None)
    assert (calibration.fitted_on, calibration.photos, calibration.source) == (180, 60, "out-of-fold")
    assert verdict.temperature == pytest.approx(3, rel=0.3)
    actual, said = found.actual[180:], found.unseen[180:]
    assert np.array_equal(verdict.metrics.confusion_matrix, confusion_matrix(actual, said.argmax(axis=1)))
    assert validation.loss == pytest.approx(log_loss(actual, softmax(said / verdict.temperature, axis=1)))
    assert validation.loss == pytest.approx(calibration.after.nll.value)
    assert verdict.metrics.labels["a"].train == int((found.actual[:180] == 0).sum())


def test_with_folds_every_photo_counts() -> None:
    found = trained(held=0, folds=5)
    found.unseen[7] = np.nan  # never left out
    verdict = evaluate(found, found.unseen, seed=0)
    assert (verdict.metrics.validation.photos, verdict.metrics.validation.folds) == (239, 5)
    assert (verdict.metrics.calibration.fitted_on, verdict.metrics.calibration.photos) == (239, 239)
    assert sum(map(sum, verdict.metrics.confusion_matrix)) == 239
    predicted = {one.file_name for one in verdict.predictions}
    assert len(predicted) == 239 and found.photos[7].file_name not in predicted


def test_a_network_that_was_fine_tuned_is_calibrated_by_its_validation_photos() -> None:
    found = trained(held=120, sure=3, tuned=True)
    found.unseen[:120] = 50 * found.logits[:120]  # the frozen body's heads say nothing of it
    verdict = evaluate(found, found.unseen, seed=0)
    calibration = verdict.metrics.calibration
    assert (calibration.source, calibration.fitted_on, calibration.photos) == ("validation", 120, 120)
    assert verdict.temperature == pytest.approx(3, rel=0.35)


def test_without_anything_held_out_there_is_no_error_but_a_temperature() -> None:
    found = trained(held=0)
    verdict = evaluate(found, found.unseen, seed=0)
    assert verdict.metrics.validation.photos == 0 and verdict.metrics.calibration.photos == 240
    nothing = trained(held=0, unseen=np.full((240, 3), np.nan))
    verdict = evaluate(nothing, nothing.unseen, seed=0)
    assert (verdict.temperature, verdict.metrics.calibration, verdict.predictions) == (1, None, [])
    assert verdict.suspects == []


def test_predictions_and_doubts_are_by_the_temperature_that_serves() -> None:
    found = trained(sure=3)
    verdict = evaluate(found, found.unseen, seed=0)
    shares = softmax(found.unseen / verdict.temperature, axis=1)
    for i, one in enumerate(verdict.predictions):
        assert (one.file_name, one.split) == (found.photos[i].file_name, found.photos[i].split)
        assert one.predicted == LABELS[shares[i].argmax()] and one.probability == pytest.approx(shares[i].max())
    disputed = {one.file_name: one.score for one in verdict.suspects if one.issue == "disputed"}
    wrong = np.flatnonzero(shares.argmax(axis=1) != found.actual)
    assert disputed == {found.photos[i].file_name: pytest.approx(1 - shares[i, found.actual[i]]) for i in wrong}


def test_the_same_photos_and_seed_give_the_same_verdict() -> None:
    found = trained(sure=3)
    assert evaluate(found, found.unseen, 4) == evaluate(found, found.unseen, 4)
    assert evaluate(found, found.unseen, 4) != evaluate(found, found.unseen, 5)  # the intervals' draws
