"""Product pictures: a T-shirt, an ankle boot and a bag, each by itself on a pale ground, as a shop shows them."""

from __future__ import annotations

import numpy as np

from drawing.brush import CANVAS, blurred, clouds, colour, grid, mixed, noise, ramp, shape

GROUND = "#f6f5f2"
SUN = np.array([-0.45, -0.55, 0.7]) / np.linalg.norm([0.45, 0.55, 0.7])  # from the upper left, x right and y down


def t_shirt(rng: np.random.Generator) -> np.ndarray:
    """Laid flat, of dark blue jersey."""
    half = [(0.50, 0.175), (0.42, 0.17), (0.385, 0.13), (0.30, 0.16), (0.225, 0.20), (0.165, 0.275), (0.095, 0.40),
            (0.125, 0.43), (0.225, 0.475), (0.25, 0.45), (0.278, 0.40), (0.285, 0.55), (0.283, 0.70), (0.275, 0.855),
            (0.38, 0.872), (0.50, 0.875)]  # fmt: skip
    body = curve([*half, *mirrored(half[-2:0:-1])])
    rows, columns = grid()
    folds = 0.9 * noise(rng, (500, 150)) + 0.5 * noise(rng, (210, 90)) + 0.25 * clouds(rng, (70, 60), 3)
    canvas = cloth(ground(), body, colour("#39538a"), folds, 30, rng)
    collar = shape(curve([(0.375, 0.128), (0.40, 0.19), (0.50, 0.235), (0.60, 0.19), (0.625, 0.128), (0.58, 0.165),
                          (0.50, 0.195), (0.42, 0.165)]), 1.5)  # fmt: skip
    canvas = mixed(canvas, cloth(canvas, None, colour("#2b4070"), 0.1 * folds, 20, rng, cover=collar), collar)
    for low in (0.845, 0.853):  # two rows of stitches along the hem
        stitches = ramp(np.abs(rows - low), 0.0016, 0.0005) * (np.sin(columns * 900) > -0.3)
        canvas = mixed(canvas, colour("#22345e"), 0.6 * stitches * shape(body, 1))
    return canvas


def ankle_boot(rng: np.random.Generator) -> np.ndarray:
    """From the side, its toe to the left, of brown leather with a block heel."""
    upper = curve([(0.545, 0.13), (0.70, 0.115), (0.855, 0.135), (0.86, 0.28), (0.872, 0.43), (0.89, 0.56),
                   (0.885, 0.655), (0.84, 0.71), (0.70, 0.715), (0.56, 0.745), (0.40, 0.785), (0.24, 0.80),
                   (0.115, 0.795), (0.088, 0.745), (0.125, 0.685), (0.225, 0.635), (0.345, 0.585), (0.455, 0.50),
                   (0.525, 0.385), (0.548, 0.26)])  # fmt: skip
    heel = np.array([(0.665, 0.70), (0.888, 0.64), (0.872, 0.885), (0.702, 0.885)])
    sole = curve([(0.085, 0.762), (0.20, 0.787), (0.40, 0.768), (0.60, 0.718), (0.72, 0.70), (0.72, 0.735),
                  (0.60, 0.775), (0.42, 0.83), (0.22, 0.845), (0.10, 0.825)])  # fmt: skip
    rows, columns = grid()
    creases = 0.7 * np.sin(40 * (columns + 0.7 * rows)) * ramp(np.hypot(columns - 0.42, rows - 0.64), 0.16, 0.02)
    folds = creases + 0.8 * noise(rng, (300, 260)) + 0.2 * clouds(rng, (60, 60), 3)
    canvas = cloth(ground(), heel, colour("#2e2118"), 0.1 * folds, 14, rng)
    canvas = cloth(canvas, upper, colour("#7b4a26"), folds, 46, rng, shine=0.22)
    canvas = cloth(canvas, sole, colour("#2a1e16"), 0.1 * folds, 8, rng)
    gore = shape(curve([(0.665, 0.20), (0.755, 0.20), (0.745, 0.36), (0.71, 0.49), (0.675, 0.36)]), 1.5)
    ribs = 0.75 + 0.25 * np.sin(columns * 420)
    canvas = mixed(canvas, canvas * 0.42 * ribs[..., None], gore)
    seam = ramp(np.abs(rows - 0.155 + 0.05 * (columns - 0.7)), 0.004, 0.001) * shape(upper, 1)
    return mixed(canvas, colour("#4a2b14"), 0.7 * seam)


