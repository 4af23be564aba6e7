"""Where they are: a wooded shore out of focus, a pond that mirrors it, reeds, a grassy bank, a table by a window."""

from __future__ import annotations

import numpy as np

from drawing.brush import CANVAS, blurred, clouds, colour, gradient, grid, mixed, noise, ramp, shifted, strokes


def shore(rng, horizon: float, stops: list[tuple[float, str]], lights: str = "#f4e7a6", reeds: int = 90) -> np.ndarray:
    """Foliage above `horizon` (share of the height) far out of focus, with reeds at the water's edge.

    `stops` are the foliage's colours from 0 (deep shade) to 1 (sky between leaves).
    """
    rows, columns = grid()
    leaves = 0.42 + 0.34 * clouds(rng, (260, 260), 3) - 0.55 * ramp(rows, 0.0, horizon) + 0.35 * ramp(rows, 0.25, 0.0)
    canvas = gradient(np.clip(leaves, 0, 1), stops)
    for _ in range(46):
        x, y, radius = rng.uniform(0, 1), rng.uniform(0, horizon * 0.85), rng.uniform(0.012, 0.045)
        away = np.hypot(rows - y, columns - x) / radius
        glow = ramp(away, 1.0, 0.85) * (0.55 + 0.45 * ramp(away, 0.5, 1.0))
        canvas = mixed(canvas, colour(lights), rng.uniform(0.1, 0.42) * glow)
    canvas = blurred(canvas, 14)
    roots = np.stack([rng.beta(0.6, 0.6, reeds) * CANVAS, np.full(reeds, (horizon + 0.02) * CANVAS)], 1)
    ways = np.stack([rng.normal(0, 0.04, reeds), -rng.uniform(0.14, 0.4, reeds)], 1) * CANVAS
    bend = np.stack([rng.normal(0, 0.012, reeds) * CANVAS, np.zeros(reeds)], 1)
    tints = colour("#33471d") + rng.uniform(0, 1, (reeds, 1)) * np.array([0.4, 0.34, 0.16])
    canvas = strokes(canvas, roots, ways, tints, alpha=0.8, width=rng.uniform(8, 20, reeds), bend=bend, segments=9)
    return blurred(canvas, 7)


def pond(rng, canvas: np.ndarray, horizon: float, tint: str, depth: float = 0.45, rings=None) -> np.ndarray:
    """Water below `horizon`: the canvas above it mirrored, broken by ripples and tinted; returns the whole canvas.

    `rings` = (x, y, strength): where ripples spread from, in shares of the side.
    """
    rows, columns = grid()
    slope = ripples(rng, horizon, rings)
    away = np.maximum(rows - horizon, 0)
    source = (horizon - away * 0.85 + 0.16 * slope * (0.15 + away)) * CANVAS
    mirrored = shifted(blurred(canvas, (10, 4)), np.clip(source, 0, CANVAS - 1), (columns + 0.02 * slope) * CANVAS)
    water = mixed(mirrored, colour(tint), depth + 0.25 * ramp(away, 0.1, 0.6))
    glint = ramp(slope, 0.25, 1.2)
    water = mixed(water * (1 + 0.16 * np.clip(slope, -1, 1))[..., None], np.array([0.86, 0.93, 0.95]), 0.30 * glint)
    return mixed(canvas, water, ramp(rows, horizon - 0.004, horizon + 0.012))


def ripples(rng, horizon: float, rings=None) -> np.ndarray:
    """Slope (H, W) of the water, about -1..1, finer towards the horizon; rings are round in perspective."""
    rows, columns = grid()
    near = np.maximum(rows - horizon, 0) + 0.03
    far = 0.35 / near
    texture = sum(noise(rng, cell) * weight for cell, weight in (((40, 90), 0.6), ((17, 40), 0.4), ((90, 200), 0.5)))
    slope = shifted(texture, _folded(far * 520), _folded((columns - 0.5) * far * 620 + 0.4 * CANVAS))
    slope = slope * ramp(near, 0.03, 0.12)
    if rings is not None:
        x, y, strength = rings
        away = np.hypot((columns - x) * 0.8, (rows - y) * 2.3)
        wave = np.sin(away * 70 + 1.6 * noise(rng, (300, 300)))
        slope = slope + strength * wave * np.exp(-((away - 0.28) ** 2) / 0.05)
    return slope.astype(np.float32)


