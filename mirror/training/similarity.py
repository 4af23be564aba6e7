"""How alike a photo must be to the training photos to be one of theirs: the bank and its threshold.

A photo's similarity is the mean cosine of its pooled features with its k nearest training photos' (deep nearest
neighbours: Sun et al. 2022, arXiv 2204.06507). The threshold is the similarity that 95 % of the training photos reach
when each is compared with the others only, its own copies and neighbours left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

K = 3
REFUSED = 0.05  # of real photos, the price of refusing the others
MAX_BANK = 2000  # photos: 4 MB of ResNet-18 features, 10 MB of EfficientNet-Lite0 ones


@dataclass(frozen=True)
class Bank:
    """features [M, D] float32 of the photos compared with; a photo below `threshold` is unlike all of them."""

    features: np.ndarray
    k: int
    threshold: float


def bank_rows(photos: int, seed: int) -> np.ndarray:
    """The places of the photos that are compared with, of so many: all, or MAX_BANK drawn with `seed`."""
    if photos <= MAX_BANK:
        return np.arange(photos)
    return np.sort(np.random.default_rng(seed).choice(photos, MAX_BANK, replace=False))


def fit_bank(features: np.ndarray, groups: Sequence[int]) -> Bank | None:
    """features [N, D] of the serving views of the photos at `bank_rows`, as the network that ships gives them;
    groups [N]: photos that belong together are not compared.

    None where there are too few groups for k neighbours.
    """
    bank, groups = features.astype(np.float32), np.asarray(groups)
    unit = bank / np.maximum(np.linalg.norm(bank, axis=1, keepdims=True), 1e-12)
    cosines = unit @ unit.T
    cosines[groups[:, None] == groups[None]] = -np.inf
    if len(bank) <= K:
        return None
    nearest = np.sort(cosines, axis=1)[:, -K:]
    found = nearest.mean(axis=1)
    found = found[np.isfinite(found)]
    if not len(found):
        return None
    return Bank(bank, K, float(np.quantile(found, REFUSED)))
