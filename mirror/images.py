"""The one decoder: a path, bytes, a URL or a PIL image in, an upright RGB image out, within limits.

Training, serving, screening and the page all come through `load_image`, so that a photo has the same pixels everywhere.

What is opened: the formats photos come in on the web and in data sets (see FORMATS). Pillow knows some forty more; most
have hardly ever met hostile input, and two of them (EPS, WMF) start other programs, so they are never tried. SVG is a
drawing, not a photo. HEIC, the iPhone's format, needs the optional package pillow-heif.

Colour: CMYK, LAB and the like are converted by Pillow's plain formulas and ICC profiles are not applied. A wide-gamut
photo comes out a little less saturated than on screen, but the same in training and in serving, which is what counts.
"""

from __future__ import annotations

import io
import os
import stat
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from mirror.errors import ImageTooLarge, ImageTooSmall, NotAnImage

if TYPE_CHECKING:
    from mirror.fetch import Network

MAX_PIXELS = 50_000_000  # 150 MB once decoded; the largest phone cameras store 48-50 megapixels
MAX_BYTES = 20 * 1024 * 1024  # as much as the page and the downloader accept
JPEG_QUALITY = 90  # at 640 px about 110 KB; below about 85 the 8 x 8 blocks become visible after augmentation's zoom

# ICO is left out (icons, not photos); PPM is in because older photo sets (GTSRB, faces94) come as .ppm and .pgm.
# MPO, the two-lens JPEG of phones and stereo cameras, is opened by the JPEG plugin and yields its first view.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "AVIF", "HEIF", "BMP", "TIFF", "PPM")
FORMATS_FOR_PEOPLE = "JPEG, PNG, WebP, GIF, AVIF, HEIC, BMP or TIFF"

EXIF_ORIENTATION = 0x0112
UPRIGHT = {  # EXIF 2.32, table 6: what the stored rows and columns are, undone
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def load_image(
    source: str | Path | bytes | Image.Image,
    *,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_BYTES,
    min_side: int | None = None,
    at_least: int | None = None,
    network: Network | None = None,
) -> Image.Image:
    """Decode `source` completely: a new upright RGB image that shares nothing with the source.

    source      a path, the file's bytes, a URL (http:// or https://, fetched through mirror.fetch), or a PIL image
    max_pixels  width x height allowed, read from the header before anything is decoded
    max_bytes   size of the file, the bytes or the download allowed
    min_side    pixels the short side must have, also read from the header
    at_least    the caller needs no more than this many pixels on the short side: a JPEG is then decoded at 1/2, 1/4 or
                1/8 of its size, whichever still leaves that many (12 megapixels: 59 ms instead of 322 ms)

    EXIF orientation is applied, transparency is laid over white, 16-bit and float images are scaled to 8 bits, and of
    an animation the first frame is taken. Raises NotAnImage (also for a missing or truncated file), ImageTooLarge,
    ImageTooSmall, or FetchError for a URL.
    """
    if isinstance(source, Image.Image):
        _check_size(source.size, "the image", max_pixels, min_side)
        with _quiet_pillow(), _decoding("the image"):
            return _upright_rgb(source)
    data, name = _read(source, max_bytes, network)
    if not data:
        raise NotAnImage(f"{name} is empty (0 bytes); send the file again.", reason="empty-file")
    with _quiet_pillow():
        try:
            opened = Image.open(io.BytesIO(data), formats=_formats_for(data))
        except UnidentifiedImageError:
            raise NotAnImage(_why_not_an_image(name, data)) from None
        except Image.DecompressionBombError:
            raise _too_many_pixels(name, None, max_pixels) from None
        except Exception as error:  # a plugin that trips over a malformed header may raise anything
            raise NotAnImage(f"{name} is a damaged image ({_brief(error)}); use another copy of it.") from None
        with opened:
            _check_size(opened.size, name, max_pixels, min_side)
            if at_least is not None and opened.format in ("JPEG", "MPO"):
                opened.draft(None, (at_least, at_least))
            with _decoding(name):
                opened.load()
                image = _upright_rgb(opened, ours=True)
    return image


def shrink(image: Image.Image, long_side: int) -> Image.Image:
    """The image with at most `long_side` pixels on its long side (Lanczos); never enlarged."""
    scale = long_side / max(image.size)
    if scale >= 1:
        return image
    size = tuple(max(1, round(side * scale)) for side in image.size)
    return image.resize(size, Image.Resampling.LANCZOS)


def encode_jpeg(image: Image.Image, long_side: int | None = 640, quality: int = JPEG_QUALITY) -> bytes:
    """JPEG bytes of at most `long_side` pixels; no EXIF, no colour profile, the same bytes for the same pixels."""
    if long_side is not None:
        image = shrink(image, long_side)
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(image.convert("RGB"))).save(buffer, "JPEG", quality=quality, optimize=True)
    return buffer.getvalue()


