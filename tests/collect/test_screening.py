"""Hashes against a slow reference, distances on real copies, and what `screen` lets through."""

from __future__ import annotations

import hashlib
import io
import math
import random
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

from mirror.collect.near_duplicates import (
    GROUP_DISTANCE,
    MIN_CONTRAST,
    NEAR_DISTANCE,
    UNRELATED,
    HashIndex,
    connected_components,
    contrast,
    hamming,
    near_pairs,
    perceptual_hash,
)
from mirror.collect.screening import screen
from mirror.errors import ImageTooLarge, ImageTooSmall, NotAnImage
from mirror.images import encode_jpeg, load_image, shrink
from tests.world import draw_photo, encode, near_copy

SHARED = Path(__file__).resolve().parents[2] / "../shared/data"


def slow_phash(image: Image.Image) -> str:
    """phash written out: the DCT-II of a 32 x 32 grey image as its defining sum, 8 x 8 signs around the median."""
    pixels = np.asarray(image.convert("L").resize((32, 32), Image.Resampling.LANCZOS), dtype=float)
    table = np.empty((8, 8))
    for v in range(8):
        for u in range(8):
            table[v, u] = 4 * sum(
                pixels[y, x] * math.cos(math.pi * v * (2 * y + 1) / 64) * math.cos(math.pi * u * (2 * x + 1) / 64)
                for y in range(32)
                for x in range(32)
            )
    ordered = sorted(table.ravel())
    median = (ordered[31] + ordered[32]) / 2
    bits = "".join("1" if value > median else "0" for value in table.ravel())
    return f"{int(bits, 2):016x}"


@pytest.mark.parametrize("seed", range(4))
def test_the_hash_is_what_the_definition_says(seed: int) -> None:
    photo = draw_photo("cygnet", seed)
    assert perceptual_hash(photo) == slow_phash(photo)


def test_the_hash_of_a_real_photo_is_what_the_definition_says() -> None:
    path = SHARED / "ants_bees/val/ants/desert_ant.jpg"
    if not path.exists():
        pytest.skip("../shared/data is not here")
    image = load_image(path)
    assert perceptual_hash(image) == slow_phash(image)


COPIES = {
    "re-encoded at quality 30": lambda photo: load_image(encode_jpeg(photo, None, 30)),
    "half size": lambda photo: shrink(photo, 160),
    "smaller and brighter": near_copy,
    "grey": lambda photo: photo.convert("L").convert("RGB"),
    "cropped 2 %": lambda photo: photo.crop((3, 2, photo.width - 3, photo.height - 2)),
}


@pytest.mark.parametrize("name", COPIES)
def test_copies_are_near(name: str) -> None:
    for seed in range(10):
        photo = draw_photo("duckling", seed)
        assert hamming(perceptual_hash(photo), perceptual_hash(COPIES[name](photo))) <= NEAR_DISTANCE


def test_different_photos_are_far() -> None:
    hashes = [perceptual_hash(draw_photo(kind, seed)) for kind in ("cygnet", "duckling") for seed in range(40)]
    assert near_pairs(hashes, GROUP_DISTANCE) == []


def test_a_mirrored_photo_is_no_copy_but_is_recognised() -> None:
    for seed in range(10):
        photo = draw_photo("cygnet", seed)
        hashes = [perceptual_hash(photo), perceptual_hash(ImageOps.mirror(photo))]
        assert hamming(*hashes) > GROUP_DISTANCE
        assert near_pairs(hashes, GROUP_DISTANCE) == []
        assert near_pairs(hashes, GROUP_DISTANCE, mirror=True) == [(0, 1)]


@pytest.mark.parametrize(
    ("one", "other", "bits"),
    [
        ("0000000000000000", "0000000000000000", 0),
        ("0000000000000001", "0000000000000000", 1),
        ("ffffffffffffffff", "0000000000000000", 64),
        ("8000000000000000", "0000000000000001", 2),
        ("", "0000000000000000", UNRELATED),
        ("", "", UNRELATED),
    ],
)
def test_hamming(one: str, other: str, bits: int) -> None:
    assert hamming(one, other) == hamming(other, one) == bits


