"""Sculpting: soft bodies made of ellipsoids and round cones, seen by an orthographic camera and lit.

A body is a list of primitives melted together by a smooth minimum of their signed distances (Quilez, "distance
functions" and "smooth minimum"), and is found along each pixel's ray by sphere tracing (Hart 1996). Lengths are in the
body's own units: x forward (where the bill points), y up, z to the body's right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

STEPS = 40  # sphere-tracing steps; the birds converge in about twenty
CAUTION = 0.85  # the ellipsoid's distance is an approximation and may overshoot


def rotation(yaw: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """Matrix (3, 3) that turns about y by `yaw`, then z by `pitch`, then x by `roll`, in degrees.

    Positive yaw turns the bill towards the camera, positive pitch lifts it.
    """
    yaw, pitch, roll = np.radians([-yaw, pitch, roll])
    about_y = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    about_z = [[np.cos(pitch), -np.sin(pitch), 0], [np.sin(pitch), np.cos(pitch), 0], [0, 0, 1]]
    about_x = [[1, 0, 0], [0, np.cos(roll), -np.sin(roll)], [0, np.sin(roll), np.cos(roll)]]
    return np.array(about_y) @ np.array(about_z) @ np.array(about_x)


@dataclass(frozen=True)
class Ellipsoid:
    center: tuple[float, float, float]
    radii: tuple[float, float, float]
    turn: np.ndarray | None = None  # (3, 3), from the ellipsoid's axes to the body's

    def distance(self, points: np.ndarray) -> np.ndarray:
        local = points - np.asarray(self.center, np.float32)
        if self.turn is not None:
            local = local @ self.turn.astype(np.float32)
        radii = np.asarray(self.radii, np.float32)
        outer = np.sqrt(np.einsum("ij,ij->i", local / radii, local / radii)) + 1e-6
        steep = np.sqrt(np.einsum("ij,ij->i", local / radii**2, local / radii**2)) + 1e-6
        return outer * (outer - 1) / steep

    def moved(self, pivot: np.ndarray, turn: np.ndarray) -> Ellipsoid:
        own = np.eye(3) if self.turn is None else self.turn
        return replace(self, center=tuple(pivot + turn @ (np.array(self.center) - pivot)), turn=turn @ own)


@dataclass(frozen=True)
class Cone:
    """A round cone: the hull of two spheres."""

    start: tuple[float, float, float]
    end: tuple[float, float, float]
    start_radius: float
    end_radius: float

    def distance(self, points: np.ndarray) -> np.ndarray:
        start, axis = np.asarray(self.start, np.float32), np.subtract(self.end, self.start).astype(np.float32)
        local = points - start
        along = np.clip(local @ axis / (axis @ axis), 0, 1)
        away = local - along[:, None] * axis
        return np.sqrt(np.einsum("ij,ij->i", away, away)) - (
            self.start_radius + along * (self.end_radius - self.start_radius)
        )

    def moved(self, pivot: np.ndarray, turn: np.ndarray) -> Cone:
        start, end = (tuple(pivot + turn @ (np.array(point) - pivot)) for point in (self.start, self.end))
        return replace(self, start=start, end=end)


Primitive = Ellipsoid | Cone


def moved(primitives: Sequence[Primitive], pivot: Sequence[float], turn: np.ndarray) -> list[Primitive]:
    return [primitive.moved(np.asarray(pivot, float), turn) for primitive in primitives]


def distance(primitives: Sequence[Primitive], points: np.ndarray, melt: float) -> np.ndarray:
    """Signed distance (N,) of the points (N, 3); neighbours melt together over the length `melt`."""
    total = primitives[0].distance(points)
    for primitive in primitives[1:]:
        other = primitive.distance(points)
        overlap = np.maximum(melt - np.abs(total - other), 0) / melt
        total = np.minimum(total, other) - overlap * overlap * melt / 4
    return total


def on_surface(
    primitives: Sequence[Primitive], melt: float, inside: Sequence[float], way: Sequence[float]
) -> np.ndarray:
    """The point (3,) where a ray from `inside` the body along `way` leaves it."""
    steps = np.linspace(0, 2, 800)[:, None] * (np.asarray(way) / np.linalg.norm(way))
    points = (np.asarray(inside) + steps).astype(np.float32)
    return points[np.argmax(distance(primitives, points, melt) > 0)]


@dataclass(frozen=True)
class Camera:
    """Orthographic: where the body's origin lies (canvas pixels), pixels per unit, and how the body is turned."""

    size: tuple[int, int]  # width, height
    origin: tuple[float, float]
    scale: float
    turn: np.ndarray

    def project(self, points: np.ndarray) -> np.ndarray:
        """Canvas x, y (pixels) and depth (units, larger is nearer) of the points (…, 3)."""
        seen = points @ self.turn.T
        x, y = self.origin
        return np.stack([x + seen[..., 0] * self.scale, y - seen[..., 1] * self.scale, seen[..., 2]], -1)