# ---- bytes ----------------------------------------------------------------------------------------------------------


def _read(source: str | Path | bytes, max_bytes: int, network: Network | None) -> tuple[bytes, str]:
    """The bytes of `source`, and what to call it in a sentence."""
    if isinstance(source, bytes | bytearray | memoryview):
        data, name = bytes(source), "the file"
    elif isinstance(source, str) and source.lower().startswith(("http://", "https://")):
        from mirror.fetch import Network, fetch  # httpx only when there is something to fetch

        data, name = fetch(source, network or Network()).body, source
    else:
        return read_file(Path(source), max_bytes), str(source)
    if len(data) > max_bytes:
        raise _too_many_bytes(name, max_bytes)
    return data, name


def read_file(path: Path, max_bytes: int = MAX_BYTES) -> bytes:
    """The bytes of a regular file of at most `max_bytes`; NotAnImage or ImageTooLarge otherwise.

    Pipes and devices are refused before they are opened: reading one could wait for ever.
    """
    try:
        status = os.stat(path)
        if stat.S_ISDIR(status.st_mode):
            raise NotAnImage(f"{path} is a folder; name an image file in it.", reason="is-a-folder")
        if not stat.S_ISREG(status.st_mode):
            raise NotAnImage(f"{path} is not a regular file; name an image file.", reason="unreadable-file")
        if status.st_size > max_bytes:
            raise _too_many_bytes(str(path), max_bytes)
        with open(path, "rb") as file:
            data = file.read(status.st_size + 1)  # not max_bytes: room is made for as much as is asked for
            if len(data) > status.st_size:  # it grew since stat
                data += file.read(max_bytes + 1 - len(data))
    except (FileNotFoundError, NotADirectoryError):
        raise NotAnImage(f"{path} does not exist; check the path.", reason="missing-file") from None
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise NotAnImage(f"{path} cannot be read ({why.lower()}); check the file.", reason="unreadable-file") from None
    if len(data) > max_bytes:
        raise _too_many_bytes(str(path), max_bytes)
    return data


def _formats_for(data: bytes) -> list[str]:
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


# ---- checks and sentences -------------------------------------------------------------------------------------------


def _check_size(size: tuple[int, int], name: str, max_pixels: int, min_side: int | None) -> None:
    width, height = size
    if width < 1 or height < 1:
        raise NotAnImage(f"{name} is a damaged image (it claims {width} x {height} pixels); use another copy of it.")
    if width * height > max_pixels:
        raise _too_many_pixels(name, size, max_pixels)
    if min_side is not None and min(size) < min_side:
        raise ImageTooSmall(f"{name} has {width} x {height} pixels; use one of at least {min_side} on its short side.")


def _too_many_pixels(name: str, size: tuple[int, int] | None, max_pixels: int) -> ImageTooLarge:
    found = f"{size[0]} x {size[1]} pixels" if size else "far too many pixels"
    return ImageTooLarge(f"{name} has {found}; use one of at most {max_pixels / 1e6:g} megapixels.")


def _too_many_bytes(name: str, max_bytes: int) -> ImageTooLarge:
    limit = f"{max_bytes / 2**20:g} MB" if max_bytes >= 2**20 else f"{max_bytes} bytes"
    return ImageTooLarge(f"{name} is larger than {limit}; use a smaller file.", reason="too-many-bytes")


