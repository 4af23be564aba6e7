"""Visitors' files, in place of gradio's own routes for them: received, shown back while they are looked at, and gone.

The protocol is gradio's (a multipart form with the field `files`; a JSON list of paths as the answer), so that its page
and its clients work. Unlike gradio's, a file lies under a name that nobody can guess, a part that is no photo is not
written to the disk at all, and nothing is left of an upload that breaks off. A file is shown back as a picture or not
at all, and never as a page.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import os
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from urllib.parse import parse_qs

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.responses import JSONResponse
from starlette.types import Receive, Scope, Send

from mirror.storage import open_file
from mirror.web.fair_scheduling import AWAITED, AWAITED_SECONDS
from mirror.web.gateway.bodies import CHUNK, Bodies, client_of, not_stored
from mirror.web.gateway.disk import Disk, NewFile
from mirror.web.gateway.inline_photos import Inline
from mirror.web.gateway.refusal import Gone, Refusal

MAX_FILES = 4  # a request; the page sends one, gradio's clients too
LONGEST_NAME = 255  # characters, as file systems have it
FIELD = b"files"
PICTURES = {
    ".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".jpe": "image/jpeg", ".jfif": "image/jpeg", ".mpo": "image/jpeg",
    ".png": "image/png", ".apng": "image/png", ".webp": "image/webp", ".gif": "image/gif", ".bmp": "image/bmp",
    ".tif": "image/tiff", ".tiff": "image/tiff", ".avif": "image/avif", ".heic": "image/heic", ".heif": "image/heif",
}  # fmt: skip
SUFFIXES = {*PICTURES, ".txt", ".csv", ".json"}  # lists of words may be sent too
SHOWN_HEADERS = [
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-disposition", b"attachment"),
    (b"cache-control", b"private, no-store"),
]
DONE = b'{"msg": "done"}'  # in gradio's protocol
EVENTS = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"cache-control", b"no-store")]
logging.getLogger("python_multipart").setLevel(logging.CRITICAL)  # it would quote what visitors send

PROGRESS_SECONDS = 3.0  # that the page may ask for the progress of an upload before the upload itself begins
FOLLOWED_SECONDS = 60.0  # that it may ask from when the upload began; it does so several times, also after its end
MAX_FOLLOWED = 500  # uploads whose progress is known at a time; the oldest is forgotten for one more


@dataclass
class _Progress:
    """What the page has not been told yet of one upload."""

    news: deque[tuple[str, int]] = field(default_factory=deque)
    done: bool = False
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def add(self, name: str, size: int) -> None:
        if self.news and self.news[-1][0] == name:
            size += self.news.pop()[1]
        self.news.append((name, size))
        self.changed.set()

    def finish(self) -> None:
        self.done = True
        self.changed.set()


class _Form:
    """Writes the parts of one multipart body to files as they come in. `close` takes away what it wrote."""

    def __init__(self, boundary: bytes, new_file: Callable[[str], NewFile], limit: int, progress: _Progress | None):
        self.files: list[NewFile] = []
        self._new_file, self._limit, self._progress = new_file, limit, progress
        self._name, self._size = "", 0
        self._disposition, self._field = b"", b""
        self._ended = False
        self._parser = MultipartParser(boundary, {
            "on_part_begin": self._begin, "on_header_field": self._header_name, "on_header_value": self._header_value,
            "on_header_end": self._header_end, "on_headers_finished": self._open, "on_part_data": self._write,
            "on_part_end": self._end, "on_end": self._finish,
        })  # fmt: skip

    def feed(self, chunk: bytes) -> None:
        try:
            self._parser.write(chunk)
        except FormParserError:
            raise Refusal(400, "The upload is not a well-formed multipart form.") from None

    def finish(self) -> list[Path]:
        if not self._ended:
            raise Refusal(400, "The upload breaks off before the end of its form.")
        if not self.files:
            raise Refusal(400, "The upload holds no file: send one in the field “files”.")
        return [file.path for file in self.files]

    def close(self) -> None:
        for file in self.files:
            file.remove()

    def _begin(self) -> None:
        self._disposition, self._field, self._value = b"", b"", b""

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._field += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._field.lower() == b"content-disposition":
            self._disposition = self._value
        self._field, self._value = b"", b""

    def _open(self) -> None:
        _, options = parse_options_header(self._disposition)
        if options.get(b"name") != FIELD:
            raise Refusal(400, "The upload has a field that is not taken here: send the file in the field “files”.")
        name = options.get(b"filename", b"").decode("utf-8", "replace").replace("\\", "/").rpartition("/")[2]
        if len(name) > LONGEST_NAME:
            raise Refusal(400, f"The file's name is too long: at most {LONGEST_NAME} characters.")
        if not name.strip(". "):
            raise Refusal(400, "The file has no name: give it one, such as photo.jpg.")
        if len(self.files) >= MAX_FILES:
            raise Refusal(400, f"The upload holds too many files: send at most {MAX_FILES} at a time.")
        self._name, self._size = name, 0
        self.files.append(self._new_file(safe_name(name)))

    def _write(self, data: bytes, start: int, end: int) -> None:
        self._size += end - start
        if self._size > self._limit:
            raise file_too_large(self._limit)
        self.files[-1].write(memoryview(data)[start:end])
        if self._progress is not None:
            self._progress.add(self._name, end - start)

    def _end(self) -> None:
        self.files[-1].close()

    def _finish(self) -> None:
        self._ended = True


@dataclass
class Uploads:
    """The folder of visitors' files. limit: bytes of one file. usable: whether what is taken is deleted again.
    named: the paths that waiting requests name."""

    folder: Path
    limit: int
    usable: Callable[[], bool] = lambda: True
    named: Callable[[], Collection[str]] = frozenset
    _followed: dict[str, _Progress] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._disk = Disk(self.folder, self.named)

    async def take(self, scope: Scope, receive: Receive, send: Send, bodies: Bodies, body_limit: int) -> None:
        """POST: writes the files, answers their paths. Raises Refusal and Gone."""
        self._require_usable()
        form, progress = None, self._follow(query(scope, "upload_id"))
        try:
            form = _Form(_boundary(scope), partial(NewFile, self._disk, client=client_of(scope)), self.limit, progress)
            try:
                await bodies.each(scope, receive, body_limit, form.feed)
            except Refusal as refusal:
                raise (file_too_large(self.limit) if refusal.status == 413 else refusal) from None
            paths = form.finish()
            form = None
        except OSError:
            raise not_stored() from None
        finally:
            if form is not None:
                form.close()
            if progress is not None:
                progress.finish()
        AWAITED.hold(AWAITED_SECONDS)
        await JSONResponse([str(path) for path in paths], headers={"cache-control": "no-store"})(scope, receive, send)

    @contextlib.contextmanager
    def inline(self, scope: Scope) -> Iterator[Inline]:
        """For the photos within one JSON body; those that are still in its `paths` at the end are removed. Raises
        Refusal."""
        self._require_usable()
        inline = Inline(partial(NewFile, self._disk, "inline", client_of(scope)), self.limit)
        try:
            yield inline
        finally:
            inline.remove()

    def _require_usable(self) -> None:
        if not self.usable():
            raise Refusal(503, "No photo is taken at the moment, because photos could not be deleted again.")

    async def progress(self, scope: Scope, receive: Receive, send: Send) -> None:
        """GET: how far an upload is, as server-sent events. Raises Refusal where there is none such. Of no upload,
        which gradio's page asks for where its camera is open as one begins, all is told."""
        name = query(scope, "upload_id")
        if not name and scope.get("query_string") == b"upload_id=":
            await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
            await send({"type": "http.response.body", "body": b"data: %s\n\n" % DONE})
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PROGRESS_SECONDS):
                while name and name not in self._followed:
                    await asyncio.sleep(0.05)
        if name not in self._followed:
            raise Refusal(404, "There is no such upload.")
        await send({"type": "http.response.start", "status": 200, "headers": EVENTS})
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            async for message in self._news(name, gone):
                await send({"type": "http.response.body", "body": b"data: %s\n\n" % message, "more_body": True})
        finally:
            gone.cancel()
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def show(self, scope: Scope, send: Send, path: str) -> None:
        """GET and HEAD: a file of the folder, as a picture or as bytes to keep. Raises Refusal for anything else."""
        handle = open_inside(self.folder, path)
        if handle is None:
            raise Refusal(404, "There is no such file.")
        try:
            kind = PICTURES.get(Path(path).suffix.lower(), "application/octet-stream")
            size = os.fstat(handle).st_size
            headers = [(b"content-type", kind.encode()), (b"content-length", str(size).encode()), *SHOWN_HEADERS]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            while size > 0 and scope["method"] != "HEAD":
                chunk = os.read(handle, min(CHUNK, size))
                if not chunk:
                    raise Gone  # it was deleted and cut off meanwhile; the connection is closed
                size -= len(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        finally:
            os.close(handle)

    def _follow(self, name: str) -> _Progress | None:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name):
            return None
        if len(self._followed) >= MAX_FOLLOWED:
            self._followed.pop(next(iter(self._followed)))
        progress = self._followed[name] = _Progress()
        loop = asyncio.get_running_loop()
        loop.call_later(FOLLOWED_SECONDS, lambda: self._followed.get(name) is progress and self._followed.pop(name))
        return progress

    async def _news(self, name: str, gone: asyncio.Future) -> AsyncIterator[bytes]:
        progress = self._followed[name]
        while not gone.done():
            while progress.news:
                file, size = progress.news.popleft()
                yield json.dumps({"msg": "update", "orig_name": file, "chunk_size": size}).encode()
            if progress.done:
                yield DONE
                return
            progress.changed.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(1):
                    await progress.changed.wait()
            await asyncio.sleep(0.05)  # the page redraws no faster


