"""The memory that all decoders of this process share.

A decode waits until the bytes that it may take are free, and keeps those of its finished image until that is
garbage-collected. Small photos do not wait behind large ones: a part of the budget is theirs alone. A thread that holds
a finished image already does not wait for another, since what it waits for may be its own.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import threading
import time
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mirror.decoding.limits import MAX_DECODE_BYTES, MB

SMALL = 120 * MB  # a 12-megapixel photo's decode takes about 100 MB
RESERVED = 360 * MB  # for the small ones
MAX_WAIT = 30.0  # seconds
SHARE = 4  # all decoders together take at most this part of the machine's memory …
MOST = 4 * MAX_DECODE_BYTES  # … and no more than this


class Busy(Exception):
    """The bytes did not become free in time."""


class Budget:
    """`total` bytes, of which `reserved` are for decodes of at most `small`."""

    def __init__(self, total: int, reserved: int = RESERVED, small: int = SMALL):
        self.total, self.reserved, self.small = total, reserved, small
        self.used = 0
        self._changed = threading.Condition()
        self._returned: deque[tuple[int, int]] = deque()  # what finished images gave back: bytes, thread
        self._holding: dict[int, int] = {}  # thread → finished images that it holds
        self._large: deque[object] = deque()  # large decodes that wait, in the order they came

    @contextmanager
    def decoding(self, size: int, wait: float = MAX_WAIT) -> Iterator[Grant]:
        """Holds `size` bytes inside; `grant.keep` leaves some of them to an image. Raises Busy."""
        self._take(size, wait)
        grant = Grant(self, size)
        try:
            yield grant
        finally:
            self._give_back(grant.size, None)

    def _take(self, size: int, wait: float) -> None:
        until, ticket, large = time.monotonic() + wait, object(), size > self.small
        with self._changed:
            self._collect()
            if threading.get_ident() not in self._holding:
                if large:
                    self._large.append(ticket)
                try:
                    while not self._has_room(size, ticket, large):
                        left = until - time.monotonic()
                        if left <= 0:
                            raise Busy
                        # an image may be given back while this lock is held, and cannot wake anyone then
                        self._changed.wait(min(left, 0.1))
                        self._collect()
                finally:
                    if large:
                        self._large.remove(ticket)
                        self._changed.notify_all()
            self.used += size

    def _has_room(self, size: int, ticket: object, large: bool) -> bool:
        if large and self._large[0] is not ticket:
            return False
        if self.used == 0:
            return True  # what is larger than all of it is for `load_image` to refuse
        return self.used + size <= (self.total - self.reserved if large else self.total)

    def _give_back(self, size: int, thread: int | None) -> None:
        """May be called while this very thread holds the lock: Python collects garbage wherever it likes."""
        self._returned.append((size, -1 if thread is None else thread))
        if self._changed.acquire(blocking=False):
            try:
                self._collect()
                self._changed.notify_all()
            finally:
                self._changed.release()
        if size > self.small:
            trim()

    def _collect(self) -> None:
        while self._returned:
            size, thread = self._returned.popleft()
            self.used -= size
            if thread in self._holding:
                self._holding[thread] -= 1
                if not self._holding[thread]:
                    del self._holding[thread]

    def _keep(self, image: Any, size: int) -> None:
        thread = threading.get_ident()
        with self._changed:
            self._holding[thread] = self._holding.get(thread, 0) + 1
        weakref.finalize(image, self._give_back, size, thread).atexit = False


class Grant:
    """Bytes taken from a budget. size: those still to be given back at the end."""

    def __init__(self, budget: Budget, size: int):
        self._budget, self.size = budget, size

    def keep(self, image: Any, size: int) -> None:
        """`size` of the bytes stay taken until the image is garbage-collected."""
        size = min(size, self.size)
        self._budget._keep(image, size)
        self.size -= size


def machine_memory() -> int:
    """Bytes, of the container where it has a limit; 8 GB where the system does not say."""
    found = []
    try:
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
        with open("/sys/fs/cgroup/memory.max") as file:
            found.append(int(file.read()))
    except (AttributeError, OSError, ValueError):
        pass
    return min((each for each in found if each > 0), default=8_000 * MB)


def trim() -> None:
    """Has glibc give back to the system what was freed. Of its own accord it keeps up to 64 MB for each thread, once it
    has met large blocks, and Pillow makes a picture of blocks of 16 MB."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # another C library, or Windows
        ctypes.CDLL(None).malloc_trim(0)


def _fresh() -> Budget:
    return Budget(min(MOST, max(MAX_DECODE_BYTES + RESERVED, machine_memory() // SHARE)))


_budget: Budget | None = None
_lock = threading.Lock()


def shared() -> Budget:
    """The budget of this process."""
    global _budget
    if _budget is None:
        with _lock:
            _budget = _budget or _fresh()
    return _budget


def _after_fork() -> None:
    """A forked child has the memory to itself, and locks that nobody in it holds any more."""
    global _budget, _lock
    _budget, _lock = None, threading.Lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
