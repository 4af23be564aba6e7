"""Bytes → pixels by Pillow's plugins, the same in this process and in a worker.

Where a plugin holds its decoder's memory while it makes a copy of the picture, the picture is taken from the decoder,
which is let go first (WebP, AVIF, HEIF). Without that, 48 megapixels of an iPhone would not fit the limit.
"""

from __future__ import annotations

import io
import re
import zlib
from collections.abc import Callable
from typing import Any

from PIL import Image, UnidentifiedImageError
from PIL.JpegImagePlugin import JpegImageFile

from mirror.decoding.headers import FORMATS
from mirror.decoding.orientation import TAG, UPRIGHT, orientation
from mirror.decoding.pixels import Decoded, of_buffer, of_image
from mirror.decoding.refusals import brief, damaged
from mirror.errors import ImageTooLarge, NotAnImage

# How Pillow (its codecs' status -9), libtiff, libheif and libavif say it
OUT_OF_MEMORY = re.compile(r"out of memory|memory allocation|decoder error -9\b", re.IGNORECASE)

END_OF_JPEG = b"\xff\xd9"
ROWS_AT_ONCE = 64
WITH_EXIF = ("JPEG", "PNG", "WEBP", "AVIF", "HEIF")  # not TIFF: opening it reads all of its tags
LONGEST_EXIF = 1 << 20  # bytes; a JPEG holds at most 64 KB
Checks = Callable[[tuple[int, int]], None]  # raises ImageError for a size (width, height) that is not wanted


def decode(
    data: bytes, name: str, check_size: Checks, at_least: int | None = None, info: dict[str, Any] | None = None
) -> Decoded:
    """The first picture of an encoded file. name: what it is called in a sentence; check_size is asked before its
    pixels are made; info: the metadata of a plain JPEG (jpeg.py), which has been read already. A JPEG that lacks its
    end marker alone is whole: every browser shows it.

    Raises ImageError; MemoryError where it does not fit.
    """
    try:
        return _decode(data, name, check_size, at_least, info)
    except NotAnImage as error:
        failure = error.with_traceback(None)  # it and its context hold the picture
        failure.__context__ = None
    if not _only_end_is_missing(data, at_least):
        raise failure
    return _decode(data + END_OF_JPEG, name, check_size, at_least, info)


def camera_data(data: bytes) -> Image.Exif:
    """What the camera wrote into an encoded file (EXIF), nothing where that is longer than LONGEST_EXIF or the file is
    of another container. No pixel is decoded. Raises any error for a damaged file."""
    known = formats_for(data)
    with Image.open(io.BytesIO(data), formats=[name for name in WITH_EXIF if name in known]) as opened:
        exif, written = Image.Exif(), opened.info.get("exif", b"")
    if len(written) <= LONGEST_EXIF:
        exif.load(written)
    return exif


def _only_end_is_missing(data: bytes, at_least: int | None) -> bool:
    """Whether what follows the bytes of a JPEG changes nothing. Where pixels are missing, libjpeg makes grey of an end
    marker, and other pixels of other bytes."""
    if not data.startswith(b"\xff\xd8\xff") or data.endswith(END_OF_JPEG):
        return False
    sums = set()
    for following in (b"", bytes(range(1, 255))):
        try:
            opened = JpegImageFile(io.BytesIO(data.rstrip(b"\xff") + following + END_OF_JPEG))
            if at_least is not None:
                opened.draft(None, (at_least, at_least))
            opened.load()
        except Exception:  # of a header that is damaged too
            return False
        checksum = 0
        for top in range(0, opened.height, ROWS_AT_ONCE):
            rows = opened.crop((0, top, opened.width, min(top + ROWS_AT_ONCE, opened.height)))
            checksum = zlib.crc32(rows.tobytes(), checksum)
        sums.add(checksum)
    return len(sums) == 1


