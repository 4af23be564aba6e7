"""Whether to fine-tune: by what the head alone errs on, by the photos and by the time that there is."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from mirror.training.fine_tuning_plan import Costs, plan_tuning
from mirror.training.settings import TrainingSettings


def judgement(errors: int, photos: int) -> tuple[np.ndarray, np.ndarray]:
    """Which photos were wrong, each a group of its own."""
    return np.arange(photos) < errors, np.arange(photos)


def costs(second: float) -> Callable[[], Costs]:
    """Of a network whose last layers take a fifth of its time."""
    return lambda: Costs(article=second, first=second / 4, last=second / 5)


@pytest.mark.parametrize(
    ("settings", "photos", "errors", "judged", "second", "epochs", "by_the_clock", "says"),
    [
        ({}, 1000, 180, 1000, 0.1, 10, False, "10 epochs, about 8 min of at most 10 min: the new last layer alone"),
        ({}, 1000, 180, 1000, 10, 0, True, "3 epochs would take about 5 h 47 min, and 1 h 00 min are what there is"),
        ({}, 1000, 180, 1000, 1.5, 3, True, "3 epochs, about 52 min of at most 1 h 00 min"),
        ({}, 1000, 21, 1000, 0.1, 0, False, "errs on 2.1 % of the photos left out in turn (95 % interval 1.3–3.2 %)"),
        ({}, 1000, 0, 1000, 0.1, 0, False, "leaves too little to gain"),
        ({}, 80, 40, 80, 0.1, 0, False, "80 photos to learn from are too few to tell whether it helps"),
        ({}, 100, 0, 0, 0.1, 0, False, "too little to gain"),
        ({"minutes": 60}, 1000, 180, 1000, 0.1, 10, False, "10 epochs"),
        ({"minutes": 4}, 1000, 180, 1000, 0.1, 3, True, "3 epochs, about 3 min of at most 4 min"),
        ({"minutes": 0}, 1000, 180, 1000, 0.1, 0, True, "--epochs 10 takes the time"),
        ({"epochs": 0}, 1000, 180, 1000, 0.1, 0, False, "stays as it was, as --epochs 0 asks"),
        ({"epochs": 7}, 20, 0, 20, 0.1, 7, False, "for 7 epochs, as --epochs asks: about 7 s"),
        ({"folds": 5}, 1000, 180, 1000, 0.1, 5, True, "5 epochs"),
    ],
)
def test_it_is_tuned_where_it_may_pay(settings, photos, errors, judged, second, epochs, by_the_clock, says) -> None:
    plan = plan_tuning(TrainingSettings(**settings), photos, *judgement(errors, judged), costs(second))
    assert (plan.epochs, plan.by_the_clock) == (epochs, by_the_clock)
    assert says in plan.reason and plan.reason.count(". ") == 0


@pytest.mark.parametrize("second", [0.001, 0.1, 0.5])
def test_the_default_is_the_same_on_machines_of_any_speed(second: float) -> None:
    """The article's time is measured by the same clock; where the cap decides, that is recorded."""
    plan = plan_tuning(TrainingSettings(), 1000, *judgement(180, 1000), costs(second))
    assert plan.epochs == 10 and not plan.by_the_clock


def test_the_time_is_not_measured_where_nothing_depends_on_it() -> None:
    def never() -> Costs:
        raise AssertionError

    for photos, errors, epochs in ((50, 20, None), (1000, 1, None), (1000, 200, 0)):
        assert plan_tuning(TrainingSettings(epochs=epochs), photos, *judgement(errors, photos), never).epochs == 0


def test_photos_that_belong_together_count_as_what_they_are() -> None:
    """Of 200 photos 20 are wrong, all of them shots of one thing: that may be chance."""
    wrong = np.arange(200) < 20
    assert plan_tuning(TrainingSettings(), 200, wrong, np.arange(200), costs(0.1)).epochs
    assert not plan_tuning(TrainingSettings(), 200, wrong, np.arange(200) // 20, costs(0.1)).epochs
