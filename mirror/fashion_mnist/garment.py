"""A product photo → the picture that Fashion-MNIST would have of it: the garment alone, grey on black, 28 px.

It follows the set's own recipe (Xiao et al. 2017, arXiv 1708.07747, section 2): the plain background is trimmed off,
the longer side reduced to 28 px by leaving rows and columns out, sharpened (Gaussian, radius and deviation 1), the
shorter side extended to 28 px on both ends, the intensities negated, everything grey. Beyond the recipe, the background
need not be white: what it is, is measured along the photo's border, and a dark one is not negated.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageFilter

from mirror.images import shrink
from mirror.preparation import PreparedImage

SIDE = 28  # px, of Fashion-MNIST
SEEN = 320  # px of the longer side, at which the garment is looked for
BORDER = 0.02  # of the shorter side: the strip along the edges that ought to show the background
PLAIN = 0.75  # of that strip must do so: a sleeve may reach the edge
LOOSE = 40  # levels: what differs more from the middle of the strip is no background
CLOSE = 0.05 * 255  # levels: the recipe's "closeness" to the background
SPREADS = 4  # deviations of the background's noise, where that is more
NOISIEST = 26  # levels: beyond it, the background is not plain
PARTS = 0.05  # of the largest part's pixels: a pair of shoes is two parts, dust is none
SMALLEST = 0.15  # of the photo's longer side: what is smaller is not what the photo is of
SHARPENED = 83  # %: ImageMagick's -sharpen 1x1 as an unsharp mask

Box = tuple[float, float, float, float]


def crop_garment(photo: Image.Image) -> PreparedImage:
    """An upright RGB photo → 28 x 28 px of RGB whose channels are equal. A picture in the set's own form is left as it
    is. Where no garment stands out from a plain background, the whole photo is treated as one and `found` is False."""
    if is_in_form(photo):
        return PreparedImage(photo, made=True)
    levels = np.asarray(shrink(photo, SEEN), np.float32)
    ground = background(levels)
    mask = garment(levels, ground) if ground else None
    if ground is None or mask is None:
        return _as_a_whole(levels)
    strength = intensity(levels, ground.levels) * mask
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    box = (int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
    return PreparedImage(*_squared(strength, box), made=True)


def is_in_form(photo: Image.Image) -> bool:
    """Whether a picture is as those of Fashion-MNIST are: 28 x 28 px, grey, and dark along its border."""
    if photo.size != (SIDE, SIDE):
        return False
    levels = np.asarray(photo)
    grey = levels[..., 0]
    same = all(np.array_equal(grey, levels[..., i]) for i in (1, 2))
    return same and np.concatenate([grey[[0, -1]].ravel(), grey[1:-1, [0, -1]].ravel()]).mean() < 128


@dataclass(frozen=True)
class Background:
    """The background as it would be without a garment, levels [h, w, 3], and from which difference on something is not
    background."""

    levels: np.ndarray
    close: float


def background(levels: np.ndarray) -> Background | None:
    """The plain background of a photo [h, w, 3], a plane fitted to each channel along the border, for studio light is
    seldom even; None where the border shows something else."""
    height, width = levels.shape[:2]
    wide = max(1, round(BORDER * min(height, width)))
    strip = np.ones((height, width), bool)
    strip[wide:-wide, wide:-wide] = False
    y, x = (2 * (index + 0.5) / side - 1 for index, side in zip(np.nonzero(strip), (height, width), strict=True))
    shown, plane = levels[strip], np.stack([np.ones_like(x), x, y], axis=1)
    plain = np.abs(shown - np.median(shown, axis=0)).max(axis=1) <= LOOSE
    close = float(LOOSE)
    for _ in range(3):  # each time without what the last plane leaves over
        if plain.mean() < PLAIN:
            return None
        fit, *_ = np.linalg.lstsq(plane[plain], shown[plain], rcond=None)
        apart = np.abs(shown - plane @ fit).max(axis=1)
        close = max(CLOSE, SPREADS * 1.4826 * float(np.median(apart[plain])) / 2)  # of the largest of three channels
        plain = apart <= close
    if close > NOISIEST:
        return None
    ys, xs = (2 * (np.arange(side) + 0.5) / side - 1 for side in (height, width))
    even = fit[0] + fit[1] * xs[None, :, None] + fit[2] * ys[:, None, None]
    return Background(np.clip(even, 0, 255).astype(np.float32), close)


def garment(levels: np.ndarray, ground: Background) -> np.ndarray | None:
    """[h, w] whether a pixel belongs to the garment; None where there is none."""
    differs = np.abs(levels - ground.levels).max(axis=2) > ground.close
    without_dust = Image.fromarray(differs.astype(np.uint8) * 255).filter(ImageFilter.MedianFilter(3))  # dust goes
    number = components(np.asarray(without_dust) > 0)
    sizes = np.bincount(number.ravel())[1:]
    if not len(sizes):
        return None
    mask = np.isin(number, 1 + np.flatnonzero(sizes >= PARTS * sizes.max()))
    high, wide = (np.ptp(np.flatnonzero(mask.any(axis=axis))) + 1 for axis in (1, 0))
    return mask if max(high, wide) >= SMALLEST * max(mask.shape) else None


def components(mask: np.ndarray) -> np.ndarray:
    """[h, w] the number, from 1, of each pixel's connected part (by sides and corners), 0 outside."""
    parent = [0]
    number = np.zeros(mask.shape, np.int64)

    def root(part: int) -> int:
        while parent[part] != part:
            parent[part] = parent[parent[part]]
            part = parent[part]
        return part

    edges = np.diff(np.pad(mask, ((0, 0), (1, 1))).astype(np.int8), axis=1)
    above: list[tuple[int, int, int]] = []
    for row, edge in enumerate(edges):
        runs = []
        for start, end in zip(np.flatnonzero(edge == 1).tolist(), np.flatnonzero(edge == -1).tolist(), strict=True):
            parts = {root(part) for left, right, part in above if left <= end and start <= right}
            part = min(parts, default=len(parent))
            parent.append(part) if not parts else None
            for other in parts:
                parent[other] = part
            number[row, start:end] = part
            runs.append((start, end, part))
        above = runs
    found = np.array([root(part) for part in range(len(parent))])
    return np.unique(found, return_inverse=True)[1][number]


