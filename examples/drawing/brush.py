"""Paint on a canvas: noise, washes, thousands of fine strokes, and the paper underneath.

A canvas is an array (H, W, 3) of float32 in 0..1, painted at SUPERSAMPLE times the picture's size and reduced at the
end.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw
from scipy.ndimage import gaussian_filter, map_coordinates

SIDE = 768  # pixels of the finished, square picture
SUPERSAMPLE = 2
CANVAS = SIDE * SUPERSAMPLE
QUALITY = 88  # JPEG


def colour(hexadecimal: str) -> np.ndarray:
    """The colour (3,) of "#rrggbb", 0..1."""
    return np.array([int(hexadecimal[place : place + 2], 16) for place in (1, 3, 5)], np.float32) / 255


def mixed(first: np.ndarray, second: np.ndarray, share: np.ndarray | float) -> np.ndarray:
    """`first` where share is 0, `second` where it is 1; share may be a plane (H, W)."""
    share = np.asarray(share, np.float32)
    share = share[..., None] if share.ndim else share
    return (first + (second - first) * share).astype(np.float32)


def ramp(values: np.ndarray, start: float, end: float) -> np.ndarray:
    """Smooth step: 0 at `start`, 1 at `end`, which may be below `start`."""
    part = np.clip((values - start) / (end - start), 0, 1)
    return part * part * (3 - 2 * part)


def gradient(values: np.ndarray, stops: list[tuple[float, str]]) -> np.ndarray:
    """Colours (…, 3) for `values`, between the stops (value, "#rrggbb") in ascending order."""
    places = [place for place, _ in stops]
    colours = np.stack([colour(name) for _, name in stops])
    return np.stack([np.interp(values, places, colours[:, index]) for index in range(3)], -1).astype(np.float32)


def noise(rng: np.random.Generator, cell: tuple[float, float], shape=(CANVAS, CANVAS)) -> np.ndarray:
    """Smooth noise (H, W), mean 0, about -1..1, whose bumps are `cell` = (rows, columns) pixels large."""
    rows, columns = (int(length / size) + 3 for length, size in zip(shape, cell, strict=True))
    grid = Image.fromarray(rng.uniform(-1, 1, (rows, columns)).astype(np.float32))
    box = (1.0, 1.0, 1.0 + shape[1] / cell[1], 1.0 + shape[0] / cell[0])
    return np.asarray(grid.resize((shape[1], shape[0]), Image.Resampling.BICUBIC, box=box))


def clouds(rng: np.random.Generator, cell: tuple[float, float], octaves=4, shape=(CANVAS, CANVAS)) -> np.ndarray:
    """Noise at several scales, each half as large and half as strong as the one before."""
    total = np.zeros(shape, np.float32)
    for octave in range(octaves):
        total += noise(rng, (max(cell[0] / 2**octave, 1.5), max(cell[1] / 2**octave, 1.5)), shape) / 2**octave
    return total


def blurred(plane: np.ndarray, sigma: float | tuple[float, float]) -> np.ndarray:
    """Gaussian blur, sigma in pixels; large ones are done on a reduced copy."""
    vertical, horizontal = (sigma, sigma) if np.isscalar(sigma) else sigma
    step = int(max(1, min(vertical, horizontal) // 3))
    if step == 1:
        return gaussian_filter(plane, (vertical, horizontal) + (0,) * (plane.ndim - 2), mode="nearest")
    height, width = plane.shape[:2]
    planes = plane[..., None] if plane.ndim == 2 else plane
    out = []
    for index in range(planes.shape[2]):
        small = Image.fromarray(planes[..., index]).resize((width // step, height // step), Image.Resampling.BOX)
        soft = gaussian_filter(np.asarray(small), (vertical / step, horizontal / step), mode="nearest")
        out.append(np.asarray(Image.fromarray(soft).resize((width, height), Image.Resampling.BICUBIC)))
    return out[0] if plane.ndim == 2 else np.stack(out, -1)


def shifted(plane: np.ndarray, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The plane read at (rows, columns), each (H, W) in pixels, bilinear, edges repeated."""
    if plane.ndim == 2:
        return map_coordinates(plane, [rows, columns], order=1, mode="nearest")
    return np.stack([map_coordinates(plane[..., k], [rows, columns], order=1, mode="nearest") for k in range(3)], -1)


