"""What most hits agree about is the label's, whatever share of them it is, as long as its queries agree about it."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from mirror.search_doctor.hit_groups import alike, alike_groups, group_hits


def cluster(seed: int, count: int, axis: int, spread: float = 0.5) -> np.ndarray:
    """Unit vectors around an axis of 64; those of one axis have a cosine of about 1 / (1 + spread²)."""
    vectors = np.random.default_rng(seed).normal(0, spread / 8, (count, 64))
    vectors[:, axis] += 1
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def hits(*parts: tuple[int, int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Vectors and query numbers of (query, axis, count)."""
    vectors = [cluster(seed, count, axis) for seed, (_, axis, count) in enumerate(parts)]
    return np.concatenate(vectors), np.concatenate([np.full(count, query) for query, _, count in parts])


@pytest.mark.parametrize(
    ("parts", "own", "off"),
    [
        pytest.param([(0, 0, 20)], 1, set(), id="all agree"),
        pytest.param([(0, 0, 14), (0, 1, 6)], 1, {1}, id="a group of another thing"),
        pytest.param([(0, 0, 14), (0, 1, 2), (0, 2, 1), (0, 3, 1)], 1, {1, 2, 3}, id="single pictures"),
        pytest.param([(0, 0, 8), (0, 1, 12), (1, 0, 18), (1, 2, 2)], 2, {1, 2}, id="most of one of two queries"),
        pytest.param(
            [(0, 0, 8), (0, 1, 12), (1, 0, 15)], 1, {1}, id="most of the only one, where other words disagree"
        ),
        pytest.param([(0, 0, 12), (0, 1, 2), (1, 1, 20)], 1, {1}, id="words that were tried find nothing of it"),
        pytest.param([(0, 0, 12), (1, 1, 1)], 2, {1}, id="a query of one hit"),
        pytest.param([(n, 0, 1) for n in range(5)], 5, set(), id="queries of one hit each"),
    ],
)
def test_off_topic_is_what_does_not_agree(parts: list[tuple[int, int, int]], own: int, off: set[int]) -> None:
    vectors, query = hits(*parts)
    axes = np.concatenate([np.full(count, axis) for _, axis, count in parts])
    grouping = group_hits(vectors, query, own)
    assert set(axes[grouping.off_topic[grouping.group]].tolist()) == off
    assert not set(axes[~grouping.off_topic[grouping.group]].tolist()) & off


def test_groups_are_numbered_by_size_and_agreement_is_in_units_of_the_core() -> None:
    vectors, query = hits((0, 1, 3), (0, 0, 9), (0, 2, 1))
    grouping = group_hits(vectors, query, 1)
    assert grouping.group.tolist() == [1] * 3 + [0] * 9 + [2]
    assert grouping.group_agreement[0] == pytest.approx(1, abs=0.15) and abs(grouping.group_agreement[1:]).max() < 0.3
    assert grouping.core.sum() == 4 and set(grouping.group[grouping.core]) == {0}


def test_how_much_the_hits_of_a_query_agree_with_each_other_and_with_the_other_queries() -> None:
    vectors, query = hits((0, 0, 12), (1, 0, 9), (2, 1, 9), (3, 2, 1), (4, 0, 6))
    grouping = group_hits(vectors, query, own=4)  # the last words were only tried
    assert grouping.among[[0, 1, 2, 4]] == pytest.approx(1, abs=0.2) and np.isnan(grouping.among[3])
    assert grouping.between[[0, 1, 4]] == pytest.approx(1, abs=0.2) and grouping.between[2] < 0.3
    alone = group_hits(*hits((0, 0, 12)), own=1)
    assert alone.among == pytest.approx([1], abs=0.2) and np.isnan(alone.between).all()


def test_two_labels_are_alike_as_far_as_their_hits_are() -> None:
    first, same, other = cluster(1, 12, 0), cluster(2, 12, 0), cluster(3, 12, 1)
    assert alike(first, same) == pytest.approx(1, abs=0.1)
    assert abs(alike(first, other)) < 0.2


@pytest.mark.parametrize(
    ("pairs", "groups"),
    [
        pytest.param([], [], id="none"),
        pytest.param([("a", "b", 0.9)], [("ab", 0.9)], id="two"),
        pytest.param([("a", "c", 0.9), ("a", "d", 0.8), ("c", "d", 0.95)], [("acd", 0.8)], id="three, each of each"),
        pytest.param([("a", "b", 0.9), ("b", "c", 0.8)], [("ab", 0.9), ("bc", 0.8)], id="a chain is not one group"),
        pytest.param([(*pair, 0.9) for pair in combinations("abcdef", 2)], [("abcdef", 0.9)], id="six"),
    ],
)
def test_labels_that_all_look_alike_are_told_together(
    pairs: list[tuple[str, str, float]], groups: list[tuple[str, float]]
) -> None:
    assert alike_groups(pairs) == [(list(labels), share) for labels, share in groups]
