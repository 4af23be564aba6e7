"""Features that were computed once are kept on disk, so that a training that was stopped goes on where it was.

One SQLite file a network in the user's cache (~/.cache/mirror/features), MOST bytes in all: the files longest unused
are removed. A photo is known by its bytes, a network by its weights, its input size and normalisation, and by the
versions of what computes with it. What cannot be kept, on a full disk say, is computed anew the next time, and told.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from mirror.inference.user_cache import make_private, user_cache
from mirror.training.augmentation import View

MOST = 2 << 30  # bytes: 20,000 photos, three views of each, take 500 MB at 2,048 features
COMMIT = 64  # photos between two writes to the disk: what a stopped training loses at most
FORMAT = "1"  # of the keys; another one when the same views would be computed otherwise


class FeatureStore:
    """The features that one network gave. A store that cannot be opened or written holds nothing and keeps nothing,
    and `failure` says why."""

    def __init__(self, network: str):
        folder = user_cache("features")
        self._rows: sqlite3.Connection | None = None
        self._kept = 0
        self.failure = ""
        if not make_private(folder):
            self.failure = "it is not a folder of this user alone"
            return
        path = folder / f"{network}.sqlite"
        with contextlib.suppress(OSError):
            _make_room(folder, path)
            path.touch(mode=0o600)
        self._guarded(lambda: self._open(path))

    def _open(self, path: Path) -> None:
        rows = sqlite3.connect(path, timeout=5, isolation_level="DEFERRED")
        self._rows = rows
        rows.execute("pragma journal_mode=wal")
        rows.execute("create table if not exists photos (key text primary key, features blob) without rowid")
        pages, size = rows.execute("pragma page_count").fetchone()[0], rows.execute("pragma page_size").fetchone()[0]
        self._left = MOST - pages * size

    def find(self, key: str, views: int) -> np.ndarray | None:
        """[views, D] float32, None where they are not there."""
        found: list[tuple[bytes]] = []
        self._guarded(lambda: found.extend(self._execute("select features from photos where key = ?", key)))
        values = np.frombuffer(found[0][0], np.float32) if found else np.zeros(0, np.float32)
        return values.reshape(views, -1) if len(values) and len(values) % views == 0 else None

    def keep(self, key: str, features: np.ndarray) -> None:
        body = features.astype(np.float32).tobytes()
        if self._rows is None or self._left < len(body):
            return
        self._left -= len(body) + len(key)
        self._guarded(lambda: self._execute("insert or replace into photos values (?, ?)", key, body))
        self._kept += 1
        if self._kept % COMMIT == 0:
            self._guarded(lambda: self._rows.commit() if self._rows else None)

    def close(self) -> None:
        rows, self._rows = self._rows, None
        if rows is not None:
            try:
                rows.commit()
            except sqlite3.Error as error:
                self.failure = str(error)
            with contextlib.suppress(sqlite3.Error):
                rows.close()

    def _execute(self, statement: str, *values: object) -> list[tuple[bytes]]:
        return self._rows.execute(statement, values).fetchall() if self._rows else []

    def _guarded(self, deed: Callable[[], object]) -> None:
        """A full disk, a file that is none of SQLite's, one that another training holds: then nothing is kept."""
        try:
            deed()
        except sqlite3.Error as error:
            self.failure = str(error)
            rows, self._rows = self._rows, None
            if rows is not None:
                with contextlib.suppress(sqlite3.Error):
                    rows.close()


def network_key(body: torch.nn.Module, size: int, mean: Sequence[float], std: Sequence[float]) -> str:
    """Says which numbers a body gives: its weights, how photos are put to it, and by what they are computed."""
    import PIL
    import torchvision

    digest = hashlib.sha256()
    device = next(body.parameters()).device.type
    told = (FORMAT, torch.__version__, torchvision.__version__, PIL.__version__, device, size, *mean, *std)
    layers = re.sub(r"0x[0-9a-f]+", "", repr(body))  # without addresses of functions
    digest.update(f"{told} {getattr(body, 'needs_pool', None)} {layers}".encode())
    for name, value in body.state_dict().items():
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:32]


def photo_key(path: Path, views: Sequence[View]) -> str:
    """Says what the network is shown: the photo's bytes, and which views of it. Raises OSError."""
    with open(path, "rb") as file:
        digest = hashlib.file_digest(file, "sha256")
    digest.update(repr([(view.level, view.box) for view in views]).encode())
    return digest.hexdigest()


def _make_room(folder: Path, own: Path) -> None:
    """Removes the networks that were used longest ago, until all take up no more than MOST."""
    files = [(path.stat().st_mtime, path.stat().st_size, path) for path in folder.glob("*.sqlite") if path != own]
    total = sum(size for _, size, _ in files)
    for _, size, path in sorted(files):
        if total <= MOST:
            return
        total -= size
        for suffix in ("", "-wal", "-shm"):
            with contextlib.suppress(OSError):
                os.unlink(f"{path}{suffix}")
