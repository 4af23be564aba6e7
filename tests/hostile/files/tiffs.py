"""TIFF: tags and directories that share their bytes, strips and tiles, modes of many bytes."""

from __future__ import annotations

import struct
import zlib

from tests.hostile.files.bombs import bomb


def directory(entries: list[tuple[int, int, int, int]], following: int = 0) -> bytes:
    """Little-endian: (tag, type, count, value or place) of each."""
    body = b"".join(struct.pack("<HHLL", *entry) for entry in sorted(entries))
    return struct.pack("<H", len(entries)) + body + struct.pack("<L", following)


def picture_tags(width: int, height: int, place: int, size: int, **more: int) -> list[tuple[int, int, int, int]]:
    """A grey picture of one strip. more: t<number> of other tags."""
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: place, 277: 1, 278: height, 279: size}
    tags |= {int(name[1:]): value for name, value in more.items()}
    return [(tag, 4 if tag in (256, 257, 273, 278, 279, 322, 323, 324, 325) else 3, 1, tags[tag]) for tag in tags]


def tiff(directories: bytes, start: int = 8) -> bytes:
    return b"II*\0" + struct.pack("<L", start) + directories


def shared_tags(count: int, size: int) -> bytes:
    """A TIFF, or an EXIF block, of `count` tags that all hold the same `size` bytes."""
    entries = [(40_000 + number, 7, size, 8) for number in range(min(count, 25_000))]
    return tiff(b"\0" * size + directory(entries), 8 + size)


@bomb("tiff: 2,000 tags share a megabyte")
def _tags() -> bytes:
    return shared_tags(2_000, 1_000_000)


@bomb("tiff: 25,000 tags share 15 megabytes")
def _more_tags() -> bytes:
    return shared_tags(25_000, 15_000_000)


@bomb("tiff: 3,000 large tags of an EXIF directory share their bytes")
def _exif_tags() -> bytes:
    size = 1_000_000
    inner = directory([(40_000 + number, 7, size, 8) for number in range(3_000)])
    pixels = 8 + size + len(inner)
    outer = directory([*picture_tags(2, 2, pixels, 4), (34_665, 4, 1, 8 + size)])
    return tiff(b"\0" * size + inner + b"\0" * 4 + outer, pixels + 4)


@bomb("tiff: directories that share their tags' bytes")
def _pages() -> bytes:
    size, parts, place = 10_000_000, [], 8 + 10_000_000
    for number in range(500):
        entries = [*picture_tags(2, 2, 8, 4), (40_000, 7, size, 8)]
        after = place + 2 + 12 * len(entries) + 4
        parts.append(directory(entries, after if number < 499 else 0))
        place = after
    return tiff(b"\0" * size + b"".join(parts), 8 + size)


@bomb("tiff: BigTIFF whose tags share their bytes")
def _big_tags() -> bytes:
    size, count = 2_000_000, 2_000
    entries = b"".join(struct.pack("<HHQQ", 40_000 + number, 7, size, 16) for number in range(count))
    head = b"II+\0" + struct.pack("<HHQ", 8, 0, 16 + size)
    return head + b"\0" * size + struct.pack("<Q", count) + entries + struct.pack("<Q", 0)


@bomb("tiff: 100,000 directories")
def _chain() -> bytes:
    one = len(directory(picture_tags(2, 2, 8, 4)))
    parts = [directory(picture_tags(2, 2, 8, 4), 12 + one * (number + 1)) for number in range(99_999)]
    return tiff(b"\0" * 4 + b"".join(parts) + directory(picture_tags(2, 2, 8, 4)), 12)


@bomb("tiff: a directory that follows itself")
def _loop() -> bytes:
    return tiff(directory(picture_tags(2, 2, 8, 4), 8))


@bomb("tiff: 2 million strips")
def _strips() -> bytes:
    count = 2_000_000
    places = struct.pack("<L", 8) * count
    entries = [each for each in picture_tags(2, count, 8, 4) if each[0] not in (273, 278, 279)]
    entries += [(273, 4, count, 8), (279, 4, count, 8), (278, 4, 1, 1)]
    return tiff(places + directory(entries), 8 + len(places))


@bomb("tiff: a tile of 3.6 gigapixels for a small picture")
def _tile() -> bytes:
    tags = picture_tags(64, 64, 8, 1000, t322=60_000, t323=60_000, t324=8, t325=1000, t259=5)
    tags = [each for each in tags if each[0] not in (273, 278, 279)]
    return tiff(b"\x80\x00" * 500 + directory(tags), 1008)


def deflated_tiff(width: int, height: int, bytes_a_pixel: int, **more: int) -> bytes:
    squeeze = zlib.compressobj(1)
    row = b"\0" * width * bytes_a_pixel
    packed = b"".join(squeeze.compress(row) for _ in range(height)) + squeeze.flush()
    tags = picture_tags(width, height, 8, len(packed), t259=8, **more)
    depths = more.get("t277", 1)
    place = 8 + len(packed)
    if depths > 2:  # BitsPerSample of several samples lies outside the entry
        packed += struct.pack(f"<{depths}H", *[more["t258"]] * depths)
        tags = [(258, 3, depths, place) if each[0] == 258 else each for each in tags]
    return tiff(packed + directory(tags), 8 + len(packed))


@bomb("tiff: 50 megapixels of floats")
def _floats() -> bytes:
    return deflated_tiff(10_000, 5_000, 4, t258=32, t339=3)


@bomb("tiff: 50 megapixels of 32-bit integers")
def _integers() -> bytes:
    return deflated_tiff(10_000, 5_000, 4, t258=32, t339=2)


@bomb("tiff: 50 megapixels of four 16-bit samples in one strip")
def _deep() -> bytes:
    return deflated_tiff(10_000, 5_000, 8, t258=16, t277=4, t262=2, t338=2)


@bomb("tiff: 49 megapixels of LAB")
def _lab() -> bytes:
    return deflated_tiff(49_000, 1_000, 3, t258=8, t277=3, t262=8)


@bomb("tiff: 50 megapixels to be turned")
def _turned() -> bytes:
    return deflated_tiff(10_000, 5_000, 3, t258=8, t277=3, t262=2, t274=6)
