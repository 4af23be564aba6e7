"""Photos that are drawn: each kind looks like itself, each seed differs enough for a perceptual hash to see it."""

from __future__ import annotations

import hashlib
import io

import numpy as np
from PIL import Image, ImageDraw

SHAPES = ("disc", "box", "triangle", "stripes")


def draw_photo(kind: str, seed: int, size: tuple[int, int] = (320, 240)) -> Image.Image:
    """An RGB picture of `kind` (any word: it picks the shape and its colour), placed by `seed` on a soft background.

    Backgrounds are random low frequencies, which is what perceptual hashes look at; the subject is what a classifier
    can learn. The same arguments give the same pixels.
    """
    digest = hashlib.sha256(kind.encode()).digest()
    rng = np.random.default_rng([seed, *digest[:8]])
    width, height = size
    coarse = rng.integers(30, 226, size=(5, 6, 3), dtype=np.uint8)
    photo = Image.fromarray(coarse, "RGB").resize(size, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(photo)
    hue = digest[0]
    colour = Image.new("HSV", (1, 1), (hue, 230, 240)).convert("RGB").getpixel((0, 0))
    radius = int(min(size) * rng.uniform(0.22, 0.34))
    x = int(rng.uniform(radius, width - radius))
    y = int(rng.uniform(radius, height - radius))
    box = (x - radius, y - radius, x + radius, y + radius)
    match SHAPES[digest[1] % len(SHAPES)]:
        case "disc":
            draw.ellipse(box, fill=colour)
        case "box":
            draw.rectangle(box, fill=colour)
        case "triangle":
            draw.polygon([(x, y - radius), (x - radius, y + radius), (x + radius, y + radius)], fill=colour)
        case "stripes":
            for top in range(box[1], box[3], max(6, radius // 3)):
                draw.rectangle((box[0], top, box[2], top + max(3, radius // 6)), fill=colour)
    grain = rng.normal(0, 6, size=(height, width, 1))
    return Image.fromarray(np.clip(np.asarray(photo) + grain, 0, 255).astype(np.uint8), "RGB")


def near_copy(photo: Image.Image) -> Image.Image:
    """What a second site would show: a little smaller, a little brighter."""
    smaller = photo.resize((photo.width * 9 // 10, photo.height * 9 // 10), Image.Resampling.LANCZOS)
    return smaller.point(lambda value: min(255, value + 6))


def encode(photo: Image.Image, format: str = "JPEG", **options: object) -> bytes:
    file = io.BytesIO()
    photo.save(file, format, **({"quality": 90} if format == "JPEG" and not options else options))
    return file.getvalue()
