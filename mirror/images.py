"""The one decoder: a path, bytes, a URL or a PIL image in, an upright RGB image out, within limits.

Training, serving, screening and the page all come through `load_image`, so that a photo has the same pixels everywhere.

What is opened: the formats photos come in on the web and in data sets (see FORMATS). Pillow knows some forty more; most
have hardly ever met hostile input, and two of them (EPS, WMF) start other programs, so they are never tried. SVG is a
drawing, not a photo. HEIC, the iPhone's format, needs the optional package pillow-heif.

What a file may cost: `mirror.decoding` reads from its header what decoding it would take. More than MAX_DECODE_BYTES is
refused, all decoders of the process share one budget, and what cannot be bounded in advance (any format but ordinary
JPEG, PNG and WebP) is decoded by a worker process that is ended after MAX_SECONDS.

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
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, UnidentifiedImageError

from mirror.decoding import budget, pool, refusals
from mirror.decoding.decode import decode
from mirror.decoding.headers import FORMATS, fitting, most_pixels, read_header
from mirror.decoding.limits import MAX_DECODE_BYTES, MAX_PHOTO_BYTES, MAX_PIXELS, Header, TooCostly
from mirror.decoding.orientation import orientation
from mirror.decoding.pixels import of_image, upright_rgb
from mirror.decoding.refusals import check_size
from mirror.errors import ImageError, ImageTooLarge, NotAnImage

if TYPE_CHECKING:
    from mirror.net.fetch import NetworkSettings

FULL_SIZE = "full size"  # in the info of an image that was reduced
JPEG_QUALITY = 90  # at 640 px about 110 KB; below about 85 the 8 x 8 blocks become visible after augmentation's zoom

__all__ = [
    "FORMATS",
    "encode_jpeg",
    "full_size",
    "load_image",
    "read_file",
    "shrink",
    "small_jpeg",
]


def load_image(
    source: str | Path | bytes | Image.Image,
    *,
    max_pixels: int = MAX_PIXELS,
    max_bytes: int = MAX_PHOTO_BYTES,
    min_side: int | None = None,
    at_least: int | None = None,
    reduce: bool = False,
    network: NetworkSettings | None = None,
) -> Image.Image:
    """Decode `source` completely: a new upright RGB image that shares nothing with the source.

    source      a path, the file's bytes, a URL (http:// or https://, fetched through mirror.net.fetch), or a PIL image
    max_pixels  width x height allowed, read from the header before anything is decoded; a JPEG that is decoded at a
                reduced scale (at_least) may have up to 256 megapixels, unless a smaller limit than usual is given
    max_bytes   size of the file, the bytes or the download allowed
    min_side    pixels the short side must have, also read from the header
    at_least    the caller needs no more than this many pixels on the short side: a JPEG is then decoded at 1/2, 1/4 or
                1/8 of its size, whichever still leaves that many (12 megapixels: 59 ms instead of 322 ms)
    reduce      a JPEG of more than max_pixels (phones make 108 and 200 megapixels) is decoded at the largest of these
                scales at which it has no more; `full_size` tells what it was

    EXIF orientation is applied, transparency is laid over white, 16-bit and float images are scaled to 8 bits, and of
    an animation the first frame is taken. Waits while other threads' photos take the memory that it needs, and takes
    at most MAX_SECONDS itself. Raises NotAnImage (also for a missing or truncated file), ImageTooLarge (also for what
    would take too much memory or time), ImageTooSmall, ImageError with the reason "busy", or FetchError for a URL.
    """
    if isinstance(source, Image.Image):
        return _of_image(source, max_pixels, min_side)
    data, name = _read(source, max_bytes, network)
    if not data:
        raise NotAnImage(f"{name} is empty (0 bytes); send the file again.", reason="empty-file")
    try:
        fit = fitting(data, max_pixels) if reduce and at_least is None else None
        at_least = fit or at_least
        header = read_header(data, at_least, max_pixels)
    except TooCostly as error:
        raise refusals.too_costly(name, str(error)) from None
    if header is None:
        raise refusals.not_an_image(name, data)
    most = most_pixels(header, at_least, max_pixels, max_pixels if fit else MAX_PIXELS)
    if header.size is not None:
        check_size(header.size, name, most, min_side)
    if header.memory > MAX_DECODE_BYTES:
        raise refusals.too_much_memory(name)
    try:
        with budget.shared().decoding(header.memory) as grant:
            if header.in_process:
                image = _here(header, name, most, min_side, at_least)
            else:
                task = {"name": name, "max_pixels": most, "min_side": min_side, "at_least": at_least}
                image = _by_worker(task, header.data)
            grant.keep(image, 4 * image.width * image.height)
            if fit and header.size:
                turned = (image.width < image.height) != (header.size[0] < header.size[1])
                image.info[FULL_SIZE] = header.size[::-1] if turned else header.size
    except budget.Busy:
        raise refusals.busy(name) from None
    return image


def full_size(image: Image.Image) -> tuple[int, int]:
    """(width, height) that an upright photo has as it was taken: more than `image` has where it was reduced."""
    return image.info.get(FULL_SIZE, image.size)


def _here(header: Header, name: str, max_pixels: int, min_side: int | None, at_least: int | None) -> Image.Image:
    """Decoded in this process."""
    check = partial(check_size, name=name, max_pixels=max_pixels, min_side=min_side)
    with _quiet_pillow():
        try:
            return upright_rgb(decode(header.data, name, check, at_least, header.info))
        except UnidentifiedImageError:
            raise refusals.not_an_image(name, header.data) from None
        except MemoryError:
            raise refusals.too_much_memory(name) from None
        except ImageError:
            raise
        except Exception as error:
            raise refusals.damaged(name, error) from None


def _by_worker(task: dict[str, Any], data: bytes) -> Image.Image:
    name = task["name"]
    try:
        found = pool.shared().decode(task, data)
    except pool.NoWorker as error:
        raise refusals.no_worker(name, refusals.brief(error)) from None
    except pool.WorkerFailed as error:
        raise refusals.of_failure(name, error.kind) from None
    except MemoryError:
        raise refusals.too_much_memory(name) from None
    if isinstance(found, Image.Image):
        return found
    raise refusals.of_answer(name, data, found)


def _of_image(image: Image.Image, max_pixels: int, min_side: int | None) -> Image.Image:
    """A copy of a caller's own image; it may still have to be read from its file."""
    check_size(image.size, "the image", max_pixels, min_side)
    with _quiet_pillow():
        try:
            image.load()
            tags = getattr(image, "tag_v2", None)  # a TIFF that Pillow has opened; it is upright already when loaded
            upright = upright_rgb(of_image(image, orientation(image.info) if tags is None else 1))
        except Image.DecompressionBombError:
            raise ImageTooLarge("the image unpacks to far too many pixels; use a smaller image.") from None
        except MemoryError:
            raise refusals.too_much_memory("the image") from None
        except Exception as error:
            raise refusals.damaged("the image", error) from None
    return upright.copy() if upright.im is image.im else upright


