"""The head, against scikit-learn used directly."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from mirror.training.linear_probe import STRENGTHS, cross_entropy, fit_probe, fold_numbers


def clouds(labels: int, each: int = 30, width: int = 12, spread: float = 1.0, seed: int = 0):
    random = np.random.default_rng(seed)
    actual = np.repeat(np.arange(labels), each)
    centres = random.normal(size=(labels, width)) * 2
    features = centres[actual] + random.normal(size=(len(actual), width)) * spread
    return (5 + 3 * features).astype(np.float32), actual


def fitted(features, actual, **changes):
    count = len(actual)
    given = {"weights": np.ones(count), "groups": range(count), "base": np.ones(count, bool), "seed": 1} | changes
    return fit_probe(features, actual, **given)


@pytest.mark.parametrize("labels", [2, 3, 7])
def test_it_is_scikit_learns_regression_on_standardised_features(labels: int) -> None:
    features, actual = clouds(labels)
    head = fitted(features, actual)
    mean, deviation = features.mean(axis=0), np.sqrt(features.var(axis=0) + 1e-3)
    reference = LogisticRegression(C=head.strength, max_iter=5000, tol=1e-8).fit((features - mean) / deviation, actual)
    logits = head.logits(features)
    ours = np.exp(logits - logits.max(axis=1, keepdims=True))
    ours /= ours.sum(axis=1, keepdims=True)
    assert np.abs(ours - reference.predict_proba((features - mean) / deviation)).max() < 2e-3
    assert head.weight.shape == (labels, 12) and head.bias.shape == (labels,)


def test_many_labels_are_fitted_as_scikit_learn_fits_them_in_double_precision() -> None:
    features, actual = clouds(60, each=12, width=64)
    head = fitted(features, actual)
    mean, deviation = features.mean(axis=0), np.sqrt(features.var(axis=0) + 1e-3)
    scaled = ((features - mean) / deviation).astype(np.float64)
    reference = LogisticRegression(C=head.strength, max_iter=5000, tol=1e-8).fit(scaled, actual)
    assert np.mean(head.logits(features).argmax(axis=1) == reference.predict(scaled)) > 0.999
    loss = cross_entropy(head.logits(features).astype(np.float64), actual).mean()
    assert loss == pytest.approx(cross_entropy(reference.decision_function(scaled), actual).mean(), abs=2e-3)


def test_noise_asks_for_a_stricter_head_than_a_clear_matter() -> None:
    clear = fitted(*clouds(2, spread=0.3))
    random = np.random.default_rng(3)
    noise = fitted(random.normal(size=(60, 40)).astype(np.float32), np.repeat([0, 1], 30))
    assert clear.strength == max(STRENGTHS) and noise.strength == min(STRENGTHS)
    assert clear.loss < 0.1 < noise.loss


def test_groups_keep_copies_out_of_the_other_fold() -> None:
    random = np.random.default_rng(4)
    features = np.repeat(random.normal(size=(20, 50)).astype(np.float32), 3, axis=0)  # noise, each row three times
    actual = np.repeat(random.permutation(np.repeat([0, 1], 10)), 3)
    honest = fitted(features, actual, groups=np.repeat(np.arange(20), 3)).loss
    leaking = fitted(features, actual, groups=np.arange(60)).loss
    assert leaking < 0.3 and honest > 0.6


def test_weights_count_as_copies_do() -> None:
    features, actual = clouds(2, each=10)
    weights = np.where(actual == 0, 3.0, 1.0)
    copies = np.repeat(np.arange(20), weights.astype(int))
    one = fitted(features, actual, weights=weights)
    two = fitted(features[copies], actual[copies], groups=copies)
    assert one.strength == two.strength
    assert np.abs(one.logits(features) - two.logits(features)).max() < 0.02


def test_too_few_groups_to_cross_validate_still_give_a_head() -> None:
    head = fitted(*clouds(2, each=1, spread=0.1))
    assert head.loss is None and head.logits(clouds(2, each=1, spread=0.1)[0]).argmax(axis=1).tolist() == [0, 1]


def test_cross_entropy_survives_large_logits() -> None:
    assert cross_entropy(np.array([[1000.0, 0.0], [0.0, 1000.0]]), np.array([0, 0])) == pytest.approx([0.0, 1000.0])


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