def bag(rng: np.random.Generator) -> np.ndarray:
    """From the front, of dark red leather, its two handles up."""
    body = curve([(0.15, 0.47), (0.17, 0.435), (0.50, 0.43), (0.83, 0.435), (0.85, 0.47), (0.878, 0.62), (0.895, 0.78),
                  (0.885, 0.845), (0.85, 0.865), (0.50, 0.872), (0.15, 0.865), (0.115, 0.845), (0.105, 0.78),
                  (0.122, 0.62)])  # fmt: skip
    rows, columns = grid()
    folds = 0.8 * noise(rng, (420, 420)) + 0.2 * clouds(rng, (50, 50), 3)
    canvas = ground()
    for lift, tint in ((0.0, "#4f1620"), (0.02, "#6b1f2b")):  # the handle behind, then the one in front
        away = np.hypot((columns - 0.5) / 0.20, (rows - 0.46 - lift) / (0.30 - lift))
        handle = ramp(np.abs(away - 1), 0.085, 0.07) * (rows < 0.48 + lift)
        canvas = cloth(canvas, None, colour(tint), 0.2 * folds, 9, rng, cover=blurred(handle.astype(np.float32), 1.5))
    canvas = cloth(canvas, body, colour("#8c2735"), folds, 40, rng, shine=0.18)
    flap = shape(curve([(0.15, 0.45), (0.50, 0.432), (0.85, 0.45), (0.842, 0.58), (0.70, 0.655), (0.50, 0.672),
                        (0.30, 0.655), (0.158, 0.58)]), 2)  # fmt: skip
    canvas = canvas * (1 - 0.45 * (blurred(flap, 14) * (1 - flap) * shape(body, 1)))[..., None]
    clasp = ramp(np.hypot((columns - 0.5) / 0.035, (rows - 0.655) / 0.022), 1.05, 0.95)
    return mixed(canvas, colour("#d9b45f") * (0.75 + 0.4 * ramp(rows, 0.67, 0.64))[..., None], clasp)


def ground() -> np.ndarray:
    return np.broadcast_to(colour(GROUND), (CANVAS, CANVAS, 3)).astype(np.float32).copy()


def cloth(
    canvas: np.ndarray, outline: np.ndarray | None, tint: np.ndarray, folds: np.ndarray, round_: float,
    rng: np.random.Generator, *, shine: float = 0.05, cover: np.ndarray | None = None,
) -> np.ndarray:  # fmt: skip
    """The canvas with a piece of cloth or leather on it. folds (H, W): its height, about -1..1; round_: pixels over
    which its edge is rounded; shine: of its brightest places."""
    cover = shape(outline, 1.5) if cover is None else cover
    height = 0.9 * round_ * blurred(cover, round_) + 9 * folds
    down, right = np.gradient(blurred(height, 2))
    normals = np.stack([-right, -down, np.ones_like(height)], axis=-1)
    normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
    light = np.clip(normals @ SUN, 0, 1)
    weave = 1 + 0.05 * rng.standard_normal((CANVAS, CANVAS)).astype(np.float32)
    painted = tint * ((0.42 + 0.85 * light) * weave)[..., None] + shine * (light**24)[..., None]
    return mixed(canvas, painted, cover)


def mirrored(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    return [(1 - x, y) for x, y in points]


def curve(points: list[tuple[float, float]], steps: int = 12) -> np.ndarray:
    """A closed, smooth line (N, 2) through the points (a Catmull-Rom spline)."""
    at = np.asarray(points, float)
    before, after, next_ = np.roll(at, 1, axis=0), np.roll(at, -1, axis=0), np.roll(at, -2, axis=0)
    parts = []
    for t in np.linspace(0, 1, steps, endpoint=False):
        parts.append(0.5 * (2 * at + (after - before) * t + (2 * before - 5 * at + 4 * after - next_) * t**2
                            + (3 * at - before - 3 * after + next_) * t**3))  # fmt: skip
    return np.stack(parts, axis=1).reshape(-1, 2)
