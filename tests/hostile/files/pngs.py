"""PNG: chunks, texts and profiles that unpack, deep samples."""

from __future__ import annotations

import struct
import zlib

from tests.hostile.files.bombs import bomb
from tests.hostile.files.tiffs import directory, shared_tags, tiff


def chunk(kind: bytes, body: bytes = b"") -> bytes:
    return struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))


def png(width: int, height: int, depth: int = 8, colour: int = 2, more: bytes = b"", interlaced: int = 0) -> bytes:
    """All zeros. more: chunks before the pixels."""
    samples = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour]
    row = b"\0" * (1 + (width * samples * depth + 7) // 8)
    squeeze = zlib.compressobj(1)
    rows = (squeeze.compress(row * 16) for _ in range(-(-height // 16)))
    body = b"".join(rows) + squeeze.flush()
    head = struct.pack(">LLBBBBB", width, height, depth, colour, 0, 0, interlaced)
    palette = chunk(b"PLTE", bytes(range(6))) if colour == 3 else b""
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + palette + more + chunk(b"IDAT", body) + chunk(b"IEND")


@bomb("png: 1 x 50 million pixels")
def _thin_png() -> bytes:
    return png(1, 50_000_000, colour=3, depth=1)


@bomb("png: 65,535 x 1 pixels")
def _wide_png() -> bytes:
    return png(65_535, 1)


@bomb("png: 50 million x 1 pixels")
def _very_wide_png() -> bytes:
    return png(50_000_000, 1, depth=1, colour=0)


@bomb("png: 1.7 million chunks")
def _chunks() -> bytes:
    return png(8, 8, more=chunk(b"teSt") * 1_700_000)


@bomb("png: 1.7 million chunks after the pixels")
def _late_chunks() -> bytes:
    data = png(8, 8)
    return data[:-12] + chunk(b"teSt") * 1_700_000 + data[-12:]


@bomb("png: 1.7 million empty chunks of pixels")
def _empty_chunks() -> bytes:
    return png(8, 8, more=chunk(b"IDAT") * 1_700_000)


@bomb("png: 50 megapixels with alpha")
def _alpha() -> bytes:
    return png(10_000, 5_000, colour=6)


@bomb("png: 50 megapixels of 16-bit grey")
def _deep_png() -> bytes:
    return png(10_000, 5_000, depth=16, colour=0)


@bomb("png: 50 megapixels of four 16-bit samples, interlaced")
def _interlaced() -> bytes:
    return png(10_000, 5_000, depth=16, colour=6, interlaced=1)


@bomb("png: 50 megapixels, an animation that clears its canvas")
def _animation() -> bytes:
    control = struct.pack(">LLLLLHHBB", 0, 10_000, 5_000, 0, 0, 1, 1, 1, 0)
    return png(10_000, 5_000, colour=6, more=chunk(b"acTL", struct.pack(">LL", 2, 0)) + chunk(b"fcTL", control))


@bomb("png: 50 megapixels with alpha, to be turned")
def _turned_png() -> bytes:
    exif = tiff(directory([(0x0112, 3, 1, 6)]))
    return png(10_000, 5_000, colour=6, more=chunk(b"eXIf", exif))


@bomb("png: EXIF whose tags share their bytes")
def _png_exif() -> bytes:
    return png(8, 8, more=chunk(b"eXIf", shared_tags(5_000, 4_000_000)))


@bomb("png: texts that unpack")
def _texts() -> bytes:
    packed = zlib.compress(b"\0" * 1_000_000, 9)
    return png(8, 8, more=b"".join(chunk(b"zTXt", b"k%d\0\0" % number + packed) for number in range(2_000)))


@bomb("png: texts of wide characters beside 50 megapixels")
def _wide_texts() -> bytes:
    packed = zlib.compress("\U0001f986".encode() + b" " * 1_000_000, 9)
    texts = (chunk(b"iTXt", b"k%d\0\1\0\0\0" % number + packed) for number in range(60))
    return png(10_000, 5_000, colour=6, more=b"".join(texts))


@bomb("png: 19 MB of colours")
def _colours() -> bytes:
    return png(10_000, 5_000, colour=6, more=chunk(b"cHRM", bytes(range(256)) * 70_000))


@bomb("png: a profile that unpacks")
def _profile() -> bytes:
    return png(8, 8, more=chunk(b"iCCP", b"p\0\0" + zlib.compress(b"\0" * 500_000_000, 1)))
