"""The orientation is the one that Pillow's `getexif` finds, for good blocks and for damaged ones."""

from __future__ import annotations

import io
import random
import struct
import warnings
from typing import Any

import pytest
from PIL import Image

from mirror.decoding.orientation import TAG, TYPES, UPRIGHT, orientation


def pillows(info: dict[str, Any]) -> int:
    """What the same metadata gives through `getexif`."""
    image = Image.new("RGB", (1, 1))
    image.info = dict(info)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = int(image.getexif().get(TAG, 1))
    except Exception:
        return 1
    return found if found in UPRIGHT else 1


def block(entries: list[tuple[int, int, int, bytes]], endian: str = "<", place: int = 8, after: bytes = b"") -> bytes:
    """EXIF of (tag, type, count, four bytes)."""
    head = {"<": b"II*\0", ">": b"MM\0*"}[endian] + struct.pack(endian + "L", place)
    body = b"".join(struct.pack(endian + "HHL", *entry[:3]) + entry[3] for entry in entries)
    return head + struct.pack(endian + "H", len(entries)) + body + struct.pack(endian + "L", 0) + after


def short(value: int, endian: str = "<") -> bytes:
    return struct.pack(endian + "HH", value, 0)


SIX = short(6)
OTHER = (0x010F, 2, 4, b"abc\0")
# name: metadata
CASES: dict[str, dict[str, Any]] = {
    "nothing": {},
    "little-endian": {"exif": block([(TAG, 3, 1, SIX)])},
    "big-endian": {"exif": block([(TAG, 3, 1, short(6, ">"))], ">")},
    "with its name in front, twice": {"exif": b"Exif\0\0Exif\0\0" + block([(TAG, 3, 1, SIX)])},
    "after others": {"exif": block([OTHER, (TAG, 3, 1, SIX), OTHER])},
    "twice: the last one counts": {"exif": block([(TAG, 3, 1, SIX), (TAG, 3, 1, short(3))])},
    "as a long": {"exif": block([(TAG, 4, 1, struct.pack("<L", 8))])},
    "as text": {"exif": block([(TAG, 2, 2, b"6\0\0\0")])},
    "as text without its end": {"exif": block([(TAG, 2, 1, b"6\0\0\0")])},
    "as a byte": {"exif": block([(TAG, 1, 1, b"\6\0\0\0")])},
    "as the byte of a digit": {"exif": block([(TAG, 1, 1, b"6\0\0\0")])},
    "as signed": {"exif": block([(TAG, 8, 1, SIX)])},
    "as a float": {"exif": block([(TAG, 11, 1, struct.pack("<f", 6.9))])},
    "as a fraction": {"exif": block([(TAG, 5, 1, struct.pack("<L", 26))], after=struct.pack("<LL", 13, 2))},
    "as a fraction of nothing": {"exif": block([(TAG, 5, 1, struct.pack("<L", 26))], after=struct.pack("<LL", 6, 0))},
    "as a double": {"exif": block([(TAG, 12, 1, struct.pack("<L", 26))], after=struct.pack("<d", 6.0))},
    "of several values": {"exif": block([(TAG, 3, 3, struct.pack("<L", 26))], after=struct.pack("<HHH", 6, 3, 1))},
    "two values": {"exif": block([(TAG, 3, 2, struct.pack("<HH", 6, 3))])},
    "none": {"exif": block([(TAG, 3, 0, SIX)])},
    "of an unknown type": {"exif": block([(TAG, 99, 1, SIX)])},
    "zero": {"exif": block([(TAG, 3, 1, short(0))])},
    "nine": {"exif": block([(TAG, 3, 1, short(9))])},
    "behind a tag that reaches out of the block": {"exif": block([(0x010F, 2, 999, b"\x20\0\0\0"), (TAG, 3, 1, SIX)])},
    "before a tag that reaches out of the block": {"exif": block([(TAG, 3, 1, SIX), (0x010F, 2, 999, b"\x20\0\0\0")])},
    "cut off": {"exif": block([OTHER, (TAG, 3, 1, SIX)])[:-8]},
    "a directory beyond the end": {"exif": block([(TAG, 3, 1, SIX)], place=500)},
    "no EXIF block": {"exif": b"hello, I am a comment"},
    "an empty block": {"exif": b""},
    "only its name": {"exif": b"Exif\0\0"},
    "BigTIFF": {"exif": b"II+\0" + bytes(12)},
    "XMP": {"xmp": b'<x tiff:Orientation="6"/>'},
    "XMP as an element": {"xmp": b"<tiff:Orientation>8</tiff:Orientation>"},
    "XMP of a PNG": {"XML:com.adobe.xmp": '<x tiff:Orientation="6"/>'},
    "XMP of nine": {"xmp": b'<x tiff:Orientation="9"/>'},
    "XMP beside EXIF without": {"exif": block([OTHER]), "xmp": b'<x tiff:Orientation="6"/>'},
    "XMP beside EXIF with": {"exif": block([(TAG, 3, 1, short(3))]), "xmp": b'<x tiff:Orientation="6"/>'},
    "XMP beside a malformed block": {"exif": b"hello", "xmp": b'<x tiff:Orientation="6"/>'},
    "XMP beside an empty block": {"exif": b"", "xmp": b'<x tiff:Orientation="6"/>'},
    "ImageMagick's text": {"Raw profile type exif": "\nexif\n 30\n" + block([(TAG, 3, 1, SIX)]).hex()},
    "ImageMagick's text, damaged": {"Raw profile type exif": "\nexif\n 30\nxyz"},
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_what_getexif_says(name: str) -> None:
    assert orientation(CASES[name]) == pillows(CASES[name])


def test_most_of_the_cases_are_turned() -> None:
    assert sum(orientation(info) != 1 for info in CASES.values()) >= 15


def test_damaged_blocks_are_read_as_getexif_reads_them() -> None:
    draw = random.Random(5)
    kinds = list(TYPES)
    turned = 0
    for _ in range(3_000):
        entries = [
            (draw.choice((TAG, TAG, 0x010F)), draw.choice(kinds), draw.choice((0, 1, 1, 2, 5)),
             struct.pack("<HH", draw.randrange(40), draw.choice((0, 0, 6))))
            for _ in range(draw.randrange(1, 5))
        ]  # fmt: skip
        data = bytearray(block(entries, draw.choice("<>"), after=bytes(draw.randrange(9) for _ in range(16))))
        for _ in range(draw.choice((0, 0, 1, 3))):
            data[draw.randrange(len(data))] = draw.randrange(256)
        info = {"exif": bytes(data)}
        assert orientation(info) == pillows(info), bytes(data).hex()
        turned += orientation(info) != 1
    assert turned > 40


def test_only_the_first_directory_is_read_however_large_the_block() -> None:
    size = 4_000_000
    entries = [(40_000 + number, 7, size, struct.pack("<L", 8 + 2 + 12 * 5_001 + 4)) for number in range(5_000)]
    data = block([*entries, (TAG, 3, 1, SIX)], after=bytes(size))
    assert orientation({"exif": data}) == 6  # getexif would copy 20 GB


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "AVIF"])
def test_plugins_hand_their_blocks_on_under_these_names(format: str) -> None:
    file = io.BytesIO()
    exif = Image.Exif()
    exif[TAG] = 5
    Image.new("RGB", (8, 6)).save(file, format, exif=exif)
    with Image.open(file) as image:
        image.load()
        assert orientation(image.info) == 5
