"""The views: what they show, what they weigh, and what resolution may tell."""

from __future__ import annotations

from collections import defaultdict

import numpy as np
import pytest
from PIL import Image

from mirror.inference.preprocess import preprocess
from mirror.model_schema import Preprocessing
from mirror.training.augmentation import View, plan_views, render, resolution_cue, resolution_levels

EVEN = ([(640, 480)] * 12, [0] * 6 + [1] * 6)
TELLING = ([(150, 120)] * 12 + [(640, 480)] * 10 + [(640, 480)] * 18, [0] * 22 + [1] * 18)


def masses(sizes, labels, **options) -> dict:
    found = defaultdict(float)
    for view in plan_views(sizes, labels, **options):
        found[labels[view.photo], view.level] += view.weight
    return found


def test_every_photo_is_seen_as_serving_sees_it_first() -> None:
    plan = plan_views(*EVEN, size=96, views=3, seed=1)
    assert [view.photo for view in plan] == sorted(3 * list(range(12)))
    assert all(plan[i].box is None for i in range(0, 36, 3))
    assert all(plan[i].box is not None for i in range(1, 36, 3))


def test_the_serving_view_has_the_very_pixels_of_serving() -> None:
    random = np.random.default_rng(0)
    how = Preprocessing(resize="crop", size=(96, 96), mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0))
    for size in [(640, 427), (427, 640), (97, 333), (96, 96), (61, 47)]:
        photo = Image.fromarray(random.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8))
        ours = np.asarray(render(photo, View(0), 96), dtype=np.float32).transpose(2, 0, 1) / 255
        assert np.array_equal(ours, preprocess(photo, how)), size


def test_same_seed_same_views_and_another_seed_others() -> None:
    assert plan_views(*EVEN, size=96, views=3, seed=1) == plan_views(*EVEN, size=96, views=3, seed=1)
    assert plan_views(*EVEN, size=96, views=3, seed=1) != plan_views(*EVEN, size=96, views=3, seed=2)


def test_labels_weigh_the_same_however_many_photos_they_have() -> None:
    found = masses([(640, 480)] * 12, [0] * 9 + [1] * 3, size=96, views=2, seed=1)
    assert found == pytest.approx({(0, None): 6.0, (1, None): 6.0})


def test_resolution_that_tells_labels_apart_is_levelled() -> None:
    found = masses(*TELLING, size=288, views=3, seed=1)
    levels = {level for _, level in found}
    assert None not in levels and min(levels) == 120 and max(levels) == 288
    for level in levels:
        assert found[0, level] == pytest.approx(found[1, level])
    assert sum(found.values()) == pytest.approx(40)


def test_no_photo_is_seen_at_more_than_it_has() -> None:
    for view in plan_views(*TELLING, size=288, views=3, seed=1):
        assert view.level <= min(TELLING[0][view.photo]) / 0.95


@pytest.mark.parametrize(
    ("name", "short", "cue"),
    [
        ("all alike", [100, 100, 100, 100], 0.0),
        ("fully telling", [50, 60, 300, 400], 0.5),
        ("mixed", [50, 300, 60, 400], 0.25),
    ],
)
def test_the_cue_is_the_distance_of_the_auc_from_chance(name: str, short: list[int], cue: float) -> None:
    assert resolution_cue(np.array(short), np.array([0, 0, 1, 1])) == pytest.approx(cue), name


def test_photos_that_are_all_larger_than_the_network_sees_need_no_levelling() -> None:
    assert resolution_levels(np.array([400, 410, 900, 950]), np.array([0, 0, 1, 1]), 288) == [None]


@pytest.mark.parametrize("labels", [2, 20, 200])
def test_labels_of_photos_of_any_resolution_are_rarely_levelled(labels: int) -> None:
    """Of 200 labels with 8 photos each one is always far from the others by chance: 95 % of draws were levelled."""
    random, of = np.random.default_rng(0), np.repeat(np.arange(labels), 8)
    levelled = sum(resolution_levels(random.integers(60, 300, len(of)), of, 288, seed) != [None] for seed in range(30))
    assert levelled <= 2  # 1 in 100


def test_one_sharp_photo_among_thumbnails_does_not_outweigh_them() -> None:
    sizes = [(150, 120)] * 79 + [(640, 480)] * 81
    weights = defaultdict(float)
    for view in plan_views(sizes, [0] * 80 + [1] * 80, size=288, views=3, seed=1):
        weights[view.photo] += view.weight
    of_label = [weights[photo] for photo in range(80)]
    assert max(of_label) <= 5 * np.mean(of_label)  # it was 33 of 80


def test_photos_of_any_size_are_learned_from() -> None:
    sizes = [(20, 16)] * 20 + [(640, 480)] * 20
    seen = {view.photo for view in plan_views(sizes, [0] * 20 + [1] * 20, size=96, views=2, seed=1)}
    assert seen == set(range(40))


def test_a_lower_level_loses_detail_and_keeps_the_frame() -> None:
    stripes = Image.fromarray(np.tile(np.array([0, 255], np.uint8), (256, 128))).convert("RGB")
    sharp, soft = (np.asarray(render(stripes, View(0, level), 256), float) for level in (None, 64))
    assert sharp.std() > 120 and soft.std() < 5
    assert sharp.mean() == pytest.approx(soft.mean(), abs=1)
