"""Photos of every kind that visitors send, each of one colour."""

from __future__ import annotations

import io

import pytest
from PIL import Image

from tests.web.tiny import BLUE, YELLOW, photo


def sideways() -> bytes:
    """Stored upside down, with the EXIF flag that says so: the same colours, whichever way up."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return photo(YELLOW, exif=exif.tobytes())


def cmyk() -> bytes:
    buffer = io.BytesIO()
    Image.new("CMYK", (90, 80), (0, 0, 255, 0)).save(buffer, "JPEG", quality=95)
    return buffer.getvalue()


def palette() -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (90, 80), YELLOW).quantize(8).save(buffer, "PNG")
    return buffer.getvalue()


def clear() -> bytes:
    """Nothing but transparency over blue: white once laid on white."""
    buffer = io.BytesIO()
    Image.new("RGBA", (90, 80), (*BLUE, 0)).save(buffer, "PNG")
    return buffer.getvalue()


def heic() -> bytes:
    pillow_heif = pytest.importorskip("pillow_heif", reason="HEIC needs the optional pillow-heif")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.new("RGB", (90, 80), YELLOW)).save(buffer, format="HEIF", quality=95)
    return buffer.getvalue()
