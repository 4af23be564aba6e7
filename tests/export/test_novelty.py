"""The bank of training photos and its threshold, against a slow reference."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from mirror.export.novelty import (
    MAX_BANK,
    NEIGHBOURS,
    PLANE_STRENGTH,
    VARIANCE_FLOOR,
    bank_rows,
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
    return float(np.mean(sorted(cosine(photo, row) for row in bank)[-NEIGHBOURS:]))


def among_each_other(rows: Sequence[int]) -> np.ndarray:
    """Of each photo of REAL at `rows`, compared with those at `rows` that are not of its pair."""
    return np.array([similarity(REAL[i], [REAL[j] for j in rows if PAIRS[j] != PAIRS[i]]) for i in rows])


def plane_between(real: np.ndarray, strange: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Which side of photos of none a photo lies on: scikit-learn's own pipeline."""
    both = np.concatenate([real, strange]).astype(float)
    spread = np.sqrt(both.var(axis=0) + VARIANCE_FLOOR)
    model = LogisticRegression(C=PLANE_STRENGTH, class_weight="balanced", tol=1e-8, max_iter=10_000)
    model.fit((both - both.mean(axis=0)) / spread, [1] * len(real) + [0] * len(strange))
    return lambda photos: model.decision_function((photos - both.mean(axis=0)) / spread)


def refusing(rows: Sequence[int], others: np.ndarray) -> Callable[[np.ndarray], bool]:
    """Whether a photo is refused by either test, both set by the photos of REAL at `rows`, each left out in turn."""
    least = threshold_of(among_each_other(rows))
    places, turn = np.zeros(len(rows)), [list(dict.fromkeys(PAIRS[list(rows)])).index(PAIRS[i]) % 5 for i in rows]
    for fold in range(5):
        inside = [i for i, part in zip(rows, turn, strict=True) if part != fold]
        outside = [n for n, part in enumerate(turn) if part == fold]
        places[outside] = plane_between(REAL[inside], others)(REAL[[rows[n] for n in outside]])
    whole, level = plane_between(REAL[list(rows)], others), threshold_of(places)
    return lambda photo: similarity(photo, REAL[list(rows)]) < least or whole(photo[None])[0] < level


def test_the_threshold_is_set_by_training_photos_compared_with_the_others_only() -> None:
    bank = fit_feature_bank(REAL, PAIRS)
    assert bank.threshold == pytest.approx(threshold_of(among_each_other(range(80))), abs=1e-6)
    assert (
        bank.features.shape == (80, 6) and bank.k == NEIGHBOURS and bank.plane is None and bank.others_refused is None
    )


def test_real_photos_are_judged_by_a_threshold_they_had_no_part_in() -> None:
    refused = []
    for fold in range(5):
        outside = [i for i in range(80) if PAIRS[i] % 5 == fold]
        inside = [i for i in range(80) if i not in outside]
        threshold = threshold_of(among_each_other(inside))
        refused += [similarity(REAL[i], REAL[inside]) < threshold for i in outside]
    assert fit_feature_bank(REAL, PAIRS).real_refused.share == pytest.approx(np.mean(refused))


def test_with_photos_of_none_a_photo_must_pass_two_thresholds() -> None:
    bank, refused = fit_feature_bank(REAL, PAIRS, STRANGE, np.arange(30)), refusing(range(80), STRANGE)
    assert bank.others == 30
    photos = np.concatenate([REAL, STRANGE, -REAL])
    expected = [refused(photo) for photo in photos]
    assert (bank.similarity(photos) < bank.threshold).tolist() == expected and 0 < np.mean(expected) < 1
    again = fit_feature_bank(REAL, PAIRS, STRANGE, np.arange(30))
    assert again.threshold == bank.threshold and (again.similarity(photos) == bank.similarity(photos)).all()
    assert (again.real_refused.hits == bank.real_refused.hits).all()


def test_both_tests_are_on_one_scale() -> None:
    """The labels' photos lie around one place by either, and as far above the threshold."""
    bank = fit_feature_bank(REAL, PAIRS, STRANGE, np.arange(30))
    own = among_each_other(range(80))
    assert np.median(bank.plane.of(REAL)) == pytest.approx(np.median(own), abs=0.3 * (np.median(own) - bank.threshold))
    assert bank.threshold == pytest.approx(threshold_of(own), abs=1e-6)


def test_photos_of_none_are_judged_held_out_and_so_are_real_ones_beside_them() -> None:
    bank = fit_feature_bank(REAL, PAIRS, STRANGE, np.arange(30))
    hits = []
    for fold in range(5):
        refused = refusing(range(80), np.array([STRANGE[i] for i in range(30) if i % 5 != fold]))
        hits += [refused(photo) for photo in STRANGE[fold::5]]
    assert 0 < bank.others_refused.share == pytest.approx(np.mean(hits))
    hits = []
    for fold in range(5):
        outside = [i for i in range(80) if PAIRS[i] % 5 == fold]
        refused = refusing([i for i in range(80) if i not in outside], STRANGE)
        hits += [refused(REAL[i]) for i in outside]
    assert 0 < bank.real_refused.share == pytest.approx(np.mean(hits))


def test_near_strangers_are_refused_that_the_nearest_of_them_do_not_give_away() -> None:
    """What differs from the labels' photos in one direction alone is as near to them as they are to each other."""
    random = np.random.default_rng(2)
    real, strange = random.normal(size=(2, 200, 40)).astype(np.float32) + 2
    strange[:, 0] -= 5
    bank = fit_feature_bank(real, np.arange(200), strange[:100], np.arange(100))
    assert (bank.similarity(strange[100:]) < bank.threshold).mean() > 0.9 > bank.real_refused.share + 0.8
    plain = fit_feature_bank(real, np.arange(200))
    assert (plain.similarity(strange[100:]) < plain.threshold).mean() < 0.7


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
        "knn-cosine",
        NEIGHBOURS,
        plain.threshold,
        80,
        plain.real_refused.share,
        rate_interval(plain.real_refused.hits, PAIRS),
    )
    assert describe(sharpened) == Novelty(
        "knn-cosine-and-plane",
        NEIGHBOURS,
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