@dataclass(frozen=True)
class Surface:
    """What the camera sees of a body, on the whole canvas (H, W): zero or -inf where there is nothing."""

    cover: np.ndarray  # 0..1, antialiased
    depth: np.ndarray
    points: np.ndarray  # (H, W, 3), the body's units
    normals: np.ndarray  # (H, W, 3), as seen: x right, y up, z to the camera
    occlusion: np.ndarray  # 0 (buried) .. 1 (open)


def see(primitives: Sequence[Primitive], camera: Camera, melt: float, reach: float = 3.0, coarse: int = 2) -> Surface:
    """Trace the body at 1/`coarse` of the canvas and enlarge; `reach` bounds it (units from its origin)."""
    width, height = camera.size[0] // coarse, camera.size[1] // coarse
    scale = camera.scale / coarse
    rows, columns = np.mgrid[0:height, 0:width].astype(np.float32)
    across = (columns.ravel() + 0.5 - camera.origin[0] / coarse) / scale
    up = -(rows.ravel() + 0.5 - camera.origin[1] / coarse) / scale
    inside = np.flatnonzero((np.abs(across) < reach) & (np.abs(up) < reach))
    turn = camera.turn.astype(np.float32)
    begin = np.stack([across[inside], up[inside], np.full(inside.size, reach, np.float32)], 1) @ turn
    ahead = -turn[2]  # the way of every ray, in the body's axes
    travelled = np.zeros(inside.size, np.float32)
    nearest, nearest_at = np.full(inside.size, np.inf, np.float32), np.zeros(inside.size, np.float32)
    alive = np.arange(inside.size)
    for _ in range(STEPS):
        gap = distance(primitives, begin[alive] + travelled[alive, None] * ahead, melt)
        closer = gap < nearest[alive]
        nearest[alive[closer]], nearest_at[alive[closer]] = gap[closer], travelled[alive[closer]]
        travelled[alive] += gap * CAUTION
        alive = alive[(gap > 0.15 / scale) & (travelled[alive] < 2 * reach)]
        if not alive.size:
            break
    cover = np.clip(1 - nearest * scale, 0, 1)
    hit = np.flatnonzero(cover > 0)
    points = begin[hit] + nearest_at[hit, None] * ahead
    normals = _normals(primitives, points, melt, 1.0 / scale)
    occlusion = _occlusion(primitives, points, normals, melt)
    return _enlarged(width, height, coarse, inside[hit], cover[hit], points, normals, occlusion, turn, camera.size)


def _normals(primitives: Sequence[Primitive], points: np.ndarray, melt: float, step: float) -> np.ndarray:
    corners = np.array([[1, -1, -1], [-1, -1, 1], [-1, 1, -1], [1, 1, 1]], np.float32)
    normals = sum(corner * distance(primitives, points + corner * step, melt)[:, None] for corner in corners)
    return normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9)


def _occlusion(primitives: Sequence[Primitive], points: np.ndarray, normals: np.ndarray, melt: float) -> np.ndarray:
    """How open the surface is: the distance field along the normal falls short of the way gone where it is buried."""
    buried = np.zeros(len(points), np.float32)
    for weight, way in ((1.0, 0.08), (0.7, 0.18), (0.5, 0.36)):
        buried += weight * np.maximum(way - distance(primitives, points + way * normals, melt), 0) / way
    return np.clip(1 - 0.48 * buried, 0, 1)


