"""Which way up: EXIF tag 0x0112, read without the rest of EXIF.

Pillow's `getexif` copies every tag, and the tags of a hostile block may all point at the same megabytes. Only the first
directory's entries are looked at here, at most 65,535 of 12 bytes. The answer is that of `getexif` (a test compares
them), down to its XMP fall-back and to where it gives a malformed block up.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from typing import Any

from PIL import Image

TAG = 0x0112
UPRIGHT = {  # EXIF 2.32, table 6: what the stored rows and columns are, undone
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
SIDEWAYS = (5, 6, 7, 8)  # width and height change places

# TIFF 6.0, section 2, and BigTIFF's 16: the type's number → the bytes of one value and how `struct` reads it
TYPES = {
    1: (1, ""), 2: (1, ""), 3: (2, "H"), 4: (4, "L"), 5: (8, "LL"), 6: (1, "b"), 7: (1, ""), 8: (2, "h"),
    9: (4, "l"), 10: (8, "ll"), 11: (4, "f"), 12: (8, "d"), 13: (4, "L"), 16: (8, "Q"),
}  # fmt: skip
ASCII = 2
# The last two are wrong by the standard; Pillow reads them as the first two
HEADERS = (b"MM\x00\x2a", b"II\x2a\x00", b"MM\x2a\x00", b"II\x00\x2a", b"MM\x00\x2b")
XMP = r'tiff:Orientation(="|>)([0-9])'


def orientation(info: Mapping[Any, Any]) -> int:
    """1-8 from the metadata that Pillow's plugins collect (`Image.info`); 1 where there is none or it is malformed."""
    try:
        block = info.get("exif")
        if block is None and "Raw profile type exif" in info:  # how ImageMagick keeps EXIF in a PNG
            lines = info["Raw profile type exif"].split("\n")  # empty, its kind, its length, then digits
            block = bytes.fromhex("".join(lines[3:]))
        number = _in_exif(block) if block else None
        if number is None:
            number = _in_xmp(info)
    except Exception:  # a malformed block may be wrong in any way, and the pixels are still good
        return 1
    return number if number in UPRIGHT else 1


def _in_exif(block: bytes) -> int | None:
    """The tag's value; None where the directory has none. Raises for what is no EXIF block at all."""
    while block.startswith(b"Exif\x00\x00"):
        block = block[6:]
    if not block:
        return None
    if block[:4] not in HEADERS:
        raise ValueError("no EXIF block")
    endian = ">" if block.startswith(b"MM") else "<"
    (directory,) = struct.unpack(endian + "L", block[4:8])
    entries = block[directory : directory + 2]
    if len(entries) < 2:
        return None
    entry = struct.Struct(endian + "HHL4s")
    found = None
    for start in range(directory + 2, directory + 2 + 12 * struct.unpack(endian + "H", entries)[0], 12):
        if start + 12 > len(block):
            break
        tag, kind, count, value = entry.unpack_from(block, start)
        if kind not in TYPES:
            continue
        size = count * TYPES[kind][0]
        if size > 4:
            (offset,) = struct.unpack(endian + "L", value)
            if offset + size > len(block):
                break  # where Pillow stops reading
            value = block[offset : offset + TYPES[kind][0]] if tag == TAG else b""
        if tag == TAG and size:
            found = kind, value, size
    return None if found is None else _value(endian, *found)


def _value(endian: str, kind: int, value: bytes, size: int) -> int:
    """The first value of the tag."""
    width, code = TYPES[kind]
    if not code:  # text and plain bytes: a digit, if anything
        if size > len(value):
            raise ValueError("no number")
        text = value[:size]
        return int(text[:-1] if kind == ASCII and text.endswith(b"\0") else text)
    numbers = struct.unpack(endian + code, value[:width])
    return int(numbers[0] / numbers[1]) if len(numbers) == 2 else int(numbers[0])


def _in_xmp(info: Mapping[Any, Any]) -> int | None:
    text, body = info.get("XML:com.adobe.xmp"), info.get("xmp")
    if text:
        match = re.search(XMP, text)
        return int(match[2]) if match else None
    found = re.search(XMP.encode(), body) if body else None
    return int(found[2]) if found else None
