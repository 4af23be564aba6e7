"""JPEG: segments, scans, sampling, and what hides between them."""

from __future__ import annotations

import struct

from PIL import Image

from tests.hostile.files.bombs import LARGE, MB20, bomb, saved, soft_photo
from tests.hostile.files.tiffs import shared_tags


def segment(marker: int, body: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(body) + 2) + body


def jpeg(parts: bytes = b"", size: tuple[int, int] = (64, 48), **options: object) -> bytes:
    """A small picture with something between its first marker and the rest."""
    data = saved(Image.new("RGB", size, (90, 120, 30)), "JPEG", **options)
    return data[:2] + parts + data[2:]


def tables(data: bytes) -> bytes:
    """The segments of a JPEG before its frame."""
    return data[2 : data.index(b"\xff\xc0") if b"\xff\xc0" in data else data.index(b"\xff\xc2")]


def frame(kind: int, size: tuple[int, int], sampling: tuple[int, ...]) -> bytes:
    parts = b"".join(bytes([number + 1, factor, 0]) for number, factor in enumerate(sampling))
    return segment(kind, struct.pack(">BHHB", 8, size[1], size[0], len(sampling)) + parts)


def scan(components: tuple[int, ...], first: int, last: int, bits: int = 0) -> bytes:
    body = bytes([len(components)]) + b"".join(bytes([number, 0]) for number in components)
    return segment(0xDA, body + bytes([first, last, bits]))


def progressive(size: tuple[int, int], sampling: tuple[int, ...], scans: bytes) -> bytes:
    start = b"\xff\xd8" + tables(saved(Image.new("L", (8, 8)), "JPEG"))
    huffman = segment(0xC4, b"\x00" + bytes([0, 1] + [0] * 14) + b"\x00")  # one code: nothing
    huffman += segment(0xC4, b"\x10" + bytes([0, 1] + [0] * 14) + b"\x00")
    return start + huffman + frame(0xC2, size, sampling) + scans + b"\xff\xd9"


