"""Photos that belong together, by all that is known of them, and labels that are one group."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from mirror.collect import assign_splits, collect_from_folder
from mirror.images import load_image
from mirror.training.backbones import find_backbone
from mirror.training.groups import ALIKE, BLOCKS, alike_from, close_pairs, group_alike, in_blocks
from mirror.training.learner import Start
from mirror.training.linear_probe import fold_numbers
from mirror.training.training_data import TrainingData
from mirror.training.view_features import FeatureExtractor, ViewFeatures, extract_features
from tests.learners import PACKAGED_ARCH as ARCH
from tests.support.arrow_model import arrow
from tests.support.training import photo

SIZE = 128
PHOTOS = Path(__file__).resolve().parents[2] / "../shared/data/waterfowl"


def quiet(*_: object) -> None:
    pass


def crop(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = image.size
    return image.crop((round(left * width), round(top * height), round(right * width), round(bottom * height)))


ALTERED = {
    "cropped by 30 %": lambda image: crop(image, 0.15, 0.15, 0.85, 0.85),
    "a corner": lambda image: crop(image, 0.25, 0.25, 1, 1),
    "cropped and mirrored": lambda image: ImageOps.mirror(crop(image, 0.15, 0.15, 0.85, 0.85)),
    "turned and cropped": lambda image: crop(image.rotate(5, Image.Resampling.BICUBIC), 0.12, 0.12, 0.88, 0.88),
}


def seen(place: Path, source: Path) -> tuple[TrainingData, ViewFeatures]:
    """The photos below `source` with their features, as the recipe has them."""
    with collect_from_folder(place / "photos", source, log=quiet) as folder:
        data = TrainingData.of(assign_splits(folder.photos, seed=1))
    found = find_backbone(ARCH, None, SIZE, SIZE, quiet)
    start = Start(folder.path, data.labels, found.architecture, found.state, found.source, SIZE, 7)
    extractor = FeatureExtractor(start.body(), folder.path, found.architecture, SIZE, quiet)
    return data, extract_features(extractor, data, np.arange(len(data.photos)), views=3, seed=7)


@pytest.fixture(scope="module")
def copied(tmp_path_factory: pytest.TempPathFactory) -> tuple[TrainingData, ViewFeatures]:
    """Forty photos, and altered copies of sixteen of them."""
    if not PHOTOS.is_dir():
        pytest.skip(f"{PHOTOS} is not here: drawings have no features to speak of")
    place = tmp_path_factory.mktemp("copied")
    for label in ("cygnet", "duckling"):
        (place / "in" / label).mkdir(parents=True)
        for number, file in enumerate(sorted((PHOTOS / label).iterdir())):
            image = load_image(file)
            image.save(place / "in" / label / f"{number}.png")
            if number < 2 * len(ALTERED):
                name = list(ALTERED)[number // 2]
                ALTERED[name](image).save(place / "in" / label / f"{number} {name}.png")
    return seen(place, place / "in")


def test_crops_and_turned_copies_that_no_hash_finds_belong_to_their_originals(copied) -> None:
    data, views = copied
    grouped, _ = group_alike(data, views)
    numbers = {row.url: int(group) for row, group in zip(grouped.photos, grouped.groups, strict=True)}
    by_hash = {row.url: int(group) for row, group in zip(data.photos, data.groups, strict=True)}
    copies = [(url[: url.index(" ")] + ".png", url) for url in numbers if " " in url]
    assert len(copies) == 16
    assert sum(by_hash[one] != by_hash[other] for one, other in copies) >= 12, "hashes alone find them"
    assert sum(numbers[one] != numbers[other] for one, other in copies) <= 1
    assert len(set(numbers.values())) >= 36, "different photos are taken for copies"


def test_no_copy_is_on_both_sides_of_a_split_or_fold(copied) -> None:
    data, views = copied
    data, views = group_alike(data, views)
    apart = data.held_apart()
    sides: dict[int, set[str]] = {}
    for row, group in zip(apart.photos, apart.groups, strict=True):
        sides.setdefault(int(group), set()).add(row.split)
    assert all(len(side) == 1 for side in sides.values()) and apart.leaks == 0
    fold = views.out_of_fold(np.arange(len(data.photos)), 4, seed=1).fold
    assert all(len(set(fold[data.groups == group])) == 1 for group in np.unique(data.groups))


def test_a_split_that_came_with_the_photos_is_kept_and_its_leaks_are_counted() -> None:
    rows = [
        replace(photo(n, "ab"[n % 2]), split="validation" if n > 3 else "train", split_given=True) for n in range(8)
    ]
    data = TrainingData.of(rows)  # by label: 0, 2 learned from, 4, 6 held out, then 1, 3, 5, 7
    data = replace(data, groups=np.array([0, 1, 0, 3, 4, 5, 6, 7]))
    assert data.held_apart().photos == data.photos
    assert data.leaks == 1


def test_pairs_are_those_of_views_and_none_of_a_photo_with_itself() -> None:
    random = np.random.default_rng(0)
    features, views = random.normal(size=(30, 64)), np.repeat(np.arange(30), 2)
    seen_twice = np.repeat(features, 2, axis=0) + 0.01 * random.normal(size=(60, 64))
    seen_twice[41] = seen_twice[7]  # a view of photo 20 is one of photo 3
    labels = np.arange(30) % 2
    assert {(i, j) for _, i, j in close_pairs(seen_twice, views, labels, 0.9)} == {(3, 20)}


def frames(label: str, count: int, first: int = 0) -> list:
    return [replace(photo(first + n, label), url=f"{label}/frame_{n}.jpg") for n in range(count)]


def test_a_label_of_one_group_is_cut_into_blocks_of_neighbouring_files() -> None:
    data = TrainingData.of([*frames("mug", 40), *frames("none", 40, 40)])
    groups, blocks = in_blocks(data, np.zeros(80, int))
    assert blocks == ("mug", "none") and len(set(groups)) == 2 * BLOCKS
    for label in blocks:
        order = sorted((row for row in range(80) if data.photos[row].label == label),
                       key=lambda row: int(data.photos[row].url.split("_")[1][:-4]))  # fmt: skip
        in_order = groups[order].tolist()
        assert in_order == sorted(in_order) and set(Counter(in_order).values()) == {8}
    assert (fold_numbers(data.actual, groups, 5, 0) >= 0).all()


@pytest.mark.parametrize(
    ("groups", "blocks"),
    [
        ([0] * 39 + [1], ("mug",)),
        ([0] * 20 + [1] * 20, ()),  # two sessions: one is judged by the other
        (list(range(40)), ()),
        ([0] * 10 + list(range(1, 31)), ()),
    ],
)
def test_only_a_label_that_is_nearly_one_group_is(groups: list[int], blocks: tuple[str, ...]) -> None:
    data = TrainingData.of([*frames("mug", 40), *frames("none", 40, 40)])
    every = np.array([*groups, *range(100, 140)])
    found, names = in_blocks(data, every)
    assert names == blocks and np.array_equal(found[40:], every[40:])
    assert blocks or np.array_equal(found, every)


def test_drawings_that_are_all_much_the_same_to_the_network_do_not_belong_together(tmp_path: Path) -> None:
    for label in ("left", "right"):
        (tmp_path / "drawn" / label).mkdir(parents=True)
        for seed in range(20):
            arrow(label, seed).save(tmp_path / "drawn" / label / f"{seed}.png")
    data, views = seen(tmp_path, tmp_path / "drawn")
    grouped, _ = group_alike(data, views)
    assert max(Counter(grouped.groups.tolist()).values()) <= 8 and grouped.blocks == ()
    assert alike_from(views.last.features, views.photo, data.actual) > ALIKE


def test_photographs_are_alike_from_where_they_always_were(tmp_path: Path) -> None:
    data, views = seen(tmp_path, PHOTOS)
    assert alike_from(views.last.features, views.photo, data.actual) == ALIKE