def _decode(data: bytes, name: str, check_size: Checks, at_least: int | None, info: dict[str, Any] | None) -> Decoded:
    try:
        if info is None:
            opened = Image.open(io.BytesIO(data), formats=formats_for(data))
        else:  # a JPEG of one picture, which may have more pixels than Pillow's own limit where it is reduced
            opened = JpegImageFile(io.BytesIO(data))
    except SyntaxError:
        raise UnidentifiedImageError from None
    except (UnidentifiedImageError, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise ImageTooLarge(f"{name} has far too many pixels; use a smaller image.") from None
    except Exception as error:  # a plugin that trips over a malformed header may raise anything
        raise NotAnImage(f"{name} is a damaged image ({brief(error)}); use another copy of it.") from None
    check_size(opened.size)
    if at_least is not None and opened.format in ("JPEG", "MPO"):
        opened.draft(None, (at_least, at_least))
    try:
        return _loaded(opened, info)
    except (MemoryError, ImageTooLarge, NotAnImage):
        raise
    except Image.DecompressionBombError:
        raise ImageTooLarge(f"{name} unpacks to far too many pixels; use a smaller image.") from None
    except Exception as error:
        if OUT_OF_MEMORY.search(str(error)):
            raise MemoryError from None
        raise damaged(name, error) from None


def formats_for(data: bytes) -> list[str]:
    """FORMATS that can be opened here. pillow-heif is imported, and registered, for the first file that needs it."""
    formats = [name for name in FORMATS if name != "HEIF"]
    if data[4:8] == b"ftyp" and data[8:12] not in (b"avif", b"avis"):
        try:
            from pillow_heif import register_heif_opener
        except ImportError:
            return formats
        register_heif_opener()
        formats.append("HEIF")
    return formats


def _loaded(opened: Any, info: dict[str, Any] | None) -> Decoded:
    take = {"WEBP": _from_webp, "AVIF": _from_avif, "HEIF": _from_heif}.get(opened.format)
    found = take(opened) if take else None
    if found is not None:
        return found
    opened.load()
    if opened.format == "TIFF":  # Pillow has turned its pixels, by this very block; it is read already
        return of_image(opened, _after_turning(opened))
    return of_image(opened, orientation(opened.info if info is None else info))


def _after_turning(opened: Any) -> int:
    try:
        found = int(opened.getexif().get(TAG, 1))
    except Exception:  # getexif raises nearly anything on malformed EXIF
        return 1
    return found if found in UPRIGHT else 1


def _from_webp(opened: Any) -> Decoded | None:
    decoder: Any = getattr(opened, "_decoder", None)
    if not hasattr(decoder, "get_next") or opened.rawmode not in ("RGBX", "RGBA"):
        return None
    picture = decoder.get_next()
    opened._decoder = opened.fp = None
    del decoder
    if picture is None:
        raise EOFError("failed to decode next frame in WebP file")
    layout = opened.rawmode, 4 * opened.size[0]
    return of_buffer(opened.size, opened.mode, layout, picture[0], orientation(opened.info))


def _from_avif(opened: Any) -> Decoded | None:
    decoder: Any = getattr(opened, "_decoder", None)
    if not hasattr(decoder, "get_frame") or opened.mode not in ("RGB", "RGBA", "L"):
        return None
    picture = decoder.get_frame(0)[0]
    opened._decoder = opened.fp = None
    del decoder
    layout = opened.mode, len(opened.mode) * opened.size[0]
    return of_buffer(opened.size, opened.mode, layout, picture, orientation(opened.info))


def _from_heif(opened: Any) -> Decoded | None:
    """libheif has turned the pixels, and pillow-heif has set the orientation to 1."""
    file = getattr(opened, "_heif_file", None)
    if file is None or opened.mode not in ("RGB", "RGBA", "L", "LA"):
        return None
    picture = file[opened.tell()]
    data = picture.data  # the size may change in decoding
    layout, size = (picture.mode, picture.stride), picture.size
    return of_buffer(size, picture.mode, layout, data, orientation(opened.info))
