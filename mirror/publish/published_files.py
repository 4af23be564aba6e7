"""The files of what is published: paths inside a repository and their contents, hashed as the Hub does, written to a
folder."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from mirror.errors import PublishError, UsageError
from mirror.folders import hold_folder, swap_folder, sweep_folders

Files = Mapping[str, bytes | Path]  # path inside the repository → content, or the file that holds it
MARK = ".mirror"  # the file by which a later run knows a repository or folder that this program made
MARK_TEXT = b"Made by `mirror publish`, which replaces every file here when it is run again.\n"


def check_path(name: str) -> None:
    """Raises PublishError for a path that leads out of the repository, or is none on every system."""
    parts = name.split("/")
    if not name.isprintable() or "\\" in name or ":" in name or any(part in ("", ".", "..") for part in parts):
        raise PublishError(f"{name!r} is no path inside a repository, so nothing is published: rename it.")


def content_of(content: bytes | Path) -> bytes:
    return content if isinstance(content, bytes) else content.read_bytes()


def size_of(content: bytes | Path) -> int:
    return len(content) if isinstance(content, bytes) else content.stat().st_size


def total_size(files: Files) -> int:
    """Bytes of all of them."""
    return sum(map(size_of, files.values()))


def megabytes(size: int) -> str:
    """`12.6 MB`, `8 kB`."""
    return f"{size / 1e6:,.1f} MB" if size >= 1e5 else f"{-(-size // 1000)} kB"


def git_oid(content: bytes | Path) -> str:
    """A file's name in git, by which a repository lists it: sha1 of a header and its bytes."""
    return _digest("sha1", content, b"blob %d\0" % size_of(content))


def lfs_oid(content: bytes | Path) -> str:
    """A file's name in LFS, by which a repository lists it: the sha256 of its bytes."""
    return _digest("sha256", content, b"")


def _digest(algorithm: str, content: bytes | Path, before: bytes) -> str:
    digest = hashlib.new(algorithm, before)
    if isinstance(content, bytes):
        digest.update(content)
        return digest.hexdigest()
    with open(content, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()


def write_folder(folder: Path, files: Files) -> None:
    """The files in `folder`, which is replaced in one step: what was there before is gone. UsageError where that is a
    folder of somebody else's making, PublishError where the disk refuses."""
    for name in files:
        check_path(name)
    folder = Path(os.path.realpath(folder))  # where a link leads, which stays
    if folder.exists() and not (folder / MARK).is_file() and not (folder.is_dir() and not any(folder.iterdir())):
        raise UsageError(f"{folder} is there and was not made by `mirror publish`: remove it, or give another --out.")
    prefix, lock, temporary = f".{folder.name}.tmp-", None, None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        sweep_folders(folder.parent, prefix)
        temporary, lock = hold_folder(folder.parent, prefix)
        for name, content in sorted(files.items()):
            path = temporary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content_of(content))
        temporary.chmod(0o755)
        swap_folder(temporary, folder)
    except OSError as error:
        raise PublishError(f"{folder} cannot be written: {error.strerror or error}.") from None
    finally:
        if temporary is not None:  # of a disk that is full
            shutil.rmtree(temporary, ignore_errors=True)
        if lock is not None:
            os.close(lock)
