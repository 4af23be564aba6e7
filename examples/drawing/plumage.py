"""Painting a sculpted bird: a shaded undercoat, then down, hair by hair along its flow, then bill, legs and eyes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from drawing.brush import CANVAS, blurred, clouds, mixed, ramp, strokes
from drawing.volume import Camera, Light, Primitive, Surface, gloss, lit, see

# share of the coat's hairs, opacity, width (canvas pixels), length and brightness relative to the coat's own
PASSES = ((0.3, 0.3, 3, 1.1, 0.86), (1.0, 0.34, 2, 1.0, 1.0), (0.5, 0.34, 1, 1.1, 1.16))

Field = Callable[[np.ndarray], np.ndarray]  # of points (…, 3) in the bird's units


@dataclass(frozen=True)
class Patch:
    """A soft-edged spot of colour on a surface; `radii` in the bird's units, `strength` 0..1."""

    center: tuple[float, float, float]
    radii: tuple[float, float, float]
    colour: np.ndarray
    strength: float = 1.0
    turn: np.ndarray | None = None


@dataclass(frozen=True)
class Coat:
    """Something covered in down: its volumes, colours, and how its hairs lie."""

    primitives: Sequence[Primitive]
    base: np.ndarray  # colour (3,)
    patches: Sequence[Patch]
    flow: Field  # which way hairs lie (…, 3), any length
    order: Field  # (…,): hairs with small values are drawn first, so that others overlap them
    length: Field  # (…,): hair length in the bird's units
    hairs: int = 42_000
    lift: float = 0.5  # how far hairs stand off the body: 0 flat, 1 upright
    melt: float = 0.25


@dataclass(frozen=True)
class Smooth:
    """Something without down: bill, legs or eyes."""

    primitives: Sequence[Primitive]
    base: np.ndarray
    patches: Sequence[Patch] = ()
    melt: float = 0.08
    shine: float = 0.25
    sharpness: float = 18.0


@dataclass(frozen=True)
class Bird:
    coat: Coat
    wings: Sequence[Coat]
    bill: Smooth
    eyes: Smooth
    legs: Smooth | None = None
    water: float | None = None  # what lies below this height is under water
    head: Field = field(default=lambda points: np.zeros(points.shape[:-1]))  # 1 on the head, 0 on the body


def painted(points: np.ndarray, base: np.ndarray, patches: Sequence[Patch]) -> np.ndarray:
    """The surface's own colour (…, 3)."""
    colours = np.broadcast_to(base, points.shape).astype(np.float32)
    for patch in patches:
        local = points - np.asarray(patch.center, np.float32)
        if patch.turn is not None:
            local = local @ patch.turn.astype(np.float32)
        away = np.linalg.norm(local / np.asarray(patch.radii, np.float32), axis=-1)
        share = (patch.strength * ramp(away, 1.15, 0.45))[..., None]
        colours = colours * (1 - share) + patch.colour * share
    return colours.astype(np.float32)


def paint_bird(canvas: np.ndarray, bird: Bird, camera: Camera, light: Light, rng) -> tuple[np.ndarray, np.ndarray]:
    """The canvas with the bird on it, and where the bird is (H, W), 0..1."""
    body = see(bird.coat.primitives, camera, bird.coat.melt)
    above = np.ones_like(body.cover)
    if bird.water is not None:
        wobble = 0.025 * clouds(rng, (24, 90), 2)
        above = ramp(body.points[..., 1] + wobble, bird.water - 0.005, bird.water + 0.012)
    cover = body.cover * above
    if bird.legs is not None:
        legs = see(bird.legs.primitives, camera, bird.legs.melt)
        canvas = _smooth(canvas, bird.legs, legs, light, ramp(legs.depth - _filled(body), -0.02, 0.02))
        cover = np.maximum(cover, legs.cover)
    canvas = _undercoat(canvas, bird.coat, body, light, above)
    heads = bird.head(body.points)
    canvas = _down(canvas, bird.coat, body, camera, light, rng, above * (heads < 0.5))
    for wing in bird.wings:
        surface = see(wing.primitives, camera, wing.melt)
        shown = ramp(surface.depth - _filled(body), 0.0, 0.09) * (surface.cover > 0)
        shade = blurred(surface.cover * shown, 9)
        shade = np.roll(shade, (14, 5), (0, 1)) * (1 - surface.cover * shown) * cover
        canvas = mixed(canvas, canvas * np.array([0.72, 0.66, 0.62], np.float32), 0.6 * shade)
        canvas = _undercoat(canvas, wing, surface, light, shown)
        canvas = _down(canvas, wing, surface, camera, light, rng, shown)
        cover = np.maximum(cover, surface.cover * shown)
    bill = see(bird.bill.primitives, camera, bird.bill.melt)
    shown = ramp(bill.depth - _filled(body), -0.03, 0.01)
    drop = np.roll(blurred(bill.cover * shown, 8), (16, 3), (0, 1)) * cover
    canvas = mixed(canvas, canvas * np.array([0.7, 0.64, 0.6], np.float32), 0.6 * drop * (1 - bill.cover))
    canvas = _smooth(canvas, bird.bill, bill, light, shown)
    cover = np.maximum(cover, bill.cover * shown)
    beside = 1 - ramp(bill.cover * shown, 0.1, 0.6)
    canvas = _down(canvas, bird.coat, body, camera, light, rng, above * (heads >= 0.5) * beside)
    return _eyes(canvas, bird.eyes, body, camera, light), cover


