"""Product photos as Fashion-MNIST would have them: where the garment is, what the background becomes, what has none."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from mirror.fashion_mnist.dataset import DEBIAN, read_split
from mirror.fashion_mnist.garment import PreparedImage, components, crop_garment, is_in_form
from mirror.images import load_image
from tests.support.garments import BOX, product

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"


def expected_box(size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The square around the shirt, in shares of the photo's sides."""
    wide, high = (BOX[2] - BOX[0]) * size[0], (BOX[3] - BOX[1]) * size[1]
    side, x, y = max(wide, high), (BOX[0] + BOX[2]) / 2 * size[0], (BOX[1] + BOX[3]) / 2 * size[1]
    return ((x - side / 2) / size[0], (y - side / 2) / size[1], (x + side / 2) / size[0], (y + side / 2) / size[1])


def grey(framed: PreparedImage) -> np.ndarray:
    levels = np.asarray(framed.image)
    assert levels.shape == (28, 28, 3) and (levels == levels[..., :1]).all()
    return levels[..., 0]


@pytest.mark.parametrize(
    "made",
    [
        {},
        {"ground": (232, 230, 226), "noise": 3, "shade": 20},
        {"ground": (250, 250, 250), "cloth": (228, 228, 226)},
        {"ground": (200, 215, 230), "cloth": (150, 30, 40)},
        {"ground": (20, 20, 22), "cloth": (200, 190, 170)},
        {"size": (800, 600)},
        {"size": (3000, 4000)},
        {"size": (90, 120)},
    ],
    ids=["white", "off-white, uneven, noisy", "white on white", "coloured", "dark", "landscape", "large", "small"],
)
def test_the_garment_is_cut_out_and_centred(made: dict[str, Any]) -> None:
    photo = product(**made)
    framed = crop_garment(photo)
    levels = grey(framed)
    assert framed.found and framed.made
    assert np.abs(np.array(framed.box) - expected_box(photo.size)).max() < 0.03  # half of one of 28 px, and rounding
    inside = levels > 0
    rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
    assert max(np.ptp(rows), np.ptp(columns)) + 1 == 28  # the longer side fills the picture
    assert abs((columns[0] + columns[-1]) / 2 - 13.5) <= 1 and abs((rows[0] + rows[-1]) / 2 - 13.5) <= 1
    assert not levels[[0, 0, -1, -1], [0, -1, 0, -1]].any()  # the background is black, to the last level
    assert levels[14, 14] > 0


def test_a_photo_and_its_negative_show_the_same_garment() -> None:
    photo = product((240, 240, 240), cloth=(70, 70, 70))
    negative = Image.fromarray(255 - np.asarray(photo))
    assert np.abs(grey(crop_garment(photo)).astype(int) - grey(crop_garment(negative))).max() <= 2


def test_dark_cloth_on_white_is_light_on_black() -> None:
    dark, light = (grey(crop_garment(product(cloth=(level,) * 3)))[14, 14] for level in (30, 180))
    assert (dark, light) == (225, 75)


def test_a_picture_in_the_sets_own_form_is_left_as_it_is() -> None:
    levels = np.zeros((28, 28), np.uint8)
    levels[4:24, 8:20] = np.random.default_rng(0).integers(1, 256, (20, 12))
    framed = crop_garment(load_image(Image.fromarray(levels)))
    assert np.array_equal(grey(framed), levels)
    assert (framed.box, framed.found) == ((0.0, 0.0, 1.0, 1.0), True)


def test_every_picture_of_the_set_is_in_its_own_form() -> None:
    if not DEBIAN.is_dir():
        pytest.skip("Debian's package dataset-fashion-mnist is not installed")
    for half in ("train", "test"):
        for levels in read_split(DEBIAN, half).pixels[::7]:
            assert is_in_form(Image.fromarray(levels).convert("RGB"))


@pytest.mark.parametrize(
    "picture",
    [Image.new("RGB", (28, 28), "white"), Image.new("RGB", (28, 28), (0, 0, 9)), Image.new("RGB", (28, 29))],
    ids=["light along its border", "coloured", "of another size"],
)
def test_what_is_not_in_the_sets_own_form(picture: Image.Image) -> None:
    assert not is_in_form(picture)


def test_a_pair_is_kept_and_dust_is_not() -> None:
    photo = Image.new("RGB", (400, 400), "white")
    draw = ImageDraw.Draw(photo)
    draw.rectangle((60, 100, 160, 300), fill="black")
    draw.rectangle((240, 100, 340, 300), fill="black")
    draw.rectangle((380, 380, 386, 386), fill="black")
    left, top, right, bottom = (400 * share for share in crop_garment(photo).box)
    assert abs(left - 60) < 3 and abs(right - 341) < 3 and abs(top - 60) < 5 and abs(bottom - 341) < 5


def test_what_fills_a_part_of_the_edge_may_reach_it() -> None:
    photo = Image.new("RGB", (400, 600), "white")
    ImageDraw.Draw(photo).rectangle((100, 200, 300, 599), fill="navy")
    assert crop_garment(photo).found


@pytest.mark.parametrize(
    "photo",
    [
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)),
        Image.new("RGB", (300, 400), "white"),
        Image.linear_gradient("L").convert("RGB"),
        Image.radial_gradient("L").convert("RGB"),
        Image.new("RGB", (1, 1)),
        Image.new("RGB", (2, 2000), "white"),
        product((200, 200, 200), noise=30),
    ],
    ids=["noise", "blank", "a gradient alone", "no even light", "one pixel", "a line", "too noisy a ground"],
)
def test_where_no_garment_stands_out_the_photo_is_shown_as_a_whole(photo: Image.Image) -> None:
    framed = crop_garment(photo)
    assert not framed.found and framed.made
    assert grey(framed).shape == (28, 28)
    width, height = (framed.box[i + 2] - framed.box[i] for i in (0, 1))
    assert max(width * photo.width, height * photo.height) / max(photo.size) == pytest.approx(1, rel=0.05)


def test_a_jpeg_keeps_its_garment() -> None:
    buffer = io.BytesIO()
    product((246, 245, 243), noise=2).save(buffer, "JPEG", quality=60)
    before, after = (grey(crop_garment(photo)) for photo in (product(), load_image(buffer.getvalue())))
    assert np.abs(before.astype(int) - after).mean() < 6


@pytest.mark.parametrize("density", [0.2, 0.4, 0.6])
def test_parts_are_those_that_scipy_finds(density: float) -> None:
    mask = np.random.default_rng(int(10 * density)).random((60, 80)) < density
    ours, (theirs, count) = components(mask), ndimage.label(mask, np.ones((3, 3)))
    pairs = set(zip(ours.ravel().tolist(), theirs.ravel().tolist(), strict=True))
    assert len(pairs) == count + 1 and ((ours > 0) == mask).all()
    assert sorted({one for one, _ in pairs}) == list(range(count + 1))


def test_everyday_photos_have_no_garment_on_a_plain_background() -> None:
    photos = sorted(path for name in ("scenes", "bikes_bins") for path in (DATA / name).rglob("*.jpg"))
    if not photos:
        pytest.skip("the photos lie beside the repository only where it is worked on")
    found = [path.name for path in photos if crop_garment(load_image(path, at_least=320)).found]
    assert len(found) <= 0.03 * len(photos), found
