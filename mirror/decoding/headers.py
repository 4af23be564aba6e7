"""What a file is, by its first bytes, and what it would cost: read before Pillow opens anything."""

from __future__ import annotations

from collections.abc import Callable

from mirror.decoding.containers import read_bmp, read_gif, read_iso, read_png, read_ppm, read_webp
from mirror.decoding.jpeg import VISITS_IN_PROCESS, Jpeg, read_jpeg
from mirror.decoding.limits import MAX_DECODE_BYTES, MAX_REDUCED_PIXELS, Header
from mirror.decoding.orientation import HEADERS
from mirror.decoding.tiff import read_tiff

# ICO is left out (icons, not photos); PPM is in because older photo sets (GTSRB, faces94) come as .ppm and .pgm.
# MPO, the two-lens JPEG of phones and stereo cameras, is opened by the JPEG plugin and yields its first view.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIF", "BMP", "TIFF", "PPM")
SCALES = (8, 4, 2, 1)  # at a fraction of which libjpeg decodes

_READERS: dict[str, Callable[[bytes], Header | None]] = {
    "PNG": read_png, "WEBP": read_webp, "GIF": read_gif, "BMP": read_bmp, "TIFF": read_tiff, "PPM": read_ppm,
    "AVIF": read_iso, "HEIF": read_iso,
}  # fmt: skip


def format_of(data: bytes) -> str | None:
    """Pillow's name of the format that the first bytes announce; None for what is none of FORMATS."""
    if data.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "WEBP"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "GIF"
    if data[4:8] == b"ftyp":
        return "AVIF" if data[8:12] in (b"avif", b"avis") else "HEIF"
    if data.startswith(b"BM"):
        return "BMP"
    if data[:4] in (*HEADERS, b"II\x2b\x00"):
        return "TIFF"
    return "PPM" if data[:1] == b"P" and data[1:2] in (b"1", b"2", b"3", b"4", b"5", b"6", b"f", b"y", b"0") else None


def read_header(data: bytes, at_least: int | None, max_pixels: int) -> Header | None:
    """What decoding `data` would cost; None for what is no picture. at_least, max_pixels: as in `load_image`.

    A picture whose counts cannot be found gets a header without a size, whose memory is the most there is. Raises
    TooCostly for a file that no camera or program makes.
    """
    format = format_of(data)
    if format is None:
        return None
    if format == "JPEG":
        jpeg = read_jpeg(data)
        found = _of_jpeg(jpeg, data, reduction(jpeg.size, at_least)) if jpeg else None
    else:
        found = _READERS[format](data)
    if found is None or not found.size:
        return Header(format, None, MAX_DECODE_BYTES, False, data)
    return found


def _of_jpeg(jpeg: Jpeg, data: bytes, scale: int) -> Header:
    """Memory: the coefficients and the picture (4 bytes a pixel in any colour, 1 in grey); then the picture and the RGB
    or upright one."""
    width, height = jpeg.size
    pixels = -(-width // scale) * -(-height // scale)
    memory = max(jpeg.coefficients + 4 * pixels, 8 * pixels) + len(data) + len(jpeg.plain)
    return Header("JPEG", jpeg.size, memory, jpeg.visits <= VISITS_IN_PROCESS, jpeg.plain, jpeg.info)


def reduction(size: tuple[int, int], at_least: int | None) -> int:
    """The scale 1/8, 1/4, 1/2 or 1 at which Pillow decodes a JPEG that needs so many pixels on its short side."""
    if at_least is None:
        return 1
    return next(scale for scale in SCALES if scale == 1 or min(size) // at_least >= scale)


def fitting(data: bytes, max_pixels: int) -> int | None:
    """The short side at which a JPEG of more than `max_pixels` is decoded at the largest scale that fits; None for what
    is none, or fits as it is. Raises TooCostly."""
    jpeg = read_jpeg(data) if format_of(data) == "JPEG" else None
    if jpeg is None:
        return None
    scale = next((s for s in reversed(SCALES) if -(-jpeg.size[0] // s) * -(-jpeg.size[1] // s) <= max_pixels), 1)
    return max(1, min(jpeg.size) // scale) if scale > 1 else None


def most_pixels(header: Header, at_least: int | None, max_pixels: int, usual: int) -> int:
    """The pixels that a file may have: more than `max_pixels` where it is a JPEG that is decoded at a reduced scale,
    unless the caller chose a limit below the usual one."""
    if header.format != "JPEG" or header.size is None or at_least is None or max_pixels < usual:
        return max_pixels
    scale = reduction(header.size, at_least)
    return min(max_pixels * scale * scale, max(max_pixels, MAX_REDUCED_PIXELS))
