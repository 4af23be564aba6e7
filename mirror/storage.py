"""Files that outlast a crash, in folders that may come from a stranger: how this program opens and replaces them.

A folder that somebody else made may hold links: a `.lock`, a `metadata.csv` or an `images/` that leads to a file of the
person who opens it (CWE-59). Here no link is followed, neither to read nor to write, nor is anything opened that is no
regular file (a device, a pipe). Temporary files have names that nobody can foresee, and are made where nothing was.

    read_file(path, inside=folder)        the bytes, no component below `folder` being a link
    write_atomically(path, data)          the old content or the new, never a part of it
    replacing(path)                       the same for what a library writes to a path
    parse_json, read_lines                what may be in them, within limits
    recover(path), journal(path)          an append-only file of lines, whose last one may be torn when it is opened
    open_file, make_folder, check_inside  what these stand on

The name that a person gives on the command line is theirs: it may be a link, and so may the folders above it. What is
refused raises OSError, whose `strerror` says why as part of a sentence. Standard library only.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import secrets
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

MAX_FILE = 1 << 30  # bytes that are read at once where no smaller limit is given: a metadata.csv of 2,000,000 photos
MAX_LINE = 16 << 20  # bytes of a line
MAX_NESTED = 100  # lists and objects of JSON inside each other; whatever walks through the value may recurse
PART = ".part"  # ends the name of a file that is being written; whoever holds the folder sweeps what was left
_NOFOLLOW = getattr(os, "O_NOFOLLOW", 0)
_BY_DESCRIPTOR = bool(_NOFOLLOW) and os.open in os.supports_dir_fd  # not on Windows, where each component is looked at
# A pipe must not hold the process up, a terminal must not become its own, and no child inherits the file
_ALWAYS = _NOFOLLOW | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOCTTY", 0) | getattr(os, "O_CLOEXEC", 0)
_BINARY = getattr(os, "O_BINARY", 0)


class LinkRefused(OSError):
    """A link where a file or folder of this program should be. `filename`: which."""

    def __init__(self, path: Path):
        super().__init__(errno.ELOOP, "it is a link, and links are not followed here", str(path))


def check_inside(folder: Path, name: str | Path) -> Path:
    """folder/name, where nothing below `folder` on the way is a link. Raises LinkRefused; absent files pass."""
    path = Path(folder)
    for part in _parts(folder, Path(folder) / name):
        path = path / part
        if path.is_symlink():
            raise LinkRefused(path)
    return path


def open_file(path: Path, flags: int = os.O_RDONLY, *, inside: Path | None = None, mode: int = 0o666) -> int:
    """`os.open` of a regular file that is not a link. inside: a folder above it below which no folder is a link either.

    A file to be written that has a second name (a hard link, as `cp -al` makes), under which it would change too, is
    first replaced by a copy of its own. Raises OSError.
    """
    path = Path(path)
    with _parent(path, inside) as (parent, where):
        try:
            descriptor = os.open(where, flags | _ALWAYS | _BINARY, mode, dir_fd=parent)
        except OSError as error:
            if error.errno in (errno.ELOOP, getattr(errno, "EMLINK", None), getattr(errno, "EFTYPE", None)):
                raise LinkRefused(path) from None
            if error.errno == errno.ENXIO:  # a pipe that nobody reads, a device that is not there
                raise OSError(errno.EINVAL, "it is not a regular file", str(path)) from None
            raise
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "it is not a regular file", str(path))
        if not flags & (os.O_WRONLY | os.O_RDWR) or status.st_nlink < 2:
            return descriptor
        _unshare(path, descriptor, inside)
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return open_file(path, flags, inside=inside, mode=mode)


def read_file(path: Path, *, inside: Path | None = None, limit: int = MAX_FILE) -> bytes:
    """The bytes of a regular file, opened as `open_file` does. OSError (EFBIG) where they are more than `limit`."""
    with os.fdopen(open_file(path, inside=inside), "rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > limit:
            raise too_large(path, limit)
        data = file.read(size + 1)  # not limit + 1: room is made for as much as is asked for
        if len(data) > size:  # it grew meanwhile, or is of /proc, which tells no size
            data += file.read(limit + 1 - len(data))
    if len(data) > limit:
        raise too_large(path, limit)
    return data


def too_large(path: Path, limit: int) -> OSError:
    """EFBIG, for a file of more than `limit` bytes."""
    return OSError(errno.EFBIG, f"it is larger than {limit:,} bytes", str(path))


def parse_json(text: bytes | str, **options: Any) -> Any:
    """`json.loads` for what somebody else may have written: whatever is wrong with it raises ValueError, also where its
    lists and objects are more than MAX_NESTED inside each other."""
    try:
        value = json.loads(text, **options)
        if not is_deeper(value, MAX_NESTED):
            return value
    except RecursionError:
        pass
    raise ValueError("its lists and objects are too deep inside each other")


def is_deeper(value: Any, limit: int) -> bool:
    """Whether a JSON value has more than `limit` lists and objects inside each other."""
    level = [value] if isinstance(value, (list, dict)) else []
    for _ in range(limit):
        inside = (each.values() if isinstance(each, dict) else each for each in level)
        level = [item for items in inside for item in items if isinstance(item, (list, dict))]
    return bool(level)


def read_lines(file: BinaryIO, limit: int = MAX_LINE) -> Iterator[bytes]:
    """The lines of an open file, each with its end; ValueError for one of more than `limit` bytes."""
    while line := file.readline(limit + 1):
        if len(line) > limit:
            raise ValueError(f"a line is longer than {limit:,} bytes")
        yield line


def make_folder(path: Path, *, inside: Path | None = None) -> None:
    """The folder at `path`, made where it is missing. Raises LinkRefused for a link in its place, or below `inside`."""
    path = Path(path)
    for folder in _downwards(path, inside):
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
        if folder.is_symlink():
            raise LinkRefused(folder)
        if not folder.is_dir():
            raise NotADirectoryError(errno.ENOTDIR, "it is not a folder", str(folder))


def write_atomically(path: Path, data: bytes, *, inside: Path | None = None) -> None:
    """Write `data` to `path` so that a crash leaves the old content or the new, never a part of it.

    A link at `path` is replaced by the file; what it led to stays as it was. inside: as for `open_file`.
    """
    path = Path(path)
    with _parent(path, inside) as (parent, where):
        temporary = f".{path.name[:100]}.{secrets.token_hex(8)}{PART}"
        beside = temporary if parent is not None else str(path.with_name(temporary))
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _ALWAYS | _BINARY
        descriptor = os.open(beside, flags, 0o666, dir_fd=parent)  # the umask applies
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, where, src_dir_fd=parent, dst_dir_fd=parent)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(beside, dir_fd=parent)
            raise
        if parent is not None:  # the new name itself must outlast a power cut
            os.fsync(parent)


def _unshare(path: Path, descriptor: int, inside: Path | None) -> None:
    """Gives `path` a file of its own in the place of the open one, of the same content. Raises BlockingIOError where
    another process locks that one: the folder it was copied from is in use."""
    if fcntl is not None:  # of two who do this at once, the second finds the first one's file
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    content = read_file(path, inside=inside)
    if os.path.samestat(os.lstat(path), os.fstat(descriptor)):
        write_atomically(path, content, inside=inside)


@contextlib.contextmanager
def replacing(path: Path, *, sync: bool = True) -> Iterator[Path]:
    """A new empty file beside `path`, of the same suffix, for a library to write to; it takes the place of `path` when
    the `with` statement ends, and is removed where that raises: an older file then stays as it was. sync: it must
    outlast a power cut. A device or a pipe that a person names is written to as it is."""
    path = Path(path)
    if _is_special(path):
        yield path
        return
    temporary = path.with_name(f".{path.stem[:100]}.{secrets.token_hex(8)}{PART}{path.suffix}")
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _ALWAYS, 0o666))
    try:
        yield temporary
        if sync:
            descriptor = os.open(temporary, os.O_RDWR | _NOFOLLOW | _BINARY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    if sync:
        flush_to_disk(path.parent)


def sweep(path: Path) -> None:
    """Removes what killed processes left beside `path` when they were writing it. Only for who holds the folder."""
    for pattern in (f".{path.name}.*{PART}", f".{path.stem}.*{PART}{path.suffix}"):
        for leftover in path.parent.glob(pattern):
            with contextlib.suppress(OSError):
                leftover.unlink()


def _is_special(path: Path) -> bool:
    try:
        kind = os.lstat(path).st_mode
    except OSError:
        return False
    return path.parent == Path("/dev") or not (stat.S_ISREG(kind) or stat.S_ISLNK(kind) or stat.S_ISDIR(kind))


def flush_to_disk(path: Path) -> None:
    """What is in a file, or which names are in a folder, outlasts a power cut. Windows opens no folders: there, not.
    Of files it flushes only what may be written to."""
    try:
        descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR | _BINARY)
    except PermissionError:
        if path.is_dir():
            return
        descriptor = os.open(path, os.O_RDONLY | _BINARY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def recover(path: Path, *, quoted: bool = False) -> bytes:
    """The whole lines of a journal; half a line that a crash left at its end is cut off. quoted: it is a CSV, in whose
    quoted fields a line may end. Raises OSError."""
    data = read_file(path)
    whole = complete_length(data, quoted=quoted)
    if whole < len(data):
        descriptor = open_file(path, os.O_WRONLY)
        try:
            os.ftruncate(descriptor, whole)
        finally:
            os.close(descriptor)
    return data[:whole]


def complete_length(data: bytes, *, quoted: bool = False) -> int:
    """Bytes of `data` up to the end of its last whole line (of a CSV: of its last record)."""
    quotes, end = data.count(b'"') if quoted else 0, len(data)
    while True:
        start = data.rfind(b"\n", 0, end) + 1
        quotes -= data.count(b'"', start, end) if quoted else 0
        if start == 0 or quotes % 2 == 0:
            return start
        end = data.rfind(b'"', 0, start) + 1  # what follows the last quote is inside a field that is never closed


@contextlib.contextmanager
def journal(
    path: Path, *, create: bool = False, length: int | None = None, sync: bool = True
) -> Iterator[Callable[[bytes], None]]:
    """A function that appends whole lines to `path`: all of what it is given or, where it raises, nothing.

    create: the file may be missing. length: bytes that are kept of it, all by default. sync: what was appended outlasts
    a power cut from the moment the function returns; otherwise when the `with` statement ends, and a kill before.
    """
    descriptor = open_file(path, os.O_WRONLY | os.O_APPEND | (os.O_CREAT if create else 0))

    def append(data: bytes) -> None:
        before = os.fstat(descriptor).st_size
        try:
            written = 0
            while written < len(data):
                written += os.write(descriptor, data[written:])
            if sync:
                os.fsync(descriptor)
        except BaseException:
            os.ftruncate(descriptor, before)
            raise

    try:
        if length is not None:
            os.ftruncate(descriptor, length)
        yield append
        if not sync:
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _parts(folder: Path, path: Path) -> tuple[str, ...]:
    parts = Path(path).relative_to(folder).parts
    if ".." in parts:
        raise OSError(errno.EINVAL, "it leads out of its folder", str(path))
    return parts


def _downwards(path: Path, inside: Path | None) -> list[Path]:
    """The folders from below `inside` down to `path`; only `path` where there is no `inside`."""
    if inside is None:
        return [path]
    folders = [Path(inside)]
    for part in _parts(inside, path):
        folders.append(folders[-1] / part)
    return folders[1:]


@contextlib.contextmanager
def _parent(path: Path, inside: Path | None) -> Iterator[tuple[int | None, str]]:
    """The open folder that holds `path`, and how the file is named from there; (None, the whole path) where the system
    opens no folders. Below `inside` no folder may be a link."""
    parts = _parts(inside, path) if inside is not None else (path.name,)
    if not path.name or not parts:
        raise OSError(errno.EISDIR, "it is a folder", str(path))
    if not _BY_DESCRIPTOR:
        check_inside(inside or path.parent, Path(*parts))
        yield None, str(path)
        return
    folder = os.open(inside if inside is not None else path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for number, part in enumerate(parts[:-1]):
            try:
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | _NOFOLLOW, dir_fd=folder)
            except OSError as error:
                link = Path(inside or path.parent, *parts[: number + 1])
                if error.errno in (errno.ELOOP, errno.ENOTDIR) and link.is_symlink():
                    raise LinkRefused(link) from None
                raise
            os.close(folder)
            folder = below
        yield folder, parts[-1]
    finally:
        os.close(folder)