def grid() -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns (H, W) of the canvas, as shares 0..1 of its side."""
    rows, columns = np.mgrid[0:CANVAS, 0:CANVAS].astype(np.float32) / CANVAS
    return rows, columns


def strokes(
    canvas: np.ndarray,
    roots: np.ndarray,
    ways: np.ndarray,
    colours: np.ndarray,
    *,
    alpha: float = 0.5,
    width: float | np.ndarray = 1,
    bend: np.ndarray | None = None,
    segments: int = 4,
) -> np.ndarray:
    """The canvas with hairs drawn on it, first to last, fading and thinning towards their tips.

    `roots`, `ways` (root to tip) and `bend` (how far the middle is pushed) are (N, 2), x and y in canvas pixels;
    `colours` (N, 3); `width` in canvas pixels.
    """
    image = Image.fromarray((np.clip(canvas, 0, 1) * 255 + 0.5).astype(np.uint8))
    draw = ImageDraw.Draw(image, "RGBA")
    count = len(roots)
    bend = np.zeros((count, 2)) if bend is None else bend
    parts = np.linspace(0, 1, segments + 1)
    spine = roots[:, None] + ways[:, None] * parts[:, None] + bend[:, None] * (4 * parts * (1 - parts))[:, None]
    spine = np.round(spine, 2).tolist()
    inks = (np.clip(colours, 0, 1) * 255).astype(int).tolist()
    opacity = [round(255 * alpha * min(1.0, 1.25 - part)) for part in parts[:-1]]
    widths = np.maximum(np.round(np.broadcast_to(width, count)[:, None] * (1.15 - parts[:-1])), 1).astype(int).tolist()
    for line, ink, wide in zip(spine, inks, widths, strict=True):
        for part in range(segments):
            draw.line((*line[part], *line[part + 1]), fill=(ink[0], ink[1], ink[2], opacity[part]), width=wide[part])
    return np.asarray(image, np.float32) / 255


def shape(points: np.ndarray, sigma: float = 1.0) -> np.ndarray:
    """Coverage (H, W) of the polygon through `points` (N, 2), x and y as shares of the side; edges softened."""
    image = Image.new("L", (CANVAS, CANVAS))
    ImageDraw.Draw(image).polygon([tuple(point) for point in (np.asarray(points) * CANVAS).round(1).tolist()], fill=255)
    plane = np.asarray(image, np.float32) / 255
    return gaussian_filter(plane, sigma) if sigma else plane


def finished(canvas: np.ndarray, rng: np.random.Generator, vignette: float = 0.25, grain: float = 0.03) -> Image.Image:
    """The picture: pigment settling in the paper's grain, darker corners, reduced to SIDE x SIDE."""
    rows, columns = grid()
    away = np.hypot((rows - 0.5) * 1.05, columns - 0.5)
    canvas = canvas * (1 - vignette * ramp(away, 0.38, 0.78))[..., None]
    tooth = clouds(rng, (5, 5), 2)
    light = np.clip(canvas.mean(-1), 0, 1)
    canvas = canvas * (1 + grain * (tooth * (0.4 + light))[..., None])
    canvas = canvas * (1 + 0.6 * grain * clouds(rng, (420, 420), 3))[..., None]
    image = Image.fromarray((np.clip(canvas, 0, 1) * 255 + 0.5).astype(np.uint8))
    return image.resize((SIDE, SIDE), Image.Resampling.LANCZOS)


def save(image: Image.Image, path: Path) -> None:
    image.save(path, "JPEG", quality=QUALITY, optimize=True, subsampling=0)
