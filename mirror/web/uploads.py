"""The one reader of what a visitor sends as a photo: the file's bytes, an http(s) address, or one sentence.

    parse_sent(value, folder) → an Upload or Inline, whose .read() gives the bytes, an Address, or None

`value` is any JSON value: nothing about it is trusted, not its shape, its names or its sizes. What is understood:

    {"path": "…/uploads/a1b2/photo.jpg"}       a file that was uploaded to this process (the page, gradio's clients)
    {"url": "…/gradio_api/file=…/photo.jpg"}   the same file by its address here
    {"url": "data:image/jpeg;base64,…"}        the photo itself (RFC 2397; line breaks, the URL-safe alphabet of RFC
                                               4648 and missing padding are fine, the media type is not looked at)
    {"path": "https://…"}, {"url": "https://…"}   its address; whoever asks for the bytes fetches it (mirror.net.fetch)
    "…"                                        any of these as a plain text

A path counts only where it lies in the folder of uploads. Every component below that folder is opened without following
a link, and the file must be a regular one. Any other path, whether there is such a file or not, gets the same sentence.
"""

from __future__ import annotations

import os
import re
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from mirror.decoding.limits import MAX_PHOTO_BYTES
from mirror.errors import ImageTooLarge, NotAnImage
from mirror.storage import open_file
from mirror.web.data_url import DataUrl, is_base64, is_data

MAX_UPLOAD_BYTES = MAX_PHOTO_BYTES
MAX_ADDRESS = 8_192  # letters of a path or an address: Linux takes 4,096 for a path, web servers some 8,000
NOT_HERE = (
    "The photo is not here: send it as a file (which is deleted soon after the answer), as a data: URL or by its "
    "http(s) address."
)
NOT_A_PHOTO = "This is no photo: send it as a file, as a data: URL or by its http(s) address."
NOT_BASE64 = "The photo's data: URL cannot be read: send the photo as a file."
BARE_BASE64_GIVEN = "This is base64 alone: put “data:image/jpeg;base64,” before it, or send the photo as a file."
# How a JPEG, PNG, GIF, WebP, BMP, TIFF, and what a phone takes begin; a path with such a name is none of an upload's
_FIRST_LETTERS = "/9j/|iVBORw0KGgo|R0lGOD|UklGR|Qk[0-9A-Za-z]|SUkqA|TU0AK|AAAA[0-9A-Za-z]GZ0eX"
BARE_BASE64 = re.compile(rf"\s*({_FIRST_LETTERS})[A-Za-z0-9+/=_\s-]{{40}}")
SHOWN = "shown by the mirror.jpg"  # its name, by which a picture that an answer brought to the page is known again
TOO_MANY_BYTES = f"The photo is larger than {MAX_UPLOAD_BYTES / 2**20:g} MB: please send a smaller one."

NO_SCHEME = re.compile(r"(//)?[^\W_][\w-]*(\.[\w-]+)+(:\d+)?([/?#]|$)")  # example.org/photo.jpg
# four letters hold three bytes, and base64 is commonly broken each 64 to 76 letters
MAX_BASE64 = MAX_UPLOAD_BYTES * 4 // 3 * 33 // 32 + 1024
MAX_PERCENT = MAX_UPLOAD_BYTES * 3

FILE_ROUTE = re.compile(r"(?:https?://[^/?#]+)?[^?#]*?/file=([^?#]+)", re.IGNORECASE)  # /gradio_api/file=PATH
PIECE = 256 * 1024  # letters decoded at a time: it takes little memory, and other threads have their turn in between


@dataclass(frozen=True)
class Address:
    """An http(s) address: its bytes are fetched (mirror.net.fetch), and not here."""

    url: str
    shown = False


class InlinePhoto:
    """A photo within the request itself, as a data: URL. Raises ImageTooLarge for one too long to be decoded."""

    shown = False  # whether the page has it from an answer already

    def __init__(self, url: str):
        comma = url.find(",")
        if comma < 0:
            raise NotAnImage(NOT_BASE64)
        self._url = url
        if len(url) - comma > (MAX_BASE64 if is_base64(url[:comma]) else MAX_PERCENT):
            raise ImageTooLarge(TOO_MANY_BYTES, reason="too-many-bytes")

    def read(self) -> bytes:
        """The bytes. Raises NotAnImage, ImageTooLarge."""
        body, decoder = bytearray(), DataUrl()
        try:
            for start in range(0, len(self._url), PIECE):
                body += decoder.feed(self._url[start : start + PIECE])
                if len(body) > MAX_UPLOAD_BYTES:
                    raise ImageTooLarge(TOO_MANY_BYTES, reason="too-many-bytes")
            body += decoder.end()
        except ValueError:  # no base64, or half of a surrogate pair, which JSON can carry
            raise NotAnImage(NOT_BASE64) from None
        return bytes(body)


