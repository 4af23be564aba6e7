"""Hits of one label → groups of what they show, how much they agree, and which are off topic. Arithmetic alone.

Nobody has labelled the hits, so what a label means is what most of its hits agree about:

    typical     a hit is as typical as it is similar to the most similar quarter of each query's hits, queries averaged:
                what every query of a label finds counts for more than what one finds, and what words find that were
                only tried (class_words.py) for half
    core        the most typical third of the hits of the label's own queries
    agreement   a hit's similarity to the core, in units of the core's similarity to itself: about 1 for what the label
                means, about 0 for anything else
    of a query  how typical its hits are, on average, in the same unit: by its other hits, and by those of the label's
                other queries
    off topic   a group whose hits agree less than OFF_TOPIC on average

Where most hits of every query are something else (a brand, a person of that name), the core is that: the contact sheet
shows it, and no figure does. benchmarks/doctor.py measured other scores, and chose the numbers by words that were left
out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

TYPICAL_QUARTER = 0.75  # quantile of a hit's similarities
TRIED_WEIGHT = 0.5
CORE_SHARE = 1 / 3  # of the hits
GROUP_DISTANCE = 0.8  # cosine distance up to which average linkage joins groups
OFF_TOPIC = 0.29  # agreement


@dataclass(frozen=True)
class Grouping:
    """Of N hits. agreement: [N]; group: [N], numbers from 0, the largest group first; group_agreement, off_topic: [G];
    core: [N] bool; cohesion: the similarity (cosine) of the core to itself, what an agreement of 1 is; among, between:
    [Q], the agreement of a query's hits with each other, and with those of the label's other own queries; NaN where
    there are none."""

    agreement: np.ndarray
    group: np.ndarray
    group_agreement: np.ndarray
    off_topic: np.ndarray
    core: np.ndarray
    cohesion: float
    among: np.ndarray
    between: np.ndarray


def group_hits(vectors: np.ndarray, query: np.ndarray, own: int) -> Grouping:
    """vectors: [N, D] of length 1; query: [N], the number of the query that found each; own: how many of the queries,
    the first, are the label's own, which found 2 hits or more."""
    similar = vectors @ vectors.T
    np.fill_diagonal(similar, np.nan)
    core = _core(similar, query, own)
    towards = np.nanquantile(similar[:, core], TYPICAL_QUARTER, axis=1)
    cohesion = max(float(np.median(towards[core])), 1e-6)
    agreement = towards / cohesion
    group = _groups(vectors)
    means = np.array([agreement[group == number].mean() for number in range(group.max() + 1)])
    among, between = _queries_agree(similar, query, own)
    return Grouping(agreement, group, means, means < OFF_TOPIC, core, cohesion, among / cohesion, between / cohesion)


def _queries_agree(similar: np.ndarray, query: np.ndarray, own: int) -> tuple[np.ndarray, np.ndarray]:
    """Of each query [Q]: the mean over its hits of how similar they are to the most similar quarter of its other hits,
    and of those of the other own queries."""
    numbers = np.arange(query.max() + 1)
    among, between = np.full((2, len(numbers)), np.nan)
    for number in numbers:
        mine, others = query == number, (query != number) & (query < own)
        if mine.sum() > 1:
            among[number] = np.nanquantile(similar[np.ix_(mine, mine)], TYPICAL_QUARTER, axis=1).mean()
        if mine.any() and others.any():
            between[number] = np.nanquantile(similar[np.ix_(mine, others)], TYPICAL_QUARTER, axis=1).mean()
    return among, between


def _core(similar: np.ndarray, query: np.ndarray, own: int) -> np.ndarray:
    """[N] bool: the most typical hits, at least 2."""
    numbers, sizes = np.unique(query, return_counts=True)
    numbers = numbers[sizes > 1]  # one hit says nothing of itself
    if not len(numbers):
        numbers, query = np.array([0]), np.zeros_like(query)
    towards = [np.nanquantile(similar[:, query == number], TYPICAL_QUARTER, axis=1) for number in numbers]
    weights = np.where(numbers < own, 1.0, TRIED_WEIGHT)
    typical = np.average(towards, axis=0, weights=weights)
    candidates = np.flatnonzero(query < own)
    size = max(2, round(len(candidates) * CORE_SHARE))
    core = candidates[np.argsort(-typical[candidates], kind="stable")[:size]]
    # Two things that are found as often may both be typical: the one that is most of the core takes all of it
    typical = np.nanmedian(similar[:, core], axis=1)
    core = candidates[np.argsort(-typical[candidates], kind="stable")[:size]]
    return np.isin(np.arange(len(similar)), core)


def _groups(vectors: np.ndarray) -> np.ndarray:
    """[N]: average linkage by cosine distance; numbered by size, then by the first hit."""
    from sklearn.cluster import AgglomerativeClustering

    clustering = AgglomerativeClustering(
        n_clusters=None, metric="cosine", linkage="average", distance_threshold=GROUP_DISTANCE
    )
    found = clustering.fit_predict(vectors.astype(np.float64))
    _, first, sizes = np.unique(found, return_index=True, return_counts=True)
    rank = np.empty(len(sizes), int)
    rank[np.lexsort((first, -sizes))] = np.arange(len(sizes))
    return rank[found]


def alike(first: np.ndarray, second: np.ndarray) -> float:
    """How alike two labels' cores look, [N, D] and [M, D]: the similarity of one to the other in units of that within
    them. 1: no difference is seen; 0: nothing in common."""
    within = [float(np.median(_off_diagonal(vectors))) for vectors in (first, second)]
    return float(np.median(first @ second.T)) / max(float(np.mean(within)), 1e-6)


def alike_groups(pairs: Sequence[tuple[str, str, float]]) -> list[tuple[list[str], float]]:
    """Labels that all look alike, from the pairs that do: each group with how alike the least alike two of it are; as
    few groups as come of going through the pairs once. A pair of three numbers is (label, other, how alike)."""
    likeness = {frozenset((one, other)): share for one, other, share in pairs}
    labels = list(dict.fromkeys(label for one, other, _ in pairs for label in (one, other)))
    groups: list[list[str]] = []
    for one, other, _ in pairs:
        if not any(one in group and other in group for group in groups):
            group = [one, other]
            for label in labels:
                if label not in group and all(frozenset((label, each)) in likeness for each in group):
                    group.append(label)
            groups.append(sorted(group, key=labels.index))
    return [(group, min(likeness[frozenset(pair)] for pair in combinations(group, 2))) for group in groups]


def _off_diagonal(vectors: np.ndarray) -> np.ndarray:
    similar = vectors @ vectors.T
    return similar[~np.eye(len(similar), dtype=bool)]
