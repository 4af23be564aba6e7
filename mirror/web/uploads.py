"""The one reader of what a visitor sends as a photo: the file's bytes, an http(s) address, or one sentence.

    received(sent, folder) → bytes | str | None

`sent` is any JSON value: nothing about it is trusted, not its shape, its names or its sizes. What is understood:

    {"path": "…/uploads/a1b2/photo.jpg"}       a file that was uploaded to this process (the page, gradio's clients)
    {"url": "…/gradio_api/file=…/photo.jpg"}   the same file by its address here
    {"url": "data:image/jpeg;base64,…"}        the photo itself (RFC 2397; line breaks, the URL-safe alphabet of RFC
                                               4648 and missing padding are fine, the media type is not looked at)
    {"path": "https://…"}, {"url": "https://…"}   its address; whoever asks for the bytes fetches it (mirror.fetch)
    "…"                                        any of these as a plain text

A path counts only where it lies in the folder of uploads. Every component below that folder is opened without following
a link, and the file must be a regular one. Any other path, whether there is such a file or not, gets the same sentence.
"""

from __future__ import annotations

import base64
import binascii
import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import unquote, unquote_to_bytes

from mirror.errors import ImageTooLarge, NotAnImage
from mirror.images import MAX_BYTES

MAX_UPLOAD_BYTES = MAX_BYTES
MAX_ADDRESS = 8_192  # letters of a path or an address: Linux takes 4,096 for a path, web servers some 8,000
NOT_HERE = "The photo is not here (uploads are deleted soon after the answer): please send it again."
NOT_A_PHOTO = "This is no photo: send it as a file, as a data: URL or by its http(s) address."
NOT_BASE64 = "The photo's data: URL cannot be read: send the photo as a file."
TOO_MANY_BYTES = f"The photo is larger than {MAX_UPLOAD_BYTES / 2**20:g} MB: please send a smaller one."

FILE_ROUTE = re.compile(r"(?:https?://[^/?#]+)?[^?#]*?/file=([^?#]+)", re.IGNORECASE)  # /gradio_api/file=PATH
SPACES = re.compile(r"[\s\x00]+")  # of base64 as `base64 photo.jpg` and e-mail break it
URL_SAFE = str.maketrans("-_", "+/")  # RFC 4648, section 5


def received(sent: Any, folder: str | Path) -> bytes | str | None:
    """What a visitor sent as a photo → its encoded bytes, its http(s) address, or None where nothing was sent.

    folder: where this process keeps uploads. Raises NotAnImage or ImageTooLarge with one sentence.
    """
    if isinstance(sent, Mapping):
        url, path = sent.get("url"), sent.get("path")
        if isinstance(url, str) and is_data(url):  # a picture that this page itself has shown carries both
            return data_bytes(url)
        sent = path if path is not None and path != "" else url
    if sent is None or sent == "":
        return None
    if not isinstance(sent, str):
        raise NotAnImage(NOT_A_PHOTO)
    if is_data(sent):
        return data_bytes(sent)
    if len(sent) > MAX_ADDRESS:
        raise NotAnImage(NOT_HERE)
    if not is_address(sent):
        own = FILE_ROUTE.fullmatch(sent)
        return file_bytes(unquote(own[1]) if own else sent, folder)
    if own := FILE_ROUTE.fullmatch(sent.strip()):
        path = unquote(own[1])
        if _names_below(path, folder):  # else it is another server's
            return file_bytes(path, folder)
    return sent.strip()


def is_address(text: str) -> bool:
    return text.lstrip()[:8].lower().startswith(("http://", "https://"))


def is_data(text: str) -> bool:
    return text.lstrip()[:5].lower() == "data:"


def data_bytes(url: str) -> bytes:
    """The bytes of a data: URL. Raises NotAnImage, and ImageTooLarge before more than MAX_UPLOAD_BYTES are decoded."""
    head, comma, body = url.partition(",")
    if not comma:
        raise NotAnImage(NOT_BASE64)
    encoded = head.rpartition(";")[2].strip().lower() == "base64"
    # four letters hold three bytes, and base64 is commonly broken every 64 to 76 letters
    if len(body) > (MAX_UPLOAD_BYTES * 3 if not encoded else MAX_UPLOAD_BYTES * 4 // 3 * 33 // 32 + 1024):
        raise ImageTooLarge(TOO_MANY_BYTES, reason="too-many-bytes")
    photo = _base64(body) if encoded else _percent(body)
    if len(photo) > MAX_UPLOAD_BYTES:
        raise ImageTooLarge(TOO_MANY_BYTES, reason="too-many-bytes")
    return photo


def _base64(text: str) -> bytes:
    if "%" in text:  # a URL may percent-encode +, / and =
        text = unquote(text)
    text = SPACES.sub("", text).translate(URL_SAFE).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise NotAnImage(NOT_BASE64) from None


def _percent(text: str) -> bytes:
    try:
        return unquote_to_bytes(text)
    except UnicodeEncodeError:  # half of a surrogate pair, which JSON can carry
        raise NotAnImage(NOT_BASE64) from None


def file_bytes(path: str, folder: str | Path) -> bytes:
    """The bytes of an upload. Raises NotAnImage(NOT_HERE) for whatever is none, ImageTooLarge for one too large."""
    names = _names_below(path, folder)
    if not names:
        raise NotAnImage(NOT_HERE)
    try:
        handle = _open_below(folder, names)
        try:
            status = os.fstat(handle)
            if not stat.S_ISREG(status.st_mode):
                raise NotAnImage(NOT_HERE)
            if status.st_size > MAX_UPLOAD_BYTES:
                raise ImageTooLarge(TOO_MANY_BYTES, reason="too-many-bytes")
            with open(handle, "rb", closefd=False) as file:
                return file.read(status.st_size)  # what is still being written beyond it is not waited for
        finally:
            os.close(handle)
    except (OSError, ValueError):  # ValueError: letters that no path can have
        raise NotAnImage(NOT_HERE) from None


def _names_below(path: str, folder: str | Path) -> list[str]:
    """The names that lead from the folder to the path, by their letters alone; none where it does not lie below."""
    if "\0" in path or not os.path.isabs(path):
        return []
    path = os.path.normpath(path)
    for root in {os.path.abspath(folder), os.path.realpath(folder)}:
        if path.startswith(root.rstrip(os.sep) + os.sep):
            return path[len(root.rstrip(os.sep)) + 1 :].split(os.sep)
    return []


def _open_below(folder: str | Path, names: list[str]) -> int:
    """A file descriptor, opened name by name so that no link below the folder is followed. OSError where it cannot."""
    quick = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_NONBLOCK", 0)  # a pipe is not waited for
    if os.open not in os.supports_dir_fd:  # Windows
        path = os.path.join(os.path.realpath(folder), *names)
        if os.path.realpath(path) != path or not os.path.isfile(path):
            raise FileNotFoundError(path)
        return os.open(path, quick | getattr(os, "O_BINARY", 0))
    here = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in names[:-1]:
            below = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=here)
            os.close(here)
            here = below
        return os.open(names[-1], quick | os.O_NOFOLLOW, dir_fd=here)
    finally:
        os.close(here)
