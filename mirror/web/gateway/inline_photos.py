"""A photo within JSON goes to the disk while it comes in: what gradio parses of a request is short, however many ask.

gradio keeps the text of a request twice, as bytes and parsed, until it is answered, and 20 MB of photo are 28 MB of
text. Here each long `data:` URL is decoded piece by piece into a file among the uploads, and the JSON that goes on to
gradio names that file instead. Whatever else is in the JSON stays as it is, byte for byte.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from mirror.storage import parse_json
from mirror.web.data_url import DataUrl, is_data
from mirror.web.gateway.disk import NewFile
from mirror.web.gateway.refusal import Refusal

LONG = 64 * 1024  # bytes of a string, from which on it is put aside where it is a data: URL
MAX_PHOTOS = 4  # put aside of one request; the page sends one, or two
MAX_STRINGS = 10_000
UNREADABLE = b"data:;base64,?"  # stands for a data: URL that cannot be decoded: the one reader of photos says so
_WHOLE = re.compile(rb'(?:[^"\\]++|\\u[0-9A-Fa-f]{4}|\\[^u])*+', re.DOTALL)  # of a string, but for a broken off escape


class Inline:
    """One JSON body. new_file: makes an empty file of a visitor's. limit: bytes of a photo."""

    def __init__(self, new_file: Callable[[], NewFile], limit: int):
        self._new_file, self._limit = new_file, limit
        self.paths: list[Path] = []
        self._strings, self._in_string, self._half = 0, False, b""
        self._begun: bytearray | None = None  # of a string that is not long yet
        self._photo: DataUrl | None = None
        self._file: NewFile | None = None  # that is being written
        self._bytes = 0

    def feed(self, piece: bytes) -> bytes:
        """What of the next piece goes on to gradio. Raises Refusal, OSError."""
        piece, self._half = self._half + piece, b""
        passed_on, at = bytearray(), 0
        while at < len(piece):
            if not self._in_string:
                end = piece.find(b'"', at) + 1 or len(piece)
                passed_on += piece[at:end]
                if piece[end - 1 : end] == b'"':
                    self._begin()
            else:
                end = piece.find(b'"', at)
                if piece.find(b"\\", at, end if end >= 0 else len(piece)) >= 0:
                    end = _WHOLE.match(piece, at).end()  # type: ignore[union-attr]
                end = end if end >= 0 else len(piece)
                self._string(piece[at:end], passed_on)
                if piece[end : end + 1] == b'"':
                    self._end(passed_on)
                    end += 1
                elif len(piece) - end >= len(r"\u0000"):
                    raise Refusal(422, "The request is no well-formed JSON.")
                elif end < len(piece):
                    self._half = piece[end:]
                    break
            at = end
        return bytes(passed_on)

    def finish(self) -> bytes:
        """What is still held back of a body that ends within a string."""
        return bytes(self._begun or b"") + self._half

    def close(self) -> None:
        """Ends the file that is being written, if there is one."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def remove(self) -> None:
        """Takes away all that was written."""
        self.close()
        for path in self.paths:
            shutil.rmtree(path.parent, ignore_errors=True)

    def _begin(self) -> None:
        self._strings += 1
        if self._strings > MAX_STRINGS:
            raise Refusal(413, f"The request has more than {MAX_STRINGS:,} parts: send the photo as a file.")
        self._in_string, self._begun, self._photo = True, bytearray(), None

    def _string(self, raw: bytes, passed_on: bytearray) -> None:
        if self._begun is not None:
            self._begun += raw
            if len(self._begun) < LONG:
                return
            raw, self._begun = bytes(self._begun), None
            if _begins_as_data(raw):
                self._open()
        if self._file is not None:
            self._decode(raw)
        elif self._photo is None:
            passed_on += raw

    def _end(self, passed_on: bytearray) -> None:
        self._in_string = False
        if self._begun is not None:
            passed_on += self._begun
            self._begun = None
        elif self._file is not None:
            self._decode(b"", last=True)
        if self._photo is not None:
            passed_on += json.dumps(str(self.paths[-1])).encode()[1:-1] if self._file is not None else UNREADABLE
        self.close()
        passed_on += b'"'

    def _open(self) -> None:
        if len(self.paths) >= MAX_PHOTOS:
            raise Refusal(413, f"The request holds too many photos: send at most {MAX_PHOTOS} at a time.")
        self._file = self._new_file()
        self.paths.append(self._file.path)
        self._photo, self._bytes = DataUrl(), 0

    def _decode(self, raw: bytes, last: bool = False) -> None:
        assert self._photo is not None and self._file is not None
        try:
            decoded = self._photo.end() if last else self._photo.feed(_plain(raw))
        except ValueError:
            self.close()
            return
        self._bytes += len(decoded)
        if self._bytes > self._limit:
            raise Refusal(413, f"The photo is larger than {self._limit / 2**20:g} MB: please send a smaller one.")
        self._file.write(decoded)


def _begins_as_data(raw: bytes) -> bool:
    whole = _WHOLE.match(raw, 0, 64).end()  # type: ignore[union-attr]
    try:
        return is_data(_plain(raw[:whole]))
    except ValueError:
        return False


def _plain(raw: bytes) -> str:
    """What the inside of a JSON string stands for; letters beyond ASCII are none of a data: URL. Raises ValueError."""
    text = raw.decode("ascii")
    return parse_json(f'"{text}"', strict=False) if "\\" in text else text
