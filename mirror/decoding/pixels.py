"""Decoded pixels of any mode → upright RGB, a band of rows at a time, so that no second full copy is needed.

Transparency is laid over white, LAB and CMYK are converted by plain formulas, and levels of more than 8 bits are scaled
to 8. A band's pixels do not depend on the other bands, but for the brightest level of a picture of 16 bits or more,
which is looked for first.
"""

from __future__ import annotations

import contextlib
import mmap
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from PIL import Image

from mirror.decoding.orientation import SIDEWAYS, UPRIGHT

LARGE_BYTES = 4 << 20  # two large pages
BAND_BYTES = 1 << 20  # of RGB in one band: it stays in the processor's cache while it is converted and copied
TWELVE_BITS = 4095  # the highest level of a camera of 12 bits, whose files have 16


@dataclass(frozen=True)
class Decoded:
    """A picture as it was stored. rows(top, bottom): those of its rows, as an image of its mode. orientation: 1-8, as
    in EXIF. whole: all of it, where it is one Pillow image already. unpack: writes all of its rows into an image of its
    size and mode at once, where they are bytes."""

    size: tuple[int, int]
    mode: str
    orientation: int
    rows: Callable[[int, int], Image.Image]
    whole: Image.Image | None = None
    unpack: Callable[[Image.Image], None] | None = None

    @property
    def upright_size(self) -> tuple[int, int]:
        width, height = self.size
        return (height, width) if self.orientation in SIDEWAYS else (width, height)


def of_image(image: Image.Image, orientation: int) -> Decoded:
    """A loaded Pillow image."""

    def rows(top: int, bottom: int) -> Image.Image:
        return image.crop((0, top, image.width, bottom))

    return Decoded(image.size, image.mode, orientation, rows, image)


def of_buffer(size: tuple[int, int], mode: str, layout: tuple[str, int], data: Any, orientation: int) -> Decoded:
    """Pixels in a buffer. layout: Pillow's raw mode, and the bytes from a row to the next."""
    view = memoryview(data).cast("B")
    raw, stride = layout

    def rows(top: int, bottom: int) -> Image.Image:
        part = view[top * stride : bottom * stride]
        return _unpacked(mode, (size[0], bottom - top), part, raw, stride)

    return Decoded(size, mode, orientation, rows, unpack=lambda image: _unpack(image, view, raw, stride))


def _unpacked(mode: str, size: tuple[int, int], data: Any, raw: str, stride: int) -> Image.Image:
    image = Image.new(mode, size, None)
    _unpack(image, data, raw, stride)
    return image


def _unpack(image: Image.Image, data: Any, raw: str, stride: int) -> None:
    """Bytes in Pillow's raw mode `raw`, `stride` of them from a row to the next, into an image. (`Image.frombuffer`
    gives an image of another mode for some of them.)"""
    image.frombytes(data[: stride * image.height], "raw", (raw, stride, 1))


def image_over(memory: Any, size: tuple[int, int]) -> Image.Image:
    """The RGB image of this (width, height) whose pixels lie in `memory`, four bytes each, as Pillow keeps them: what
    is written into one is in the other. The memory is held as long as the image."""
    image = Image.frombuffer("RGBX", size, memory, "raw", "RGBX", 0, 1)
    image.im.setmode("RGB")
    return image._new(image.im)


def memory_for(size: tuple[int, int]) -> mmap.mmap | bytearray:
    """What `image_over` needs. 12 megapixels in pages of 4 KB take 30 ms to be there, in large ones 5 ms."""
    length = 4 * size[0] * size[1]
    if length < LARGE_BYTES or not hasattr(mmap, "MADV_HUGEPAGE"):
        return bytearray(length)
    memory = mmap.mmap(-1, length)
    with contextlib.suppress(OSError):  # a kernel without large pages
        memory.madvise(mmap.MADV_HUGEPAGE)
    return memory