def _why_not_an_image(name: str, data: bytes) -> str:
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if b"<svg" in start:
        what = "is an SVG drawing, not a photo"
    elif start.startswith((b"<!doctype html", b"<html", b"<head", b"<body")):
        what = "is a web page, not an image"
    elif start.startswith(b"%pdf"):
        what = "is a PDF, not an image"
    elif data[4:8] == b"ftyp" and data[8:12] in (b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"):
        what = "is a HEIC photo that cannot be read here (without the package pillow-heif, or damaged)"
    else:
        what = "is not an image, or is damaged"
    return f"{name} {what}; use a {FORMATS_FOR_PEOPLE} file."


def _brief(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:100]


@contextmanager
def _decoding(name: str) -> Iterator[None]:
    """Whatever a decoder raises on damaged bytes (OSError, SyntaxError, struct.error …) becomes NotAnImage."""
    try:
        yield
    except Image.DecompressionBombError:
        raise ImageTooLarge(f"{name} unpacks to far too many pixels; use a smaller image.") from None
    except MemoryError:
        raise ImageTooLarge(f"{name} does not fit in memory once decoded; use a smaller image.") from None
    except Exception as error:
        raise NotAnImage(f"{name} is a damaged or truncated image ({_brief(error)}); use another copy of it.") from None


# ---- pixels ---------------------------------------------------------------------------------------------------------


def _upright_rgb(image: Image.Image, ours: bool = False) -> Image.Image:
    """A new upright RGB image; where the decoded one is `ours`, it gives its pixels away instead of copying them."""
    orientation = _orientation(image)
    rgb = _to_rgb(image)
    if orientation in UPRIGHT:
        rgb = rgb.transpose(UPRIGHT[orientation])
    elif rgb is image:
        rgb = image._new(image.im) if ours else image.copy()  # as fastai takes over what Pillow has decoded
    rgb.info = {}  # Pillow hands metadata on, and the next reader would apply the EXIF orientation a second time
    return rgb


def _orientation(image: Image.Image) -> int:
    """EXIF orientation 1-8; 1 where there is none or the EXIF block is malformed, as browsers do."""
    try:
        value = image.getexif().get(EXIF_ORIENTATION, 1)
        return int(value)
    except Exception:  # getexif raises nearly anything on malformed EXIF, and the pixels are still good
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    mode = image.mode
    if mode.startswith("I") or mode == "F":
        return Image.fromarray(_to_8_bits(np.asarray(image), mode)).convert("RGB")
    if mode == "LAB":
        return _lab_to_rgb(image)
    if image.has_transparency_data:
        layer = image.convert("RGBA")
        white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, layer).convert("RGB")
    return image if mode == "RGB" else image.convert("RGB")


def _to_8_bits(pixels: np.ndarray, mode: str) -> np.ndarray:
    """Grey levels of more than 8 bits, as uint8 (height, width).

    16-bit levels map 0-65535 to 0-255. 32-bit integers and floats have no fixed white: integers up to 65535 are read as
    16-bit, floats within 0-1 as fractions and within 0-255 as 8-bit levels; beyond that the brightest pixel is white.
    """
    levels = np.nan_to_num(pixels.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0).clip(min=0)
    brightest = levels.max()
    if mode == "F":
        white = next((white for white in (1.0, 255.0) if brightest <= white), brightest)
    else:
        white = max(65535.0, brightest)
    return np.rint(levels * (255.0 / white)).astype(np.uint8)


def _lab_to_rgb(image: Image.Image) -> Image.Image:
    from PIL import ImageCms

    lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
    return ImageCms.applyTransform(image, ImageCms.buildTransform(lab, srgb, "LAB", "RGB"))


# ---- warnings -------------------------------------------------------------------------------------------------------

_quiet_lock = threading.Lock()
_quiet_depth = 0
_quiet_filters: Any = None


@contextmanager
def _quiet_pillow() -> Iterator[None]:
    """Silence Pillow's warnings about odd metadata and large images, which are this module's to judge.

    `warnings.catch_warnings` alone would leak its filters when two threads leave in the order they came in, so the
    first thread in saves the filters and the last one out restores them. Other modules' warnings pass all the while.
    """
    global _quiet_depth, _quiet_filters
    with _quiet_lock:
        _quiet_depth += 1
        if _quiet_depth == 1:
            _quiet_filters = warnings.catch_warnings()
            _quiet_filters.__enter__()
            warnings.filterwarnings("ignore", module=r"(PIL|pillow_heif|mirror\.images)\b")
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_depth -= 1
            if _quiet_depth == 0:
                _quiet_filters.__exit__(None, None, None)
                _quiet_filters = None
