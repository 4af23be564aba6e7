"""Heat as colours over the photo."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from PIL import Image

from mirror.inference.grad_cam import Explanation
from mirror.inference.overlay import UNSEEN, overlay, palette

GREY = 100


def explained(heat: list[list[float]], box=(0.0, 0.0, 1.0, 1.0), size=(300, 200)) -> Explanation:
    return Explanation("a", 0.9, np.array(heat, np.float32), box, Image.new("RGB", size, (GREY,) * 3))


def test_the_colours_are_plasmas() -> None:
    ours = np.frombuffer(palette(), np.uint8).reshape(256, 3).astype(int)
    theirs = np.round(255 * matplotlib.colormaps["plasma"](np.arange(256))[:, :3]).astype(int)
    assert np.abs(ours - theirs).max() <= 5


def test_what_is_cold_stays_grey_and_what_is_hot_is_coloured() -> None:
    picture = np.asarray(overlay(explained([[0, 0, 0, 1]]))).astype(int)
    assert picture.shape == (200, 300, 3)
    assert (picture[:, :100] == GREY).all()
    red, green, blue = picture[100, 290]
    assert red > 180 and green > 180 and blue < 80  # plasma's hottest is yellow


def test_what_was_cut_off_is_darker() -> None:
    picture = np.asarray(overlay(explained([[0.0]], (0.25, 0.0, 0.75, 1.0))))
    assert (picture[:, 75:225] == GREY).all()
    assert (picture[:, :75] == round(UNSEEN * GREY)).all() and (picture[:, 225:] == round(UNSEEN * GREY)).all()


@pytest.mark.parametrize(
    ("size", "expected"), [((1280, 960), (640, 480)), ((90, 60), (90, 60)), ((1, 900), (1, 640)), ((3, 1), (3, 1))]
)
def test_the_picture_is_small_and_never_enlarged(size, expected) -> None:
    for box in ((0.0, 0.0, 1.0, 1.0), (0.4, 0.0, 0.6, 1.0), (-3.0, 0.0, 4.0, 1.0)):
        assert overlay(explained([[0.2, 1.0], [0.0, 0.5]], box, size)).size == expected