def test_flat_photos_have_no_hash_and_are_nobodys_copy() -> None:
    grey = Image.new("RGB", (100, 100), (120, 120, 120))
    rng = np.random.default_rng(1)
    grainy = Image.fromarray(rng.integers(115, 126, (200, 200, 3), dtype=np.uint8))
    for flat in (grey, grainy):
        assert contrast(flat) < MIN_CONTRAST
        assert perceptual_hash(flat) == ""
    index = HashIndex()
    index.add("grey", "")
    assert index.near("") == [] and index.near("0000000000000000", 64) == []
    assert near_pairs(["", "", "0000000000000000"], 64) == []


def test_the_index_agrees_with_comparing_one_by_one() -> None:
    rng = np.random.default_rng(7)
    hashes = [f"{int(value):016x}" for value in rng.integers(0, 2**63, 300, dtype=np.uint64)]
    # Copies some bits away from those
    for number in range(1200):
        flips = rng.choice(64, size=int(rng.integers(0, 12)), replace=False)
        hashes.append(f"{int(hashes[number % 300], 16) ^ sum(1 << int(bit) for bit in flips):016x}")
    index = HashIndex()
    for number, phash in enumerate(hashes):
        index.add(f"{number}", phash)
    found = 0
    for number in range(0, 1500, 100):
        slow = sorted((hamming(hashes[number], other), row) for row, other in enumerate(hashes))
        expected = [(bits, f"{row}") for bits, row in slow if bits <= NEAR_DISTANCE]
        assert index.near(hashes[number]) == expected
        found += len(expected)
    assert found > 30
    slow_pairs = [(i, j) for i in range(400) for j in range(i + 1, 400) if hamming(hashes[i], hashes[j]) <= 10]
    assert near_pairs(hashes[:400], 10) == slow_pairs and slow_pairs


def test_components_are_what_spreading_over_the_pairs_gives() -> None:
    for seed in range(200):
        draw = random.Random(seed)
        count = draw.randint(1, 30)
        pairs = [(draw.randrange(count), draw.randrange(count)) for _ in range(draw.randint(0, 30))]
        slow = list(range(count))
        for _ in range(count):
            for one, other in pairs:
                slow[one] = slow[other] = min(slow[one], slow[other])
        assert connected_components(count, pairs) == slow
    assert connected_components(0, []) == []


def test_discarded_and_replaced_hashes_are_not_found() -> None:
    index = HashIndex()
    index.add("a", "0000000000000000")
    index.add("b", "0000000000000003")
    assert index.near("0000000000000000", 2) == [(0, "a"), (2, "b")]
    index.discard("a")
    index.discard("never there")
    index.add("b", "ffffffffffffffff")
    assert index.near("0000000000000000", 63) == []
    assert index.near("ffffffffffffffff", 0) == [(0, "b")]


@pytest.mark.parametrize(
    ("size", "stored"),
    [
        ((64, 64), (64, 64)),
        ((640, 480), (640, 480)),
        ((641, 480), (640, 479)),
        ((3000, 2000), (640, 427)),
        ((64, 6400), (6, 640)),
    ],
)
def test_examined_photos_are_stored_within_640_pixels(size: tuple, stored: tuple) -> None:
    body = encode(draw_photo("cygnet", 1).resize(size))
    examined = screen(body)
    assert (examined.width, examined.height) == stored
    with Image.open(io.BytesIO(examined.jpeg)) as image:
        assert (image.format, image.size) == ("JPEG", stored)
    assert examined.sha256 == hashlib.sha256(body).hexdigest()
    assert screen(body) == examined


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", NotAnImage),
        (b"<html>", NotAnImage),
        (encode(draw_photo("cygnet", 1))[:3000], NotAnImage),
        (encode(Image.new("RGB", (63, 500))), ImageTooSmall),
        (encode(Image.new("1", (10_000, 5_001)), "PNG"), ImageTooLarge),
    ],
)
def test_unfit_photos_are_refused(body: bytes, error: type) -> None:
    with pytest.raises(error):
        screen(body)


def test_an_upright_and_a_turned_copy_have_the_same_hash() -> None:
    photo = draw_photo("cygnet", 3)
    block = Image.Exif()
    block[0x0112] = 6
    turned = encode(photo.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=90, exif=block)
    upright = screen(encode(photo))
    again = screen(turned)
    assert (again.width, again.height) == (upright.width, upright.height)
    assert hamming(again.phash, upright.phash) <= 2
