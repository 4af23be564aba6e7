"""A command that takes long, as a child process of the studio: started, watched, cancelled, and ended with it.

    run = LongRun(home)
    run.start(["--name", "fruit", "--preview", "apple", "pear"])        # python train.py …, in the folder `home`
    run.progress().lines

What it does lies in its folders alone, so the same command in a terminal goes on where a run was stopped.
"""

from __future__ import annotations

import atexit
import re
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mirror.errors import UsageError
from mirror.web.workshop import child_process

KEPT_LINES = 400
PATIENCE = 10  # seconds for a cancelled run to end by itself
CANCELLED = "Cancelled; what was there is as it was, and the same goes on from where this stopped."
KILLED = (
    "Something ended it ({signal}); a machine does that to what takes more memory than it has. What was there is as it "
    "was: close other programs, and begin it again."
)
_COUNTED = re.compile(r"\b(\d[\d,]*) of (\d[\d,]*)\b")


@dataclass(frozen=True)
class Program:
    """code: runs it with the arguments in sys.argv; says: what stands before the sentence that it fails with."""

    code: str
    says: str


# A person watches: what counts says so each second, of which `LongRun` keeps a line
_LIVE = "from mirror import command_process, progress; progress.EVERY_SECONDS = 1.0; "
TRAIN = Program(_LIVE + "command_process.run_program('mirror.cli.train', 'train.py: stopped.')", "train.py: ")
MIRROR = Program(_LIVE + "command_process.run_program('mirror.cli', 'mirror: stopped.')", "mirror: ")


@dataclass(frozen=True)
class Progress:
    """How far a run is. done, total: of the step that it is at, None where it does not count; seconds: since it began;
    failure: the sentence it ended with, "" where it runs or succeeded; cancelled: a person ended it."""

    running: bool
    lines: tuple[str, ...] = ()
    done: int | None = None
    total: int | None = None
    seconds: float = 0.0
    failure: str = ""
    cancelled: bool = False


class LongRun:
    """One process at a time, started in the folder `home`."""

    def __init__(self, home: Path | None = None) -> None:
        self._home = home
        self._program = TRAIN
        self._process: subprocess.Popen[str] | None = None
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self.begun = self._ended = 0.0  # by time.monotonic
        self._cancelled = False
        self._starting = threading.Lock()
        atexit.register(self._close)

    def start(self, arguments: Sequence[str], program: Program = TRAIN) -> None:
        """Begins. Raises UsageError where one runs already."""
        with self._starting:
            if self.progress().running:
                raise UsageError("This runs already; wait for it to end, or cancel it.")
            self._program, self._cancelled, self.begun, self._ended = program, False, time.monotonic(), 0.0
            self._lines.clear()
            self._process = child_process.start(program.code, arguments, self._home)
            threading.Thread(target=self._read_lines, args=(self._process,), name="long run", daemon=True).start()

    def cancel(self) -> None:
        """Asks the program to stop, and ends it where it has not stopped after PATIENCE."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        self._cancelled = True
        process.send_signal(signal.SIGINT)
        threading.Thread(target=_wait_or_kill, args=(process,), name="cancel", daemon=True).start()

    def progress(self) -> Progress:
        """Where it is; not running and without lines where none was ever started."""
        process = self._process
        if process is None:
            return Progress(False)
        lines, running = tuple(self._lines), not self._ended
        done, total = parse_count(lines[-1]) if lines and running else (None, None)
        seconds = (self._ended or time.monotonic()) - self.begun
        failure = "" if running else self._failure(lines, process)
        return Progress(running, lines, done, total, seconds, failure, bool(failure) and self._cancelled)

    @property
    def started(self) -> bool:
        return self._process is not None

    def _close(self) -> None:
        """The studio ends, and its programs with it."""
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)
            _wait_or_kill(process)

    def _read_lines(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None and process.stdout is not None
        with process.stdin, process.stdout as stream:
            for line in stream:
                if line.strip():
                    self._add(line.rstrip())
        process.wait()
        self._ended = time.monotonic()

    def _add(self, line: str) -> None:
        """One line is kept of what counts on and on."""
        if self._lines and _counts_on(self._lines[-1], line):
            self._lines[-1] = line
        else:
            self._lines.append(line)

    def _failure(self, lines: Sequence[str], process: subprocess.Popen[str]) -> str:
        if process.returncode == 0:
            return ""
        if self._cancelled:
            return CANCELLED
        errors = [line for line in lines if line.startswith(self._program.says)]
        if errors:
            return errors[-1].removeprefix(self._program.says)
        last = f" The last that it said: {lines[-1]}" if lines else ""
        if process.returncode < 0:
            by = signal.Signals(process.returncode * -1).name
            return f"{KILLED.format(signal=by)}{last}"
        return f"It ended unexpectedly (status {process.returncode}).{last}"


def parse_count(line: str) -> tuple[int | None, int | None]:
    """ "looking at photos: 30 of 120 views" → (30, 120); (None, None) where the line counts nothing."""
    match = _COUNTED.search(line)
    if not match:
        return None, None
    done, total = (int(number.replace(",", "")) for number in match.groups())
    return (done, total) if 0 < total >= done else (None, None)


def _counts_on(line: str, following: str) -> bool:
    """Whether both lines count the same: "looking at photos: 30 of 120 views", "looking at photos: 60 of 120 views"."""
    counted, on = _COUNTED.search(line), _COUNTED.search(following)
    return bool(counted and on and line[: counted.start()] == following[: on.start()])


def _wait_or_kill(process: subprocess.Popen[str]) -> None:
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