def _folded(place: np.ndarray) -> np.ndarray:
    """Any coordinate brought onto the canvas by folding it back at the edges, so that textures go on without a seam."""
    last = CANVAS - 1
    return last - np.abs(place % (2 * last) - last)


def mirror(rng, canvas: np.ndarray, cover: np.ndarray, waterline: float, tint: str, strength: float) -> np.ndarray:
    """The canvas with what `cover` (H, W) marks above `waterline` (share of the height) reflected below it."""
    rows, columns = grid()
    away = np.maximum(rows - waterline, 0)
    contact = blurred(cover, 9) * (1 - cover) * ramp(rows, waterline - 0.05, waterline + 0.01)
    canvas = mixed(canvas, canvas * 0.45, contact)
    wave = noise(rng, (13, 120)) * 0.6 + noise(rng, (26, 240))
    source_rows = (waterline - away * 0.9) * CANVAS + 10 * wave
    source_columns = columns * CANVAS + (10 + 60 * away) * wave
    bird = shifted(blurred(canvas, (7, 3)), source_rows, source_columns)
    where = shifted(blurred(cover, (6, 4)), source_rows, source_columns) * (rows > waterline)
    fade = strength * (1 - 0.8 * ramp(away, 0.05, 0.42)) * (0.8 + 0.2 * np.clip(wave, -1, 1))
    return mixed(
        canvas, mixed(bird * 0.9, colour(tint), 0.18), np.clip(where * fade * (1 - cover) * (1 - 0.7 * contact), 0, 1)
    )


def bank(rng, canvas: np.ndarray, edge: float) -> np.ndarray:
    """Mossy ground from about `edge` (share of the height) to the bottom."""
    rows, columns = grid()
    border = edge + 0.02 * noise(rng, (400, 260)) + 0.008 * noise(rng, (100, 60)) + 0.03 * (columns - 0.5) ** 2
    earth = gradient(
        np.clip(0.5 + 0.3 * clouds(rng, (60, 110), 4) + 0.4 * (rows - edge), 0, 1),
        [(0, "#2e3416"), (0.5, "#5c6a2a"), (1, "#8c9a44")],
    )
    shadow = ramp(rows, border - 0.03, border)
    canvas = mixed(canvas, canvas * 0.55, shadow)
    return mixed(canvas, earth, ramp(rows, border, border + 0.006))


def grass(rng, canvas: np.ndarray, top: float, bottom: float, count: int, length: float, dark=0.0) -> np.ndarray:
    """Blades rooted between `top` and `bottom` (shares of the height), far ones first; `length` likewise."""
    place = np.sort(rng.uniform(top, bottom, count))
    roots = np.stack([rng.uniform(-0.02, 1.02, count), place], 1) * CANVAS
    tall = length * rng.uniform(0.4, 1.2, count) * (0.5 + 0.9 * (place - top) / (bottom - top + 1e-6))
    ways = np.stack([tall * rng.normal(0.05, 0.38, count), -tall], 1) * CANVAS
    bend = np.stack([rng.normal(0, 0.09, count) * tall, np.zeros(count)], 1) * CANVAS
    tone = np.clip(0.5 + 0.28 * rng.standard_normal(count) - dark, 0, 1)
    tints = gradient(tone, [(0, "#2c3d14"), (0.5, "#6b8430"), (0.8, "#a2b354"), (1, "#d6cf85")])
    return strokes(canvas, roots, ways, tints, alpha=0.72, width=rng.uniform(2, 6, count), bend=bend, segments=5)


