"""HEIF and AVIF: boxes, and sizes that are claimed."""

from __future__ import annotations

import functools
import struct

from PIL import Image

from tests.hostile.files.bombs import LARGE, bomb, saved, soft_photo


def box(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">L", len(body) + 8) + kind + body


@functools.cache
def small_iso(format: str) -> bytes:
    if format == "HEIF":
        from pillow_heif import register_heif_opener

        register_heif_opener()
    return saved(Image.new("RGB", (64, 48), (90, 120, 30)), format)


def claiming(data: bytes, width: int, height: int) -> bytes:
    """A HEIF or AVIF whose pictures claim another size."""
    parts = data.split(b"ispe")
    sides = struct.pack(">LLL", 0, width, height)
    return parts[0] + b"".join(b"ispe" + sides + part[12:] for part in parts[1:])


for _format in ("HEIF", "AVIF"):

    @bomb(f"{_format.lower()}: claims 50 megapixels")
    def _claims(format: str = _format) -> bytes:
        return claiming(small_iso(format), 10_000, 5_000)

    @bomb(f"{_format.lower()}: claims 4 gigapixels")
    def _claims_more(format: str = _format) -> bytes:
        return claiming(small_iso(format), 65_535, 65_535)

    @bomb(f"{_format.lower()}: 2 million boxes")
    def _boxes(format: str = _format) -> bytes:
        data = small_iso(format)
        at = data.index(b"meta") - 4
        return data[:at] + box(b"free") * 2_000_000 + data[at:]

    @bomb(f"{_format.lower()}: 30,000 items")
    def _items(format: str = _format) -> bytes:
        data = small_iso(format)
        at = data.index(b"meta") - 4
        size = struct.unpack(">L", data[at : at + 4])[0]
        many = box(b"iprp", box(b"ipco", box(b"ispe", struct.pack(">LLL", 0, 9, 9)) * 30_000))
        return data[:at] + struct.pack(">L", size + len(many)) + data[at + 4 : at + size] + many + data[at + size :]


@bomb("avif: 50 megapixels with alpha", LARGE)
def _avif_alpha() -> bytes:
    return saved(soft_photo(10_000, 5_000, "RGBA"), "AVIF", speed=10)


@bomb("avif: 38 megapixels", LARGE)
def _avif() -> bytes:
    return saved(soft_photo(7_600, 5_000), "AVIF", speed=10)


@bomb("heif: 48 megapixels", LARGE)
def _heif() -> bytes:
    small_iso("HEIF")
    return saved(soft_photo(8_064, 6_048), "HEIF", quality=50)
