"""The interval of a rate: against statsmodels and scipy where photos are alone, by simulation where they are not."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest
from statsmodels.stats.proportion import proportion_confint

from mirror.intervals import design_effect, rate_interval


def counted(hits: int, photos: int) -> np.ndarray:
    return np.arange(photos) < hits


@pytest.mark.parametrize(("hits", "photos"), [(0, 8), (1, 8), (8, 8), (6, 153), (3, 100), (500, 10000)])
def test_of_lone_photos_it_is_statsmodels_and_scipys_exact_interval(hits: int, photos: int) -> None:
    for groups in (None, np.arange(photos)):
        found = rate_interval(counted(hits, photos), groups)
        assert found == pytest.approx(proportion_confint(hits, photos, method="beta"), abs=1e-9)
        assert found == pytest.approx(tuple(binomtest(hits, photos).proportion_ci(method="exact")), abs=1e-9)


def test_no_photos_tell_nothing() -> None:
    assert rate_interval(counted(0, 0)) == (0.0, 1.0)


@pytest.mark.parametrize(("hits", "photos"), [(0, 10), (2, 10), (5, 10), (10, 10)])
def test_groups_of_one_mind_count_as_one_photo_each(hits: int, photos: int) -> None:
    copies, groups = np.repeat(counted(hits, photos), 4), np.repeat(np.arange(photos), 4)
    assert design_effect(copies, groups) == pytest.approx(4)
    (low, high), (alone_low, alone_high) = rate_interval(copies, groups), rate_interval(counted(hits, photos))
    assert alone_low - 0.07 <= low <= alone_low and alone_high <= high <= alone_high + 0.07


def test_one_group_says_as_much_as_one_photo() -> None:
    assert rate_interval(counted(0, 40), np.zeros(40)) == rate_interval(counted(0, 1))


def test_groups_never_make_it_narrower_than_lone_photos_do() -> None:
    random = np.random.default_rng(0)
    for _ in range(200):
        hits, groups = random.random(60) < random.random(), random.integers(0, random.integers(1, 60), 60)
        assert design_effect(hits, groups) >= 1
        (low, high), (alone_low, alone_high) = rate_interval(hits, groups), rate_interval(hits)
        assert low <= alone_low and high >= alone_high


@pytest.mark.parametrize("sizes", [[2] * 20, [4] * 10, [1] * 40, [30] + [1] * 70, [20] + [5] * 4 + [1] * 40])
@pytest.mark.parametrize("alike", [0.0, 0.7, 1.0])
@pytest.mark.parametrize("rate", [0.02, 0.1, 0.3])
@pytest.mark.slow
def test_it_holds_the_truth_as_often_as_it_says(sizes: list[int], alike: float, rate: float) -> None:
    """alike: how often the photos of a group are right or wrong together. With Wilson's interval: 36 to 97 %."""
    random, groups = np.random.default_rng(1), np.repeat(np.arange(len(sizes)), sizes)
    held = 0
    for _ in range(400):
        together, own = random.random(len(sizes)) < rate, random.random(len(groups)) < rate
        of_one_mind = (random.random(len(sizes)) < alike)[groups]
        low, high = rate_interval(np.where(of_one_mind, together[groups], own), groups)
        held += low <= rate <= high
    assert held / 400 >= 0.93
