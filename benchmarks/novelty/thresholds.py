"""Rules that set a threshold from the training photos' similarities to each other: the benchmark's contenders."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from mirror.export.novelty import threshold_of

SHARE = 0.05  # of real photos, to be refused


def quantile(similarities: np.ndarray) -> float:
    """The sample quantile, numpy's default: rank 1 + 0.05 (n - 1)."""
    return float(np.quantile(similarities, SHARE))


def expected_quantile(similarities: np.ndarray) -> float:
    """Rank 0.05 (n + 1), interpolated: refuses 5 % of further photos on average over all draws (Weibull 1939)."""
    return float(np.quantile(similarities, SHARE, method="weibull"))


def strict_quantile(similarities: np.ndarray) -> float:
    """The same for 3 %."""
    return float(np.quantile(similarities, 0.03, method="weibull"))


def lowest(similarities: np.ndarray) -> float:
    return float(similarities.min())


def normal(similarities: np.ndarray) -> float:
    """Of a normal distribution: the bound that one further photo keeps with 95 % (Student's t)."""
    return _bound(similarities)


def normal_of_arctanh(similarities: np.ndarray) -> float:
    """The same of Fisher's z, for cosines end at 1."""
    return float(np.tanh(_bound(np.arctanh(np.clip(similarities, -0.999, 0.999)))))


def tolerance(similarities: np.ndarray) -> float:
    """Of a normal distribution: at most 5 % lie below in 75 draws of 100 (one-sided tolerance bound)."""
    from scipy import stats

    count = len(similarities)
    factor = stats.nct.ppf(0.75, count - 1, stats.norm.ppf(1 - SHARE) * count**0.5) / count**0.5
    return float(similarities.mean() - factor * similarities.std(ddof=1))


def _bound(values: np.ndarray) -> float:
    from scipy import stats

    count = len(values)
    return float(values.mean() - stats.t.ppf(1 - SHARE, count - 1) * values.std(ddof=1) * (1 + 1 / count) ** 0.5)


RULES: dict[str, Callable[[np.ndarray], float]] = {
    "sample 5 % quantile": quantile,
    "expected 5 % quantile": expected_quantile,
    "expected 3 % quantile": strict_quantile,
    "lowest": lowest,
    "normal": normal,
    "normal of arctanh": normal_of_arctanh,
    "normal, 75 % tolerance": tolerance,
    "two lower deviations below the median (ships)": threshold_of,
}
