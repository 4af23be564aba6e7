"""The pictures by which others show a page: its icon, and the preview of a link to it."""

from __future__ import annotations

import io
from collections.abc import Iterable
from itertools import islice
from pathlib import Path

from PIL import Image, ImageDraw, ImageOps

from mirror.images import load_image
from mirror.palette import LIGHT

PREVIEW_PIXELS = (1200, 630)  # as those who show a link want it (https://ogp.me)


def link_preview(examples: Iterable[bytes | Path]) -> bytes:
    """What is shown of a link: the mirror, and beside it up to two pictures to try, as a JPEG."""
    width, height = PREVIEW_PIXELS
    image = Image.new("RGB", PREVIEW_PIXELS, LIGHT.page)
    shown: list[Image.Image] = [_mirror(height * 2 // 3)]
    shown += [ImageOps.fit(load_image(body).convert("RGB"), (330, 330)) for body in islice(examples, 2)]
    left = (width - sum(each.width + 20 for each in shown) + 20) // 2
    for each in shown:
        image.paste(each, (left, (height - each.height) // 2))
        left += each.width + 20
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def icon(pixels: int) -> bytes:
    """The mirror of favicon.svg on paper, its colours plain, as a PNG."""
    buffer = io.BytesIO()
    _mirror(pixels).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _mirror(pixels: int) -> Image.Image:
    large = 4 * pixels  # drawn larger, for smooth edges
    image = Image.new("RGB", (large, large), LIGHT.page)
    draw = ImageDraw.Draw(image)

    def place(*points: float) -> list[float]:
        return [large * (0.1 + 0.8 * point / 64) for point in points]

    draw.rounded_rectangle(place(28, 44, 36, 62), large * 0.03, LIGHT.gold)
    draw.ellipse(place(12, 2, 52, 46), LIGHT.gold)
    draw.ellipse(place(16.5, 6.5, 47.5, 41.5), LIGHT.accent)
    return image.resize((pixels, pixels), Image.Resampling.LANCZOS)
