"""The list of bombs, which each format's module adds to, and what several of them are made with."""

from __future__ import annotations

import io
from collections.abc import Callable

from PIL import Image

Make = Callable[[], bytes]
MB20 = 20 * 1024 * 1024 - 4096
BOMBS: dict[str, Make] = {}
LARGE: dict[str, Make] = {}


def bomb(name: str, into: dict[str, Make] = BOMBS) -> Callable[[Make], Make]:
    def add(make: Make) -> Make:
        into[name] = make
        return make

    return add


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


def soft_photo(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Soft colours, of any size."""
    small = Image.effect_mandelbrot((64, 48), (-3, -2.5, 2, 2.5), 100).convert(mode)
    return small.resize((width, height), Image.Resampling.BICUBIC)
