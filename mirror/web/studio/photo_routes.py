"""The photos of a project as the browser gets them: only files of its images/, by what they are, never by their names.

A photo folder may come from a stranger: metadata.csv may name a page (`evil.html`, `.svg`) or a link to a file of the
person's own. So a file is opened without following any link, and its first bytes say which type it is sent as; whatever
is no picture is sent as nothing in particular, which no browser shows.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import BinaryIO
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from mirror.decoding.limits import MAX_PHOTO_BYTES
from mirror.errors import MirrorError
from mirror.images import load_image, small_jpeg
from mirror.storage import open_file
from mirror.web.studio.state import StudioState

PHOTOS, THUMBNAILS = "/studio/photos", "/studio/thumbnails"
THUMBNAIL_PIXELS = 360  # px on the long side: twice a tile, for sharp screens
MAX_THUMBNAILS = 1000  # about 20 MB
UNKNOWN_TYPE = "application/octet-stream"
# A photo is named after its bytes, so what a name shows never changes
HEADERS = {
    "Cache-Control": "private, max-age=3600",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
}
_PLAIN = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


def photo_address(project: str, file_name: str) -> str:
    return f"{PHOTOS}/{in_address(project)}/{quote(file_name)}"


def thumbnail_address(project: str, file_name: str) -> str:
    return f"{THUMBNAILS}/{in_address(project)}/{quote(file_name)}"


def in_address(project: str) -> str:
    """A project's name as a part of an address, of letters that need no percent sign there."""
    if _PLAIN.fullmatch(project):
        return project
    return "~" + base64.urlsafe_b64encode(os.fsencode(project)).rstrip(b"=").decode()


def name_in(address: str) -> str:
    """The name that `in_address` made that of. Raises ValueError for what it cannot have made."""
    if not address.startswith("~"):
        return address
    letters = address[1:].encode()
    return os.fsdecode(base64.urlsafe_b64decode(letters + b"=" * (-len(letters) % 4)))


def routes(find: Callable[[str], StudioState | None]) -> list[Route]:
    """For Starlette: a photo, and its thumbnail as JPEG. find: a project's name → its photos, None where there are
    none, or MirrorError."""

    def photo(request: Request) -> Response:
        try:
            with open_inside(*_listed(request)) as file:
                data = file.read(MAX_PHOTO_BYTES)
        except (MirrorError, OSError, ValueError):
            return _not_found()
        media_type = picture_type(data)
        disposition = {} if media_type else {"Content-Disposition": "attachment"}
        return Response(data, media_type=media_type or UNKNOWN_TYPE, headers=HEADERS | disposition)

    def thumbnail(request: Request) -> Response:
        try:
            folder, name = _listed(request)
            with open_inside(folder, name) as file:
                changed = os.fstat(file.fileno()).st_mtime_ns
            body = _thumbnail(folder, name, changed)
        except (MirrorError, OSError, ValueError):
            return _not_found()
        return Response(body, media_type="image/jpeg", headers=HEADERS)

    def _listed(request: Request) -> tuple[Path, str]:
        state, name = find(name_in(request.path_params["project"])), request.path_params["name"]
        if state is None or not state.lists(name):
            raise FileNotFoundError(name)
        return state.folder, name

    place = "{project}/{name:path}"
    return [Route(f"{PHOTOS}/{place}", photo), Route(f"{THUMBNAILS}/{place}", thumbnail)]


def open_inside(folder: Path, name: str) -> BinaryIO:
    """A regular file below `folder`/images, open for reading. No part of `name` may be a link.

    Raises OSError or ValueError for anything else, and for files beyond MAX_PHOTO_BYTES.
    """
    if PurePosixPath(name).parts[:1] != ("images",) or "\\" in name:
        raise FileNotFoundError(name)
    file = open(open_file(folder / name, inside=folder), "rb")
    if os.fstat(file.fileno()).st_size > MAX_PHOTO_BYTES:
        file.close()
        raise FileNotFoundError(name)
    return file


def picture_type(data: bytes) -> str | None:
    """The type of a picture by its first bytes; None for what is none that a browser shows without running anything."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if data[4:12] in (b"ftypavif", b"ftypavis"):
        return "image/avif"
    return None


def _not_found() -> Response:
    return PlainTextResponse("There is no such photo.", 404)


@lru_cache(MAX_THUMBNAILS)
def _thumbnail(folder: Path, name: str, changed: int) -> bytes:
    """The photo as a small JPEG. changed: when, so that a new file is not taken for the old one."""
    with open_inside(folder, name) as file:
        image = load_image(file.read(MAX_PHOTO_BYTES), at_least=THUMBNAIL_PIXELS)
    return small_jpeg(image, THUMBNAIL_PIXELS, 82)
