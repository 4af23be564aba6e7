"""The head, against scikit-learn used directly."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from mirror.training.linear_probe import STRENGTHS, cross_entropy, fit_probe


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
