"""Heat lies on the photo where it belongs: geometry against the real preprocessing, what is said of it, its colours."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from mirror.errors import ModelFolderError, UsageError
from mirror.inference.classifier import Classifier
from mirror.inference.grad_cam import (
    UNSEEN,
    Explanation,
    describe_regions,
    explain,
    overlay,
    palette,
    relu_normalize,
    upsample,
    visible_box,
)
from mirror.inference.preprocess import preprocess
from mirror.model_schema import BatchResize, Preprocessing
from tests.web.tiny import BLUE, GREY, YELLOW, damage, tiny_model

ZERO, ONE = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
WAYS = {
    "squish": Preprocessing("squish", (64, 96), ZERO, ONE),
    "crop": Preprocessing("crop", (64, 64), ZERO, ONE),
    "crop, wide": Preprocessing("crop", (48, 96), ZERO, ONE),
    "pad": Preprocessing("pad", (64, 64), ZERO, ONE, pad_mode="zeros"),
    "crop, then the middle": Preprocessing("crop", (80, 80), ZERO, ONE, crop=(64, 64)),
    "squish, then padded": Preprocessing("squish", (50, 50), ZERO, ONE, crop=(64, 64)),
    "only a crop": Preprocessing("none", (64, 64), ZERO, ONE, crop=(64, 64)),
    "presized": Preprocessing("crop", (128, 128), ZERO, ONE, batch_resizes=(BatchResize((64, 64), (96, 96)),)),
}
SIZES = [(160, 120), (101, 157), (240, 90)]  # width, height


@pytest.mark.parametrize("size", SIZES, ids=str)
@pytest.mark.parametrize("way", WAYS)
def test_what_the_network_sees_lies_where_the_box_says(way: str, size: tuple[int, int]) -> None:
    """A bright spot on a black photo is found again in the pixels, and the box leads back to where it was."""
    how, spot = WAYS[way], 8
    width, height = size
    left, top, right, bottom = visible_box(how, size)
    assert left + right == pytest.approx(1, abs=0.02) and top + bottom == pytest.approx(1, abs=0.02)  # the middle
    rows, columns = how.input_size
    found = 0
    for x in range(0, width - spot, 13):
        for y in range(0, height - spot, 13):
            photo = Image.new("RGB", size)
            photo.paste((255, 255, 255), (x, y, x + spot, y + spot))
            light = preprocess(photo, how)[0]
            whole = (spot / width / (right - left) * columns) * (spot / height / (bottom - top) * rows)
            if light.sum() < 0.98 * whole:
                continue  # cut off
            found += 1
            at_y, at_x = (np.average(np.indices(light.shape)[axis] + 0.5, weights=light) for axis in (0, 1))
            assert (left + at_x / columns * (right - left)) * width == pytest.approx(x + spot / 2, abs=1.6)
            assert (top + at_y / rows * (bottom - top)) * height == pytest.approx(y + spot / 2, abs=1.6)
    assert found >= 4


BOXES = {
    "all of it": (0.0, 0.0, 1.0, 1.0),
    "the middle of a wide photo": (0.25, 0.0, 0.75, 1.0),
    "with margins": (-0.5, 0.0, 1.5, 1.0),
    "a third cut off, a third padded": (0.33, -0.33, 0.66, 1.33),
}


def explained(heat: np.ndarray, box=(0.0, 0.0, 1.0, 1.0), size=(90, 60)) -> Explanation:
    return Explanation("duckling", 0.9, heat.astype(np.float32), box, Image.new("RGB", size, YELLOW))


@pytest.mark.parametrize("name", BOXES)
def test_a_hot_cell_is_hot_at_its_place_on_the_photo(name: str) -> None:
    box, size = BOXES[name], (300, 200)
    left, top, right, bottom = box
    shown = 0
    for row in range(9):
        for column in range(9):
            heat = np.zeros((9, 9))
            heat[row, column] = 1
            x = (left + (column + 0.5) / 9 * (right - left)) * size[0]
            y = (top + (row + 0.5) / 9 * (bottom - top)) * size[1]
            found, seen = upsample(explained(heat, box), size)
            assert found.shape == (200, 300) and found.dtype == np.float32 and 0 <= found.min() and found.max() <= 1
            outside = np.ones(found.shape, bool)
            outside[seen[1] : seen[3], seen[0] : seen[2]] = False
            assert not found[outside].any()
            if seen[0] + 20 < x < seen[2] - 20 and seen[1] + 20 < y < seen[3] - 20:
                peak = np.unravel_index(found.argmax(), found.shape)
                assert np.abs(np.array(peak) + 0.5 - (y, x)).max() <= 2
                shown += 1
    assert shown >= 8


def grid(*rows: str) -> np.ndarray:
    return np.array([[{".": 0.0, "o": 0.4, "X": 1.0}[cell] for cell in row] for row in rows])


WHEREABOUTS = {
    "one corner": (grid("X..", "...", "..."), ("upper left",)),
    "the middle, and lukewarm all around": (grid("ooo", "oXo", "ooo"), ("middle",)),
    "two places, alike": (grid("..X", "...", "X.."), ("lower left", "upper right")),
    "at the bottom": (grid("...", "...", ".X."), ("bottom",)),
    "a whole side": (grid("..X", "..X", "..X"), ("right",)),
    "everywhere": (grid("XXX", "XXX", "..X"), ("everywhere",)),
    "nowhere": (grid("...", "...", "..."), ()),
}


@pytest.mark.parametrize("name", WHEREABOUTS)
def test_the_place_is_put_into_words(name: str) -> None:
    heat, expected = WHEREABOUTS[name]
    assert tuple(sorted(describe_regions(explained(heat)))) == expected


def test_places_are_those_of_the_photo_and_not_of_what_was_seen() -> None:
    left = grid("X..", "X..", "X..")
    assert describe_regions(explained(left)) == ("left",)
    assert set(describe_regions(explained(left, (0.4, 0.0, 1.0, 1.0)))) <= {"top", "middle", "bottom"}


@pytest.mark.parametrize(
    ("heat", "expected"),
    [
        ([[-1.0, 0.0], [2.0, 4.0]], [[0, 0], [0.5, 1]]),
        ([[-1.0, -2.0]], [[0, 0]]),
        ([[0.0, 0.0]], [[0, 0]]),
    ],
    ids=["for and against", "only against", "nothing"],
)
def test_only_what_speaks_for_the_label_is_hot(heat, expected) -> None:
    found = relu_normalize(np.array(heat, np.float32))
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected)


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Classifier:
    """Likes yellow for ducklings, and knows it by each pixel's colour (tests/web/tiny.py)."""
    return Classifier.load(tiny_model(tmp_path_factory.mktemp("models")))