@bomb("jpeg: 270,000 empty scans of 50 megapixels")
def _scans() -> bytes:
    again = scan((1,), 1, 63)
    return progressive((10_000, 5_000), (0x11,), scan((1,), 0, 0) + again * (MB20 // len(again) - 60))


@bomb("jpeg: scans behind a comment that holds an end marker")
def _hidden_scans() -> bytes:
    again = scan((1,), 1, 63)
    return progressive((8_000, 6_000), (0x11,), scan((1,), 0, 0) + segment(0xFE, b"\xff\xd9" * 9) + again * 100_000)


@bomb("jpeg: scans behind a marker without a length")
def _scans_behind_tem() -> bytes:
    again = scan((1,), 1, 63)
    return progressive((8_000, 6_000), (0x11,), scan((1,), 0, 0) + b"\xff\x01" + again * 100_000)


@bomb("jpeg: coefficients of four components")
def _coefficients() -> bytes:
    return progressive((7_071, 7_071), (0x11,) * 4, scan((1, 2, 3, 4), 0, 0) + b"\0" * 1000)


@bomb("jpeg: sequential, a scan for each component")
def _sequential() -> bytes:
    start = b"\xff\xd8" + tables(saved(Image.new("L", (8, 8)), "JPEG"))
    scans = b"".join(scan((number,), 0, 63) for number in (1, 2, 3)) * 400_000
    return start + frame(0xC0, (7_000, 7_000), (0x11,) * 3) + scans + b"\xff\xd9"


@bomb("jpeg: 5 million comments")
def _comments() -> bytes:
    return jpeg(b"\xff\xfe\x00\x02" * 5_000_000)


@bomb("jpeg: 5 million comments after the pixels")
def _late_comments() -> bytes:
    data = jpeg()
    return data[:-2] + b"\xff\xfe\x00\x02" * 5_000_000 + data[-2:]


@bomb("jpeg: 19 million fill bytes")
def _fill() -> bytes:
    return jpeg(b"\xff" * 19_000_000)


@bomb("jpeg: 19 million bytes of junk")
def _junk() -> bytes:
    return jpeg(b"\0" * 19_000_000)


@bomb("jpeg: 9 million start markers")
def _starts() -> bytes:
    return jpeg(b"\xff\xd8" * 9_000_000)


@bomb("jpeg: markers without a length between tables")
def _starts_between() -> bytes:
    return jpeg((b"\xff\xd8" * 500 + segment(0xDB, b"\x00" + b"\x01" * 64)) * 15_000)


@bomb("jpeg: 4 million parts that claim no length")
def _no_lengths() -> bytes:
    return jpeg(b"\xff\xe5\x00\x00" * 4_000_000)


@bomb("jpeg: 4 million parts of a kind that no photo has")
def _unknown_parts() -> bytes:
    return jpeg(b"\xff\xdc\x00\x02" * 4_000_000)


@bomb("jpeg: quantisation tables without end")
def _tables() -> bytes:
    return jpeg(segment(0xDB, (b"\x00" + b"\x01" * 64) * 1000) * 300)


@bomb("jpeg: EXIF whose tags share their bytes")
def _exif_shared() -> bytes:
    return jpeg(segment(0xE1, b"Exif\0\0" + shared_tags(5_000, 64_000 - 5_000 * 12)))


@bomb("jpeg: EXIF of 300 segments whose tags share their bytes")
def _exif_segments() -> bytes:
    block = shared_tags(3_000, 19_000_000)
    parts = [segment(0xE1, b"Exif\0\0" + block[i : i + 65_000]) for i in range(0, len(block), 65_000)]
    return jpeg(b"".join(parts))


@bomb("jpeg: EXIF in 900 segments")
def _exif_pieces() -> bytes:
    return jpeg(segment(0xE1, b"Exif\0\0" + b"\0" * 20_000) * 900)


@bomb("jpeg: an index of other pictures whose tags share their bytes")
def _mpf() -> bytes:
    return jpeg(segment(0xE2, b"MPF\0" + shared_tags(4_000, 64_000 - 4_000 * 12)))


@bomb("jpeg: Photoshop blocks of no size")
def _photoshop() -> bytes:
    return jpeg(segment(0xED, b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\0\0" * 5_000) * 300)


@bomb("jpeg: 65,500 x 8 pixels")
def _wide_jpeg() -> bytes:
    return jpeg(size=(65_500, 8))


@bomb("jpeg: 268 megapixels of nothing")
def _empty_jpeg() -> bytes:
    start = b"\xff\xd8" + tables(saved(Image.new("L", (8, 8)), "JPEG"))
    return start + frame(0xC0, (16_384, 16_384), (0x11,)) + scan((1,), 0, 63) + b"\0" * 1_000_000 + b"\xff\xd9"


@bomb("jpeg: 50 megapixels, progressive, 4:4:4", LARGE)
def _jpeg_progressive() -> bytes:
    return saved(soft_photo(10_000, 5_000), "JPEG", progressive=True, subsampling=0, quality=95)


@bomb("jpeg: 50 megapixels, progressive, without its end", LARGE)
def _jpeg_without_end() -> bytes:
    return _jpeg_progressive()[:-2]


@bomb("jpeg: 50 megapixels, progressive, half of it", LARGE)
def _jpeg_half() -> bytes:
    whole = _jpeg_progressive()
    return whole[: len(whole) // 2]


@bomb("jpeg: 50 megapixels of CMYK, to be turned", LARGE)
def _jpeg_cmyk() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(soft_photo(10_000, 5_000).convert("CMYK"), "JPEG", exif=exif)


@bomb("jpeg: 200 megapixels", LARGE)
def _jpeg_phone() -> bytes:
    return saved(soft_photo(16_320, 12_240), "JPEG", quality=75)
