"""How far long work has come: a bar on a terminal, a few plain lines where nobody watches."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from mirror.terminal import say, sentence

LINES = 4  # plain lines for a whole piece of work
EVERY_SECONDS = 60.0  # after which a plain line is due in any case
TICK_SECONDS = 1.0
RATE_AFTER_SECONDS = 10.0  # before that a rate says little


class ProgressBar:
    """Call it with (done, total) as the work goes on; what is done in one call prints nothing where nobody watches.

    what: the work, in front of the figures, or "". unit: of what is counted, in the singular. log: prints a plain line.
    done: how many were done before. lines: plain lines for the whole, besides those that are due. leave: whether the
    bar stays on the terminal. Use it in a `with` statement where the work may end early.
    """

    def __init__(
        self,
        what: str,
        unit: str,
        log: Callable[[str], None] = say,
        *,
        done: int = 0,
        lines: int = LINES,
        leave: bool = True,
    ):
        self._unit, self._log, self._lines, self._leave = unit, log, lines, leave
        self._bar: Any = None
        self.begin(what, done)

    def begin(self, what: str, done: int = 0) -> None:
        """The next piece of work, with a bar of its own."""
        self.close()
        self._what = what
        self._before = self._done = done
        self._begun = self._last = time.monotonic()

    def __enter__(self) -> ProgressBar:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __call__(self, done: int, total: int, note: str = "") -> None:
        """note: a word more, behind the figures."""
        if sys.stderr.isatty():
            if self._bar is None:
                self._bar = self._open(total)
            self._bar.set_postfix_str(note, refresh=False)
            self._bar.update(done - self._bar.n)
            if done >= total:
                self.close()
        elif done < total and self._is_due(done, total):
            self._log(self._line(done, total, note))
            self._last = time.monotonic()
        self._done = done

    def log(self, line: str) -> None:
        """Prints a line of something else, which does not tear the bar."""
        with self.writing():
            self._log(sentence(line))

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """While it lasts, others may print: the bar is out of the way."""
        if self._bar is None:
            yield
            return
        with self._bar.external_write_mode(file=sys.stderr):
            yield

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _open(self, total: int) -> Any:
        from tqdm import tqdm

        return tqdm(
            total=total,
            initial=self._before,
            desc=self._what or None,
            unit=f" {self._unit}s",
            leave=self._leave,
            file=sys.stderr,
            dynamic_ncols=True,
        )

    def _is_due(self, done: int, total: int) -> bool:
        step = done * self._lines // total > self._done * self._lines // total
        return step or time.monotonic() - self._last >= EVERY_SECONDS

    def _line(self, done: int, total: int, note: str) -> str:
        parts = [f"{done:,} of {total:,} {self._unit}s", note]
        seconds = time.monotonic() - self._begun
        if seconds >= RATE_AFTER_SECONDS:
            parts += [rate(done - self._before, total - done, self._unit, seconds)]
        return (f"{self._what}: " if self._what else "") + ", ".join(filter(None, parts))


@contextlib.contextmanager
def working(what: str, log: Callable[[str], None] | None = say) -> Iterator[Callable[[str], None]]:
    """While work lasts that counts nothing: on a terminal `what` and the seconds so far, elsewhere a line, by `log`.
    Yields what prints a line meanwhile."""
    if not sys.stderr.isatty():
        if log:
            log(f"{what} …")
        yield log or say
        return
    from tqdm import tqdm

    bar = tqdm(desc=f"{what} …", bar_format="{desc} {elapsed}", leave=False, file=sys.stderr, dynamic_ncols=True)
    ended = threading.Event()

    def tick() -> None:
        while not ended.wait(TICK_SECONDS):
            bar.refresh()

    def line(text: str) -> None:
        with bar.external_write_mode(file=sys.stderr):
            (log or say)(sentence(text))

    ticking = threading.Thread(target=tick, name="progress", daemon=True)
    ticking.start()
    try:
        yield line
    finally:
        ended.set()
        ticking.join()
        bar.close()


def rate(done: int, left: int, unit: str, seconds: float) -> str:
    """`100.0 images/s, 15 min left`: `done` took `seconds`, and `left` are left."""
    speed = done / seconds
    return f"{speed:.1f} {unit}s/s" + (f", {duration(left / speed)} left" if speed else "")


def duration(seconds: float) -> str:
    """`42 s`, `14 min`, `3 h 05 min`."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min"