@contextmanager
def within_memory(name: str = "the image") -> Iterator[None]:
    """What is done with a decoded photo: where memory runs out, that is an ImageTooLarge, and so a row."""
    try:
        yield
    except MemoryError:
        raise ImageTooLarge(
            f"{name} takes more memory than there is; use a smaller image.", reason="too-much-memory"
        ) from None


def shrink(image: Image.Image, long_side: int) -> Image.Image:
    """The image with at most `long_side` pixels on its long side (Lanczos); never enlarged."""
    scale = long_side / max(image.size)
    if scale >= 1:
        return image
    width, height = (max(1, round(side * scale)) for side in image.size)
    return image.resize((width, height), Image.Resampling.LANCZOS)


def small_jpeg(image: Image.Image, long_side: int, quality: int) -> bytes:
    """To be looked at: JPEG bytes of at most `long_side` pixels. Raises ImageTooLarge where memory runs out."""
    with within_memory():
        small = image._new(image.im)  # the same pixels until it is made small; a copy of 50 megapixels is 200 MB
        small.thumbnail((long_side, long_side))
        return encoded(small, "JPEG", quality=quality)


def example_picture(path: Path) -> bytes:
    """A picture for a page to offer, as a JPEG of at most 1,024 pixels a side, without what a camera writes into its
    files. Raises ImageError."""
    return small_jpeg(load_image(path, at_least=512), 1024, 88)


def encode_jpeg(image: Image.Image, long_side: int | None = 640, quality: int = JPEG_QUALITY) -> bytes:
    """JPEG bytes of at most `long_side` pixels; no EXIF, no colour profile, the same bytes for the same pixels."""
    if long_side is not None:
        image = shrink(image, long_side)
    return encoded(Image.fromarray(np.asarray(image.convert("RGB"))), "JPEG", quality=quality, optimize=True)


def encoded(image: Image.Image, format: str, **settings: Any) -> bytes:
    """The bytes of a file of this format. settings: Pillow's."""
    buffer = io.BytesIO()
    image.save(buffer, format, **settings)
    return buffer.getvalue()


# ---- bytes ----------------------------------------------------------------------------------------------------------


def _read(source: str | Path | bytes, max_bytes: int, network: NetworkSettings | None) -> tuple[bytes, str]:
    """The bytes of `source`, and what to call it in a sentence."""
    if isinstance(source, bytes | bytearray | memoryview):
        data, name = bytes(source), "the file"
    elif isinstance(source, str) and source.lower().startswith(("http://", "https://")):
        from mirror.net.fetch import NetworkSettings, fetch  # httpx only when there is something to fetch

        data, name = fetch(source, network or NetworkSettings()).body, source
    else:
        return read_file(Path(source), max_bytes), str(source)
    if len(data) > max_bytes:
        raise _too_many_bytes(name, max_bytes)
    return data, name


def read_file(path: Path, max_bytes: int = MAX_PHOTO_BYTES) -> bytes:
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


def _too_many_bytes(name: str, max_bytes: int) -> ImageTooLarge:
    limit = f"{max_bytes / 2**20:g} MB" if max_bytes >= 2**20 else f"{max_bytes} bytes"
    return ImageTooLarge(f"{name} is larger than {limit}; use a smaller file.", reason="too-many-bytes")


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
            warnings.filterwarnings("ignore", module=r"(PIL|pillow_heif|mirror\.(images|decoding))\b")
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_depth -= 1
            if _quiet_depth == 0:
                _quiet_filters.__exit__(None, None, None)
                _quiet_filters = None
