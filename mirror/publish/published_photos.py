"""Photos as others get them: pixels, and nothing of what a camera wrote beside them (place, time, device)."""

from __future__ import annotations

from mirror.decoding.jpeg import read_jpeg
from mirror.decoding.limits import TooCostly
from mirror.errors import ImageError, PublishError
from mirror.images import encode_jpeg, load_image


def without_metadata(photo: bytes, name: str) -> bytes:
    """A JPEG. One that holds nothing but its pixels, as this program stores photos, stays as it is; any other is
    decoded and stored anew, in its size. Raises PublishError for what is no picture, or
    costs too much."""
    try:
        jpeg = read_jpeg(photo) if photo.startswith(b"\xff\xd8\xff") else None
        if jpeg is not None and jpeg.plain == photo:
            return photo
        return encode_jpeg(load_image(photo), None, quality=95)
    except (ImageError, TooCostly) as error:
        reason = str(error).rstrip(".")
        raise PublishError(f"{name} is not published ({reason}): remove it, or publish without photos.") from None
