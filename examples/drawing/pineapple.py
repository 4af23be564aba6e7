"""A pineapple: fruitlets on crossing spirals round a barrel, and a crown of stiff leaves."""

from __future__ import annotations

import numpy as np

from drawing.brush import CANVAS, blurred, clouds, colour, gradient, grid, mixed, noise, ramp, shape, strokes
from drawing.volume import Light, gloss, lit

FRUITLETS_ROUND, ROWS = 13, 8.5  # Fibonacci numbers of spirals; rows of fruitlets from foot to crown


def pineapple(canvas: np.ndarray, x: float, foot: float, height: float, light: Light, rng) -> np.ndarray:
    """The canvas with a pineapple standing at (`x`, `foot`), its barrel `height` tall (shares of the side)."""
    canvas = _crown(canvas, x, foot - height * 0.985, height, rng, behind=True)
    canvas = _barrel(canvas, x, foot, height, light, rng)
    return _crown(canvas, x, foot - height * 0.965, height, rng, behind=False)


def _barrel(canvas: np.ndarray, x: float, foot: float, height: float, light: Light, rng) -> np.ndarray:
    rows, columns = grid()
    up = (foot - rows) / height * 2 - 1  # -1 foot .. 1 crown
    half = 0.385 * height * np.sqrt(np.clip(1 - np.abs(up) ** 2.9, 0, 1)) * (1 - 0.06 * up)
    across = np.clip((columns - x) / np.maximum(half, 1e-4), -1, 1)
    cover = blurred(((np.abs(columns - x) < half) & (np.abs(up) < 1)).astype(np.float32), 1.2)
    around = np.arcsin(across * 0.999) / (2 * np.pi)
    latitude = np.arcsin(np.clip(up, -1, 1)) * 0.35 + up * 0.5
    left = around * FRUITLETS_ROUND + latitude * ROWS / 2 + 0.02 * noise(rng, (90, 90))
    right = around * FRUITLETS_ROUND - latitude * ROWS / 2 + 0.02 * noise(rng, (90, 90))
    u, v = left - np.floor(left) - 0.5, right - np.floor(right) - 0.5
    number = (np.floor(left) * 7 + np.floor(right) * 13).astype(int) % 97
    side, rise = u + v, u - v  # within a fruitlet: across and up, -1..1
    seam = np.maximum(np.abs(u), np.abs(v))
    dome = 1 - ramp(seam, 0.12, 0.5)
    lean_x, lean_y = 1.05 * side * ramp(seam, 0.1, 0.45), 0.95 * rise * ramp(seam, 0.1, 0.45)
    deep = np.sqrt(np.clip(1 - across**2, 0, 1))
    normals = np.stack([across + lean_x * deep, 0.55 * up + lean_y, deep + 0.15], -1).astype(np.float32)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    ripe = np.clip(0.62 - 0.30 * up + 0.18 * rng.standard_normal(97)[number] + 0.12 * clouds(rng, (50, 50), 3), 0, 1)
    skin = gradient(ripe, [(0, "#5d6b25"), (0.35, "#a08a2c"), (0.7, "#d99a2b"), (1, "#efb23c")])
    skin = mixed(skin, colour("#6b3d14"), 0.75 * ramp(seam, 0.36, 0.49))
    skin = mixed(skin, colour("#8a9a3c"), 0.35 * ramp(np.hypot(side, rise), 0.6, 0.3))
    skin = mixed(skin, colour("#7a4a1c"), 0.8 * ramp(np.hypot(side * 1.1, rise + 0.05), 0.24, 0.10))
    shading = lit(normals, 0.45 + 0.55 * dome * (0.4 + 0.6 * deep), light)
    painted = skin * shading + 0.16 * gloss(normals, light, 14)[..., None]
    painted *= (1 + 0.06 * noise(rng, (5, 5)))[..., None]
    canvas = mixed(canvas, painted, cover)
    return _spines(canvas, u, v, across, cover, height, rng)