def _filled(surface: Surface) -> np.ndarray:
    return np.where(np.isfinite(surface.depth), surface.depth, -9.0)


def _shade(surface: Surface, base: np.ndarray, patches: Sequence[Patch], light: Light) -> np.ndarray:
    return painted(surface.points, base, patches) * lit(surface.normals, surface.occlusion, light)


def _undercoat(canvas: np.ndarray, coat: Coat, surface: Surface, light: Light, shown: np.ndarray) -> np.ndarray:
    """Shaded volume with a soft outline, spread past its edge so that the blur does not darken it."""
    cover = surface.cover * shown
    soft, weight = blurred(_shade(surface, coat.base, coat.patches, light) * cover[..., None], 4), blurred(cover, 4)
    return mixed(canvas, 0.93 * soft / np.maximum(weight, 1e-3)[..., None], ramp(weight, 0.1, 0.9))


def _down(canvas, coat: Coat, surface: Surface, camera: Camera, light: Light, rng, where: np.ndarray) -> np.ndarray:
    """Three passes of hairs: dark and broad below, then the coat itself, then fine bright tips."""
    area = (surface.cover > 0.5) & (where > 0.5)
    pixels = np.flatnonzero(area)
    if not pixels.size:
        return canvas
    share = pixels.size / np.count_nonzero(surface.cover > 0.5)
    swirl, tone = clouds(rng, (46, 46), 3).ravel(), clouds(rng, (26, 26), 3).ravel()
    normals_seen, occlusion = surface.normals.reshape(-1, 3), surface.occlusion.ravel()
    points = surface.points.reshape(-1, 3)
    for count, alpha, width, stretch, brightness in PASSES:
        at = rng.choice(pixels, int(coat.hairs * count * share))
        roots = points[at]
        order = coat.order(roots)
        at = at[np.argsort(order + 0.12 * rng.standard_normal(at.size), kind="stable")]
        roots, seen = points[at], normals_seen[at]
        flow = coat.flow(roots) @ camera.turn.T
        flow -= np.einsum("ij,ij->i", flow, seen)[:, None] * seen
        flow /= np.linalg.norm(flow, axis=1, keepdims=True) + 1e-6
        way = flow + coat.lift * seen * rng.uniform(0.4, 1.3, (at.size, 1))
        way /= np.linalg.norm(way, axis=1, keepdims=True) + 1e-6
        size = coat.length(roots) * rng.uniform(0.5, 1.25, at.size) * stretch * camera.scale
        reach = way[:, :2] * size[:, None] * [1, -1]
        angle = 0.55 * swirl[at] + 0.22 * rng.standard_normal(at.size)
        across, down = reach.T
        reach = np.stack(
            [across * np.cos(angle) - down * np.sin(angle), across * np.sin(angle) + down * np.cos(angle)], 1
        )
        sag = 0.12 * np.stack([-reach[:, 1], reach[:, 0]], 1) * rng.standard_normal((at.size, 1))
        tint = painted(roots, coat.base, coat.patches) * lit(seen, occlusion[at], light)
        vary = brightness * (1 + 0.10 * tone[at] + 0.09 * rng.standard_normal(at.size))
        tint = tint * vary[:, None] + 0.03 * (brightness - 0.9)
        place = np.stack([at % CANVAS, at // CANVAS], 1) + rng.uniform(0, 1, (at.size, 2))
        canvas = strokes(canvas, place, reach, tint, alpha=alpha, width=width, bend=sag)
    return canvas


def _smooth(canvas: np.ndarray, part: Smooth, surface: Surface, light: Light, shown: np.ndarray) -> np.ndarray:
    colours = _shade(surface, part.base, part.patches, light)
    colours = colours + part.shine * gloss(surface.normals, light, part.sharpness)[..., None]
    edge = 1 - 0.35 * ramp(surface.normals[..., 2], 0.45, 0.0)
    return mixed(canvas, colours * edge[..., None], surface.cover * shown)


def _eyes(canvas: np.ndarray, eyes: Smooth, body: Surface, camera: Camera, light: Light) -> np.ndarray:
    surface = see(eyes.primitives, camera, eyes.melt)
    shown = surface.cover * ramp(surface.depth - _filled(body), -0.015, 0.01)
    ring = ramp(blurred(shown, 4.5), 0.02, 0.35)
    canvas = mixed(canvas, canvas * 0.42, 0.7 * ring)
    sky = ramp(surface.normals[..., 1], 0.1, 1.0) * 0.16 + ramp(surface.normals[..., 1], -0.2, -0.9) * 0.1
    canvas = mixed(canvas, eyes.base + sky[..., None] * np.array([0.8, 0.9, 1.0], np.float32), shown)
    rows, columns = np.mgrid[0:CANVAS, 0:CANVAS]
    for eye in eyes.primitives:
        x, y, _ = camera.project(np.array(eye.center))
        radius = eye.radii[0] * camera.scale
        spot = np.hypot(columns - (x - 0.28 * radius), rows - (y - 0.36 * radius)) / radius
        canvas = mixed(canvas, np.ones(3, np.float32), 0.95 * ramp(spot, 0.30, 0.16) * shown)
        spark = np.hypot(columns - (x + 0.3 * radius), rows - (y + 0.4 * radius)) / radius
        canvas = mixed(canvas, np.ones(3, np.float32), 0.35 * ramp(spark, 0.2, 0.05) * shown)
    return canvas
