"""A job's own folder: `.answers.csv.job/` beside answers.csv, for as long as the job is unfinished.

    .lock          held while a process works on it
    job.json       what the job is
    listing.jsonl  its images, listed once when it began; a line each
    rows.jsonl     its answers so far, a line each in the order of the listing

A row counts from the moment its line is whole. A process that is killed loses at most half a line, which is cut off
when the job goes on; after a power cut, what the disk did not get is answered again. A listing of its own makes "one
row an image" hold whatever happens to the folders meanwhile, and tells how many there are without a second walk.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirror.errors import ImageError, MirrorError, UsageError
from mirror.folders import locked
from mirror.image_sources import ImageSource, is_url
from mirror.storage import (
    flush_to_disk,
    journal,
    make_folder,
    open_file,
    parse_json,
    read_file,
    read_lines,
    write_atomically,
)

WAYS_OUT = "name another --out, or add --restart to begin anew"
VERSION = 1  # of job.json; another one is somebody else's job
MAX_STATE = 64 << 20  # bytes of job.json, which names every file of its command line


@dataclass(frozen=True)
class SourceList:
    """How many images a listing has, and the sha256 of its lines."""

    images: int
    sha256: str


@dataclass(frozen=True)
class Checkpoint:
    """What of rows.jsonl is whole: rows, the bytes they take, and how many of them are errors."""

    rows: int = 0
    bytes: int = 0
    unanswered: int = 0


class JobStore:
    """The folder of the job that makes `out`, locked. Use in a `with` statement.

    Raises UsageError where it cannot be made, and MirrorError where another process holds it.
    """

    def __init__(self, out: Path):
        self.out = out
        self.folder = out.parent / f".{out.name}.job"
        self.listing, self.rows = self.folder / "listing.jsonl", self.folder / "rows.jsonl"
        self.finished = self.folder / "finished"
        self._state = self.folder / "job.json"
        self._held = contextlib.ExitStack()
        try:
            make_folder(self.folder)
            self._held.enter_context(locked(self.folder))
        except BlockingIOError:
            raise MirrorError(
                f"{out} is being written by another process: wait for it to end, or name another --out."
            ) from None
        except OSError as error:
            raise UsageError(f"{out} cannot be written: {error.strerror or error}.") from None

    def __enter__(self) -> JobStore:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._state.exists():  # no job came of it, or it is finished
            shutil.rmtree(self.folder, ignore_errors=True)
        self._held.close()

    def state(self) -> dict[str, Any] | None:
        """What job.json says; None where no job has begun."""
        try:
            state = parse_json(read_file(self._state, limit=MAX_STATE))
        except (FileNotFoundError, ValueError):
            return None
        kinds = {"version": int, "job": dict, "images": int, "listing": str}
        whole = isinstance(state, dict) and all(isinstance(state.get(name), kind) for name, kind in kinds.items())
        return state if whole and state["version"] == VERSION else None

    def begin(self, job: dict[str, Any], sources: Iterable[ImageSource]) -> SourceList:
        """Forgets what was here and lists the images of a new job, which exists once its job.json does."""
        for path in (self._state, self.rows, self.listing, self.finished):
            path.unlink(missing_ok=True)
        with os.fdopen(open_file(self.listing, os.O_WRONLY | os.O_CREAT | os.O_EXCL), "wb") as file:
            listed = list_sources(sources, file.write)
            file.flush()
            os.fsync(file.fileno())
        state = {"version": VERSION, "job": job, "images": listed.images, "listing": listed.sha256}
        write_atomically(self._state, (json.dumps(state, indent=1) + "\n").encode())
        return listed

    def sources(self) -> Iterator[ImageSource]:
        """The images listed."""
        with os.fdopen(open_file(self.listing), "rb") as file:
            try:
                for line in read_lines(file):
                    yield _source(line)
            except ValueError:
                raise UsageError(f"{self.listing} is not as a job leaves it: {WAYS_OUT}.") from None

    def checkpoint(self) -> Checkpoint:
        """The longest whole beginning of rows.jsonl that follows the listing."""
        if not self.rows.exists():
            return Checkpoint()
        rows = size = unanswered = 0
        with os.fdopen(open_file(self.rows), "rb") as file:
            with contextlib.suppress(ValueError):  # a row that is none, which is cut off with all behind it
                for line, source in zip(read_lines(file), self.sources(), strict=False):
                    row = parse_json(line) if line.endswith(b"\n") else {}
                    if not isinstance(row, dict) or row.get("file") != source.file:
                        break
                    rows, size, unanswered = rows + 1, size + len(line), unanswered + ("error" in row)
        return Checkpoint(rows, size, unanswered)

    def append(self, rows: Iterable[dict[str, Any]], checkpoint: Checkpoint) -> Iterator[dict[str, Any]]:
        """Writes each row down behind the checkpoint's and passes it on: it is safe from a kill when it comes out."""
        with journal(self.rows, create=True, length=checkpoint.bytes, sync=False) as append:
            for row in rows:
                append(_line(row))
                yield row

    def read(self) -> Iterator[dict[str, Any]]:
        """The rows written down."""
        with os.fdopen(open_file(self.rows), "rb") as file:
            yield from map(parse_json, read_lines(file))

    def finish(self) -> None:
        """Puts the file `finished` in the place of `out`, after which there is no job any more."""
        with os.fdopen(open_file(self.finished), "rb") as file:
            os.fsync(file.fileno())
        os.replace(self.finished, self.out)
        flush_to_disk(self.out.parent)  # its name must outlast a power cut before its rows may go
        self._state.unlink()


def list_sources(sources: Iterable[ImageSource], write: Any = None) -> SourceList:
    """Counts and hashes a listing, and writes its lines where `write` is given."""
    digest, images = hashlib.sha256(), 0
    for source in sources:
        error = isinstance(source.location, MirrorError)
        line = _line([source.file, str(source.location)] if error else source.file)
        digest.update(line)
        images += 1
        if write is not None:
            write(line)
    return SourceList(images, digest.hexdigest())


def _source(line: bytes) -> ImageSource:
    value = parse_json(line)
    match value:
        case [str(file), str(error)]:
            return ImageSource(file, ImageError(error))
        case str(file):
            return ImageSource(file, file if is_url(file) else Path(file))
    raise ValueError("no image of a job")


def _line(value: Any) -> bytes:
    """A line of plain ASCII, so that any file name comes back as it was."""
    return json.dumps(value).encode() + b"\n"
