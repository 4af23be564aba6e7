"""Splits: nothing leaks, the share is met, and the order of the photos does not matter; over many random folders."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from random import Random

import pytest

from mirror.collect.near_duplicates import GROUP_DISTANCE, hamming
from mirror.collect.photo_records import FOLDER, Photo, rejection
from mirror.collect.splits import (
    MIN_PHOTOS_PER_LABEL,
    assign_splits,
    group_photos,
    require_enough,
    site_of,
    source_page,
    unvalidated_labels,
)
from mirror.errors import DatasetError
from tests.support.photo_folders import make_photo


def random_folder(random: Random) -> list[Photo]:
    """Two to four labels of 8 to 80 photos; copies, mirrored copies, shared pages, across labels as well."""
    photos: list[Photo] = []
    for label in ("cygnet", "duckling", "goose", "heron")[: random.randint(2, 4)]:
        for number in range(random.randint(8, 80)):
            bits, page = random.getrandbits(64), f"https://pages.example/{label}/{number}"
            kind = random.random()
            if photos and kind < 0.15:  # a copy, some bits away, of any photo so far
                bits = int(random.choice(photos).phash, 16)
                for bit in random.sample(range(64), random.randint(0, GROUP_DISTANCE)):
                    bits ^= 1 << bit
                if kind < 0.05:
                    bits ^= 0x5555555555555555
            elif photos and kind < 0.3:
                page = random.choice(photos).page_url
            photos.append(make_photo(number, label, f"{bits:016x}", page))
    return photos


def related(one: Photo, other: Photo) -> bool:
    mirror = f"{int(other.phash, 16) ^ 0x5555555555555555:016x}"
    near = min(hamming(one.phash, other.phash), hamming(one.phash, mirror)) <= GROUP_DISTANCE
    return near or one.page_url == other.page_url


@pytest.mark.parametrize("seed", range(40))
def test_no_copy_and_no_page_is_on_both_sides(seed: int) -> None:
    photos = assign_splits(random_folder(Random(seed)), seed=seed)
    held_out = [photo for photo in photos if photo.split == "validation"]
    trained = [photo for photo in photos if photo.split == "train"]
    assert len(held_out) + len(trained) == len(photos)
    assert not [(one.url, other.url) for one in held_out for other in trained if related(one, other)]


@pytest.mark.parametrize("seed", range(40))
def test_every_label_is_on_both_sides_near_a_fifth(seed: int) -> None:
    photos = assign_splits(random_folder(Random(seed)), seed=seed)
    total, held = Counter(photo.label for photo in photos), Counter(p.label for p in photos if p.split == "validation")
    largest = max(map(len, group_photos(photos)))
    for label, count in total.items():
        assert 1 <= held[label] < count
        # A group of several labels can leave a label short or over by its own size, and no more
        assert abs(held[label] - max(1, round(count * 0.2))) <= largest - 1, (label, count, held[label])
    assert unvalidated_labels(photos) == []


@pytest.mark.parametrize("seed", range(10))
def test_the_order_of_the_photos_does_not_matter_and_the_seed_does(seed: int) -> None:
    photos = random_folder(Random(seed))
    shuffled = Random(1).sample(photos, len(photos))
    splits = {photo.key: photo.split for photo in assign_splits(photos, seed=7)}
    again = assign_splits(shuffled, seed=7)
    assert {photo.key: photo.split for photo in again} == splits
    assert [photo.key for photo in again] == [photo.key for photo in shuffled]
    assert {photo.key: photo.split for photo in assign_splits(photos, seed=8)} != splits
    # Splits given earlier are no input, and nothing but the split changes
    assert assign_splits(again, seed=7) == again
    assert [replace(photo, split="") for photo in again] == shuffled


@pytest.mark.parametrize(
    ("count", "fraction", "held"),
    [(8, 0.2, 2), (10, 0.2, 2), (100, 0.2, 20), (101, 0.2, 20), (8, 0.01, 1), (8, 0.99, 7), (2, 0.5, 1), (1, 0.2, 0)],
)
def test_lone_photos_meet_the_share_exactly(count: int, fraction: float, held: int) -> None:
    photos = [make_photo(number, label) for label in ("cygnet", "duckling") for number in range(count)]
    splits = Counter((photo.label, photo.split) for photo in assign_splits(photos, seed=1, fraction=fraction))
    assert [splits[label, "validation"] for label in ("cygnet", "duckling")] == [held, held]


@pytest.mark.parametrize(
    ("sizes", "held"),
    [
        ([1] * 10, 2),
        ([2] * 5, 2),
        ([3, 3, 4], 3),  # 2 of 10 wanted; 3 is nearer than 4 or 0
        ([7, 1, 1, 1], 2),
        ([9, 1], 1),
        ([5, 5], 5),
        ([40, 9, 1], 10),
        ([6, 6, 6, 6, 6], 6),
    ],
)
def test_groups_meet_the_share_as_nearly_as_they_can(sizes: list[int], held: int) -> None:
    photos = []
    for page, size in enumerate(sizes):
        photos += [make_photo(len(photos) + n, page_url=f"https://pages.example/{page}") for n in range(size)]
    for seed in range(5):
        assert sum(photo.split == "validation" for photo in assign_splits(photos, seed=seed)) == held


def test_each_photo_is_held_out_about_as_often_as_any_other() -> None:
    photos = [make_photo(number) for number in range(20)]
    times = Counter(p.url for seed in range(500) for p in assign_splits(photos, seed=seed) if p.split == "validation")
    assert len(times) == 20
    assert 60 <= min(times.values()) and max(times.values()) <= 140  # 100 expected, standard deviation 9


def test_a_label_of_one_page_is_trained_on_and_named() -> None:
    photos = [make_photo(number, "cygnet", page_url="https://pages.example/all") for number in range(9)]
    photos += [make_photo(number, "duckling") for number in range(10)]
    splits = assign_splits(photos, seed=1)
    assert unvalidated_labels(splits) == ["cygnet"]
    assert {photo.split for photo in splits if photo.label == "cygnet"} == {"train"}


def test_a_label_that_shares_all_its_pages_is_still_held_out() -> None:
    """Three pages, each with both labels: the smallest goes to validation although it is more than a fifth."""
    photos = []
    for page, size in enumerate((2, 3, 4)):
        for label in ("cygnet", "duckling"):
            photos += [make_photo(10 * page + n, label, page_url=f"https://pages.example/{page}") for n in range(size)]
    held = Counter(photo.label for photo in assign_splits(photos, seed=3) if photo.split == "validation")
    assert held == {"cygnet": 2, "duckling": 2}


def test_photos_that_came_with_a_split_keep_it() -> None:
    photos = [make_photo(n, split_given=True, split="train" if n % 2 else "validation") for n in range(10)]
    assert assign_splits(photos, seed=1) == photos


@pytest.mark.parametrize(
    ("page_url", "page"),
    [
        ("", ""),
        ("about:blank", ""),
        ("bike/1/x.jpg", ""),
        ("https://photos.example", ""),
        ("https://photos.example/", ""),
        ("https://photos.example/?p=7", "photos.example/?p=7"),
        ("https://Photos.Example/Swans#nest", "photos.example/Swans?"),
        ("http://photos.example/Swans", "photos.example/Swans?"),
        (" https://photos.example/swans ", "photos.example/swans?"),
        ("https://[broken/x", ""),
    ],
)
def test_only_a_real_page_ties_photos_together(page_url: str, page: str) -> None:
    assert source_page(make_photo(1, page_url=page_url)) == page


@pytest.mark.parametrize(("step", "sizes"), [(12, [3, 1, 1]), (13, [1, 1, 1, 1, 1])])
def test_groups_follow_chains_and_flat_photos_stand_alone(step: int, sizes: list[int]) -> None:
    chain = [f"{(1 << bits) - 1:016x}" for bits in (0, step, 2 * step)]  # `step` bits apart, each from the next
    photos = [make_photo(number, phash=phash) for number, phash in enumerate(chain)] + [make_photo(8), make_photo(9)]
    assert [len(group) for group in group_photos(photos)] == sizes


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({}, "at least two labels and there is none"),
        ({"cygnet": 50}, "at least two labels and there is only 'cygnet'"),
        ({"cygnet": 50, "duckling": 7}, "at least 8 usable photos of every label but 'duckling' has 7"),
        ({"cygnet": 1, "duckling": 7, "goose": 8}, "'cygnet' has 1, 'duckling' has 7: raise --count"),
    ],
)
def test_too_few_photos_are_named(counts: dict[str, int], words: str) -> None:
    with pytest.raises(DatasetError) as caught:
        require_enough([make_photo(n, label) for label, count in counts.items() for n in range(count)])
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("kept", "lost", "words"),
    [
        (
            {"mug": 4, "no mug": 0}, {"mug": {"near-duplicate": 36}, "no mug": {"near-duplicate": 38, "too-small": 2}},
            "there is only 'mug'; of 'no mug' 40 were left out: 38 nearly the same as another photo, 2 too small: "
            "--keep-near-duplicates keeps",
        ),
        (
            {"mug": 4, "no mug": 8}, {"mug": {"http-404": 1}},
            "but 'mug' has 4 (1 was left out: 1 the server answered 404): raise --count",
        ),
        ({"a": 1, "b": 1, "c": 1, "d": 1, "e": 1, "f": 1, "g": 9}, {}, "'e' has 1, 1 more labels have too few: raise"),
    ],
)  # fmt: skip
def test_why_there_are_too_few_is_told(kept: dict[str, int], lost: dict[str, dict[str, int]], words: str) -> None:
    photos = [make_photo(n, label) for label, count in kept.items() for n in range(count)]
    left_out = [
        rejection(make_photo(100 + n, label), reason, "")
        for label, reasons in lost.items() for reason, count in reasons.items() for n in range(count)
    ]  # fmt: skip
    with pytest.raises(DatasetError) as caught:
        require_enough(photos, left_out)
    assert words in str(caught.value)


def test_of_a_persons_own_photos_no_search_is_advised() -> None:
    own = [make_photo(n, label, engine=FOLDER) for label, count in (("a", 9), ("b", 2)) for n in range(count)]
    with pytest.raises(DatasetError, match="but 'b' has 2: add photos of it\\."):
        require_enough(own)


def test_eight_of_each_are_enough() -> None:
    require_enough([make_photo(n, label) for label in ("cygnet", "duckling") for n in range(MIN_PHOTOS_PER_LABEL)])


@pytest.mark.parametrize("fraction", [0, 1, -0.2, 20])
def test_a_share_that_cannot_be_meant_is_refused(fraction: float) -> None:
    with pytest.raises(DatasetError, match="between 0 and 1"):
        assign_splits([make_photo(1)], seed=1, fraction=fraction)


@pytest.mark.parametrize(
    ("url", "site"),
    [
        ("https://Photos.example:8443/a.jpg", "photos.example"),
        (" http://b.example", "b.example"),
        ("cygnet/1.jpg", ""),
        ("ftp://c.example/a.jpg", ""),
        ("https://[broken/a.jpg", ""),
        ("https:///a.jpg", ""),
        ("", ""),
    ],
)
def test_the_site_of_an_address_is_its_host(url: str, site: str) -> None:
    assert site_of(url) == site
