"""Why a photo is not decoded, in one sentence each: what is wrong with it, and what to send instead."""

from __future__ import annotations

from typing import Any

from mirror.decoding.limits import MAX_DECODE_BYTES, MAX_SECONDS, MAX_SIDE, MB
from mirror.errors import ImageError, ImageTooLarge, ImageTooSmall, NotAnImage

MAX_MESSAGE = 4_000  # characters of a sentence from a worker: a path may be long
FORMATS_FOR_PEOPLE = "JPEG, PNG, WebP, GIF, AVIF, HEIC, BMP or TIFF"


def check_size(size: tuple[int, int], name: str, max_pixels: int, min_side: int | None) -> None:
    """Raises ImageError for a (width, height) that is not wanted."""
    width, height = size
    if width < 1 or height < 1:
        raise NotAnImage(f"{name} is a damaged image (it claims {width} x {height} pixels); use another copy of it.")
    if width * height > max_pixels:
        raise too_many_pixels(name, size, max_pixels)
    if max(size) > MAX_SIDE:
        raise ImageTooLarge(f"{name} has {width} x {height} pixels; use one of at most {MAX_SIDE} on a side.")
    if min_side is not None and min(size) < min_side:
        raise ImageTooSmall(f"{name} has {width} x {height} pixels; use one of at least {min_side} on its short side.")


def too_many_pixels(name: str, size: tuple[int, int] | None, max_pixels: int) -> ImageTooLarge:
    found = f"{size[0]} x {size[1]} pixels" if size else "far too many pixels"
    return ImageTooLarge(f"{name} has {found}; use one of at most {max_pixels / 1e6:g} megapixels.")


def too_costly(name: str, why: str) -> ImageTooLarge:
    """why: as in TooCostly."""
    return ImageTooLarge(f"{name} {why}; save it again as an ordinary JPEG or PNG.", reason="too-much-work")


def too_much_memory(name: str) -> ImageTooLarge:
    return ImageTooLarge(
        f"{name} would take more than {MAX_DECODE_BYTES // MB} MB of memory to decode; use a smaller image, or a JPEG.",
        reason="too-much-memory",
    )


def too_slow(name: str) -> ImageTooLarge:
    return ImageTooLarge(
        f"{name} takes more than {MAX_SECONDS:g} seconds to decode; save it again as an ordinary JPEG or PNG.",
        reason="too-much-work",
    )


def busy(name: str) -> ImageError:
    return ImageError(f"{name} has to wait, for too many photos are being decoded: try again in a minute.", "busy")


def no_worker(name: str, why: str) -> ImageError:
    return ImageError(
        f"{name} is of a kind that is decoded by a process of its own, which cannot be started ({why}): "
        "use a JPEG, PNG or WebP file.",
        "no-worker",
    )


def not_an_image(name: str, data: bytes) -> NotAnImage:
    """For bytes that no decoder knows."""
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
    return NotAnImage(f"{name} {what}; use a {FORMATS_FOR_PEOPLE} file.")


def damaged(name: str, error: BaseException) -> NotAnImage:
    """Whatever a decoder raises on damaged bytes (OSError, SyntaxError, struct.error …)."""
    return NotAnImage(f"{name} is a damaged or truncated image ({brief(error)}); use another copy of it.")


def brief(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:100]


def of_failure(name: str, kind: str) -> ImageError:
    """For a worker that gave no picture; kind: of pool.WorkerFailed."""
    if kind == "too-slow":
        return too_slow(name)
    return NotAnImage(f"{name} is a damaged image that its decoder did not survive; use another copy of it.")


def of_answer(name: str, data: bytes, answer: dict[str, Any]) -> ImageError:
    """For what a worker says instead of a picture (worker.py)."""
    kind, message = answer["error"], str(answer.get("message", ""))[:MAX_MESSAGE]
    if kind == "Unidentified":
        return not_an_image(name, data)
    if kind == "MemoryError":
        return too_much_memory(name)
    for known in (NotAnImage, ImageTooLarge, ImageTooSmall):
        if kind == known.__name__:
            return known(message, reason=str(answer.get("reason", known.reason)))
    return NotAnImage(f"{name} is a damaged or truncated image ({message}); use another copy of it.")
