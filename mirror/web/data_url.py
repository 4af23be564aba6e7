"""data: URLs (RFC 2397), decoded piece by piece as they come, so that a photo as text is never in memory as text.

Line breaks, the URL-safe alphabet of RFC 4648 and missing padding are fine; the media type is not looked at.
"""

from __future__ import annotations

import binascii
from urllib.parse import unquote_to_bytes

LONGEST_HEAD = 4096  # letters before the comma
SPACES = bytes([*range(9, 14), *range(28, 33), 0])  # of base64 as `base64 photo.jpg` and e-mail break it
URL_SAFE = bytes.maketrans(b"-_", b"+/")  # RFC 4648, section 5


def is_data(text: str) -> bool:
    return text.lstrip()[:5].lower() == "data:"


def is_base64(head: str) -> bool:
    """head: of a data: URL, what stands before its comma."""
    return head.rpartition(";")[2].strip().lower() == "base64"


class DataUrl:
    """Decodes one. `feed` and `end` give the next bytes; each raises ValueError for what is no data: URL."""

    def __init__(self) -> None:
        self._head, self._base64 = "", None  # type: str, bool | None
        self._percent = b""  # a sign that waits for its digits
        self._left, self._padded = b"", False  # fewer than four letters; whether there was padding

    def feed(self, text: str) -> bytes:
        if self._base64 is None:
            self._head, comma, text = (self._head + text).partition(",")
            if len(self._head) > LONGEST_HEAD:
                raise ValueError("a data: URL without a comma")
            if not comma:
                return b""
            self._base64 = is_base64(self._head)
        piece = self._percent + text.encode()
        cut = piece.find(b"%", max(0, len(piece) - 2))  # the sign and its two digits stay together
        piece, self._percent = (piece[:cut], piece[cut:]) if cut >= 0 else (piece, b"")
        return self._decoded(unquote_to_bytes(piece) if b"%" in piece else piece)

    def end(self) -> bytes:
        """What the last letters hold, with the padding that may have been left out."""
        if self._base64 is None:
            raise ValueError("a data: URL without a comma")
        last = self._decoded(self._percent)
        return last + binascii.a2b_base64(self._left + b"=" * (-len(self._left) % 4), strict_mode=True)

    def _decoded(self, piece: bytes) -> bytes:
        if not self._base64:
            return piece
        letters = piece.translate(URL_SAFE, SPACES)
        body = letters.rstrip(b"=")
        if self._padded and body:
            raise ValueError("letters after the padding")
        self._padded = self._padded or len(body) < len(letters)
        body = self._left + body
        complete = len(body) - len(body) % 4
        self._left = body[complete:]
        return binascii.a2b_base64(body[:complete], strict_mode=True)
