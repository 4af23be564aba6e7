"""WebP: chunks, frames, and pictures of one colour that weigh nothing."""

from __future__ import annotations

import struct

from tests.hostile.files.bombs import LARGE, MB20, bomb, saved, soft_photo
from tests.hostile.files.tiffs import shared_tags


def riff(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("<L", len(body)) + body + b"\0" * (len(body) & 1)


def webp(chunks: bytes) -> bytes:
    return b"RIFF" + struct.pack("<L", len(chunks) + 4) + b"WEBP" + chunks


def flat_lossless(width: int, height: int) -> bytes:
    """One colour, whatever the size: 34 bytes with its header."""
    bits = (width - 1) | (height - 1) << 14 | 1 << 28
    return riff(b"VP8L", b"\x2f" + struct.pack("<L", bits) + b"\x88\x88\x08" + b"\0" * 6)


@bomb("webp: 50 megapixels in 34 bytes")
def _flat() -> bytes:
    return webp(flat_lossless(10_000, 5_000))


@bomb("webp: 41 megapixels in 34 bytes")
def _flat_within() -> bytes:
    return webp(flat_lossless(8_800, 4_700))


@bomb("webp: 268 megapixels in 34 bytes")
def _flat_large() -> bytes:
    return webp(flat_lossless(16_383, 16_383))


def _extended(width: int, height: int, flags: int = 2) -> bytes:
    sides = (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    return riff(b"VP8X", bytes([flags, 0, 0, 0]) + sides)


@bomb("webp: 500,000 frames")
def _frames() -> bytes:
    inner = flat_lossless(1, 1)
    one = riff(b"ANMF", b"\0" * 6 + b"\0" * 6 + b"\1\0\0\0" + inner)
    return webp(_extended(1, 1) + riff(b"ANIM", b"\0" * 6) + one * (MB20 // len(one) - 10))


@bomb("webp: 2 million unknown chunks")
def _unknown() -> bytes:
    return webp(_extended(1, 1, 0) + flat_lossless(1, 1) + riff(b"abcd", b"") * 2_000_000)


@bomb("webp: EXIF whose tags share their bytes")
def _webp_exif() -> bytes:
    return webp(_extended(1, 1, 8) + flat_lossless(1, 1) + riff(b"EXIF", shared_tags(5_000, 4_000_000)))


@bomb("webp: 40 megapixels, lossy with alpha", LARGE)
def _webp_lossy() -> bytes:
    return saved(soft_photo(8_000, 5_000, "RGBA"), "WEBP", method=0)
