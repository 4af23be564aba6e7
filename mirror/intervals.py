"""The interval of a rate that was counted on photos of which some belong together.

Forty photos of ten pages say less than forty of forty pages, for photos of one page are right or wrong together. How
much less is the design effect: the variance of the rate by the groups' totals over that of as many lone photos. Few
groups say little of it, so its geometric mean with the largest there can be (each group of one mind) is taken. The
interval is the exact one of Clopper and Pearson (1934) for the photos divided by it, and by what Student's t asks for
so few groups: that of Korn and Graubard (1998, Survey Methodology 24) for surveys with few clusters, groups of unlike
sizes counting as fewer equal ones. For lone photos it is Clopper and Pearson's itself.

benchmarks/training/coverage.py measures how often it holds the truth.
"""

from __future__ import annotations

import numpy as np

CONFIDENCE = 0.95


def rate_interval(
    hits: np.ndarray, groups: np.ndarray | None = None, confidence: float = CONFIDENCE
) -> tuple[float, float]:
    """The lower and the upper end of the rate of `hits` [N] (bool). groups [N]: the same number for photos that belong
    together; None: each is alone. (0.0, 1.0) for no photo."""
    from scipy.stats import beta, t

    hits = np.asarray(hits, dtype=float)
    if not len(hits):
        return 0.0, 1.0
    tail, photos = (1 - confidence) / 2, float(len(hits))
    if groups is not None:
        equal = len(hits) / largest_effect(groups)  # as many groups of one size say as much
        few = float((t.ppf(tail, len(hits) - 1) / t.ppf(tail, equal - 1)) ** 2) if equal > 1 else 0.0
        photos = max(1.0, few * len(hits) / design_effect(hits, groups))
    counted = float(hits.mean()) * photos
    low = float(beta.ppf(tail, counted, photos - counted + 1)) if hits.any() else 0.0
    high = float(beta.ppf(1 - tail, counted + 1, photos - counted)) if not hits.all() else 1.0
    return low, high


def largest_effect(groups: np.ndarray) -> float:
    """The design effect of groups of one mind: 1 where all are alone, N for one group of N."""
    sizes = np.unique(groups, return_counts=True)[1]
    return float((sizes**2).sum()) / len(groups)


def design_effect(hits: np.ndarray, groups: np.ndarray) -> float:
    """By how many photos one lone photo is outweighed, 1 where all are alone: see above."""
    _, group = np.unique(groups, return_inverse=True)
    sizes, totals = np.bincount(group), np.bincount(group, weights=hits)
    photos, number = len(hits), len(sizes)
    largest = largest_effect(groups)
    rate = float(hits.mean())
    alone = rate * (1 - rate) / photos
    if number < 2 or not alone:
        return largest  # nothing shows how alike those of a group are
    together = number / (number - 1) * float(((totals - rate * sizes) ** 2).sum()) / photos**2
    return float(np.sqrt(largest * np.clip(together / alone, 1, largest)))
