"""What a JPEG costs, read from its markers (ITU-T T.81, annex B) before any decoder sees it.

A file whose pixels come in one scan needs no look past its header. One of several scans, progressive ones above all,
makes libjpeg keep two bytes a coefficient and go through them all in every scan, so its scans are counted.
Pillow gets the file without what pixels do not depend on: EXIF, profiles, comments, previews.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from mirror.decoding.limits import TooCostly

MAX_SEGMENTS = 1000  # before the pixels; EXIF, profiles and depth maps of phones come in a few hundred of 64 KB
MAX_TABLES = 65_536  # bytes of frame, tables and scan headers before the pixels; a photo has about 700
# Blocks of 8 x 8 coefficients that all scans together visit, at 10-20 ns each. A 50-megapixel photo in 4:4:4 with the
# 14 scans of the usual progressive scripts visits 12 million (its scans cover a component each)
VISITS_IN_PROCESS = 30_000_000
MAX_VISITS = 150_000_000

MAX_JUNK = 4_096  # bytes before the pixels that Pillow passes over one by one, …
# … markers among them that it takes to have no length
JUNK = re.compile(rb"(?:[^\xff]|\xff[\x00\xc8\xd0-\xd9\xf0-\xfd]|\xff(?=\xff))*+")

SOS, EOI, APP1, TEMPORARY = 0xDA, 0xD9, 0xE1, 0x01  # the last one has no length
BASELINE, EXTENDED, PROGRESSIVE = 0xC0, 0xC1, 0xC2
KEPT = frozenset({0xC0, 0xC1, 0xC2, 0xC4, 0xDB, 0xDD, SOS, 0xE0, 0xEE})  # frame, tables, restarts, JFIF, Adobe
DROPPED = frozenset({*range(0xE1, 0xEE), 0xEF, 0xFE})  # the other APPn, comments
OTHER = frozenset({*range(0xC3, 0xD0), 0xDC, 0xDE, 0xDF}) - KEPT  # with a length, and in no photo
EXIF, XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
# In the coded pixels 0xFF is followed by 0 or by a restart marker; anything else ends a scan
NEXT_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")


@dataclass(frozen=True)
class Jpeg:
    """size: (width, height) in pixels. components: 1, 3 or 4. coefficients: bytes that libjpeg keeps of them for the
    whole file, 0 where there is one scan. visits: blocks that all scans go through. plain: the file's bytes without
    metadata. info: EXIF and XMP, under the names that Pillow has for them."""

    size: tuple[int, int]
    components: int
    coefficients: int
    visits: int
    plain: bytes
    info: dict[str, Any] = field(default_factory=dict)


def read_jpeg(data: bytes) -> Jpeg | None:
    """None for a file that is odd in any way, and so has to be decoded where it can do no harm.

    Raises TooCostly for one that no camera or program makes.
    """
    position, segments, junk, odd = 2, 0, 0, False
    kept: list[memoryview] = []
    view, xmp = memoryview(data), None
    exif: list[memoryview] = []
    frame: tuple[int, bytes] | None = None
    while True:
        junk_here = JUNK.match(data, position)
        start = junk_here.end() if junk_here else position
        junk += start - position
        if junk > MAX_JUNK:
            raise TooCostly(f"has more than {MAX_JUNK:,} bytes between its parts that mean nothing")
        position, head = start, data[start : start + 4]
        if len(head) < 4:
            return None
        marker, length = head[1], max(int.from_bytes(head[2:], "big"), 2)
        odd |= head[2:] < b"\0\2"
        if position + 2 + length > len(data):
            return None
        segments += 1
        if segments > MAX_SEGMENTS:
            raise TooCostly(f"has more than {MAX_SEGMENTS} parts before its pixels")
        end = position + 2 + length
        if marker in KEPT:
            kept.append(view[position:end])
        elif marker in DROPPED:
            if marker == APP1 and data.startswith(EXIF, position + 4):  # of several segments is one block
                exif.append(view[position + 4 + (6 if exif else 0) : end])
            elif marker == APP1 and data.startswith(XMP, position + 4):  # the last one counts
                xmp = data[position + 4 + len(XMP) : end]
        elif marker in OTHER:
            odd = True
        else:
            return None  # Pillow goes no further
        if marker in (BASELINE, EXTENDED, PROGRESSIVE):
            odd |= frame is not None
            frame = marker, data[position + 4 : end]
        elif marker == SOS:
            break
        position = end
    found = _frame(*frame) if frame else None
    if odd or junk or frame is None or found is None or len(data) <= position + 4 or sum(map(len, kept)) > MAX_TABLES:
        return None
    size, components, blocks = found
    several = frame[0] == PROGRESSIVE or data[position + 4] < components
    visits = _visits(data, position, blocks) if several else 0
    info: dict[str, Any] = {"exif": b"".join(exif)} if exif else {}
    if xmp is not None:
        info["xmp"] = xmp
    plain = b"".join((b"\xff\xd8", *kept, view[end:]))
    return Jpeg(size, components, 128 * sum(blocks.values()) if several else 0, visits, plain, info)


def _frame(marker: int, header: bytes) -> tuple[tuple[int, int], int, dict[int, int]] | None:
    """(width, height), the number of components, and the blocks of each by its number."""
    if len(header) < 6 or header[0] != 8 or header[5] not in (1, 3, 4) or len(header) != 6 + 3 * header[5]:
        return None
    height, width = int.from_bytes(header[1:3], "big"), int.from_bytes(header[3:5], "big")
    sampling = [(header[i], header[i + 1] >> 4, header[i + 1] & 15) for i in range(6, len(header), 3)]
    if not (width and height) or any(not (1 <= h <= 4 and 1 <= v <= 4) for _, h, v in sampling):
        return None
    wide, high = max(h for _, h, _ in sampling), max(v for _, _, v in sampling)
    across, down = -(-width // (8 * wide)), -(-height // (8 * high))  # of the largest unit that has all components
    blocks = {number: across * h * down * v for number, h, v in sampling}
    return ((width, height), header[5], blocks) if len(blocks) == header[5] else None


def _visits(data: bytes, position: int, blocks: dict[int, int]) -> int:
    """Blocks that the scans from `position` on go through, each its components'. Raises TooCostly."""
    visits = segments = 0
    while position + 4 <= len(data):
        marker, length = data[position + 1], int.from_bytes(data[position + 2 : position + 4], "big")
        if marker == EOI:
            break
        segments += 1
        end = position + 2 + (0 if marker == TEMPORARY else max(length, 2))
        if marker == SOS:
            named = data[position + 5 : end : 2][: data[position + 4] if position + 4 < len(data) else 0]
            # a scan of a component that does not exist is an error to libjpeg; it is counted as one of all
            visits += sum(blocks.get(number, sum(blocks.values())) for number in named)
        if visits > MAX_VISITS or segments > MAX_SEGMENTS * 10:
            raise TooCostly(f"would be decoded in more than {segments - 1} passes")
        found = NEXT_MARKER.search(data, end)
        if found is None:
            break
        position = found.start()
    return visits
