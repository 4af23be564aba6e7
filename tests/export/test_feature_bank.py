"""The bank of training photos and its threshold, against a slow reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from mirror.export.feature_bank import (
    MAX_BANK,
    OTHERS_WEIGHT,
    K,
    bank_rows,
    combined,
    describe,
    fit_feature_bank,
    folds,
    nearest,
    threshold_of,
    unit_rows,
)
from mirror.intervals import rate_interval
from mirror.model_schema import Novelty

RANDOM = np.random.default_rng(0)
REAL = RANDOM.normal(size=(80, 6)).astype(np.float32) + 2
PAIRS = np.repeat(np.arange(40), 2)
STRANGE = RANDOM.normal(size=(30, 6)).astype(np.float32) - 1


def cosine(one: np.ndarray, other: np.ndarray) -> float:
    one, other = one.astype(float), other.astype(float)
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def similarity(photo: np.ndarray, bank: Sequence[np.ndarray]) -> float:
    return float(np.mean(sorted(cosine(photo, row) for row in bank)[-K:]))


def among_each_other(rows: Sequence[int]) -> np.ndarray:
    """Of each photo of REAL at `rows`, compared with those at `rows` that are not of its pair."""
    return np.array([similarity(REAL[i], [REAL[j] for j in rows if PAIRS[j] != PAIRS[i]]) for i in rows])


def two_thresholds(rows: Sequence[int], others: Sequence[np.ndarray]) -> tuple[Callable[[float, float], float], float]:
    """What the photos of REAL at `rows` make of a photo's similarities to the labels' photos and to the others; and the
    threshold. The lesser of two: the first, and the first less half the second, set level at their thresholds."""
    own = among_each_other(rows)
    less = own - OTHERS_WEIGHT * np.array([similarity(REAL[i], others) for i in rows])
    level = threshold_of(own) - threshold_of(less)
    threshold = threshold_of(np.minimum(own, less + level))
    return lambda to_own, to_others: min(to_own, to_own - OTHERS_WEIGHT * to_others + level), threshold


def test_the_threshold_is_set_by_training_photos_compared_with_the_others_only() -> None:
    bank = fit_feature_bank(REAL, PAIRS)
    assert bank.threshold == pytest.approx(threshold_of(among_each_other(range(80))), abs=1e-6)
    assert bank.features.shape == (80, 6) and bank.k == K and bank.others is None and bank.others_refused is None


def test_real_photos_are_judged_by_a_threshold_they_had_no_part_in() -> None:
    refused = []
    for fold in range(5):
        outside = [i for i in range(80) if PAIRS[i] % 5 == fold]
        inside = [i for i in range(80) if i not in outside]
        threshold = threshold_of(among_each_other(inside))
        refused += [similarity(REAL[i], REAL[inside]) < threshold for i in outside]
    assert fit_feature_bank(REAL, PAIRS).real_refused.share == pytest.approx(np.mean(refused))


def test_with_photos_of_none_a_photo_must_pass_two_thresholds() -> None:
    bank = fit_feature_bank(REAL, PAIRS, STRANGE, np.arange(30))
    _, threshold = two_thresholds(range(80), STRANGE)
    assert bank.threshold == pytest.approx(threshold, abs=1e-6)
    assert np.array_equal(bank.others, STRANGE)
    own, strange = np.array([0.9, 0.9, 0.1]), np.array([0.2, 0.9, -1.0])
    np.testing.assert_allclose(combined(own, strange, 0.15), [0.9, 0.9 - (0.45 - 0.15), 0.1])
    again = fit_feature_bank(REAL, PAIRS, STRANGE, np.arange(30))
    assert (again.threshold, again.margin) == (bank.threshold, bank.margin)
    assert (again.real_refused.hits == bank.real_refused.hits).all()


def test_photos_of_none_are_judged_held_out_and_so_are_real_ones_beside_them() -> None:
    bank = fit_feature_bank(REAL, PAIRS, STRANGE, np.arange(30))
    refused = []
    for fold in range(5):
        outside, inside = STRANGE[fold::5], [STRANGE[i] for i in range(30) if i % 5 != fold]
        score, threshold = two_thresholds(range(80), inside)
        refused += [score(similarity(photo, REAL), similarity(photo, inside)) < threshold for photo in outside]
    assert 0 < bank.others_refused.share == pytest.approx(np.mean(refused))
    refused = []
    for fold in range(5):
        outside = [i for i in range(80) if PAIRS[i] % 5 == fold]
        inside = [i for i in range(80) if i not in outside]
        score, threshold = two_thresholds(inside, STRANGE)
        refused += [score(similarity(REAL[i], REAL[inside]), similarity(REAL[i], STRANGE)) < threshold for i in outside]
    assert 0 < bank.real_refused.share == pytest.approx(np.mean(refused))


THRESHOLDS = {
    "symmetric": ([1, 2, 3, 4, 5], 3 - 2 * ((4 + 1) / 2) ** 0.5),
    "what lies above does not count": ([1, 2, 3, 40, 500], 3 - 2 * ((4 + 1) / 2) ** 0.5),
    "an even number": ([1, 2, 4, 9], 3 - 2 * ((4 + 1) / 2) ** 0.5),
    "all alike": ([7, 7, 7], 7),
    "one": ([7], 7),
}


@pytest.mark.parametrize(("similarities", "threshold"), THRESHOLDS.values(), ids=THRESHOLDS)
def test_the_threshold_lies_two_deviations_of_the_lower_half_below_the_median(similarities, threshold) -> None:
    assert threshold_of(np.array(similarities, float)) == pytest.approx(threshold)


def test_few_further_photos_of_the_same_kind_lie_below_the_threshold() -> None:
    """Of a normal distribution: 2.3 % on average over draws of 200, little more over draws of 40."""
    random = np.random.default_rng(1)
    for photos, most in ((200, 0.027), (40, 0.036)):
        below = [(random.normal(size=2000) < threshold_of(random.normal(size=photos))).mean() for _ in range(200)]
        assert 0.02 < np.mean(below) < most


def test_what_is_written_down_of_a_bank() -> None:
    plain, sharpened = fit_feature_bank(REAL, PAIRS), fit_feature_bank(REAL, PAIRS, STRANGE, np.arange(30))
    assert describe(plain) == Novelty(
        "knn-cosine", K, plain.threshold, 80, plain.real_refused.share, rate_interval(plain.real_refused.hits, PAIRS)
    )
    assert describe(sharpened) == Novelty(
        "knn-cosine-less-others",
        K,
        sharpened.threshold,
        80,
        sharpened.real_refused.share,
        sharpened.real_refused.interval,
        30,
        sharpened.others_refused.share,
        rate_interval(sharpened.others_refused.hits),
    )


def test_a_large_bank_is_thinned_the_same_way_each_time() -> None:
    one, two, other = (bank_rows(MAX_BANK + 50, seed) for seed in (5, 5, 6))
    assert len(set(one)) == MAX_BANK and np.array_equal(one, two) and not np.array_equal(one, other)
    assert bank_rows(40, 5).tolist() == list(range(40))


@pytest.mark.parametrize(("rows", "groups"), [(3, [0, 1, 2]), (6, [0] * 6)], ids=["three photos", "one group"])
def test_without_enough_strangers_there_is_no_bank(rows: int, groups: list[int]) -> None:
    assert fit_feature_bank(np.ones((rows, 2), np.float32), groups) is None


def test_with_few_groups_there_is_a_bank_but_no_telling_how_good_it_is() -> None:
    bank = fit_feature_bank(REAL[:8], np.arange(8) // 2)
    assert np.isfinite(bank.threshold) and bank.real_refused is None


def test_folds_hold_whole_groups_and_each_photo_out_once() -> None:
    groups = np.array([0, 0, 1, 2, 2, 2, 3, 4, 5, 6, 0])
    out = []
    for inside, outside in folds(groups):
        assert sorted([*inside, *outside]) == list(range(11))
        assert not set(groups[inside]) & set(groups[outside])
        out += outside.tolist()
    assert sorted(out) == list(range(11))
    assert list(folds(np.arange(4))) == []


def test_rows_of_unit_length_and_the_nearest() -> None:
    rows = unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]]))
    np.testing.assert_allclose(rows, [[0.6, 0.8], [0, 0]], atol=1e-7)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(nearest(np.array([[0.1, 0.9, 0.5], [1.0, 0.0, -1.0]]), 2), [0.7, 0.5])
    assert nearest(np.ones((2, 2)), 3).tolist() == [-np.inf, -np.inf]
