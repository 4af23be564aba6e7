"""One process at a time on a folder: the kernel drops its lock when the holder dies, so none can be stale."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mirror.storage import open_file

try:
    import fcntl
except ImportError:  # Windows has no flock: there, two processes on one folder are up to the person
    fcntl = None

LOCK = ".lock"
POLL_SECONDS = 0.02


def take_lock(folder: Path, patience: float = 0.0) -> int | None:
    """The lock's file descriptor, which `os.close` gives back; None where the system has no such locks.

    patience: seconds to wait for another holder. Raises BlockingIOError whose text names the holder ("pid 123"), and
    OSError where the folder cannot be written, or where its .lock is a link or anything else but a file.
    """
    if fcntl is None:
        return None
    descriptor = open_file(folder / LOCK, os.O_RDWR | os.O_CREAT, mode=0o644)
    try:
        deadline = time.monotonic() + patience
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() < deadline:
                    time.sleep(POLL_SECONDS)
                    continue
                raise BlockingIOError(_holder(descriptor)) from None
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"pid {os.getpid()}".encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextmanager
def locked(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """`take_lock` for as long as the `with` statement lasts."""
    descriptor = take_lock(folder, patience)
    try:
        yield
    finally:
        if descriptor is not None:
            os.close(descriptor)


def holder_of(folder: Path) -> str | None:
    """Who works on the folder right now ("pid 123"), or None; nothing is created or kept."""
    if fcntl is None:
        return None
    try:
        descriptor = open_file(folder / LOCK)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        return None
    except BlockingIOError:
        return _holder(descriptor)
    finally:
        os.close(descriptor)


def _holder(descriptor: int) -> str:
    """What the holder wrote of itself. A lock of a stranger's folder may say anything: only a number is believed."""
    said = os.read(descriptor, 32).decode("ascii", "replace").split()
    return " ".join(said) if len(said) == 2 and said[0] == "pid" and said[1].isdecimal() else "unknown"