def band_rows(width: int) -> int:
    """Rows of a band."""
    return max(1, BAND_BYTES // (4 * width))


def rgb_bands(decoded: Decoded) -> Iterator[tuple[int, Image.Image]]:
    """(first row, RGB image) of each band, from the top; the rows as they were stored."""
    width, height = decoded.size
    step = band_rows(width)
    convert = _converter(decoded, step)
    for top in range(0, height, step):
        yield top, convert(decoded.rows(top, min(top + step, height)))


def upright_rgb(decoded: Decoded) -> Image.Image:
    """A new upright RGB image without metadata. It may take over the memory of `decoded.whole`."""
    whole, turn = decoded.whole, UPRIGHT.get(decoded.orientation)
    if whole is not None and decoded.mode == "RGB" and not whole.has_transparency_data:
        image = whole.transpose(turn) if turn is not None else whole._new(whole.im)  # as fastai takes it over
    elif whole is not None and turn is None and _is_plain(decoded):
        image = whole.convert("RGB")
    else:
        image = image_over(memory_for(decoded.upright_size), decoded.upright_size)
        write_upright(decoded, image)
    image.info = {}  # Pillow hands metadata on, and the next reader would apply the EXIF orientation a second time
    return image


def write_upright(decoded: Decoded, image: Image.Image) -> None:
    """All pixels into an RGB image of the upright size."""
    if decoded.mode == "RGB" and decoded.orientation not in UPRIGHT and decoded.unpack is not None:
        decoded.unpack(image)
        return
    for top, band in rgb_bands(decoded):
        _paste_band(image, band, top, decoded)


def _paste_band(image: Image.Image, band: Image.Image, top: int, decoded: Decoded) -> None:
    """A band of stored rows → its place in the upright image."""
    height, rows = decoded.size[1], band.height
    turn = UPRIGHT.get(decoded.orientation)
    if turn is None:
        image.paste(band, (0, top))
        return
    end = height - top - rows
    left, upper = {
        2: (0, top), 3: (0, end), 4: (0, end), 5: (top, 0), 6: (end, 0), 7: (end, 0), 8: (top, 0),
    }[decoded.orientation]  # fmt: skip
    image.paste(band.transpose(turn), (left, upper))


def _is_plain(decoded: Decoded) -> bool:
    """Whether Pillow's own conversion is all that is needed."""
    image = decoded.whole
    deep = decoded.mode.startswith("I") or decoded.mode in ("F", "LAB")
    return image is not None and not deep and not image.has_transparency_data


def _converter(decoded: Decoded, step: int) -> Callable[[Image.Image], Image.Image]:
    """What turns a band of this picture into RGB."""
    mode = decoded.mode
    if mode.startswith("I") or mode == "F":
        height = decoded.size[1]
        bands = (decoded.rows(top, min(top + step, height)) for top in range(0, height, step))
        brightest = max(map(_brightest, bands))
        return _sixteen_bits(brightest) if mode.startswith("I;16") else _deep(mode, brightest)
    if mode == "LAB":
        return _lab()
    return _eight_bits


def _eight_bits(band: Image.Image) -> Image.Image:
    if band.has_transparency_data:
        layer = band.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return band if band.mode == "RGB" else band.convert("RGB")


def _sixteen_bits(brightest: float) -> Callable[[Image.Image], Image.Image]:
    """Levels 0-65535 → 0-255, by a table of what float64 arithmetic gives. Where none exceeds TWELVE_BITS, that is
    white: microscopes and X-ray detectors have such cameras."""
    import numpy as np

    white = TWELVE_BITS if brightest <= TWELVE_BITS else 65535
    table = np.rint(np.arange(65536).clip(max=white) * (255.0 / white)).astype(np.uint8)
    return lambda band: Image.fromarray(table[np.asarray(band)]).convert("RGB")


def _brightest(band: Image.Image) -> float:
    return float(_levels(band).max())


def _levels(band: Image.Image) -> Any:
    """[h, w] of the band's own type: nothing below 0, and 0 for what is no number."""
    import numpy as np

    pixels = np.asarray(band)
    if pixels.dtype.kind == "f":
        pixels = np.where(np.isfinite(pixels), pixels, 0)
    return pixels.clip(min=0)


def _deep(mode: str, brightest: float) -> Callable[[Image.Image], Image.Image]:
    """32-bit integers and floats have no fixed white: integers up to 65535 are read as 16-bit, floats within 0-1 as
    fractions and within 0-255 as 8-bit levels; beyond that the brightest pixel is white."""
    import numpy as np

    if mode == "F":
        white = next((white for white in (1.0, 255.0) if brightest <= white), brightest)
    else:
        white = max(65535.0, brightest)

    def convert(band: Image.Image) -> Image.Image:
        levels = _levels(band) * np.float64(255.0 / white)
        return Image.fromarray(np.rint(levels, out=levels).astype(np.uint8)).convert("RGB")

    return convert


def _lab() -> Callable[[Image.Image], Image.Image]:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(lab, srgb, "LAB", "RGB")

    def convert(band: Image.Image) -> Image.Image:
        converted = ImageCms.applyTransform(band, transform)
        assert converted is not None  # it is changed in place only where that is asked for
        return converted

    return convert
