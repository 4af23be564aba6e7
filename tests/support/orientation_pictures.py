"""Pictures whose corners tell which way up they are, as bytes of any format."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

RED, GREEN, BLUE, YELLOW = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0)


def corners(width: int = 80, height: int = 48) -> Image.Image:
    """Red top left, green top right, blue bottom left, yellow bottom right: every turn and flip shows."""
    image = Image.new("RGB", (width, height))
    for box, colour in (
        ((0, 0, width // 2, height // 2), RED),
        ((width // 2, 0, width, height // 2), GREEN),
        ((0, height // 2, width // 2, height), BLUE),
        ((width // 2, height // 2, width, height), YELLOW),
    ):
        image.paste(colour, box)
    return image


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def corner_colours(image: Image.Image) -> list[tuple[int, int, int]]:
    width, height = image.size
    places = [(width // 4, height // 4), (3 * width // 4, height // 4)]
    places += [(x, 3 * height // 4) for x, _ in places]
    return [image.getpixel(place) for place in places]


def assert_near(found: list, expected: list, tolerance: int = 6) -> None:
    assert np.abs(np.array(found, dtype=int) - np.array(expected, dtype=int)).max() <= tolerance, (found, expected)


def exif(orientation: object) -> Image.Exif:
    block = Image.Exif()
    block[0x0112] = orientation
    return block


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8))
