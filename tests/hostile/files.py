"""Photos that cost much more than they weigh: a generator for each kind of bomb and each format, all deterministic.

    BOMBS   name → a function that makes the file; every one of at most 20 MB
    LARGE   the same, for what takes seconds to make (benchmarks/hostile_files.py)

The kinds: a count in the file that decoders go through one by one (scans, segments, chunks, blocks, boxes, strips,
directories, comments); bytes that several parts share; a size that is claimed and not there; a side that is out of all
proportion; a small file that unpacks to many pixels, of modes that take several copies; text that unpacks.
"""

from __future__ import annotations

import functools
import io
import struct
import zlib
from collections.abc import Callable

from PIL import Image

Make = Callable[[], bytes]
MB20 = 20 * 1024 * 1024 - 4096
BOMBS: dict[str, Make] = {}
LARGE: dict[str, Make] = {}


def bomb(name: str, into: dict[str, Make] = BOMBS) -> Callable[[Make], Make]:
    def add(make: Make) -> Make:
        into[name] = make
        return make

    return add


def saved(image: Image.Image, format: str, **options: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **options)
    return file.getvalue()


# ---- JPEG -----------------------------------------------------------------------------------------------------------


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


# ---- TIFF -----------------------------------------------------------------------------------------------------------


def directory(entries: list[tuple[int, int, int, int]], following: int = 0) -> bytes:
    """Little-endian: (tag, type, count, value or place) of each."""
    body = b"".join(struct.pack("<HHLL", *entry) for entry in sorted(entries))
    return struct.pack("<H", len(entries)) + body + struct.pack("<L", following)


def picture_tags(width: int, height: int, place: int, size: int, **more: int) -> list[tuple[int, int, int, int]]:
    """A grey picture of one strip. more: t<number> of other tags."""
    tags = {256: width, 257: height, 258: 8, 259: 1, 262: 1, 273: place, 277: 1, 278: height, 279: size}
    tags |= {int(name[1:]): value for name, value in more.items()}
    return [(tag, 4 if tag in (256, 257, 273, 278, 279, 322, 323, 324, 325) else 3, 1, tags[tag]) for tag in tags]


def tiff(directories: bytes, start: int = 8) -> bytes:
    return b"II*\0" + struct.pack("<L", start) + directories


def shared_tags(count: int, size: int) -> bytes:
    """A TIFF, or an EXIF block, of `count` tags that all hold the same `size` bytes."""
    entries = [(40_000 + number, 7, size, 8) for number in range(min(count, 25_000))]
    return tiff(b"\0" * size + directory(entries), 8 + size)


@bomb("tiff: 2,000 tags share a megabyte")
def _tags() -> bytes:
    return shared_tags(2_000, 1_000_000)


@bomb("tiff: 25,000 tags share 15 megabytes")
def _more_tags() -> bytes:
    return shared_tags(25_000, 15_000_000)


@bomb("tiff: 3,000 large tags of an EXIF directory share their bytes")
def _exif_tags() -> bytes:
    size = 1_000_000
    inner = directory([(40_000 + number, 7, size, 8) for number in range(3_000)])
    pixels = 8 + size + len(inner)
    outer = directory([*picture_tags(2, 2, pixels, 4), (34_665, 4, 1, 8 + size)])
    return tiff(b"\0" * size + inner + b"\0" * 4 + outer, pixels + 4)


@bomb("tiff: directories that share their tags' bytes")
def _pages() -> bytes:
    size, parts, place = 10_000_000, [], 8 + 10_000_000
    for number in range(500):
        entries = [*picture_tags(2, 2, 8, 4), (40_000, 7, size, 8)]
        after = place + 2 + 12 * len(entries) + 4
        parts.append(directory(entries, after if number < 499 else 0))
        place = after
    return tiff(b"\0" * size + b"".join(parts), 8 + size)


@bomb("tiff: BigTIFF whose tags share their bytes")
def _big_tags() -> bytes:
    size, count = 2_000_000, 2_000
    entries = b"".join(struct.pack("<HHQQ", 40_000 + number, 7, size, 16) for number in range(count))
    head = b"II+\0" + struct.pack("<HHQ", 8, 0, 16 + size)
    return head + b"\0" * size + struct.pack("<Q", count) + entries + struct.pack("<Q", 0)


@bomb("tiff: 100,000 directories")
def _chain() -> bytes:
    one = len(directory(picture_tags(2, 2, 8, 4)))
    parts = [directory(picture_tags(2, 2, 8, 4), 12 + one * (number + 1)) for number in range(99_999)]
    return tiff(b"\0" * 4 + b"".join(parts) + directory(picture_tags(2, 2, 8, 4)), 12)


