"""Deleted means deleted: one private folder for all that visitors send, swept by age as long as the process runs.

`open_folder` makes the folder before gradio is imported; whatever gradio, Starlette or `tempfile` write in this process
lies in it. It is locked while the process lives, so that the next start can tell and remove what a killed one left.
`Sweeper` deletes by age whatever it finds there, by whomever it was written. Its errors end no sweep: they are logged,
and while it cannot sweep, no photo is taken (`Sweeper.works`).

In the worst case a file is there KEPT_SECONDS + SWEEP_SECONDS after it was written, or after the last request in the
queue that names it was answered: within a minute.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

from mirror.folders import hold_folder, sweep_folders
from mirror.inference.sandbox import sweep_homes

PREFIX = "mirror-uploads-"
KEPT_SECONDS = 45.0  # from the last byte written: longer than any client takes from its upload to its question
LONGEST_SECONDS = 600.0  # even while a waiting request names the file
SWEEP_SECONDS = 2.0
FOLDER_SECONDS = 5.0  # an empty folder is as old before it goes: its file may be about to come
SILENT_SECONDS = 30.0  # without a whole sweep, after which no photo is taken
LOG_SECONDS = 60.0  # between two lines about the same trouble
TRIM_SECONDS = 10.0
TRIM_BYTES = 8 << 20  # growth of the process after which free memory is given back to the system
ARENAS = 2  # of glibc's allocator: each keeps what was freed in it, and there would be 8 a core
_M_ARENA_MAX = -8  # <malloc.h>

log = logging.getLogger(__name__)
_locks: list[int] = []  # descriptors, open as long as the process


def open_folder(base: str | None = None) -> Path:
    """A new private folder of this process inside `base` (default: the system's for temporary files), and removes those
    that killed processes of this user left there. `tempfile` writes into it from now on."""
    parent = Path(base or tempfile.gettempdir())
    parent.mkdir(parents=True, exist_ok=True)
    sweep_folders(parent, PREFIX)
    sweep_homes(Path(tempfile.gettempdir()))
    folder, lock = hold_folder(parent.resolve(), PREFIX)
    if lock is not None:
        _locks.append(lock)
    tempfile.tempdir = str(folder)
    return folder


def close_folder(folder: Path) -> None:
    """Removes it with all that is in it."""
    if tempfile.tempdir == str(folder):
        tempfile.tempdir = None
    shutil.rmtree(folder, ignore_errors=True)


class Sweeper:
    """Deletes what is older than KEPT_SECONDS in `folder`, as long as the process runs, in a thread of its own.

    named: the paths that waiting requests name; those stay up to LONGEST_SECONDS. after: what else is done each time.
    """

    def __init__(
        self, folder: Path, named: Callable[[], Collection[str]] = frozenset, after: Callable[[], None] | None = None
    ):
        self.folder, self._named, self._after = folder, named, after
        self._stop = threading.Event()
        self._swept, self._logged = time.monotonic(), -LOG_SECONDS
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def start(self) -> None:
        """Starts the thread; again where it has ended, which is logged."""
        with self._starting:
            if self._stop.is_set() or (self._thread is not None and self._thread.is_alive()):
                return
            if self._thread is not None:
                self._log_seldom("The sweeper of uploads had ended, and was started again.")
            self._thread = threading.Thread(target=self._run, name="sweeper", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        self._stop.set()

    def works(self) -> bool:
        """Whether it swept the whole folder lately; a thread that ended is started again."""
        self.start()
        return time.monotonic() - self._swept < SILENT_SECONDS

    def sweep(self) -> None:
        """Once. Raises OSError where something could be neither read nor deleted, after all the rest was."""
        named, now = {os.path.normpath(path) for path in self._named()}, time.time()
        errors: list[OSError] = []
        for path, status in walk(self.folder, errors):
            # a time in the future is no reason to keep a file for ever
            age = abs(now - status.st_mtime)
            try:
                if stat.S_ISDIR(status.st_mode):
                    if age > FOLDER_SECONDS and not any(os.scandir(path)):
                        os.rmdir(path)
                elif age > (LONGEST_SECONDS if path in named else KEPT_SECONDS):
                    os.unlink(path)
            except FileNotFoundError:
                continue
            except OSError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _run(self) -> None:
        while not self._stop.wait(SWEEP_SECONDS):
            try:
                self.sweep()
                self._swept = time.monotonic()
                if self._after is not None:
                    self._after()
            except Exception as error:
                self._log_seldom(f"Uploads could not be swept ({type(error).__name__}: {error}); it is tried again.")

    def _log_seldom(self, sentence: str) -> None:
        if time.monotonic() - self._logged >= LOG_SECONDS:
            self._logged = time.monotonic()
            log.error("%s", sentence)


def walk(folder: Path | str, errors: list[OSError]) -> Iterator[tuple[str, os.stat_result]]:
    """Everything below the folder, what is in a folder before the folder itself; no link is followed."""
    try:
        with os.scandir(folder) as listing:
            entries = list(listing)
    except FileNotFoundError as error:
        if isinstance(folder, Path):  # the folder of uploads itself has to be there
            errors.append(error)
        return
    except OSError as error:
        errors.append(error)
        return
    for entry in entries:
        try:
            status = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        if stat.S_ISDIR(status.st_mode):
            yield from walk(entry.path, errors)
        yield entry.path, status


def named_in_queue(page: Any) -> set[str]:
    """The paths that requests in the queue of a gr.Blocks name, waiting or being answered."""
    queue, paths = getattr(page, "_queue", None), set()
    for event in _copy(queue.event_ids_to_events.values()) if queue is not None else ():
        pending = list(getattr(event.data, "data", None) or ())
        photos = [value for value in pending if isinstance(value, dict)]
        for value in (*pending, *(photo.get(name) for photo in photos for name in ("path", "url"))):
            if isinstance(value, str):
                value = value[:8192].rpartition("/file=")[2]  # the page's own address of the file is taken too
            if isinstance(value, str) and len(value) < 4096 and os.path.isabs(value):
                paths.add(value)
    return paths


def forget_paths(page: Any) -> None:
    """gradio keeps a list of every file it ever served, to delete them one day; here they are deleted already."""
    for paths in [*page.temp_file_sets, page.upload_file_set]:
        for path in _copy(paths):
            if not os.path.lexists(path):
                paths.discard(path)


class Memory:
    """Gives memory that was freed back to the system, where the C library is glibc: Python and the libraries below it
    keep it otherwise, as much as the busiest minute took.

    Made when the page is up. What there is by then is not searched for cycles again, so that Python finds those that
    visits leave early, and not when they are a quarter of a million objects."""

    def __init__(self) -> None:
        gc.collect()
        gc.freeze()
        self._lowest, self._last = resident_bytes(), time.monotonic()
        try:
            self._trim: Callable[[int], int] | None = ctypes.CDLL(None).malloc_trim
        except (OSError, AttributeError):
            self._trim = None

    def give_back(self) -> None:
        """Where the process is larger than it once was."""
        if self._trim is None or time.monotonic() - self._last < TRIM_SECONDS:
            return
        self._last = time.monotonic()
        if resident_bytes() > self._lowest + TRIM_BYTES:
            self._trim(0)
        self._lowest = min(self._lowest, resident_bytes())


def limit_arenas() -> None:
    """Before threads begin: memory freed in one thread can be used by the next, and given back."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, ARENAS)


def resident_bytes() -> int:
    """Of this process, or 0 where the system does not say."""
    try:
        with open("/proc/self/statm") as statm:
            return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 0


def _copy(values: Collection[Any]) -> list[Any]:
    """A copy of what other threads change meanwhile."""
    while True:
        try:
            return list(values)
        except RuntimeError:  # changed during iteration
            continue
