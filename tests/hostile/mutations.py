"""Seeded damage: small valid files of many formats, and endless variations of them.

    for name, data in mutations(seed=1, count=10_000): …

A mutation flips bits, writes the values at which integers turn over, copies, repeats, drops and swaps parts, joins the
beginning of one file to the end of another, or cuts a file short; one to eight times. Lengths and sizes, which lie in
the first hundreds of bytes, are hit more often.
"""

from __future__ import annotations

import functools
import io
import random
from collections.abc import Callable, Iterator

from PIL import Image

LIMITS = (0, 1, 2, 0x7F, 0x80, 0xFE, 0xFF)
WIDE_LIMITS = (0, 1, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, 0x00010000, 10_000, 65_535)
HEAD = 400  # bytes
REPEATED = 200_000  # bytes at most that a repetition adds


def photo(mode: str = "RGB", size: tuple[int, int] = (61, 43)) -> Image.Image:
    return Image.effect_mandelbrot(size, (-3, -2.5, 2, 2.5), 100).convert("RGB").convert(mode)


def saved(format: str, mode: str = "RGB", **options: object) -> bytes:
    file = io.BytesIO()
    if format == "HEIF":
        from pillow_heif import register_heif_opener

        register_heif_opener()
    image = photo(mode)
    if options.pop("turned", False):
        exif = Image.Exif()
        exif[0x0112] = 6
        exif[0x010E] = "a description"
        options["exif"] = exif
    if options.pop("animated", False):
        options |= {"save_all": True, "append_images": [image.transpose(Image.Transpose.ROTATE_180)]}
    image.save(file, format, **options)
    return file.getvalue()


def _float_tiff() -> bytes:
    file = io.BytesIO()
    photo("F").save(file, "TIFF", compression="tiff_adobe_deflate")
    return file.getvalue()


SEEDS: dict[str, Callable[[], bytes]] = {
    "JPEG": functools.partial(saved, "JPEG", turned=True),
    "progressive JPEG": functools.partial(saved, "JPEG", progressive=True),
    "CMYK JPEG": functools.partial(saved, "JPEG", "CMYK"),
    "JPEG with restarts": functools.partial(saved, "JPEG", "L", restart_marker_blocks=2),
    "MPO": functools.partial(saved, "MPO", animated=True),
    "PNG": functools.partial(saved, "PNG", "RGBA", turned=True),
    "palette PNG": functools.partial(saved, "PNG", "P", transparency=3),
    "16-bit PNG": functools.partial(saved, "PNG", "I;16"),
    "animated PNG": functools.partial(saved, "PNG", animated=True),
    "WebP": functools.partial(saved, "WEBP", turned=True),
    "lossless WebP": functools.partial(saved, "WEBP", "RGBA", lossless=True),
    "animated WebP": functools.partial(saved, "WEBP", animated=True),
    "GIF": functools.partial(saved, "GIF", "P", comment=b"hello"),
    "animated GIF": functools.partial(saved, "GIF", "P", animated=True),
    "AVIF": functools.partial(saved, "AVIF", turned=True),
    "AVIF with alpha": functools.partial(saved, "AVIF", "RGBA"),
    "HEIF": functools.partial(saved, "HEIF", turned=True),
    "BMP": functools.partial(saved, "BMP"),
    "BMP of runs": lambda: _runs(),
    "TIFF": functools.partial(saved, "TIFF", turned=True),
    "LZW TIFF": functools.partial(saved, "TIFF", compression="tiff_lzw"),
    "JPEG TIFF": functools.partial(saved, "TIFF", compression="jpeg"),
    "fax TIFF": functools.partial(saved, "TIFF", "1", compression="group4"),
    "float TIFF": _float_tiff,
    "LAB TIFF": functools.partial(saved, "TIFF", "LAB"),
    "PPM": functools.partial(saved, "PPM"),
    "text PPM": lambda: b"P3\n# three\n7 3\n255\n" + b" ".join(b"%d" % (i * 4) for i in range(63)) + b"\n",
    "float PPM": functools.partial(saved, "PPM", "F"),
}


def _runs() -> bytes:
    from tests.hostile.files import bmp

    return bmp(9, 6, 8, 1, b"\x09\x01\x00\x00" * 5 + b"\x00\x02\x03\x00\x06\x02\x00\x01")


def mutations(seed: int, count: int) -> Iterator[tuple[str, bytes]]:
    """(the seed's name, the damaged file), the same ones each time."""
    draw = random.Random(seed)
    whole = {name: make() for name, make in SEEDS.items()}
    names = list(whole)
    for number in range(count):
        name = names[number % len(names)]
        data = bytearray(whole[name])
        for _ in range(draw.choice((1, 1, 1, 2, 3, 5, 8))):
            if len(data) > 8:
                draw.choice(WAYS)(draw, data, whole[draw.choice(names)])
        yield name, bytes(data)


def _place(draw: random.Random, data: bytearray, room: int = 1) -> int:
    end = max(1, len(data) - room)
    return draw.randrange(min(end, HEAD) if draw.random() < 0.6 else end)


def _flip(draw: random.Random, data: bytearray, _: bytes) -> None:
    for _ in range(draw.choice((1, 2, 8))):
        data[_place(draw, data)] ^= 1 << draw.randrange(8)


def _byte(draw: random.Random, data: bytearray, _: bytes) -> None:
    data[_place(draw, data)] = draw.choice(LIMITS)


def _number(draw: random.Random, data: bytearray, _: bytes) -> None:
    width = draw.choice((2, 4, 4))
    value = draw.choice(WIDE_LIMITS) & (1 << 8 * width) - 1
    at = _place(draw, data, width)
    data[at : at + width] = value.to_bytes(width, draw.choice(("big", "little")))


def _part(draw: random.Random, data: bytearray) -> slice:
    at = _place(draw, data)
    return slice(at, at + draw.choice((1, 4, 12, 64, 512)))


def _drop(draw: random.Random, data: bytearray, _: bytes) -> None:
    del data[_part(draw, data)]


def _copy(draw: random.Random, data: bytearray, _: bytes) -> None:
    part = bytes(data[_part(draw, data)])
    at = _place(draw, data)
    data[at : at + (len(part) if draw.random() < 0.5 else 0)] = part


def _repeat(draw: random.Random, data: bytearray, _: bytes) -> None:
    where = _part(draw, data)
    part = bytes(data[where])
    times = min(draw.choice((2, 10, 1_000, 50_000)), REPEATED // max(1, len(part)))
    data[where] = part * times


def _join(draw: random.Random, data: bytearray, other: bytes) -> None:
    data[_place(draw, data) :] = other[draw.randrange(len(other)) :]


def _cut(draw: random.Random, data: bytearray, _: bytes) -> None:
    del data[_place(draw, data) :]


WAYS = (_flip, _flip, _byte, _number, _number, _drop, _copy, _repeat, _join, _cut)
