"""This user's cache, and which files of any cache are believed: not those that another user could have written.

Whoever may write to a cache decides what is answered: a compiled model there has the labels that its writer gave it.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path


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
