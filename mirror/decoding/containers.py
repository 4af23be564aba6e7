"""Cheap counts of PNG, WebP, GIF, BMP, PPM and HEIF or AVIF files, read before any decoder sees them.

Each function gives a Header, or None for a file whose counts it cannot find, and raises TooCostly for one that no
program makes. They walk from part to part as Pillow does, so that both see the same parts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from mirror.decoding.limits import MB, Header, TooCostly

# Pillow takes 16 µs a chunk. libpng writes chunks of 8 KB by default, so 20 MB have 2,560 of them
PNG_CHUNKS = 50_000
PNG_TEXT = 1_048_576  # characters at most that Pillow unpacks of one text or profile (MAX_TEXT_CHUNK) …
PNG_TEXTS = 64 * PNG_TEXT  # … and of all texts (MAX_TEXT_MEMORY); Python may take four bytes for each
PNG_DEFLATED = 1_032  # bytes at most that one of deflate's unpacks to
PNG_COLOURS = 1_024  # bytes of a cHRM chunk, which has 32; Pillow makes numbers of them, 16 times as large
PNG_RAW = 100_000_000  # bytes of samples that are unpacked in this process: about a second
PNG_BYTES = {0: 1, 2: 4, 3: 1, 4: 4, 6: 4}  # colour type → Pillow's bytes a pixel; 16-bit grey takes 2
PNG_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # colour type → samples a pixel

# Bytes a pixel of libwebp's canvases (two of 4) and its working copy or the picture handed over (4); then the image (4)
# is filled from that
WEBP_BYTES = 13
WEBP_CHUNKS = 20_000  # frames of an animation and their chunks; the file is opened at 1-2 µs for each

GIF_BLOCKS = 20_000  # before the first picture; 65 KB of XMP take about 700. Pillow joins comments in quadratic time
GIF_BYTES = 8  # an index, as many again where the frame is disposed of, the image, and its bands on the way

BMP_RLE_BYTES = 4_000_000  # decoded in Python at 1.2 MB/s
PPM_SAMPLES = 4_000_000  # decoded in Python at 0.7 million/s where they are text or their maximum is not 255 or 65535
PPM_REMARKS = 1_000  # in a file of text; each is cut out of a megabyte
PPM_COMMENTS = 65_536  # bytes of the header, read a byte at a time

ISO_BOXES = 20_000  # in the part that describes the picture; a 200-megapixel HEIC of 512 px tiles has about 2,000
# Bytes a pixel at the worst moment: planes, copies on the way and the packed picture; then that and the image.
# Measured: 7.9 in HEIF and 8.8 in AVIF of 8 bits; more bits and an alpha channel take more
HEIF_BYTES, AVIF_BYTES = 10, 14


def read_png(data: bytes) -> Header | None:
    """Memory: the stored picture and the RGB image, or that and its upright copy, and the texts."""
    if data[12:16] != b"IHDR" or len(data) < 33:
        return None
    width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    depth, colour = data[24], data[25]
    stored = 2 if (depth, colour) == (16, 0) else PNG_BYTES.get(colour, 4)
    texts, frames = 0, False
    for chunks, (kind, length) in enumerate(_png_chunks(data)):
        if chunks >= PNG_CHUNKS:
            raise TooCostly(f"has more than {PNG_CHUNKS:,} chunks")
        if kind == b"cHRM" and length > PNG_COLOURS:
            raise TooCostly(f"describes its colours in more than {PNG_COLOURS:,} bytes")
        if kind in (b"zTXt", b"iTXt", b"iCCP"):
            texts += max(length, min(PNG_TEXT, length * PNG_DEFLATED))
        frames |= kind == b"acTL"
    pixels = width * height
    memory = max(stored * (2 if frames else 1) + 4, 8) * pixels + 2 * len(data) + 4 * min(texts, PNG_TEXTS)
    raw = pixels * PNG_SAMPLES.get(colour, 4) * depth // 8
    return Header("PNG", (width, height), memory, raw <= PNG_RAW, data)


def _png_chunks(data: bytes) -> Iterator[tuple[bytes, int]]:
    """(kind, bytes of its content) of each chunk."""
    position = 8
    while position + 8 <= len(data):
        kind, length = data[position + 4 : position + 8], int.from_bytes(data[position : position + 4], "big")
        yield kind, length
        if kind == b"IEND":
            return
        position += 12 + length


def read_webp(data: bytes) -> Header | None:
    kind = data[12:16]
    if kind == b"VP8X" and len(data) >= 30:
        size = 1 + int.from_bytes(data[24:27], "little"), 1 + int.from_bytes(data[27:30], "little")
    elif kind == b"VP8L" and len(data) >= 25:
        bits = int.from_bytes(data[21:25], "little")
        size = 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    elif kind == b"VP8 " and len(data) >= 30:
        size = int.from_bytes(data[26:28], "little") & 0x3FFF, int.from_bytes(data[28:30], "little") & 0x3FFF
    else:
        return None
    position, chunks = 12, 0
    while position + 8 <= len(data):
        chunks += 1
        if chunks > WEBP_CHUNKS:
            raise TooCostly(f"has more than {WEBP_CHUNKS:,} chunks")
        length = int.from_bytes(data[position + 4 : position + 8], "little")
        position += 8 + length + (length & 1)
    return Header("WEBP", size, WEBP_BYTES * size[0] * size[1] + 3 * len(data), True, data)


def read_gif(data: bytes) -> Header | None:
    """The size is that of the screen, or of the first picture where that reaches further."""
    if len(data) < 13:
        return None
    size = int.from_bytes(data[6:8], "little"), int.from_bytes(data[8:10], "little")
    position = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
    blocks = 0
    while position < len(data) and data[position] != 0x3B:
        if data[position] == 0x2C and position + 10 <= len(data):
            left, top, width, height = (
                int.from_bytes(data[position + i : position + i + 2], "little") for i in (1, 3, 5, 7)
            )
            size = max(size[0], left + width), max(size[1], top + height)
            break
        position += 1 if data[position] != 0x21 else 2
        if data[position - 2 : position - 1] != b"!":
            blocks += 1  # junk between blocks, passed over a byte at a time
        else:
            while position < len(data) and data[position]:
                position += 1 + data[position]
                blocks += 1
                if blocks > GIF_BLOCKS:
                    break
            position += 1
        if blocks > GIF_BLOCKS:
            raise TooCostly(f"has more than {GIF_BLOCKS:,} blocks before its first picture")
    return Header("GIF", size, GIF_BYTES * size[0] * size[1] + 3 * len(data), False, data)


def read_bmp(data: bytes) -> Header | None:
    if len(data) < 34:
        return None
    header = int.from_bytes(data[14:18], "little")
    if header == 12:
        size, packed = (int.from_bytes(data[18:20], "little"), int.from_bytes(data[20:22], "little")), 0
    else:
        height = int.from_bytes(data[22:26], "little", signed=True)
        size, packed = (int.from_bytes(data[18:22], "little"), abs(height)), int.from_bytes(data[30:34], "little")
    if packed in (1, 2) and len(data) > BMP_RLE_BYTES:
        raise TooCostly(f"is a run-length encoded BMP of more than {BMP_RLE_BYTES // MB} MB")
    return Header("BMP", size, 8 * size[0] * size[1] + 3 * len(data), False, data)


_TOKEN = re.compile(rb"(?:[ \t\n\x0b\x0c\r]|#[^\r\n]*(?:[\r\n]|$))*([^ \t\n\x0b\x0c\r#]{1,11})")


def read_ppm(data: bytes) -> Header | None:
    """Two sides and a maximum as text, with comments between them; then samples, as text or as bytes."""
    head, kind = data[:PPM_COMMENTS], data[:2]
    found, position = [], 2
    for _ in range(2 if kind in (b"P1", b"P4") else 3):
        token = _TOKEN.match(head, position)
        if token is None:
            if len(data) > PPM_COMMENTS:
                raise TooCostly(f"has more than {PPM_COMMENTS:,} bytes of comments before its pixels")
            return None
        found.append(token[1])
        position = token.end()
    if not (found[0].isdigit() and found[1].isdigit()):
        return None
    width, height = int(found[0]), int(found[1])
    slow = kind in (b"P1", b"P2", b"P3") or (kind in (b"P5", b"P6") and found[2].lstrip(b"0") not in _RAW[kind])
    if kind in (b"P1", b"P2", b"P3") and data.count(b"#") > PPM_REMARKS:
        raise TooCostly(f"has more than {PPM_REMARKS:,} comments")
    samples = len(data) // (2 if kind in (b"P2", b"P3") else 1)
    if slow and min(samples, 3 * width * height) > PPM_SAMPLES:
        raise TooCostly(f"keeps more than {PPM_SAMPLES // MB} million levels in a form that takes too long to read")
    working = 20 * min(width * height, samples) if slow else 0  # bytearrays, their copies, numbers of 4 bytes
    return Header("PPM", (width, height), 8 * width * height + working + 3 * len(data), False, data)


_RAW = {b"P5": (b"255", b"65535"), b"P6": (b"255",)}  # the maxima whose levels Pillow copies without looking at them


def read_iso(data: bytes) -> Header | None:
    """HEIF and AVIF. The largest size that any of its pictures claims counts, for a grid claims that of the whole."""
    avif = data[8:12] in (b"avif", b"avis") or (data[8:12] in (b"mif1", b"msf1") and b"av01" in data[:4096])
    sizes = [size for kind, size in _iso_boxes(data) if kind == b"ispe"]
    size = max(sizes, key=lambda each: each[0] * each[1], default=None)
    pixels = size[0] * size[1] if size else 0
    factor = AVIF_BYTES if avif else HEIF_BYTES
    return Header("AVIF" if avif else "HEIF", size, factor * pixels + 4 * len(data), False, data)


def _iso_boxes(data: bytes) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """(kind, size where it claims one) of the boxes in `meta` (ISO/IEC 23008-12, section 6.5.3)."""
    inside = {b"meta": 12, b"iprp": 8, b"ipco": 8}  # box → the bytes before the boxes in it
    waiting, boxes = [(0, len(data))], 0
    while waiting:
        position, end = waiting.pop()
        while position + 8 <= end:
            boxes += 1
            if boxes > ISO_BOXES:
                raise TooCostly(f"has more than {ISO_BOXES:,} boxes")
            length, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
            if length == 1:
                length = int.from_bytes(data[position + 8 : position + 16], "big")
            length = min(length or end - position, end - position)
            if length < 8:
                break
            if kind in inside:
                waiting.append((position + inside[kind], position + length))
            width, height = (int.from_bytes(data[position + i : position + i + 4], "big") for i in (12, 16))
            yield kind, (width, height) if kind == b"ispe" and length >= 20 else (0, 0)
            position += length