def file_too_large(limit: int) -> Refusal:
    return Refusal(413, f"The file is larger than the maximum allowed size of {limit // 2**20} MB.")


def safe_name(name: str) -> str:
    """What is kept of a visitor's file name: letters, digits, `-` and `_`, and a suffix that is a photo's or a list's.

    >>> safe_name("Æ photo.of me.JPG"), safe_name("page.html"), safe_name("...png")
    ('__photo_of_me.JPG', 'page_html', '___png')
    """
    stem, suffix = os.path.splitext(name)
    if suffix.lower() not in SUFFIXES:
        stem, suffix = stem + suffix, ""
    return re.sub(r"[^A-Za-z0-9_-]", "_", stem)[:100] + suffix


def open_inside(folder: Path, path: str) -> int | None:
    """A descriptor of the regular file at `path`, where it lies inside the folder and no link leads there; else
    None."""
    candidate = Path(path)
    if not candidate.is_absolute() or ".." in candidate.parts or "\0" in path:
        return None
    try:
        return open_file(candidate, inside=folder)
    except (OSError, ValueError):  # ValueError: it lies elsewhere, or its letters are none of a path
        return None


def _boundary(scope: Scope) -> bytes:
    kind = next((value for name, value in scope["headers"] if name == b"content-type"), b"")
    essence, options = parse_options_header(kind)
    boundary = options.get(b"boundary", b"")
    if essence.lower() != b"multipart/form-data" or not 0 < len(boundary) <= 200:
        raise Refusal(400, "An upload is a multipart form: send the file in its field “files”.")
    return boundary


def query(scope: Scope, name: str) -> str:
    """A parameter of the address; "" where it is missing, or one of more than are sensible."""
    with contextlib.suppress(ValueError):
        return parse_qs(scope.get("query_string", b"").decode("latin-1"), max_num_fields=20).get(name, [""])[0]
    return ""


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
