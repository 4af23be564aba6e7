"""A photo padded to a frame and resized, without the frame: that of a panorama would take gigabytes.

The pixels are those of padding first and `Image.resize` then, to the last bit. Pillow's resize (Resample.c) goes over
the columns first, rounds to 8 bits, and goes over the rows then. Each row of the frame is one of the photo's, or black,
so the rows are resized once and repeated. Across, a padded row repeats the photo's pixels: their weights in an output
pixel add up. Pillow's weights are integers, in units of 2 ** -22, so these sums are exact.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal

import numpy as np
from PIL import Image

NUMPY_PAD_MODES: dict[str, Literal["constant", "edge", "reflect"]] = {
    "zeros": "constant",
    "border": "edge",
    "reflection": "reflect",
}
PRECISION = 22  # bits after the point of Pillow's weights (PRECISION_BITS of Resample.c: 32 - 8 - 2)
STRIP = 1_000_000  # pixels that are resized at a time: 24 MB as float64

Size = tuple[int, int]  # (width, height)


def pad_and_resize(
    image: Image.Image, frame: Size, corner: tuple[int, int], pad_mode: str, size: Size, resample: Image.Resampling
) -> Image.Image:
    """The frame of an RGB image whose top left is at `corner` (x, y) of it, resized to `size`; outside is padded."""
    (width, height), (x, y) = frame, corner
    box = (max(x, 0), max(y, 0), min(x + width, image.width), min(y + height, image.height))
    image = image if box == (0, 0, *image.size) else image.crop(box)
    rows = _places(image.height, max(-y, 0), height, pad_mode)
    if width == image.width:
        narrow = np.asarray(image.resize((size[0], image.height), resample))
    else:
        narrow = _narrowed(image, _places(image.width, max(-x, 0), width, pad_mode), size[0], resample)
    return Image.fromarray(_repeated(narrow, rows)).resize(size, resample)


def _places(length: int, before: int, framed: int, pad_mode: str) -> np.ndarray:
    """[framed] which of a side's `length` pixels each pixel of the frame repeats; -1 where it is black."""
    sides = before, max(framed - length - before, 0)
    if pad_mode == "zeros":
        return np.pad(np.arange(length), sides, constant_values=-1)
    return np.pad(np.arange(length), sides, mode=NUMPY_PAD_MODES[pad_mode])


def _repeated(pixels: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """The rows of [h, w, 3] in that order, black where it is -1."""
    repeated = pixels[rows]
    repeated[rows < 0] = 0
    return repeated


def _narrowed(image: Image.Image, places: np.ndarray, width: int, resample: Image.Resampling) -> np.ndarray:
    """[h, width, 3] uint8: rows that repeat the photo's pixels as `places` says, resized to `width`."""
    found = np.empty((image.height, width, 3), np.uint8)
    step = max(1, STRIP // max(image.width, width))
    if resample == Image.Resampling.NEAREST:
        chosen = places[_nearest(len(places), width)]
        for top in range(0, image.height, step):
            strip = _rows(image, top, step)
            found[top : top + step] = strip[:, chosen]
        found[:, chosen < 0] = 0
        return found
    weights = _weights(places, image.width, width, resample).T  # [photo's width, width]
    for top in range(0, image.height, step):
        strip = np.ascontiguousarray(_rows(image, top, step).transpose(2, 0, 1)).astype(np.float64)
        for channel in range(3):
            sums = strip[channel] @ weights
            sums += float(1 << PRECISION - 1)
            sums /= 1 << PRECISION
            found[top : top + step, :, channel] = np.floor(sums, out=sums).clip(0, 255, out=sums)
    return found


def _rows(image: Image.Image, top: int, count: int) -> np.ndarray:
    return np.asarray(image.crop((0, top, image.width, min(top + count, image.height))))


def _nearest(length: int, target: int) -> np.ndarray:
    """[target] the pixel of `length` that each takes; Pillow adds the step up instead of multiplying it."""
    step = length / target
    return np.cumsum([0.5 * step, *[step] * (target - 1)]).astype(np.int64)


def _weights(places: np.ndarray, length: int, target: int, resample: Image.Resampling) -> np.ndarray:
    """[target, length] float64 integers: the weight of each of the photo's pixels in each output pixel."""
    support, weigh = FILTERS[resample]
    scale = len(places) / target
    stretch = max(scale, 1.0)
    found = np.zeros((target, length))
    for i in range(target):
        centre = (i + 0.5) * scale
        first = max(int(centre - support * stretch + 0.5), 0)
        last = min(int(centre + support * stretch + 0.5), len(places))
        share = weigh((np.arange(first, last) - centre + 0.5) * (1.0 / stretch))
        share = share / float(np.cumsum(share)[-1])  # one after the other, as Pillow; numpy's own sum goes in pairs
        units = np.trunc(share * (1 << PRECISION) + np.where(share < 0, -0.5, 0.5))
        own = places[first:last]
        np.add.at(found[i], own[own >= 0], units[own >= 0])
    return found


def _hamming(x: np.ndarray) -> np.ndarray:
    x = np.abs(x) * math.pi
    inside = np.where(x == 0, 1.0, np.sin(x) / np.where(x == 0, 1, x) * (0.54 + 0.46 * np.cos(x)))
    return np.where(x >= math.pi, 0.0, inside)


def _bicubic(x: np.ndarray) -> np.ndarray:
    a, x = -0.5, np.abs(x)
    near, far = ((a + 2.0) * x - (a + 3.0)) * x * x + 1, (((x - 5) * x + 8) * x - 4) * a
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def _lanczos(x: np.ndarray) -> np.ndarray:
    def sinc(x: np.ndarray) -> np.ndarray:
        x = x * math.pi
        return np.where(x == 0, 1.0, np.sin(x) / np.where(x == 0, 1, x))

    return np.where((x >= -3) & (x < 3), sinc(x) * sinc(x / 3), 0.0)


# How far each filter reaches, in output pixels, and its weights (Resample.c)
FILTERS: dict[Image.Resampling, tuple[float, Callable[[np.ndarray], np.ndarray]]] = {
    Image.Resampling.BOX: (0.5, lambda x: ((x > -0.5) & (x <= 0.5)).astype(np.float64)),
    Image.Resampling.BILINEAR: (1.0, lambda x: np.maximum(1 - np.abs(x), 0)),
    Image.Resampling.HAMMING: (1.0, _hamming),
    Image.Resampling.BICUBIC: (2.0, _bicubic),
    Image.Resampling.LANCZOS: (3.0, _lanczos),
}
