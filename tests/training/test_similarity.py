"""The bank of training photos and its threshold, against a slow reference."""

from __future__ import annotations

import numpy as np
import pytest

from mirror.training.similarity import MAX_BANK, REFUSED, K, bank_rows, fit_bank


def test_the_threshold_lets_95_in_100_training_photos_pass_against_the_others() -> None:
    random = np.random.default_rng(0)
    features = random.normal(size=(80, 6)).astype(np.float32) + 2
    groups = np.repeat(np.arange(40), 2)
    found = []
    for i, own in enumerate(features):
        cosines = [
            float(own @ other / np.linalg.norm(own) / np.linalg.norm(other))
            for j, other in enumerate(features)
            if groups[j] != groups[i]
        ]
        found.append(np.mean(sorted(cosines)[-K:]))
    bank = fit_bank(features, groups)
    assert bank.threshold == pytest.approx(np.quantile(found, REFUSED), abs=1e-6)
    assert bank.features.shape == (80, 6) and bank.k == K


def test_a_large_bank_is_thinned_the_same_way_each_time() -> None:
    one, two, other = (bank_rows(MAX_BANK + 50, seed) for seed in (5, 5, 6))
    assert len(set(one)) == MAX_BANK and np.array_equal(one, two) and not np.array_equal(one, other)
    assert bank_rows(40, 5).tolist() == list(range(40))


@pytest.mark.parametrize(("rows", "groups"), [(3, [0, 1, 2]), (6, [0] * 6)])
def test_without_enough_strangers_there_is_no_bank(rows: int, groups: list[int]) -> None:
    assert fit_bank(np.ones((rows, 2), np.float32), groups) is None
