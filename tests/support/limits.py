"""Waits that end: what a test waits for comes within LIMIT, or the error says what did not.

tests/test_limits.py looks for waits without one.
"""

from __future__ import annotations

import subprocess
import threading
from typing import Any

LIMIT = 300.0  # seconds for one wait; pytest ends a whole test after 600


def join(thread: threading.Thread) -> None:
    """Waits until the thread has ended."""
    thread.join(LIMIT)
    assert not thread.is_alive(), f"{thread.name} was still running after {LIMIT:g} s"


def read_line(process: subprocess.Popen[Any]) -> Any:
    """The next line of what the process prints, text or bytes; nothing once it prints no more."""
    lines: list[Any] = []
    reader = threading.Thread(target=lambda: lines.append(process.stdout.readline()), daemon=True)
    reader.start()
    reader.join(LIMIT)
    assert lines, f"{process.args} printed no line within {LIMIT:g} s"
    return lines[0]


def read_until(process: subprocess.Popen[Any], said: str) -> str:
    """What the process prints up to and with the line that holds `said`."""
    lines: list[str] = []
    while not lines or said not in lines[-1]:
        lines.append(read_line(process))
        assert lines[-1], f"{process.args} ended and never said {said!r}: {lines}"
    return "".join(lines)
