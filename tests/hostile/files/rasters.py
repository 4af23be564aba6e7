"""GIF, BMP and PPM: blocks, runs, numbers as text."""

from __future__ import annotations

import struct

from PIL import Image

from tests.hostile.files.bombs import bomb, saved


def _gif_pixels() -> bytes:
    """16 pixels of the second colour."""
    data = saved(Image.new("P", (4, 4), 1), "GIF")
    return data[data.rindex(b",\0\0\0\0\4\0\4\0") + 10 : -1]


GIF_PIXELS = _gif_pixels()


def gif(before: bytes = b"", size: tuple[int, int] = (4, 4), at: tuple[int, int] = (0, 0)) -> bytes:
    image = b"," + struct.pack("<HHHHB", *at, 4, 4, 0) + GIF_PIXELS
    return b"GIF89a" + struct.pack("<HH", *size) + b"\x80\0\0" + bytes(6) + before + image + b";"


@bomb("gif: 400,000 comment blocks")
def _gif_comments() -> bytes:
    return gif(b"!\xfe\x01x\x00" * 400_000)


@bomb("gif: a comment of 10 million blocks")
def _gif_comment() -> bytes:
    return gif(b"!\xfe" + b"\x01x" * 10_000_000 + b"\x00")


@bomb("gif: 10 million application blocks")
def _gif_application() -> bytes:
    return gif(b"!\xff\x0bNETSCAPE2.0" + b"\x01x" * 10_000_000 + b"\x00")


@bomb("gif: 19 million bytes of junk")
def _gif_junk() -> bytes:
    return gif(b"\x01" * 19_000_000)


@bomb("gif: 900,000 frames")
def _gif_frames() -> bytes:
    return gif()[:-1] + gif()[19:-1] * 900_000 + b";"


@bomb("gif: a screen of 50 megapixels")
def _gif_screen() -> bytes:
    return gif(b"!\xf9\x04\x09\0\0\0\0", size=(10_000, 5_000))


@bomb("gif: a picture far out of its screen")
def _gif_outside() -> bytes:
    return gif(at=(65_000, 65_000))


def bmp(width: int, height: int, bits: int, packed: int, body: bytes) -> bytes:
    palette = bytes(4 * 256) if bits == 8 else b""
    place = 54 + len(palette)
    head = struct.pack("<LllHHLLllLL", 40, width, height, 1, bits, packed, len(body), 0, 0, 0, 0)
    return b"BM" + struct.pack("<LLL", place + len(body), 0, place) + head + palette + body


@bomb("bmp: 20 MB of runs")
def _bmp_runs() -> bytes:
    return bmp(7_000, 7_000, 8, 1, b"\x01\x00" * 9_900_000)


@bomb("bmp: 4 MB of runs")
def _bmp_few_runs() -> bytes:
    return bmp(7_000, 7_000, 8, 1, b"\x01\x00" * 1_990_000)


@bomb("bmp: 50 megapixels by a jump")
def _bmp_jump() -> bytes:
    return bmp(10_000, 5_000, 8, 1, b"\x00\x02\xff\xff" * 5_000 + b"\x00\x01")


@bomb("bmp: 50 megapixels claimed")
def _bmp_claimed() -> bytes:
    return bmp(10_000, -5_000, 24, 0, b"\0" * 1000)


@bomb("ppm: 20 MB of numbers as text")
def _ppm_text() -> bytes:
    return b"P3\n2000 1700\n255\n" + b"1 " * 10_200_000


@bomb("ppm: 20 MB of comments")
def _ppm_comments() -> bytes:
    return b"P2\n10 10\n255\n" + b"#\n" * 10_000_000


@bomb("ppm: comments before the size")
def _ppm_header() -> bytes:
    return b"P6\n" + b"#\n" * 10_000_000 + b"1 1\n255\nabc"


@bomb("ppm: a comment without an end")
def _ppm_endless() -> bytes:
    return b"P6\n#"


@bomb("ppm: a maximum of 254")
def _ppm_maximum() -> bytes:
    return b"P6\n2600 2600\n254\n" + b"\0" * (3 * 2600 * 2600)


@bomb("ppm: two-byte levels with a maximum of 4095")
def _ppm_deep() -> bytes:
    return b"P5\n3000 3000\n4095\n" + b"\0" * (2 * 3000 * 3000)


@bomb("ppm: bits as text")
def _ppm_bits() -> bytes:
    return b"P1\n4400 4400\n" + b"1" * (4400 * 4400)
