"""This user's cache, and which files of any cache are believed: not those that another user could have written.

Whoever may write to a cache decides what is answered: a compiled model there has the labels that its writer gave it.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import time
from pathlib import Path

from mirror.storage import read_file, write_atomically

REMEMBERED_FROM = 16 << 20  # bytes of a file whose digest is: those of a smaller one take less than 50 ms to hash
SETTLED = 2 * 10**9  # ns since a file last changed, after which a further change changes its time too


def user_cache(kind: str) -> Path:
    """Where this user keeps what was worked out once: "compiled" models, what is known of "networks"."""
    base = os.environ.get("XDG_CACHE_HOME") or ""
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "mirror" / kind


def is_ours(path: Path, *also: int) -> bool:
    """Whether a file or folder belongs to this user or to root, is no link, and is not for everybody to write to.

    also: further users that are believed. Where the system knows no such owners (Windows), whatever is there.
    """
    try:
        status = os.lstat(path)
    except OSError:
        return False
    if stat.S_ISLNK(status.st_mode):
        return False
    if not hasattr(os, "geteuid"):
        return True
    return status.st_uid in (os.geteuid(), 0, *also) and not status.st_mode & stat.S_IWOTH


def make_private(folder: Path) -> bool:
    """The folder, made for this user alone where it is missing; whether it is there and to be believed."""
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError:
        return False
    return is_ours(folder)


def sha256_of_large(path: Path) -> str:
    """The hex sha256 of a file, remembered for this very file (its inode, size and times) while nobody writes to it:
    half a gigabyte takes seconds to hash. Raises OSError."""
    status = os.stat(path)
    told = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
    known = user_cache("networks") / f"{hashlib.sha256(repr(told).encode()).hexdigest()}.sha256"
    if status.st_size >= REMEMBERED_FROM and is_ours(known.parent) and is_ours(known):
        digest = read_file(known, limit=100).decode("ascii", "replace")
        if len(digest) == 64:
            return digest
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        after = os.fstat(file.fileno())
    is_settled = time.time_ns() - status.st_ctime_ns > SETTLED and after.st_ctime_ns == status.st_ctime_ns
    if status.st_size >= REMEMBERED_FROM and is_settled and make_private(known.parent):
        with contextlib.suppress(OSError):
            write_atomically(known, digest.encode())
    return digest
