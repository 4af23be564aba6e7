"""A process in which Python itself refuses what compiling a learner never does: a hook of sys.audit (PEP 578).

While a pickle is read (between `restricted_unpickler`'s events OPENS and OPENED), nothing is imported, compiled, opened
or started. Afterwards libraries may import and compile; programs, connections and new processes stay
refused. A hook cannot be taken back. It is the last of several fences, and no wall against machine code.
"""

from __future__ import annotations

import sys
from typing import Any

from mirror.export.pickled_tensors import NotForAPickle
from mirror.export.restricted_unpickler import OPENED, OPENS

NEVER = (
    "os.system", "os.exec", "os.posix_spawn", "os.spawn", "os.startfile", "os.fork", "pty.spawn", "subprocess.",
    "socket.connect", "socket.bind", "socket.sendto", "socket.getaddrinfo", "urllib.Request", "webbrowser.open",
)  # fmt: skip
# `object.__setattr__` and the like are what reading is made of
WHILE_READ = (
    "compile", "exec", "import", "open", "os.", "socket.", "ctypes.", "shutil.", "glob.", "marshal.", "code.",
    "function.", "tempfile.", "urllib.", "sqlite3.", "sys.set", "sys.addaudithook", "sys.monitoring", "signal.",
    "pathlib.", "fcntl.", "resource.", "syslog.", "winreg.", "cpython.",
)  # fmt: skip


class Refused(NotForAPickle, PermissionError):
    """A system error too, which libraries expect of a system that lets them do little."""


def watch() -> None:
    """From the first OPENS on, the events above raise Refused in this whole process."""
    reading: list[bool] = []  # whether one is read; empty before the first

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in (OPENS, OPENED):
            reading[:] = [event == OPENS]
        elif reading and event.startswith(NEVER + WHILE_READ if reading[0] else NEVER):
            raise Refused(f"it wants {event}")

    sys.addaudithook(hook)
