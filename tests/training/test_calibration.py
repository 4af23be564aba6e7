"""Calibration against scikit-learn and scipy, and when a temperature is applied and when it is left alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from scipy.stats import bootstrap
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from mirror.training.calibration import (
    BINS,
    COLDEST,
    FEWEST,
    HOTTEST,
    HeldOut,
    calibrate,
    calibration_scores,
    cross_fitted,
    estimate,
    fit_temperature,
    reliability,
)
from tests.support.training import honest


@pytest.mark.parametrize("labels", [2, 3, 10])
@pytest.mark.parametrize("times", [0.5, 1.0, 3.0])
def test_the_temperature_is_scipys(labels: int, times: float) -> None:
    held = honest(400, labels).tempered(1 / times)
    missed = 1 / 402
    target = np.where(np.eye(labels)[held.actual] > 0, 1 - missed, missed / (labels - 1))

    def loss(log_temperature: np.ndarray) -> float:
        return -float((target * log_softmax(held.logits / np.exp(log_temperature), axis=1)).sum(axis=1).mean())

    expected = float(np.exp(minimize(loss, [0.0], method="Nelder-Mead", options={"xatol": 1e-7}).x[0]))
    assert fit_temperature(held) == pytest.approx(expected, rel=1e-3)
    assert fit_temperature(held) == pytest.approx(times, rel=0.25)


def test_the_temperature_stays_within_its_bounds() -> None:
    held = honest(300)
    assert fit_temperature(held.tempered(1 / 1000)) == pytest.approx(HOTTEST, rel=1e-3)
    assert fit_temperature(held.tempered(1000)) == pytest.approx(COLDEST, rel=1e-3)


def test_photos_that_are_all_told_apart_do_not_ask_for_certainty() -> None:
    actual = np.arange(40) % 2
    held = HeldOut(np.eye(2)[actual] * 8, actual, np.arange(40))
    confidence = softmax(held.logits / fit_temperature(held), axis=1).max()
    assert confidence == pytest.approx(1 - 1 / 42, abs=1e-3)  # the rule of succession, and no more


@pytest.mark.parametrize("labels", [2, 3, 10])
def test_the_scores_are_scikit_learns(labels: int) -> None:
    held = honest(300, labels, seed=1)
    shares = softmax(held.logits, axis=1)
    scores = calibration_scores(held, seed=0)
    assert scores.nll.value == pytest.approx(log_loss(held.actual, shares, labels=range(labels)))
    brier = sum(brier_score_loss(held.actual == label, shares[:, label]) for label in range(labels))
    assert scores.brier.value == pytest.approx(brier)
    sure, right = shares.max(axis=1), shares.argmax(axis=1) == held.actual
    accuracy, confidence = calibration_curve(right, sure, n_bins=BINS, strategy="uniform")
    bins = reliability(held)
    assert [b.accuracy for b in bins] == pytest.approx(accuracy.tolist())
    assert [b.confidence for b in bins] == pytest.approx(confidence.tolist())
    assert sum(b.photos for b in bins) == 300
    gap = sum(b.photos * abs(b.accuracy - b.confidence) for b in bins) / 300
    assert scores.ece.value == pytest.approx(gap)


def test_the_intervals_are_scipys_bootstrap() -> None:
    values = np.random.default_rng(3).exponential(size=120)
    found = estimate(values, np.arange(120), seed=0)
    reference = bootstrap((values,), np.mean, n_resamples=20000, method="percentile", rng=np.random.default_rng(1))
    width = reference.confidence_interval.high - reference.confidence_interval.low
    assert found.value == pytest.approx(values.mean())
    assert found.interval == pytest.approx(tuple(reference.confidence_interval), abs=0.08 * width)


def test_copies_do_not_make_an_interval_narrower() -> None:
    values = np.random.default_rng(4).exponential(size=60)
    once = estimate(values, np.arange(60), seed=0)
    copied = estimate(np.repeat(values, 5), np.repeat(np.arange(60), 5), seed=0)
    taken_for_new = estimate(np.repeat(values, 5), np.arange(300), seed=0)
    assert copied.interval == pytest.approx(once.interval)
    assert np.diff(taken_for_new.interval) < 0.6 * np.diff(once.interval)


@pytest.mark.parametrize("labels", [2, 5])
def test_a_model_too_sure_of_itself_is_corrected_and_judged_by_other_photos(labels: int) -> None:
    own, judged = honest(300, labels, seed=5).tempered(1 / 3), honest(300, labels, seed=6).tempered(1 / 3)
    temperature, found = calibrate(own, judged, "out-of-fold", seed=0)
    assert temperature == found.found == pytest.approx(3, rel=0.3)
    assert found.gain.interval[0] > 0 and found.after.nll.value < 0.8 * found.before.nll.value
    assert found.after.ece.value < 0.5 * found.before.ece.value
    assert found.before == calibration_scores(judged, 0)
    assert found.after == calibration_scores(judged.tempered(temperature), 0)
    assert (found.photos, found.fitted_on, found.source) == (300, 300, "out-of-fold")


@pytest.mark.parametrize(
    ("name", "own"),
    [
        ("nothing to correct", honest(300, seed=7)),
        ("nothing to correct, three labels", honest(200, 3, seed=8)),
        ("too few photos to show it", honest(FEWEST - 2, seed=9).tempered(1 / 3)),
        ("many photos of too few groups", replace(honest(300, seed=9).tempered(1 / 3), groups=np.arange(300) % 20)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_temperature_that_cannot_be_shown_to_help_is_not_applied(name: str, own: HeldOut) -> None:
    temperature, found = calibrate(own, None, "out-of-fold", seed=0)
    assert temperature == 1 and found.after == found.before
    assert found.found != 1  # what it would have been is told all the same


def test_judged_by_its_own_photos_each_has_a_temperature_fitted_without_it() -> None:
    own = honest(200, seed=10).tempered(1 / 3)
    temperature, found = calibrate(own, None, "out-of-fold", seed=0)
    crossed = cross_fitted(own, seed=0)
    assert temperature != 1 and len(set(crossed)) == 5 and np.abs(crossed - temperature).max() < 1
    assert found.after == calibration_scores(own.tempered(crossed), 0)
    assert calibrate(own, None, "out-of-fold", seed=0) == (temperature, found)


@pytest.mark.parametrize(("name", "photos"), [("none", 0), ("one", 1), ("eight of two labels", 8)])
def test_next_to_nothing_is_no_error(name: str, photos: int) -> None:
    held = honest(photos, seed=11) if photos else HeldOut(np.zeros((0, 2)), np.zeros(0, int), np.zeros(0, int))
    temperature, found = calibrate(held, None, "out-of-fold", seed=0)
    assert temperature == 1 and (found is None) == (photos == 0)