def daisies(rng, canvas: np.ndarray, places: list[tuple[float, float, float]]) -> np.ndarray:
    """Daisies at (x, y, radius), in shares of the side: a stem, a ring of petals seen at a slant, a yellow heart."""
    rows, columns = grid()
    for x, y, radius in places:
        stem = np.array([[x * CANVAS, y * CANVAS]])
        way = np.array([[rng.normal(0, 0.01), radius * 3.2]]) * CANVAS
        canvas = strokes(canvas, stem, way, colour("#566f2a")[None], alpha=0.9, width=5, bend=way[:, ::-1] * 0.08)
        count = 26
        angle = np.sort(rng.uniform(0, 2 * np.pi, count))[np.argsort(rng.uniform(size=count))]
        ways = np.stack([np.cos(angle), 0.6 * np.sin(angle)], 1) * radius * CANVAS * rng.uniform(0.85, 1.1, (count, 1))
        tints = colour("#fbf7ee") * (0.82 + 0.18 * rng.uniform(size=(count, 1))) * (1 - 0.12 * np.sin(angle))[:, None]
        roots = np.repeat(stem, count, 0)
        canvas = strokes(canvas, roots, ways, tints, alpha=0.9, width=radius * CANVAS * 0.26, segments=5)
        away = np.hypot((columns - x) / radius, (rows - y + 0.1 * radius) / (0.75 * radius))
        heart = gradient(rows - y, [(-0.3 * radius, "#ffd84a"), (0.3 * radius, "#c98712")])
        canvas = mixed(canvas, heart, ramp(away, 0.36, 0.28))
    return canvas


def shade(canvas: np.ndarray, x: float, y: float, width: float, height: float, strength: float) -> np.ndarray:
    """A soft elliptical shadow on the ground, in shares of the side."""
    rows, columns = grid()
    away = np.hypot((columns - x) / width, (rows - y) / height)
    return mixed(canvas, canvas * np.array([0.32, 0.33, 0.36], np.float32), strength * ramp(away, 1.0, 0.2))


def kitchen(rng, edge: float) -> np.ndarray:
    """A wall in window light and, below `edge`, a wooden table with a blue-striped cloth."""
    rows, columns = grid()
    wall = gradient(
        np.clip(0.72 - 0.55 * columns - 0.2 * rows + 0.10 * clouds(rng, (300, 300), 3), 0, 1),
        [(0, "#7d8f95"), (0.5, "#c6c9bf"), (1, "#f4ecd7")],
    )
    bars = ramp(np.abs((columns + 0.35 * rows) % 0.34 - 0.17), 0.02, 0.05)
    bars = bars * ramp(columns, 0.75, 0.1) * ramp(rows, 0.62, 0.2)
    canvas = blurred(mixed(wall, colour("#fff8e2"), 0.55 * bars), 16)
    far = 1.0 / (rows - edge + 0.42)
    across = (columns - 0.5) * far
    grain = noise(rng, (7, 300)) + 0.6 * noise(rng, (22, 500))
    veins = shifted(grain, _folded(far * 700), _folded(across * 500 + 800))
    wood = gradient(np.clip(0.5 + 0.22 * veins, 0, 1), [(0, "#5b3318"), (0.5, "#9a6433"), (1, "#c8955a")])
    wood *= (0.72 + 0.45 * ramp(columns + 0.3 * rows, 1.1, 0.1))[..., None]
    stripe = ramp(np.abs((across * 2.6) % 0.5 - 0.25), 0.17, 0.19) * 0.8
    weave = 1 + 0.04 * noise(rng, (3, 3)) + 0.06 * noise(rng, (60, 160))
    cloth = mixed(np.broadcast_to(colour("#f1ead9"), wood.shape), colour("#5577a0"), stripe) * weave[..., None]
    cloth *= (0.75 + 0.35 * ramp(columns + 0.3 * rows, 1.1, 0.2))[..., None]
    folds = edge + 0.075 + 0.012 * noise(rng, (500, 130))
    table = mixed(wood, wood * 0.6, ramp(rows, folds - 0.02, folds))
    table = mixed(table, cloth, ramp(rows, folds, folds + 0.004))
    return mixed(canvas, table, ramp(rows, edge - 0.003, edge + 0.003))