def _enlarged(width, height, coarse, at, cover, points, normals, occlusion, turn, size) -> Surface:
    weights = np.zeros(width * height, np.float32)
    weights[at] = cover

    def spread(values: np.ndarray) -> np.ndarray:
        plane = np.zeros((width * height, *values.shape[1:]), np.float32)
        plane[at] = values
        return plane.reshape(height, width, *values.shape[1:])

    solid = spread(np.ones(len(at), np.float32))
    share = np.maximum(_zoom(solid, coarse, size), 1e-6)

    def enlarge(values: np.ndarray) -> np.ndarray:
        """Bilinear, over covered pixels only, so that nothing bleeds in from where there is no surface."""
        plane = _zoom(spread(values), coarse, size)
        return plane / (share[..., None] if plane.ndim == 3 else share)

    seen_normals = enlarge(normals @ turn.T)
    cover_plane = _zoom(weights.reshape(height, width), coarse, size)
    depth = enlarge(points @ turn[2])
    return Surface(
        cover=cover_plane,
        depth=np.where(cover_plane > 0, depth, -np.inf).astype(np.float32),
        points=enlarge(points),
        normals=seen_normals / (np.linalg.norm(seen_normals, axis=-1, keepdims=True) + 1e-9),
        occlusion=enlarge(occlusion),
    )


def _zoom(plane: np.ndarray, factor: int, size: tuple[int, int]) -> np.ndarray:
    if factor == 1:
        return plane
    if plane.ndim == 3:
        return np.stack([_zoom(plane[..., index], factor, size) for index in range(plane.shape[2])], -1)
    for axis, length in ((0, size[1]), (1, size[0])):
        place = np.clip((np.arange(length) + 0.5) / factor - 0.5, 0, plane.shape[axis] - 1)
        low = np.minimum(place.astype(int), plane.shape[axis] - 2)
        part = (place - low).astype(np.float32)
        part = part[:, None] if axis == 0 else part
        plane = np.take(plane, low, axis) * (1 - part) + np.take(plane, low + 1, axis) * part
    return plane


@dataclass(frozen=True)
class Light:
    """A sun, a sky and what the ground throws back; directions as seen (x right, y up, z to the camera)."""

    sun: tuple[float, float, float] = (-0.55, 0.75, 0.5)
    sun_colour: tuple[float, float, float] = (1.0, 0.95, 0.82)
    sky_colour: tuple[float, float, float] = (0.42, 0.48, 0.56)
    ground_colour: tuple[float, float, float] = (0.22, 0.22, 0.14)
    wrap: float = 0.35  # how far light creeps round soft things: 0 for stone, 0.5 for down
    rim: float = 0.35  # light caught by the outline, from behind


def lit(surface_normals: np.ndarray, occlusion: np.ndarray, light: Light) -> np.ndarray:
    """Light (…, 3) that falls on the surface: multiply it with the surface's own colour."""
    sun = np.array(light.sun, np.float32) / np.linalg.norm(light.sun)
    direct = np.clip((surface_normals @ sun + light.wrap) / (1 + light.wrap), 0, 1)[..., None] ** 1.2
    above = (surface_normals[..., 1:2] + 1) / 2
    ambient = above * np.array(light.sky_colour) + (1 - above) * np.array(light.ground_colour)
    edge = (1 - np.clip(surface_normals[..., 2:3], 0, 1)) ** 3 * np.clip(surface_normals[..., 1:2] + 0.4, 0, 1)
    openness = occlusion[..., None]
    total = direct * np.array(light.sun_colour) * (0.45 + 0.55 * openness) + ambient * openness
    return (total + light.rim * edge * np.array(light.sun_colour)).astype(np.float32)


def gloss(surface_normals: np.ndarray, light: Light, sharpness: float) -> np.ndarray:
    """Mirror-like highlight (…,) of the sun (Blinn 1977)."""
    half = np.array(light.sun, np.float32) / np.linalg.norm(light.sun) + np.array([0, 0, 1], np.float32)
    half /= np.linalg.norm(half)
    return np.clip(surface_normals @ half, 0, 1) ** sharpness
