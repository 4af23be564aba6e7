"""Folds: who is left out when, and that what is said of a photo is said by a head that never saw its group."""

from __future__ import annotations

import numpy as np
import pytest

from mirror.training.feature_cache import ViewFeatures
from mirror.training.folds import fold_numbers, out_of_fold
from mirror.training.linear_probe import fit_probe


def clouds(labels: int, each: int, seed: int = 0, width: int = 10) -> ViewFeatures:
    """Two views of each photo, the first being serving's."""
    random = np.random.default_rng(seed)
    actual = np.repeat(np.arange(labels), each)
    photo = np.repeat(np.arange(len(actual)), 2)
    centres = 1.5 * random.normal(size=(labels, width))
    features = (centres[actual[photo]] + random.normal(size=(len(photo), width))).astype(np.float32)
    serving = np.arange(len(photo)) % 2 == 0
    ones = np.ones(len(photo))
    return ViewFeatures(features, photo, ones, serving, serving, actual, np.arange(len(actual)))


@pytest.mark.parametrize("labels,each,folds", [(2, 8, 5), (2, 40, 5), (3, 9, 3), (7, 8, 10), (2, 20, 2)])
def test_every_photo_is_left_out_once_and_every_label_is_in_every_fold_that_can_have_it(labels, each, folds) -> None:
    actual = np.repeat(np.arange(labels), each)
    number = fold_numbers(actual, np.arange(len(actual)), folds, seed=3)
    assert set(number) == set(range(min(folds, each)))
    counts = np.array([np.bincount(actual[number == fold], minlength=labels) for fold in set(number)])
    assert counts.max() - counts.min() <= 1
    assert np.array_equal(number, fold_numbers(actual, np.arange(len(actual)), folds, seed=3))
    assert not np.array_equal(number, fold_numbers(actual, np.arange(len(actual)), folds, seed=4))


def test_groups_are_left_out_whole() -> None:
    random = np.random.default_rng(1)
    groups = random.integers(0, 30, 200)
    actual = random.integers(0, 3, 200)
    number = fold_numbers(actual, groups, 5, seed=0)
    for group in np.unique(groups):
        assert len(set(number[groups == group])) == 1


@pytest.mark.parametrize(
    ("name", "groups", "never"),
    [
        ("a label of one group", [0, 1, 2, 3, 4, 5, 9, 9, 9, 9], [6, 7, 8, 9]),
        ("a group of two labels, one of which has no other", [0, 1, 2, 3, 4, 9, 9, 9, 9, 9], [5, 6, 7, 8, 9]),
        ("one group", [0] * 10, list(range(10))),
    ],
)
def test_what_cannot_be_left_out_never_is(name: str, groups: list[int], never: list[int]) -> None:
    actual = np.array([0] * 6 + [1] * 4)
    number = fold_numbers(actual, np.array(groups), 5, seed=0)
    assert np.flatnonzero(number < 0).tolist() == never, name
    assert sorted(set(number[number >= 0])) == list(range(number.max() + 1))


@pytest.mark.parametrize("labels", [2, 4])
def test_each_photo_is_judged_by_the_head_of_the_others(labels: int) -> None:
    seen = clouds(labels, 10)
    rows = np.arange(len(seen.labels))
    logits = out_of_fold(seen, rows, 4, seed=5)
    number = fold_numbers(seen.labels, seen.groups, 4, seed=5)
    for fold in range(4):
        inside = np.isin(seen.photo, np.flatnonzero(number != fold))
        place = seen.photo[inside]
        head = fit_probe(
            seen.features[inside], seen.labels[place], np.ones(inside.sum()), place, base=seen.serving[inside], seed=5
        )
        assert np.array_equal(logits[number == fold], head.logits(seen.features[::2][number == fold]))


def test_photos_that_are_not_asked_about_are_neither_judged_nor_learned_from() -> None:
    seen = clouds(2, 12)
    rows = np.concatenate([np.arange(8), np.arange(12, 20)])
    logits = out_of_fold(seen, rows, 4, seed=0)
    assert np.isfinite(logits[rows]).all() and np.isnan(np.delete(logits, rows, axis=0)).all()
    others = clouds(2, 12, seed=9).features  # what the rest look like changes nothing
    features = np.where(np.isin(seen.photo, rows)[:, None], seen.features, others)
    changed = ViewFeatures(features, seen.photo, seen.weight, seen.plain, seen.serving, seen.labels, seen.groups)
    assert np.array_equal(out_of_fold(changed, rows, 4, seed=0)[rows], logits[rows])


def test_labels_drawn_at_random_are_not_learned_out_of_fold() -> None:
    random = np.random.default_rng(2)
    seen = clouds(2, 60)
    noise = ViewFeatures(
        random.normal(size=seen.features.shape).astype(np.float32), seen.photo, seen.weight, seen.plain, seen.serving,
        random.permutation(seen.labels), seen.groups,
    )  # fmt: skip
    logits = out_of_fold(noise, np.arange(120), 5, seed=0)
    assert 0.35 < np.mean(logits.argmax(axis=1) == noise.labels) < 0.65