class Upload:
    """A file in the folder of uploads, open: it can be read, and again, even when it has been deleted meanwhile. Raises
    NotAnImage(NOT_HERE) for whatever is no upload, ImageTooLarge for one that is too large."""

    shown = False  # whether the page has it from an answer already

    def __init__(self, path: str, folder: str | Path):
        parts = _parts_below(path, folder)
        if not parts:
            raise NotAnImage(NOT_HERE)
        try:
            self._handle = open_file(Path(folder, *parts), inside=Path(folder))
        except (OSError, ValueError):  # ValueError: letters that no path can have
            raise NotAnImage(NOT_HERE) from None
        weakref.finalize(self, os.close, self._handle)
        self._bytes = os.fstat(self._handle).st_size  # what is still being written beyond it is not waited for
        if self._bytes > MAX_UPLOAD_BYTES:
            raise ImageTooLarge(TOO_MANY_BYTES, reason="too-many-bytes")

    def read(self) -> bytes:
        """The bytes, as many as there were when it was opened."""
        try:
            with open(self._handle, "rb", closefd=False) as file:
                file.seek(0)
                return file.read(self._bytes)
        except OSError:
            raise NotAnImage(NOT_HERE) from None


SentPhoto = Address | InlinePhoto | Upload


def parse_sent(value: Any, folder: str | Path) -> SentPhoto | None:
    """What a visitor sent as a photo; None where nothing was sent. Nothing is read yet: `.read()` gives the bytes.

    folder: where this process keeps uploads. Raises NotAnImage or ImageTooLarge with one sentence.
    """
    photo = _parse(value, folder)
    if isinstance(photo, InlinePhoto | Upload) and isinstance(value, Mapping):
        photo.shown = value.get("orig_name") == SHOWN
    return photo


def _parse(value: Any, folder: str | Path) -> SentPhoto | None:
    if isinstance(value, Mapping):
        url, path = value.get("url"), value.get("path")
        # a picture that this page itself has shown carries both, and a long data: URL has become a file on its way here
        if isinstance(url, str) and (is_data(url) or _parts_below(url, folder)):
            path = None
        value = path if path is not None and path != "" else url
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise NotAnImage(NOT_A_PHOTO)
    if is_data(value):
        return InlinePhoto(value)
    if BARE_BASE64.match(value):
        raise NotAnImage(BARE_BASE64_GIVEN)
    if len(value) > MAX_ADDRESS:
        raise NotAnImage(NOT_HERE)
    if not is_address(value):
        file_route = FILE_ROUTE.fullmatch(value)
        return Upload(unquote(file_route[1]) if file_route else value, folder)
    if file_route := FILE_ROUTE.fullmatch(value.strip()):
        path = unquote(file_route[1])
        if _parts_below(path, folder):  # else it is another server's
            return Upload(path, folder)
    return Address(value.strip())


def given_address(text: str) -> SentPhoto | None:
    """What a visitor wrote where an address is asked for: one of http(s), also without that, or a data: URL. Raises
    NotAnImage, ImageTooLarge."""
    text = text.strip()
    if not text or is_data(text):
        return InlinePhoto(text) if text else None
    return Address(text if not NO_SCHEME.match(text) else f"https://{text.removeprefix('//')}")


def is_address(text: str) -> bool:
    return text.lstrip()[:8].lower().startswith(("http://", "https://"))


def _parts_below(path: str, folder: str | Path) -> list[str]:
    """The names that lead from the folder to the path, by their letters alone; none where it does not lie below."""
    if "\0" in path or not os.path.isabs(path):
        return []
    path = os.path.normpath(path)
    for root in {os.path.abspath(folder), os.path.realpath(folder)}:
        if path.startswith(root.rstrip(os.sep) + os.sep):
            return path[len(root.rstrip(os.sep)) + 1 :].split(os.sep)
    return []
