"""The disk that visitors' files may take: counted in bytes and files, with a share for each client.

Files are swept by age (retention.py), so what is here is what came within the last minute. A client may hold no more
than there is room left, and a quarter of all, so that one of them never keeps the others out (the dynamic threshold of
Choudhury and Hahne 1998). The oldest files that no request names give way: a client's own to its share, those of who
has the most to the room of all, since many may share an address that says nothing, as behind a proxy.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections import Counter
from collections.abc import Callable, Collection
from pathlib import Path
from time import monotonic

from mirror.web.gateway.refusal import AGAIN, Refusal

MAX_DISK_BYTES = 1 << 30  # 14 phone photos a second, which two cores answer, for 20 s; at most half of what is free
MAX_DISK_FILES = 4_000
SHARE = 4  # one client may hold a quarter
PROTECTED_SECONDS = 10.0  # clients ask about a file within a second of its upload
LOOK_SECONDS = 1.0  # between two looks at which files are gone


class NewFile:
    """A visitor's file that is being written, in a folder of its own whose name cannot be guessed."""

    def __init__(self, disk: Disk, name: str, client: str):
        self._disk, self.client, self.bytes = disk, client, 0
        self.closed_at: float | None = None  # by monotonic(); None: it is still being written
        disk.require_room(self, 0, 1)
        while True:
            self.path = disk.folder / secrets.token_hex(16) / name
            self.path.parent.mkdir(mode=0o700, parents=True)
            flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0)
            with contextlib.suppress(FileNotFoundError):  # the empty folder may be swept away in between
                self._handle = os.open(self.path, flags, 0o600)
                break
        disk.files.append(self)

    def write(self, data: bytes | memoryview) -> None:
        """Raises Refusal where there is no room, OSError."""
        self._disk.require_room(self, len(data), 0)
        self.bytes += len(data)
        view = memoryview(data)
        while view:
            view = view[os.write(self._handle, view) :]

    def close(self) -> None:
        if self._handle >= 0:
            os.close(self._handle)
            self._handle = -1
            self.closed_at = monotonic()

    def remove(self) -> None:
        self.close()
        shutil.rmtree(self.path.parent, ignore_errors=True)


class Disk:
    """What lies in `folder`. named: the paths that waiting requests name, which stay."""

    def __init__(self, folder: Path, named: Callable[[], Collection[str]] = frozenset):
        self.folder, self._named = folder, named
        self.files: list[NewFile] = []
        self._looked, self._most = -LOOK_SECONDS, 0.0

    def require_room(self, file: NewFile, size: int, files: int) -> None:
        """Raises Refusal where so many bytes more of a file, or one file more, are too much."""
        if monotonic() - self._looked > LOOK_SECONDS:
            self._look()
        while (crowded := self._crowded(file.client, size, files)) is not None:
            if not self._give_way(file, crowded):
                raise no_room()

    def _crowded(self, client: str, size: int, files: int) -> list[NewFile] | None:
        """The files among which one has to go first: all where the disk is full, the client's own where its share is;
        None where there is room."""
        free_bytes = self._most - sum(other.bytes for other in self.files) - size
        free_files = MAX_DISK_FILES - len(self.files) - files
        if min(free_bytes, free_files) < 0:
            return self.files
        if not client:
            return None
        own = [other for other in self.files if other.client == client]
        own_bytes, own_files = sum(other.bytes for other in own) + size, len(own) + files
        has_room = own_bytes <= min(free_bytes, self._most / SHARE)
        return None if has_room and own_files <= min(free_files, MAX_DISK_FILES / SHARE) else own

    def _look(self) -> None:
        self._looked = monotonic()
        self.files = [other for other in self.files if os.path.lexists(other.path)]
        free = shutil.disk_usage(self.folder).free
        self._most = min(MAX_DISK_BYTES, (sum(other.bytes for other in self.files) + free) / 2)

    def _give_way(self, file: NewFile, among: list[NewFile]) -> bool:
        """Removes the oldest whole file that nobody asks about, of the client with the most; whether there was one."""
        named = {os.path.normpath(path) for path in self._named()}
        counts, before = Counter(other.client for other in self.files), monotonic() - PROTECTED_SECONDS
        old = [
            (-counts[other.client], other.closed_at, number)
            for number, other in enumerate(among)
            if other.closed_at is not None and other.closed_at < before and str(other.path) not in named
        ]
        if old:
            victim = among[min(old)[-1]]
            self.files.remove(victim)
            victim.remove()
        return bool(old)


def no_room() -> Refusal:
    return Refusal(503, "Too many photos are here at once: please try again in a moment.", AGAIN)
