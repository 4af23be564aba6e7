"""Boxes on an image, looked at pixel by pixel."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from PIL import Image, ImageColor, ImageFont

from mirror.tasks.detections import Box, Detection, Detections
from mirror.tasks.drawing import PALETTE, caption, colours, draw, ink, place_tags

GREY = (128, 128, 128)


def found(*boxes: tuple[int, int, int, int], label: str = "bicycle", score: float = 0.9) -> Detections:
    return Detections(tuple(Detection(score, label, Box(*box)) for box in boxes))


def drawn(detections: Detections, size: tuple[int, int] = (320, 240), **settings) -> np.ndarray:
    return np.asarray(draw(Image.new("RGB", size, GREY), detections, **settings))


def is_colour(pixels: np.ndarray, colour: str) -> np.ndarray:
    return (pixels == ImageColor.getrgb(colour)).all(axis=-1)


def test_a_box_is_a_line_of_its_labels_colour_around_its_pixels_and_nothing_else():
    colour = colours(["bicycle"])["bicycle"]
    pixels = drawn(found((100, 80, 200, 160)), text=lambda each: "")
    line = np.zeros((240, 320), bool)
    line[80:161, 100:201], line[82:159, 102:199] = True, False  # 2 px wide, within the box, its corners included
    assert (is_colour(pixels, colour) == line).all()
    halo = np.zeros((240, 320), bool)
    halo[79:162, 99:202], halo[83:158, 103:198] = True, False  # a pixel on either side
    assert (is_colour(pixels, ink(colour)) == (halo & ~line)).all()
    assert (is_colour(pixels, "#808080") == ~halo).all()


def test_the_image_itself_stays_as_it_is():
    image = Image.new("RGB", (64, 48), GREY)
    result = draw(image, found((5, 5, 40, 40)))
    assert image.getcolors() == [(64 * 48, GREY)]
    assert (result.size, result.mode) == ((64, 48), "RGB")
    assert (np.asarray(draw(image, Detections(()))) == 128).all()


@pytest.mark.parametrize(("side", "width"), [(200, 2), (640, 3), (1000, 4), (4000, 16)])
def test_lines_grow_with_the_image(side, width):
    pixels = drawn(found((50, 50, side - 50, side - 50)), (side, side), text=lambda each: "")
    assert is_colour(pixels[side // 2], colours(["bicycle"])["bicycle"]).sum() == 2 * width


def test_a_label_has_its_colour_wherever_it_is_drawn_and_no_two_of_one_image_share_one():
    assert colours(["person"]) == {"person": colours(["person", "person"])["person"]}
    labels = ["person", "bicycle", "car", "truck", "dog", "bench", "bus"]
    for few in combinations(labels, 3):
        alone = {label: colours([label])[label] for label in few}
        if len(set(alone.values())) == len(few):
            assert colours(few) == alone
    assert set(colours(labels).values()) == set(PALETTE)
    many = colours([f"label {number}" for number in range(40)])
    assert set(many.values()) == set(PALETTE)


@pytest.mark.parametrize("colour", PALETTE)
def test_letters_are_readable_on_every_colour(colour):
    def luminance(name: str) -> float:  # https://www.w3.org/TR/WCAG22/#dfn-relative-luminance
        share = np.array(ImageColor.getrgb(name)) / 255
        return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]

    low, high = sorted([luminance(colour), luminance(ink(colour))])
    assert (high + 0.05) / (low + 0.05) >= 4.5


@pytest.mark.parametrize(
    ("score", "says"), [(0.9996, "99 %"), (0.5, "50 %"), (0.29, "29 %"), (0.57, "57 %"), (0.004, "0 %"), (1.0, "100 %")]
)
def test_a_caption_never_rounds_up(score, says):
    assert caption(Detection(score, "dog", Box(0, 0, 1, 1))) == f"dog {says}"


def plates(texts: list[str], boxes: list[tuple[int, int, int, int]], size: tuple[int, int] = (320, 240)):
    tags = place_tags(texts, boxes, size, ImageFont.load_default(14), 2)
    return [tag and tag.plate for tag in tags]


def overlap(one, other) -> bool:
    return one[0] <= other[2] and other[0] <= one[2] and one[1] <= other[3] and other[1] <= one[3]


def test_a_tag_stands_on_its_box():
    [(xmin, _, _, ymax)] = plates(["bicycle 98 %"], [(100, 80, 200, 160)])
    assert (xmin, ymax) == (100, 79)


@pytest.mark.parametrize(
    "box",
    [(0, 0, 30, 30), (300, 0, 319, 20), (0, 220, 40, 239), (310, 230, 319, 239), (0, 0, 319, 239), (160, 0, 161, 239)],
    ids=["top left", "top right", "bottom left", "bottom right", "everything", "a line"],
)
def test_a_tag_stays_in_the_image(box):
    [(xmin, ymin, xmax, ymax)] = plates(["potted plant 98 %"], [box])
    assert 0 <= xmin < xmax < 320 and 0 <= ymin < ymax < 240


def test_tags_of_one_place_stand_beside_each_other():
    four = plates(["bicycle 98 %"] * 4, [(100, 80, 230, 160)] * 4)
    assert not any(overlap(one, other) for one, other in combinations(four, 2))


def test_the_surest_keeps_the_first_place():
    unsure, sure = Detection(0.3, "dog", Box(100, 80, 200, 160)), Detection(0.9, "cat", Box(100, 80, 200, 160))
    pixels = drawn(Detections((unsure, sure)))
    palette = colours(["dog", "cat"])
    assert is_colour(pixels[66:79, 102], palette["cat"]).all()  # above the box
    assert is_colour(pixels[140, 100], palette["cat"])  # and its line on top


@pytest.mark.parametrize("size", [(1, 1), (30, 8), (12, 300), (60, 60)], ids=str)
def test_no_image_is_too_small_and_no_box_too_strange(size):
    strange = found((-20, -5, 5, 5), (50, 50, 500, 400), (10, 10, 10, 10), (30, 30, 5, 5), (-9, -9, -3, -3))
    assert drawn(strange, size).shape == (size[1], size[0], 3)


def test_what_reaches_over_the_edge_is_drawn_along_it():
    colour = colours(["bicycle"])["bicycle"]
    pixels = drawn(found((-30, 100, 400, 300)), text=lambda each: "")
    for edge in (pixels[101:239, 0], pixels[101:239, 319], pixels[239, :]):
        assert is_colour(edge, colour).all()


def test_a_long_label_is_cut_to_the_image():
    [tag] = place_tags(["a very long label indeed 98 %"], [(5, 40, 90, 90)], (100, 100), ImageFont.load_default(14), 2)
    assert tag.text.startswith("a very") and tag.text.endswith("...")
    assert 0 <= tag.plate[0] and tag.plate[2] < 100


@pytest.mark.parametrize(
    ("text", "written"), [("Fußgängerüberweg 98 %", "Fugangeruberweg 98 %"), ("自転車 98 %", "98 %"), ("日本", None)]
)
def test_letters_that_the_font_lacks_are_left_out(text, written):
    [tag] = place_tags([text], [(5, 40, 90, 90)], (320, 240), ImageFont.load_default(14), 2)
    assert (tag and tag.text) == written