def _spines(canvas: np.ndarray, u, v, across, cover, height: float, rng) -> np.ndarray:
    """Papery bracts: short straw-coloured hairs that point up from the middle of each fruitlet."""
    middle = np.flatnonzero((np.hypot(u + v, u - v + 0.12) < 0.26) & (cover > 0.9))
    at = np.sort(rng.choice(middle, min(4200, middle.size)))
    count = at.size
    tall = 0.055 * height * CANVAS * rng.uniform(0.4, 1.1, count)
    lean = across.ravel()[at] * 0.7 + rng.normal(0, 0.22, count)
    ways = np.stack([tall * lean, -tall * rng.uniform(0.5, 1, count)], 1)
    tints = gradient(rng.uniform(0, 1, count), [(0, "#6a4520"), (0.6, "#b98d4a"), (1, "#ead5a0")])
    roots = np.stack([at % CANVAS, at // CANVAS], 1).astype(float)
    return strokes(canvas, roots, ways, tints, alpha=0.55, width=3)


def _crown(canvas: np.ndarray, x: float, base: float, height: float, rng, behind: bool) -> np.ndarray:
    """Tapering, channelled leaves that arch outwards; the outermost are drawn first."""
    count = 22 if behind else 26
    lean = np.linspace(-1, 1, count) if behind else np.linspace(-1, 1, count) * 0.92
    order = np.argsort(-np.abs(lean) + 0.12 * rng.standard_normal(count), kind="stable")
    for index in order:
        angle = lean[index] * (1.15 if behind else 1.35) + rng.normal(0, 0.06)
        size = height * (0.78 - 0.30 * abs(lean[index])) * rng.uniform(0.85, 1.1) * (1.0 if behind else 0.68)
        canvas = _leaf(canvas, x + 0.06 * height * lean[index], base, angle, size, height * 0.036, rng, behind)
    return canvas


def _leaf(
    canvas: np.ndarray, x: float, y: float, angle: float, size: float, wide: float, rng, behind: bool
) -> np.ndarray:
    along = np.linspace(0, 1, 24)
    heading = angle * (0.35 + 1.0 * along)  # straight up at first, then arching over
    steps = np.stack([np.sin(heading), -np.cos(heading)], 1) * size / len(along)
    spine = np.array([x, y]) + np.cumsum(steps, 0)
    aside = np.stack([-steps[:, 1], steps[:, 0]], 1) / np.linalg.norm(steps, axis=1, keepdims=True)
    breadth = (wide * (1 - along**1.6) * (0.75 + 0.5 * np.sqrt(along)))[:, None]
    leaf = shape(np.concatenate([spine - aside * breadth, (spine + aside * breadth)[::-1]]), 0.8)
    light_side = shape(np.concatenate([spine - aside * breadth, (spine + aside * breadth * 0.1)[::-1]]), 3.0)
    tone = np.clip(rng.uniform(0.25, 0.6) - (0.16 if behind else 0), 0, 1)
    dark, bright = gradient(np.array([tone * 0.6, tone + 0.25]), [(0, "#1f3a22"), (0.45, "#4d7440"), (1, "#aac07c")])
    rows, _ = grid()
    body = mixed(np.broadcast_to(dark, canvas.shape), bright, light_side)
    body = mixed(body, body * 0.45, ramp(rows, y - 0.25 * size, y))
    canvas = mixed(canvas, canvas * 0.55, 0.5 * np.roll(blurred(leaf, 6), (8, 5), (0, 1)) * (1 - leaf))
    canvas = mixed(canvas, body, leaf)
    inner = aside * breadth * 0.84
    edge = np.clip(leaf - shape(np.concatenate([spine - inner, (spine + inner)[::-1]]), 0.8), 0, 1)
    return mixed(canvas, colour("#c6cf95"), 0.4 * edge)