def intensity(levels: np.ndarray, ground: np.ndarray) -> np.ndarray:
    """[h, w] 0 where a photo is as its background, up to 255 where it is farthest: black on a light background, white
    on a dark one."""
    grey, even = (image @ np.array([0.299, 0.587, 0.114], np.float32) for image in (levels, ground))  # Pillow's "L"
    if even.mean() >= 128:
        return np.clip(255 - grey * (255 / even), 0, 255)
    return np.clip((grey - even) * (255 / (255 - even)), 0, 255)


def _as_a_whole(levels: np.ndarray) -> PreparedImage:
    strength = intensity(levels, np.full_like(levels, 255))
    return PreparedImage(*_squared(strength, (0, 0, levels.shape[1], levels.shape[0])), found=False, made=True)


def _squared(strength: np.ndarray, box: tuple[int, int, int, int]) -> tuple[Image.Image, Box]:
    """The part of intensities [h, w] in `box` as 28 x 28 px, and its square in shares of the sides."""
    left, top, right, bottom = box
    scale = SIDE / max(right - left, bottom - top)
    width, height = (max(1, round(scale * side)) for side in (right - left, bottom - top))
    part = Image.fromarray(strength[top:bottom, left:right].astype(np.float32)).resize(
        (2 * width, 2 * height), Image.Resampling.BOX
    )  # the set began with thumbnails about that large
    thinned = part.resize((width, height), Image.Resampling.NEAREST)
    grey = Image.fromarray(np.rint(np.asarray(thinned)).astype(np.uint8))
    grey = grey.filter(ImageFilter.UnsharpMask(radius=1, percent=SHARPENED, threshold=0))
    canvas, corner = Image.new("L", (SIDE, SIDE)), ((SIDE - width) // 2, (SIDE - height) // 2)
    canvas.paste(grey, corner)
    x, y = left - corner[0] / scale, top - corner[1] / scale
    rows, columns = strength.shape
    square = SIDE / scale
    return canvas.convert("RGB"), (x / columns, y / rows, (x + square) / columns, (y + square) / rows)