@bomb("tiff: a directory that follows itself")
def _loop() -> bytes:
    return tiff(directory(picture_tags(2, 2, 8, 4), 8))


@bomb("tiff: 2 million strips")
def _strips() -> bytes:
    count = 2_000_000
    places = struct.pack("<L", 8) * count
    entries = [each for each in picture_tags(2, count, 8, 4) if each[0] not in (273, 278, 279)]
    entries += [(273, 4, count, 8), (279, 4, count, 8), (278, 4, 1, 1)]
    return tiff(places + directory(entries), 8 + len(places))


@bomb("tiff: a tile of 3.6 gigapixels for a small picture")
def _tile() -> bytes:
    tags = picture_tags(64, 64, 8, 1000, t322=60_000, t323=60_000, t324=8, t325=1000, t259=5)
    tags = [each for each in tags if each[0] not in (273, 278, 279)]
    return tiff(b"\x80\x00" * 500 + directory(tags), 1008)


def deflated_tiff(width: int, height: int, bytes_a_pixel: int, **more: int) -> bytes:
    squeeze = zlib.compressobj(1)
    row = b"\0" * width * bytes_a_pixel
    packed = b"".join(squeeze.compress(row) for _ in range(height)) + squeeze.flush()
    tags = picture_tags(width, height, 8, len(packed), t259=8, **more)
    depths = more.get("t277", 1)
    place = 8 + len(packed)
    if depths > 2:  # BitsPerSample of several samples lies outside the entry
        packed += struct.pack(f"<{depths}H", *[more["t258"]] * depths)
        tags = [(258, 3, depths, place) if each[0] == 258 else each for each in tags]
    return tiff(packed + directory(tags), 8 + len(packed))


@bomb("tiff: 50 megapixels of floats")
def _floats() -> bytes:
    return deflated_tiff(10_000, 5_000, 4, t258=32, t339=3)


@bomb("tiff: 50 megapixels of 32-bit integers")
def _integers() -> bytes:
    return deflated_tiff(10_000, 5_000, 4, t258=32, t339=2)


@bomb("tiff: 50 megapixels of four 16-bit samples in one strip")
def _deep() -> bytes:
    return deflated_tiff(10_000, 5_000, 8, t258=16, t277=4, t262=2, t338=2)


@bomb("tiff: 49 megapixels of LAB")
def _lab() -> bytes:
    return deflated_tiff(49_000, 1_000, 3, t258=8, t277=3, t262=8)


@bomb("tiff: 50 megapixels to be turned")
def _turned() -> bytes:
    return deflated_tiff(10_000, 5_000, 3, t258=8, t277=3, t262=2, t274=6)


# ---- PNG ------------------------------------------------------------------------------------------------------------


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


# ---- WebP -----------------------------------------------------------------------------------------------------------


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


# ---- GIF, BMP, PPM --------------------------------------------------------------------------------------------------


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


# ---- HEIF and AVIF --------------------------------------------------------------------------------------------------


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


# ---- what takes seconds to make -------------------------------------------------------------------------------------


def _photo(width: int, height: int, mode: str = "RGB") -> Image.Image:
    """Soft colours, of any size."""
    small = Image.effect_mandelbrot((64, 48), (-3, -2.5, 2, 2.5), 100).convert(mode)
    return small.resize((width, height), Image.Resampling.BICUBIC)


@bomb("avif: 50 megapixels with alpha", LARGE)
def _avif_alpha() -> bytes:
    return saved(_photo(10_000, 5_000, "RGBA"), "AVIF", speed=10)


@bomb("avif: 38 megapixels", LARGE)
def _avif() -> bytes:
    return saved(_photo(7_600, 5_000), "AVIF", speed=10)


@bomb("heif: 48 megapixels", LARGE)
def _heif() -> bytes:
    small_iso("HEIF")
    return saved(_photo(8_064, 6_048), "HEIF", quality=50)


@bomb("webp: 40 megapixels, lossy with alpha", LARGE)
def _webp_lossy() -> bytes:
    return saved(_photo(8_000, 5_000, "RGBA"), "WEBP", method=0)


@bomb("jpeg: 50 megapixels, progressive, 4:4:4", LARGE)
def _jpeg_progressive() -> bytes:
    return saved(_photo(10_000, 5_000), "JPEG", progressive=True, subsampling=0, quality=95)


@bomb("jpeg: 50 megapixels of CMYK, to be turned", LARGE)
def _jpeg_cmyk() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(_photo(10_000, 5_000).convert("CMYK"), "JPEG", exif=exif)


@bomb("jpeg: 200 megapixels", LARGE)
def _jpeg_phone() -> bytes:
    return saved(_photo(16_320, 12_240), "JPEG", quality=75)
