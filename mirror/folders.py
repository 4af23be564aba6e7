"""Folders that processes share: a lock, a private folder to work in, and one folder put in the place of another.

    locked(folder)                one process at a time; the kernel drops the lock when its holder dies
    hold_folder, sweep_folders    a folder to work in, which the next process removes where this one is killed
    require_room                  whether a folder can be written into, asked before the work
    swap_folder, recovered        the old folder or the new one, whole, whenever the writer is killed

The locks are flock's, and not those of the package filelock: a `.lock` in a stranger's folder is opened as any other
file there (no link, no pipe, no second name), and who looks whether a folder is in use neither creates nor waits for
anything. Windows has no flock: there, two processes on one folder are up to the person. Standard library only.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import shutil
import stat
import tempfile
import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path

from mirror.errors import MirrorError
from mirror.storage import flush_to_disk, open_file

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
POLL_SECONDS = 0.02
HELD = "held-"  # in the name of a folder that a lock shows to be in use
ATTEMPTS = 10
_NUMBERED = re.compile(r"[0-9]+-")  # as `hold_folder` names them where there are no locks
NO_LETTERS = '/\\:*?"<>|'
MOST_NAME_BYTES = 200  # of 255: folders that are worked in have a longer one
DEVICE = re.compile(r"(con|prn|aux|nul|(com|lpt)[0-9])(\..*)?", re.IGNORECASE)
OLD_SECONDS = 24 * 3600  # of a folder that no lock shows to be in use


def is_folder_name(name: str) -> bool:
    """Whether a model or a photo folder may be called so: see `why_no_folder`."""
    return not why_no_folder(name)


def folder_at(path: str) -> Path | None:
    """The folder that a person has named, whose own is ~; None where there is none."""
    try:
        folder = Path(path).expanduser()
        return folder.resolve() if path and folder.is_dir() else None
    except (OSError, RuntimeError, ValueError):  # too long a name, a ~ of nobody, a zero
        return None


def why_no_folder(name: str) -> str:
    """What to do about a name that is not one part of a path on any system, or is hidden, or would be an option of a
    command; "" where nothing is to be done."""
    if not name or name[0] in ".- " or name[-1] in ". ":
        return "begin and end it with a letter or a digit"
    if any(letter in NO_LETTERS or unicodedata.category(letter) in ("Cc", "Cs") for letter in name):
        return f"leave out {' '.join(NO_LETTERS)} and control characters"
    if len(name.encode()) > MOST_NAME_BYTES:
        return "take a shorter one"
    return "take another, as Windows keeps that one for a device" if DEVICE.fullmatch(name) else ""


def require_room(folder: Path, needed: int, option: str) -> None:
    """Raises MirrorError where a folder that is to be made, or written into, cannot take `needed` bytes: asked before
    the work, not after it. option: which names another place."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if os.path.lexists(place))
    try:
        with tempfile.TemporaryFile(dir=there, buffering=0) as file:
            file.write(b"0")
            free = shutil.disk_usage(there).free
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise MirrorError(f"Nothing can be written into {there} ({why}): choose another place{option}.") from None
    if free < needed:
        raise MirrorError(
            f"{there} has {free >> 20:,} MB left, and {needed >> 20:,} are needed: make room, or choose another "
            f"place{option}."
        )


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
        while not _flock(descriptor):
            if time.monotonic() >= deadline:
                raise BlockingIOError(_holder(descriptor))
            time.sleep(POLL_SECONDS)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"pid {os.getpid()}".encode(), 0)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


@contextlib.contextmanager
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
        return None if _flock(descriptor, shared=True) else _holder(descriptor)
    finally:
        os.close(descriptor)