def halves(left: tuple[int, int, int], right: tuple[int, int, int]) -> Image.Image:
    photo = Image.new("RGB", (120, 80), right)
    photo.paste(left, (0, 0, 60, 80))
    return photo


def test_the_label_that_is_answered_is_explained(classifier: Classifier) -> None:
    photo = halves(YELLOW, GREY)
    found, answer = explain(classifier, photo), classifier.predict(photo)
    assert (found.label, found.probability) == (answer.label, pytest.approx(answer.probability, abs=1e-6))
    assert found.label == "duckling" and found.heat.shape == (32, 32) and found.box == (0.0, 0.0, 1.0, 1.0)
    np.testing.assert_allclose(found.heat[:, :14], 1, atol=1e-4)
    assert found.heat[:, 18:].max() < 0.05
    assert describe_regions(found) == ("left",)


def test_another_label_may_be_asked_for_though_nothing_speaks_for_it(classifier: Classifier) -> None:
    found = explain(classifier, Image.new("RGB", (50, 40), BLUE), "duckling")
    assert found.label == "duckling" and found.probability < 0.01
    assert not found.heat.any() and describe_regions(found) == ()


def test_a_label_that_is_none_is_refused(classifier: Classifier) -> None:
    with pytest.raises(UsageError, match="^The model mirror knows no label goose: choose one of cygnet, duckling.$"):
        explain(classifier, halves(YELLOW, GREY), "goose")


def test_a_model_without_heat_says_so_in_a_sentence(tmp_path: Path) -> None:
    without = Classifier.load(tiny_model(tmp_path, heat=False))
    with pytest.raises(ModelFolderError, match="^The model mirror cannot show why: its network gives no heat map"):
        explain(without, halves(YELLOW, GREY))


@pytest.mark.parametrize("file, output", [("model.onnx", "maps"), ("heat.onnx", "heat"), ("model.onnx", "logits")])
def test_heat_that_is_no_number_is_a_sentence(tmp_path: Path, file: str, output: str) -> None:
    model = tiny_model(tmp_path)
    damage(model, output, 0.5, file)
    damaged = Classifier.load(model)
    assert explain(damaged, Image.new("RGB", (50, 40), BLUE)).label == "cygnet"
    with pytest.raises(ModelFolderError, match="^The model mirror gives no numbers for this photo"):
        explain(damaged, Image.new("RGB", (50, 40), YELLOW))


PHOTO_GREY = 100  # of every pixel


def on_grey(heat: list[list[float]], box=(0.0, 0.0, 1.0, 1.0), size=(300, 200)) -> Explanation:
    return Explanation("a", 0.9, np.array(heat, np.float32), box, Image.new("RGB", size, (PHOTO_GREY,) * 3))


def test_the_colours_are_plasmas() -> None:
    ours = np.frombuffer(palette(), np.uint8).reshape(256, 3).astype(int)
    theirs = np.round(255 * matplotlib.colormaps["plasma"](np.arange(256))[:, :3]).astype(int)
    assert np.abs(ours - theirs).max() <= 5


def test_what_is_cold_stays_grey_and_what_is_hot_is_coloured() -> None:
    picture = np.asarray(overlay(on_grey([[0, 0, 0, 1]]))).astype(int)
    assert picture.shape == (200, 300, 3)
    assert (picture[:, :100] == PHOTO_GREY).all()
    red, green, blue = picture[100, 290]
    assert red > 180 and green > 180 and blue < 80  # plasma's hottest is yellow


def test_what_was_cut_off_is_darker() -> None:
    picture = np.asarray(overlay(on_grey([[0.0]], (0.25, 0.0, 0.75, 1.0))))
    assert (picture[:, 75:225] == PHOTO_GREY).all()
    assert (picture[:, :75] == round(UNSEEN * PHOTO_GREY)).all() and (
        picture[:, 225:] == round(UNSEEN * PHOTO_GREY)
    ).all()


@pytest.mark.parametrize(
    ("size", "expected"), [((1280, 960), (640, 480)), ((90, 60), (90, 60)), ((1, 900), (1, 640)), ((3, 1), (3, 1))]
)
def test_the_picture_is_small_and_never_enlarged(size, expected) -> None:
    for box in ((0.0, 0.0, 1.0, 1.0), (0.4, 0.0, 0.6, 1.0), (-3.0, 0.0, 4.0, 1.0)):
        assert overlay(on_grey([[0.2, 1.0], [0.0, 0.5]], box, size)).size == expected
