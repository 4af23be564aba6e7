"""Drawn garments: as product photos, and as a small set of Fashion-MNIST's form."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw

from mirror.fashion_mnist.dataset import LABELS, ImageSplit
from mirror.fashion_mnist.fashion_settings import FashionSettings

RECIPE = FashionSettings(size=32, epochs=9, seed=1, held_out=12)
SHIRT = [(0.3, 0.2), (0.7, 0.2), (0.85, 0.4), (0.75, 0.47), (0.68, 0.38), (0.68, 0.85), (0.32, 0.85), (0.32, 0.38),
         (0.25, 0.47), (0.15, 0.4)]  # fmt: skip
BOX = (0.15, 0.2, 0.85, 0.85)


def product(
    ground: tuple[int, int, int] = (255, 255, 255), cloth: tuple[int, int, int] = (60, 70, 90),
    size: tuple[int, int] = (600, 800), noise: float = 0.0, shade: float = 0.0,
) -> Image.Image:  # fmt: skip
    """A shirt of one colour on a ground of one colour, which may be noisy, and darker by `shade` levels at its foot."""
    image = Image.new("RGB", size, ground)
    ImageDraw.Draw(image).polygon([(x * size[0], y * size[1]) for x, y in SHIRT], fill=cloth)
    levels = np.asarray(image, np.float32) - np.linspace(0, shade, size[1])[:, None, None]
    if noise:
        levels = levels + np.random.default_rng(0).normal(0, noise, levels.shape)
    return Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))


def shape(label: int, random: np.random.Generator) -> np.ndarray:
    """28 x 28 px of a bar whose width and height tell the label."""
    image = Image.new("L", (28, 28))
    wide, high = 2 + 9 * (label % 2), 1 + 3 * (label // 2)
    ImageDraw.Draw(image).rectangle((14 - wide, 14 - high, 13 + wide, 13 + high), fill=int(random.integers(120, 256)))
    return np.asarray(image)


def half(each: int, seed: int) -> ImageSplit:
    random = np.random.default_rng(seed)
    labels = random.permutation(np.repeat(np.arange(len(LABELS)), each))
    return ImageSplit(np.stack([shape(int(label), random) for label in labels]), labels)
