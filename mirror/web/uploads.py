"""The one reader of what a visitor sends as a photo: the file's bytes, an http(s) address, or one sentence.

    received(sent, folder) → an Upload or Inline, whose .read() gives the bytes, an Address, or None

`sent` is any JSON value: nothing about it is trusted, not its shape, its names or its sizes. What is understood:

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

import binascii
import os
import re
import weakref
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from mirror.errors import ImageTooLarge, NotAnImage
from mirror.images import MAX_BYTES
from mirror.storage import open_file

MAX_UPLOAD_BYTES = MAX_BYTES
MAX_ADDRESS = 8_192  # letters of a path or an address: Linux takes 4,096 for a path, web servers some 8,000
NOT_HERE = "The photo is not here (uploads are deleted soon after the answer): please send it again."
NOT_A_PHOTO = "This is no photo: send it as a file, as a data: URL or by its http(s) address."
NOT_BASE64 = "The photo's data: URL cannot be read: send the photo as a file."
TOO_MANY_BYTES = f"The photo is larger than {MAX_UPLOAD_BYTES / 2**20:g} MB: please send a smaller one."

# four letters hold three bytes, and base64 is commonly broken each 64 to 76 letters
MAX_BASE64 = MAX_UPLOAD_BYTES * 4 // 3 * 33 // 32 + 1024
MAX_PERCENT = MAX_UPLOAD_BYTES * 3

FILE_ROUTE = re.compile(r"(?:https?://[^/?#]+)?[^?#]*?/file=([^?#]+)", re.IGNORECASE)  # /gradio_api/file=PATH
SPACES = bytes([*range(9, 14), *range(28, 33), 0])  # of base64 as `base64 photo.jpg` and e-mail break it
URL_SAFE = bytes.maketrans(b"-_", b"+/")  # RFC 4648, section 5
PIECE = 256 * 1024  # letters decoded at a time: it takes little memory, and other threads have their turn in between


@dataclass(frozen=True)
class Address:
    """An http(s) address: its bytes are fetched (mirror.net.fetch), and not here."""

    url: str


class Inline:
    """A photo within the request itself, as a data: URL. Raises ImageTooLarge for one too long to be decoded."""

    def __init__(self, url: str):
        comma = url.find(",")
        if comma < 0:
            raise NotAnImage(NOT_BASE64)
        self._url, self._start = url, comma + 1
        self._encoded = url[max(0, comma - 64) : comma].rpartition(";")[2].strip().lower() == "base64"
        if len(url) - self._start > (MAX_BASE64 if self._encoded else MAX_PERCENT):
            raise ImageTooLarge(TOO_MANY_BYTES, reason="too-many-bytes")

    def read(self) -> bytes:
        """The bytes. Raises NotAnImage, ImageTooLarge."""
        photo, take = bytearray(), _Base64() if self._encoded else bytes
        try:
            for piece in _unquoted(self._url, self._start):
                photo += take(piece)
                if len(photo) > MAX_UPLOAD_BYTES:
                    raise ImageTooLarge(TOO_MANY_BYTES, reason="too-many-bytes")
            if isinstance(take, _Base64):
                photo += take.rest()
        except ValueError:  # no base64, or half of a surrogate pair, which JSON can carry
            raise NotAnImage(NOT_BASE64) from None
        return bytes(photo)


class Upload:
    """A file in the folder of uploads, open: it can be read, and again, even when it has been deleted meanwhile. Raises
    NotAnImage(NOT_HERE) for whatever is no upload, ImageTooLarge for one that is too large."""

    def __init__(self, path: str, folder: str | Path):
        names = _names_below(path, folder)
        if not names:
            raise NotAnImage(NOT_HERE)
        try:
            self._handle = open_file(Path(folder, *names), inside=Path(folder))
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


Sent = Address | Inline | Upload


def received(sent: Any, folder: str | Path) -> Sent | None:
    """What a visitor sent as a photo; None where nothing was sent. Nothing is read yet: `.read()` gives the bytes.

    folder: where this process keeps uploads. Raises NotAnImage or ImageTooLarge with one sentence.
    """
    if isinstance(sent, Mapping):
        url, path = sent.get("url"), sent.get("path")
        if isinstance(url, str) and is_data(url):  # a picture that this page itself has shown carries both
            return Inline(url)
        sent = path if path is not None and path != "" else url
    if sent is None or sent == "":
        return None
    if not isinstance(sent, str):
        raise NotAnImage(NOT_A_PHOTO)
    if is_data(sent):
        return Inline(sent)
    if len(sent) > MAX_ADDRESS:
        raise NotAnImage(NOT_HERE)
    if not is_address(sent):
        own = FILE_ROUTE.fullmatch(sent)
        return Upload(unquote(own[1]) if own else sent, folder)
    if own := FILE_ROUTE.fullmatch(sent.strip()):
        path = unquote(own[1])
        if _names_below(path, folder):  # else it is another server's
            return Upload(path, folder)
    return Address(sent.strip())


def is_address(text: str) -> bool:
    return text.lstrip()[:8].lower().startswith(("http://", "https://"))


def is_data(text: str) -> bool:
    return text.lstrip()[:5].lower() == "data:"


def _unquoted(text: str, start: int) -> Iterator[bytes]:
    """The text from there on as bytes, piece by piece, its percent signs decoded."""
    while start < len(text):
        end = min(start + PIECE, len(text))
        if end < len(text) and (cut := text.rfind("%", end - 2, end)) > 0:  # the sign and its two digits stay together
            end = cut
        piece = text[start:end].encode()
        yield unquote_to_bytes(piece) if b"%" in piece else piece
        start = end


class _Base64:
    """Decodes base64 that comes in pieces. Raises ValueError for what is none."""

    def __init__(self) -> None:
        self._left, self._ended = b"", False  # fewer than four letters; whether there was padding

    def __call__(self, piece: bytes) -> bytes:
        letters = piece.translate(URL_SAFE, SPACES)
        body = letters.rstrip(b"=")
        if self._ended and body:
            raise ValueError("letters after the padding")
        self._ended = self._ended or len(body) < len(letters)
        body = self._left + body
        whole = len(body) - len(body) % 4
        self._left = body[whole:]
        return binascii.a2b_base64(body[:whole], strict_mode=True)

    def rest(self) -> bytes:
        """What the last letters hold, with the padding that may have been left out."""
        return binascii.a2b_base64(self._left + b"=" * (-len(self._left) % 4), strict_mode=True)


def _names_below(path: str, folder: str | Path) -> list[str]:
    """The names that lead from the folder to the path, by their letters alone; none where it does not lie below."""
    if "\0" in path or not os.path.isabs(path):
        return []
    path = os.path.normpath(path)
    for root in {os.path.abspath(folder), os.path.realpath(folder)}:
        if path.startswith(root.rstrip(os.sep) + os.sep):
            return path[len(root.rstrip(os.sep)) + 1 :].split(os.sep)
    return []
