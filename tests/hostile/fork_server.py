"""Forks processes that run one command each and are killed on the way: `python -m tests.hostile.fork_server KIND`.

Importing torch and fastai takes most of a short training's time. So this process imports what a kind of command needs
once, runs nothing of it, and forks for each run; the child is a process like any other from there on, with its own
files and threads, and dies by a real SIGKILL. It reads a run a line from standard input (JSON) and answers a line each.

When a child dies is told in one of two ways. seconds: this process kills it after that time. event: it kills itself
right before its n-th step that matters to a disk: opening a file for writing, rename, remove, mkdir, rmdir, truncate
(audit hooks), fsync and write (wrapped here; where `torn` is set, half of the bytes are written first).
"""

from __future__ import annotations

import json
import mmap
import os
import signal
import struct
import sys
import time
from pathlib import Path
from typing import Any

FAILED = 70  # exit status of a run that ended in an exception
STEPS = {"os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate", "os.link", "os.symlink", "os.chmod"}
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT


class Fuse:
    """Counts steps into shared memory, and kills its process at one of them. Only set in a forked child."""

    def __init__(self, counted: mmap.mmap, event: int | None, torn: bool):
        self.counted, self.event, self.torn, self.steps = counted, event, torn, 0

    def set(self) -> None:
        sys.addaudithook(self._audit)
        write, fsync = os.write, os.fsync

        def writing(descriptor: int, data: Any) -> int:
            if descriptor > 2 and self._is_last():
                if self.torn:
                    write(descriptor, bytes(data)[: len(data) // 2])
                self._die()
            return write(descriptor, data)

        def syncing(descriptor: int) -> None:
            if self._is_last():
                self._die()
            fsync(descriptor)

        os.write, os.fsync = writing, syncing

    def _audit(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name in STEPS or (name == "open" and isinstance(arguments[2], int) and arguments[2] & WRITES):
            if self._is_last():
                self._die()

    def _is_last(self) -> bool:
        self.steps += 1
        self.counted[:8] = struct.pack("q", self.steps)
        return self.steps == self.event

    @staticmethod
    def _die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def run(kind: str, told: dict[str, Any], counted: mmap.mmap) -> dict[str, Any]:
    """Forks a child for one run and waits for its end."""
    counted[:8] = struct.pack("q", 0)
    log = Path(told["log"])
    begun = time.monotonic()
    child = os.fork()
    if child == 0:
        _run_and_exit(kind, told, counted, log)
    seconds = told.get("seconds")
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        if seconds is not None and time.monotonic() - begun >= seconds:
            os.kill(child, signal.SIGKILL)
            seconds = None
        time.sleep(0.001)
    return {
        "killed": os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL,
        "code": os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status),
        "steps": struct.unpack("q", counted[:8])[0], "seconds": time.monotonic() - begun, "session": child,
    }  # fmt: skip


def _run_and_exit(kind: str, told: dict[str, Any], counted: mmap.mmap, log: Path) -> None:
    code = FAILED
    try:
        os.setsid()  # what it starts can be found by its session
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os.chdir(told["place"])
        from tests.hostile import killed_commands

        Fuse(counted, told.get("event"), told.get("torn", False)).set()
        code = killed_commands.KINDS[kind].run(*told["arguments"]) or 0
        sys.stdout.flush()
        sys.stderr.flush()
    except BaseException:
        import traceback

        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(code)


def main(kind: str) -> None:
    from tests.hostile import killed_commands

    killed_commands.KINDS[kind].prepare()
    counted = mmap.mmap(-1, 8)
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is no answer
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        print(json.dumps(run(kind, json.loads(line), counted)), file=answers, flush=True)


if __name__ == "__main__":
    main(sys.argv[1])
