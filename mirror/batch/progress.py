"""How far a job has come: a bar on a terminal, elsewhere a line a minute; with images per second and time left."""

from __future__ import annotations

import sys
import time
from typing import Any

EVERY = 60.0  # seconds between two lines where nobody watches


class JobProgress:
    """Call `update()` after each image. `done` images of `total` were answered before. Use in a `with` statement."""

    def __init__(self, total: int, done: int, terminal: bool | None = None, every: float = EVERY):
        self._total, self._before, self._done, self._every = total, done, done, every
        self._start = self._told = time.monotonic()
        self._bar: Any = None
        if sys.stderr.isatty() if terminal is None else terminal:
            from tqdm import tqdm

            self._bar = tqdm(total=total, initial=done, unit=" images", file=sys.stderr, dynamic_ncols=True)

    def __enter__(self) -> JobProgress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def update(self) -> None:
        self._done += 1
        if self._bar is not None:
            self._bar.update()
            return
        now = time.monotonic()
        if now - self._told >= self._every and self._done < self._total:
            self._told = now
            print(line(self._done, self._total, self._done - self._before, now - self._start), file=sys.stderr)


def line(done: int, total: int, fresh: int, seconds: float) -> str:
    """`fresh` of the `done` images were answered in the last `seconds`."""
    rate = fresh / seconds
    return f"{done:,} of {total:,} images, {rate:.1f} images/s, {duration((total - done) / rate)} left"


def duration(seconds: float) -> str:
    """`42 s`, `14 min`, `3 h 05 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