def _flock(descriptor: int, shared: bool = False) -> bool:
    """Whether the lock was free, and is now this descriptor's."""
    try:
        fcntl.flock(descriptor, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(descriptor: int) -> str:
    """What the holder wrote of itself. A lock of a stranger's folder may say anything: only a number is believed."""
    words = os.read(descriptor, 32).decode("ascii", "replace").split()
    return " ".join(words) if len(words) == 2 and words[0] == "pid" and words[1].isdecimal() else "unknown"


def hold_folder(parent: Path, prefix: str) -> tuple[Path, int | None]:
    """A new private folder in `parent`, and a descriptor that shows as long as it is open that somebody works in it;
    `sweep_folders` leaves it alone until then. A process number would not do: inside a space of processes of its own
    every first process has number 1. None where the system has no such locks; the name then tells the number."""
    for _ in range(ATTEMPTS if fcntl is not None else 0):
        folder = Path(tempfile.mkdtemp(dir=parent, prefix=f"{prefix}{HELD}"))
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            if _flock(descriptor) and folder.exists():
                return folder, descriptor
        except OSError:  # a file system without locks
            os.close(descriptor)
            folder.rmdir()
            break
        os.close(descriptor)  # somebody sweeps it already
    return Path(tempfile.mkdtemp(dir=parent, prefix=f"{prefix}{os.getpid()}-")), None


def sweep_folders(parent: Path, prefix: str) -> None:
    """Removes this user's folders of `hold_folder` whose processes were killed; where no lock tells, yesterday's."""
    for folder in parent.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            status = folder.lstat()
            if not stat.S_ISDIR(status.st_mode) or (hasattr(os, "getuid") and status.st_uid != os.getuid()):
                continue
            if fcntl is not None and folder.name.startswith(prefix + HELD):
                _sweep(folder)
            elif _NUMBERED.match(folder.name, len(prefix)) and time.time() - status.st_mtime > OLD_SECONDS:
                shutil.rmtree(folder, ignore_errors=True)


def _sweep(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC | os.O_NOFOLLOW)
    try:
        if _flock(descriptor):
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(descriptor)


def swap_folder(new: Path, path: Path, keep: Path | None = None) -> None:
    """Puts the folder `new` at `path`, in one step where the system can: a reader always finds a folder. Elsewhere what
    was there steps aside as `.name.old` meanwhile, where `recovered` finds it if the writer is killed.

    keep: where what was there is put, on the same disk; None: it is removed. A writer that is killed leaves the one
    folder or the other there, and none is lost."""
    if keep and path.exists():
        with contextlib.suppress(OSError):  # what cannot be kept must not be in the way of what is new
            new.rename(keep)
            new = keep
    if path.exists() and _exchanged(new, path):
        flush_to_disk(path.parent)
        if new != keep:
            shutil.rmtree(new, ignore_errors=True)
        return
    old = _old(path)
    for attempt in range(ATTEMPTS):
        if path.exists():
            shutil.rmtree(old, ignore_errors=True)
            with contextlib.suppress(FileNotFoundError):
                path.rename(old)
        try:
            new.rename(path)
            break
        except OSError:  # a reader put `.name.old` back in between, or another writer was faster
            if attempt == ATTEMPTS - 1 or not path.exists():
                raise
    flush_to_disk(path.parent)
    if new == keep and old.exists():
        old.rename(keep)
    shutil.rmtree(old, ignore_errors=True)


def _exchanged(one: Path, other: Path) -> bool:
    """Whether the two paths changed places in one step (renameat2, Linux 3.15)."""
    try:
        rename = ctypes.CDLL(None).renameat2
    except (AttributeError, OSError, TypeError):
        return False
    at_cwd, exchange = -100, 2  # AT_FDCWD and RENAME_EXCHANGE, from fcntl.h and stdio.h
    return rename(at_cwd, os.fsencode(one), at_cwd, os.fsencode(other), exchange) == 0


def recovered(path: Path) -> Path:
    """`path`, after putting back the folder that a killed writer set aside; that folder itself on a read-only disk."""
    old = _old(path)
    if not path.exists() and old.is_dir() and not old.is_symlink():
        try:
            old.rename(path)
        except FileNotFoundError:
            pass  # the writer finished, or another reader was faster
        except OSError:
            return path if path.exists() else old
    return path


def remove_old(path: Path) -> None:
    """Removes what a killed writer set aside, where the folder that took its place is there."""
    if path.exists():
        shutil.rmtree(_old(path), ignore_errors=True)


def set_aside(folder: Path) -> list[Path]:
    """The paths in `folder` whose folders a killed writer may have set aside."""
    return [folder / old.name[1 : -len(".old")] for old in sorted(folder.glob(".*.old"))]


def _old(path: Path) -> Path:
    return path.parent / f".{path.name}.old"
