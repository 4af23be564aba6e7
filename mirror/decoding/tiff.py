"""Cheap counts of a TIFF (TIFF 6.0, section 2; BigTIFF): its directories, their tags, and what the tags claim to hold.

Pillow copies every tag's values when it opens a file, of every directory, and nothing stops the tags from pointing at
the same bytes: 2,000 tags on one megabyte are two gigabytes. An honest file's tags do not overlap, so together they
are no larger than the file.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

from mirror.decoding.limits import Header, TooCostly
from mirror.decoding.orientation import HEADERS, TAG, TYPES

MAX_DIRECTORIES = 2_000  # pages; Pillow goes through all of them
MAX_TAGS = 4_096  # in one directory; the standard and its extensions know about 500
MAX_STRIPS = 200_000  # strips or tiles: 65,535 px of one row each, three planes of it
SHARED = 65_536  # bytes by which the tags may exceed the file: small shared values do no harm

WIDTH, HEIGHT, BITS, SAMPLES, STRIPS, ROWS_PER_STRIP = 256, 257, 258, 277, 273, 278
TILE_WIDTH, TILE_HEIGHT, TILES = 322, 323, 324
DIRECTORIES_IN_TAGS = (330, 34665, 34853, 40965)  # SubIFDs, EXIF, GPS, interoperability


def read_tiff(data: bytes) -> Header | None:
    """Memory: the stored picture, the strip or tile that libtiff unpacks and, where it has to be turned, an upright
    copy; then the stored picture and the RGB image."""
    big = data[:4] == b"II\x2b\x00"
    if not big and data[:4] not in HEADERS:
        return None
    endian = ">" if data.startswith(b"MM") else "<"
    first: Tags = {}
    claimed = 0
    for number, (tags, held) in enumerate(_directories(data, endian, big)):
        claimed += held
        if claimed > len(data) + SHARED:
            raise TooCostly("has tags that claim more bytes than the file has")
        if number == 0:
            first = tags

    def value_of(tag: int, default: int) -> int:
        return first[tag][0] if tag in first else default

    width, height = value_of(WIDTH, 0), value_of(HEIGHT, 0)
    if any(first[tag][1] > MAX_STRIPS for tag in (STRIPS, TILES) if tag in first):
        raise TooCostly(f"is cut into more than {MAX_STRIPS:,} pieces")
    if not (width and height):
        return Header("TIFF", None, 3 * len(data), False, data)
    samples = max(value_of(SAMPLES, 1), first[BITS][1] if BITS in first else 1, 1)
    depth = max(value_of(BITS, 8), 8)
    packed = max(samples * depth // 8, 4)
    rows = min(value_of(ROWS_PER_STRIP, height) or height, height)
    tiled = TILE_WIDTH in first and TILE_HEIGHT in first
    piece = value_of(TILE_WIDTH, 0) * value_of(TILE_HEIGHT, 0) if tiled else width * rows
    stored = 4 if samples > 1 or depth > 16 else 2 if depth > 8 else 1
    pixels = width * height
    turned = stored * pixels if value_of(TAG, 1) > 1 else 0  # while libtiff still holds its piece
    memory = max(stored * pixels + packed * piece + turned, (stored + 4) * pixels)
    return Header("TIFF", (width, height), memory + 4 * len(data), False, data)


Tags = dict[int, tuple[int, int]]  # tag → its first value, where that is an integer, and how many it has


def _directories(data: bytes, endian: str, big: bool) -> Iterator[tuple[Tags, int]]:
    """Each directory's tags, and the bytes that they claim; the first one first. Raises TooCostly."""
    place = struct.Struct(endian + ("Q" if big else "L"))
    if len(data) < (16 if big else 8):
        return
    waiting, known = [place.unpack_from(data, 8 if big else 4)[0]], set()
    while waiting:
        start = waiting.pop()
        if not start or start in known:
            continue
        known.add(start)
        if len(known) > MAX_DIRECTORIES:
            raise TooCostly(f"has more than {MAX_DIRECTORIES:,} directories")
        tags, held, end = _directory(data, endian, big, start)
        yield tags, held
        waiting += [tags[tag][0] for tag in DIRECTORIES_IN_TAGS if tag in tags]
        if end + place.size <= len(data):
            waiting.append(place.unpack_from(data, end)[0])


def _directory(data: bytes, endian: str, big: bool, start: int) -> tuple[Tags, int, int]:
    count_of = struct.Struct(endian + ("Q" if big else "H"))
    entry = struct.Struct(endian + ("HHQ8s" if big else "HHL4s"))
    if start + count_of.size > len(data):
        return {}, 0, len(data)
    (count,) = count_of.unpack_from(data, start)
    if count > MAX_TAGS:
        raise TooCostly(f"has more than {MAX_TAGS:,} tags")
    tags: Tags = {}
    position, held = start + count_of.size, 0
    inline, offset = (8, "Q") if big else (4, "L")
    for _ in range(count):
        if position + entry.size > len(data):
            break
        tag, kind, number, value = entry.unpack_from(data, position)
        position += entry.size
        if kind not in TYPES:
            continue
        unit, code = TYPES[kind]
        size = number * unit
        held += size
        if size > inline:
            (where,) = struct.unpack(endian + offset, value)
            if where + size > len(data):
                held -= size  # Pillow stops here, with nothing read
                break
            value = data[where : where + unit]
        if code in ("H", "L", "Q", "b", "h", "l") and number:
            tags[tag] = max(struct.unpack(endian + code, value[:unit])[0], 0), number
        elif number:
            tags[tag] = 0, number
    return tags, held, position
