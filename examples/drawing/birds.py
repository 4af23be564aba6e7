"""Anatomy of a duckling and a cygnet: where their volumes lie, what colour they are and how their down grows.

Units: about half a body length; x forward, y up, z to the bird's right. Heads are built looking straight ahead and
then turned.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from drawing.brush import colour, ramp
from drawing.plumage import Bird, Coat, Patch, Smooth
from drawing.volume import Cone, Ellipsoid, moved, on_surface, rotation


def duckling() -> Bird:
    """Standing; round head, short flat orange bill, plump yellow body with a brown cap and back."""
    pivot, turn = (0.60, 0.80, 0), rotation(yaw=14, pitch=2)
    body = [
        Ellipsoid((-0.05, -0.02, 0), (0.74, 0.52, 0.52), rotation(pitch=16)),
        Ellipsoid((0.40, 0.08, 0), (0.44, 0.48, 0.45)),
        Ellipsoid((-0.10, -0.22, 0), (0.52, 0.36, 0.42)),
        Cone((-0.55, 0.02, 0), (-0.98, 0.20, 0), 0.30, 0.07),
        Cone((0.46, 0.36, 0), (0.60, 0.80, 0), 0.36, 0.29),
    ]
    head = [
        Ellipsoid((0.64, 0.98, 0), (0.43, 0.39, 0.37)),
        Ellipsoid((0.76, 0.87, 0.13), (0.27, 0.24, 0.22)),
        Ellipsoid((0.76, 0.87, -0.13), (0.27, 0.24, 0.22)),
    ]
    bill = [
        Ellipsoid((1.08, 0.915, 0), (0.22, 0.095, 0.165), rotation(pitch=-22)),
        Ellipsoid((1.34, 0.845, 0), (0.23, 0.048, 0.19), rotation(pitch=0)),
        Ellipsoid((1.24, 0.785, 0), (0.25, 0.032, 0.14), rotation(pitch=4)),
    ]
    eyes = [_eye(body + head, 0.25, (0.66, 1.0, 0), (0.42, 0.17, side), 0.085) for side in (1, -1)]
    brown, straw, cream = colour("#5f4020"), colour("#f0c75a"), colour("#fbe59c")
    face = [
        Patch((0.42, 1.38, 0), (0.66, 0.40, 0.42), brown, 0.95),
        Patch((0.44, 1.03, 0.40), (0.42, 0.075, 0.3), brown, 0.75),
        Patch((0.44, 1.03, -0.40), (0.42, 0.075, 0.3), brown, 0.75),
        Patch((0.86, 0.84, 0), (0.24, 0.22, 0.5), cream, 0.6),
    ]
    marks = [
        Patch((-0.50, 0.52, 0), (1.0, 0.56, 0.62), brown, 0.9),
        Patch((0.55, 0.1, 0), (0.35, 0.45, 0.45), cream, 0.5),
        Patch((-0.20, -0.50, 0), (0.7, 0.3, 0.6), cream, 0.5),
    ]
    patches = marks + [_turned(patch, pivot, turn) for patch in face]
    beak = np.array(pivot) + turn @ (np.array([1.05, 0.9, 0]) - pivot)

    def heads(points: np.ndarray) -> np.ndarray:
        return ramp(points[..., 1] + 0.25 * points[..., 0], 0.76, 0.94)

    def flow(points: np.ndarray) -> np.ndarray:
        return _flow(points, heads(points), beak, _combed(points, 0.5, -0.42))

    coat = Coat(
        body + moved(head, pivot, turn),
        straw,
        patches,
        flow,
        order=lambda points: points[..., 0] + 0.9 * heads(points),
        length=lambda points: 0.17 - 0.09 * heads(points),
        hairs=46_000,
    )
    wing = Coat(
        [
            Ellipsoid((-0.20, 0.06, 0.45), (0.40, 0.19, 0.10), rotation(yaw=4, pitch=10)),
            Cone((-0.3, 0.02, 0.5), (-0.62, -0.02, 0.42), 0.12, 0.04),
        ],
        colour("#e3b24e"),
        [
            Patch((-0.15, 0.22, 0.5), (0.5, 0.16, 0.3), brown, 0.5),
            Patch((-0.5, -0.02, 0.5), (0.2, 0.12, 0.3), cream, 0.6),
        ],
        lambda points: _combed(points, -0.05, -0.25),
        order=lambda points: points[..., 0],
        length=lambda points: 0.06 + 0.11 * ramp(points[..., 0], 0.15, -0.3),
        hairs=9_000,
        lift=0.15,
        melt=0.15,
    )
    orange = colour("#ee8a2c")
    nostrils = [Patch((1.20, 0.935, side * 0.10), (0.05, 0.026, 0.05), colour("#8a3f14"), 0.9) for side in (1, -1)]
    nail = Patch((1.55, 0.85, 0), (0.08, 0.08, 0.09), colour("#f7c68c"), 0.7)
    return Bird(
        coat=coat,
        wings=[wing],
        head=heads,
        bill=Smooth(
            moved(bill, pivot, turn), orange, [_turned(patch, pivot, turn) for patch in (*nostrils, nail)], melt=0.09
        ),
        eyes=Smooth(moved(eyes, pivot, turn), colour("#17100b"), melt=0.001),
        legs=Smooth(_leg(0.02, 0.2) + _leg(0.30, -0.2), colour("#e8842c"), [], melt=0.06, shine=0.12),
    )


def cygnet() -> Bird:
    """Swimming; long slender neck, small dark bill, grey-white down."""
    pivot, turn = (0.66, 1.30, 0), rotation(yaw=8, pitch=-6)
    body = [
        Ellipsoid((-0.12, 0.03, 0), (0.90, 0.48, 0.58), rotation(pitch=5)),
        Ellipsoid((0.46, 0.04, 0), (0.42, 0.40, 0.44)),
        Ellipsoid((-0.38, 0.20, 0), (0.52, 0.38, 0.48)),
        Cone((-0.75, 0.16, 0), (-1.12, 0.34, 0), 0.28, 0.06),
        Cone((0.54, 0.20, 0), (0.64, 0.62, 0), 0.28, 0.165),
        Cone((0.64, 0.62, 0), (0.60, 1.22, 0), 0.165, 0.15),
    ]
    head = [
        Ellipsoid((0.69, 1.36, 0), (0.31, 0.25, 0.24), rotation(pitch=-8)),
        Ellipsoid((0.82, 1.29, 0), (0.22, 0.17, 0.18), rotation(pitch=-14)),
    ]
    bill = [
        Ellipsoid((1.01, 1.265, 0), (0.19, 0.085, 0.09), rotation(pitch=-30)),
        Ellipsoid((1.15, 1.175, 0), (0.16, 0.042, 0.095), rotation(pitch=-24)),
        Ellipsoid((1.07, 1.165, 0), (0.18, 0.026, 0.07), rotation(pitch=-24)),
    ]
    eyes = [_eye(body + head, 0.16, (0.70, 1.36, 0), (0.60, 0.18, side), 0.062) for side in (1, -1)]
    grey, pale, dusk = colour("#c9c1b6"), colour("#f1eee8"), colour("#8c8075")
    face = [
        Patch((0.60, 1.62, 0), (0.42, 0.22, 0.3), dusk, 0.6),
        Patch((0.92, 1.22, 0), (0.26, 0.16, 0.4), pale, 0.7),
        Patch((0.97, 1.35, 0), (0.16, 0.075, 0.4), colour("#3a3634"), 0.85),
    ]
    marks = [
        Patch((-0.5, 0.45, 0), (0.95, 0.45, 0.6), dusk, 0.6),
        Patch((0.72, 0.30, 0), (0.34, 0.70, 0.5), pale, 0.85),
        Patch((-0.2, -0.35, 0), (1.1, 0.35, 0.8), pale, 0.6),
    ]
    patches = marks + [_turned(patch, pivot, turn) for patch in face]
    beak = np.array(pivot) + turn @ (np.array([1.05, 1.25, 0]) - pivot)

    def heads(points: np.ndarray) -> np.ndarray:
        return ramp(points[..., 1], 1.06, 1.22)

    def flow(points: np.ndarray) -> np.ndarray:
        neck = ramp(points[..., 1], 0.25, 0.6)[..., None]
        along = (1 - neck) * _combed(points, 0.55, -0.22) + neck * np.array([-0.25, -1.0, 0])
        return _flow(points, heads(points), beak, along)

    coat = Coat(
        body + moved(head, pivot, turn),
        grey,
        patches,
        flow,
        order=lambda points: points[..., 0] + 0.8 * points[..., 1],
        length=lambda points: 0.17 - 0.10 * ramp(points[..., 1], 0.2, 0.9),
        hairs=50_000,
        melt=0.16,
    )
    wing = Coat(
        [Ellipsoid((-0.42, 0.20, -0.50), (0.52, 0.20, 0.10), rotation(yaw=-8, pitch=10))],
        colour("#b9b0a5"),
        [Patch((-0.7, 0.14, -0.5), (0.35, 0.14, 0.4), pale, 0.4)],
        lambda points: _combed(points, -0.12, -0.12),
        order=lambda points: points[..., 0],
        length=lambda points: 0.05 + 0.12 * ramp(points[..., 0], 0.1, -0.4),
        hairs=10_000,
        lift=0.15,
        melt=0.15,
    )
    nail = Patch((1.30, 1.10, 0), (0.06, 0.06, 0.07), colour("#77706d"), 0.6)
    nostrils = [Patch((1.10, 1.245, side * 0.07), (0.05, 0.02, 0.05), colour("#141214"), 0.9) for side in (1, -1)]
    return Bird(
        coat=coat,
        wings=[wing],
        head=heads,
        water=-0.16,
        bill=Smooth(
            moved(bill, pivot, turn),
            colour("#3a383c"),
            [_turned(p, pivot, turn) for p in (*nostrils, nail)],
            melt=0.08,
            shine=0.3,
        ),
        eyes=Smooth(moved(eyes, pivot, turn), colour("#0f0d0d"), melt=0.001),
    )


def _eye(skull: list, melt: float, inside, way, radius: float) -> Ellipsoid:
    """A bead that stands out of the head where `way` (straight out for z = 1) leaves it."""
    place, out = on_surface(skull, melt, inside, way), np.asarray(way) / np.linalg.norm(way)
    return Ellipsoid(tuple(place - 0.42 * radius * out), (radius, radius, radius))


def _turned(patch: Patch, pivot, turn: np.ndarray) -> Patch:
    center = np.array(pivot) + turn @ (np.array(patch.center) - pivot)
    return replace(patch, center=tuple(center), turn=turn)


def _combed(points: np.ndarray, breast: float, fall: float) -> np.ndarray:
    """Backwards with a little fall; straight down where the breast faces forward (no whorl there)."""
    front = ramp(points[..., 0], breast, breast + 0.35)[..., None]
    return np.array([-1.0, fall, 0]) * (1 - front) + np.array([-0.2, -1.0, 0]) * front


def _flow(points: np.ndarray, heads: np.ndarray, beak: np.ndarray, along: np.ndarray) -> np.ndarray:
    """Away from the bill on the head, along the body elsewhere."""
    away = points - beak.astype(np.float32)
    away = away / (np.linalg.norm(away, axis=-1, keepdims=True) + 1e-6)
    return away * heads[..., None] + along * (1 - heads[..., None])


def _leg(forward: float, side: float) -> list:
    ankle = (forward + 0.02, -0.83, side * 1.05)
    toes = [(forward + 0.34, -0.88, side + spread) for spread in (-0.15, 0.0, 0.15)]
    return [
        Cone((forward - 0.04, -0.45, side), ankle, 0.085, 0.055),
        *(Cone(ankle, toe, 0.05, 0.032) for toe in toes),
        Ellipsoid((forward + 0.2, -0.875, side), (0.16, 0.022, 0.13)),
        Cone(ankle, (forward - 0.12, -0.87, side), 0.04, 0.02),
    ]
