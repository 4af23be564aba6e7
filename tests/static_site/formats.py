"""Photos in all formats and forms that the page without a server answers as Python does."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"


def encoded(image: Image.Image, kind: str, **settings: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def oriented(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def forms(image: Image.Image) -> Iterator[tuple[str, bytes]]:
    """(name, file) of each form of an RGB image."""
    small = image.resize((411, 300) if image.width > image.height else (300, 411))
    large = image.resize((1600, 1200))  # of 2 megapixels: Python decodes a JPEG of it at half its size
    grey, rgba = small.convert("L"), small.convert("RGBA")
    rgba.putalpha(Image.fromarray(np.linspace(0, 255, small.width, dtype=np.uint8)[None].repeat(small.height, axis=0)))
    noise = np.random.default_rng(0).integers(-120, 120, (small.height, small.width))
    deep = (np.asarray(grey).astype(np.int64) * 257 + noise).clip(0, 65535).astype(np.uint16)
    yield "baseline.jpg", encoded(small, "JPEG", quality=90)
    yield "progressive.jpg", encoded(small, "JPEG", progressive=True)
    for sampling, name in enumerate(("444", "422", "420")):
        yield f"{name}.jpg", encoded(small, "JPEG", subsampling=sampling)
        yield f"{name}-large.jpg", encoded(large, "JPEG", subsampling=sampling)
    yield "progressive-large.jpg", encoded(large, "JPEG", progressive=True)
    yield "grey-large.jpg", encoded(large.convert("L"), "JPEG")
    yield "restarts-large.jpg", encoded(large, "JPEG", restart_marker_blocks=5)
    yield "cmyk-large.jpg", encoded(large.convert("CMYK"), "JPEG")
    yield "huge.jpg", encoded(image.resize((4001, 2999)), "JPEG")
    yield "cmyk.jpg", encoded(small.convert("CMYK"), "JPEG")
    yield "grey.jpg", encoded(grey, "JPEG")
    for orientation in range(2, 9):
        yield f"turned-{orientation}.jpg", encoded(small, "JPEG", exif=oriented(orientation))
    yield "turned-large-6.jpg", encoded(large, "JPEG", exif=oriented(6))
    for orientation in (3, 5, 8):
        yield f"turned-{orientation}.png", encoded(small, "PNG", exif=oriented(orientation))
        yield f"turned-{orientation}.webp", encoded(small, "WEBP", lossless=True, exif=oriented(orientation))
    yield "turned-6.avif", encoded(small, "AVIF", exif=oriented(6))
    yield "rgb.png", encoded(small, "PNG")
    yield "large.png", encoded(large, "PNG")
    yield "palette.png", encoded(small.quantize(100), "PNG")
    yield "transparent.png", encoded(rgba, "PNG")
    yield "grey.png", encoded(grey, "PNG")
    yield "grey-alpha.png", encoded(rgba.convert("LA"), "PNG")
    yield "16-bit.png", encoded(Image.fromarray(deep), "PNG")
    yield "12-bit.png", encoded(Image.fromarray(deep // 16), "PNG")
    yield "lossy.webp", encoded(small, "WEBP", quality=75)
    yield "transparent.webp", encoded(rgba, "WEBP", lossless=True)
    yield "still.gif", encoded(small.quantize(64), "GIF")
    yield "moving.gif", encoded(small, "GIF", save_all=True, append_images=[grey.convert("RGB")])
    yield "rgb.bmp", encoded(small, "BMP")
    yield "opaque.avif", encoded(small, "AVIF", quality=70)
    yield "tiny.png", encoded(image.resize((7, 9)), "PNG")
    yield "wide.png", encoded(image.resize((900, 60)), "PNG")
