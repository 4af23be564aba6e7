"""fastai's validation pixels with Pillow and numpy: Resize, RandomResizedCrop, CropPad, IntToFloatTensor, Normalize,
and the resizes of whole batches (`aug_transforms(size=…)`).

Follows `fastai/vision/augment.py` 2.8 (`_do_crop_pad`, `Resize.encodes`, `RandomResizedCrop.before_call`), with
split_idx 1, where every draw is the centre. Tested against fastai's own pipeline, to the last bit before normalising.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from PIL import Image

from mirror.inference.padding import NUMPY_PAD_MODES, pad_and_resize
from mirror.model_schema import BatchResize, Preprocessing
from mirror.preparation import preparation

# A JPEG is decoded at a reduced scale while its short side stays at least this many times what the network sees: the
# resize that follows then still averages over 2x2 pixels or more, as it would have over the full image.
DECODE_MARGIN = 2


# Pixels of a frame that is made whole: beyond it, a photo that is padded to a square is resized before it is padded.
# 49,000 x 1,000 pixels would make a square of 7 GB
MAX_FRAME_PIXELS = 16_000_000


def preprocess(image: Image.Image, preprocessing: Preprocessing) -> np.ndarray:
    """An upright RGB image → float32 pixels [3, h, w], normalised, as the learner saw its validation photos."""
    image = _framed(_resized(image, preprocessing), preprocessing)
    if not preprocessing.batch_resizes:
        return _looked_up(np.asarray(image), _levels(preprocessing.mean, preprocessing.std))
    pixels = _looked_up(np.asarray(image), _levels((0.0, 0.0, 0.0), (1.0, 1.0, 1.0)))
    for step in preprocessing.batch_resizes:
        pixels = _batch_resized(pixels, step)
    mean, std = (np.asarray(values, np.float32).reshape(3, 1, 1) for values in (preprocessing.mean, preprocessing.std))
    return (pixels - mean) / std


@lru_cache(maxsize=16)
def _levels(mean: tuple[float, ...], std: tuple[float, ...]) -> np.ndarray:
    """[3, 256] float32: what IntToFloatTensor and Normalize make of each level of red, green and blue."""
    shift, scale = (np.asarray(values, np.float32).reshape(3, 1) for values in (mean, std))
    return (np.arange(256, dtype=np.float32) / np.float32(255) - shift) / scale


def _looked_up(pixels: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """[h, w, 3] uint8 → [3, h, w] float32. A table takes a fifth of the time of arithmetic, and is exact."""
    values = np.empty((3, *pixels.shape[:2]), np.float32)
    for channel in range(3):
        np.take(levels[channel], pixels[..., channel], out=values[channel], mode="clip")  # "raise" would copy `out`
    return values


def decode_at_least(preprocessing: Preprocessing) -> int | None:
    """The short side below which a photo must not be decoded for this preprocessing; None: at full size only."""
    min_side = preparation(preprocessing.prepare).min_side
    if min_side is not None:
        return min_side
    return None if preprocessing.resize == "none" else DECODE_MARGIN * max(preprocessing.size)


def _resized(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    if preprocessing.resize == "none":
        return image
    height, width = preprocessing.size
    resample = Image.Resampling[preprocessing.resample.upper()]
    if preprocessing.resize != "squish":
        pick = min if preprocessing.resize == "crop" else max
        scale = pick(image.width / width, image.height / height)
        frame = (max(1, int(scale * width)), max(1, int(scale * height)))  # at least 1 px, where fastai would fail
        # fastai truncates toward zero here, and floors in CropPad
        corner = (int(0.5 * (image.width - frame[0])), int(0.5 * (image.height - frame[1])))
        if preprocessing.resize == "pad" and frame[0] * frame[1] > MAX_FRAME_PIXELS:
            return pad_and_resize(image, frame, corner, preprocessing.pad_mode, (width, height), resample)
        image = crop_pad(image, frame, corner, preprocessing.pad_mode)
    return image.resize((width, height), resample)


def _framed(image: Image.Image, preprocessing: Preprocessing) -> Image.Image:
    if preprocessing.crop is None:
        return image
    height, width = preprocessing.crop
    corner = ((image.width - width) // 2, (image.height - height) // 2)
    return crop_pad(image, (width, height), corner, preprocessing.crop_pad_mode)


def _batch_resized(pixels: np.ndarray, step: BatchResize) -> np.ndarray:
    """fastai's `_grid_sample` with the identity: averaged down first where both sides shrink by more than two."""
    _, height, width = pixels.shape
    if step.crop:
        top, left = (height - step.crop[0]) // 2, (width - step.crop[1]) // 2
        pixels = pixels[:, top : top + step.crop[0], left : left + step.crop[1]]
        _, height, width = pixels.shape
    shrink = min(height / step.size[0], width / step.size[1]) / 2
    rows = _resampling(height, int(height * (1 / shrink)) if shrink > 1 else height, step.size[0])
    columns = _resampling(width, int(width * (1 / shrink)) if shrink > 1 else width, step.size[1])
    return np.matmul(np.matmul(rows, pixels), columns.T)


@lru_cache(maxsize=16)
def _resampling(size: int, averaged: int, target: int) -> np.ndarray:
    """[target, size] float32: averages `size` pixels to `averaged`, then interpolates linearly, corners aligned."""
    average = np.zeros((averaged, size))
    for i in range(averaged):
        start, end = i * size // averaged, -(-(i + 1) * size // averaged)
        average[i, start:end] = 1 / (end - start)
    interpolate = np.zeros((target, averaged))
    places = np.linspace(0, averaged - 1, target) if target > 1 else np.array([(averaged - 1) / 2])
    below = np.minimum(places.astype(int), max(averaged - 2, 0))
    rows = np.arange(target)
    interpolate[rows, below] = 1 - (places - below)
    interpolate[rows, np.minimum(below + 1, averaged - 1)] += places - below
    return (interpolate @ average).astype(np.float32)


def crop_pad(image: Image.Image, size: tuple[int, int], corner: tuple[int, int], pad_mode: str) -> Image.Image:
    """The frame of `size` (width, height) with its top left at `corner` (x, y) of the image; outside is padded."""
    (width, height), (x, y) = size, corner
    inside = (max(x, 0), max(y, 0), min(x + width, image.width), min(y + height, image.height))
    if inside != (0, 0, image.width, image.height):
        image = image.crop(inside)
    left, top = max(-x, 0), max(-y, 0)
    right, bottom = max(width - image.width - left, 0), max(height - image.height - top, 0)
    if left or top or right or bottom:
        padded = np.pad(np.asarray(image), ((top, bottom), (left, right), (0, 0)), mode=NUMPY_PAD_MODES[pad_mode])
        image = Image.fromarray(padded)
    return image
