"""One file after another in a process of its own: what became of it, how long it took, and how much memory.

    with Measured() as process:
        process.decode(data)        # Outcome

The process has a limit on its address space, so that a file that gets through to the decoder cannot take the machine,
and is ended and started again where a file takes too long or ends it. Memory is that of the process and of its own
processes together, beyond what it had before the file, looked at every few milliseconds.
"""

from __future__ import annotations

import json
import os
import select
import struct
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from tests.support.limits import LIMIT

ROOT = Path(__file__).resolve().parents[2]
ADDRESS_SPACE = 6_000_000_000  # bytes: Python, numpy and ten times what a file may take
HANGS_AFTER = 60.0  # seconds
PAUSE = 0.003  # seconds from one look at the memory to the next


@dataclass(frozen=True)
class Outcome:
    """said: "(width, height)" of the image, or the error's class and sentence; "crash" or "hang" where it was neither.
    megabytes: beyond the idle process."""

    said: str
    seconds: float
    megabytes: float
    is_image: bool = False

    @property
    def is_refusal(self) -> bool:
        return self.said.startswith(("NotAnImage", "ImageTooLarge", "ImageTooSmall", "ImageError"))


class Measured:
    def __init__(self, root: Path = ROOT):
        """root: the checkout whose `load_image` is tried."""
        self.root = root
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Measured:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def decode(self, data: bytes, at_least: int | None = None) -> Outcome:
        process = self._process or self._start()
        process.stdin.write(struct.pack(">II", len(data), at_least or 0) + data)
        process.stdin.flush()
        begun = time.monotonic()
        ready, _, _ = select.select([process.stdout], [], [], HANGS_AFTER)
        line = process.stdout.readline() if ready else b""
        if line:
            return Outcome(**json.loads(line))
        self._end()
        return Outcome("crash" if ready else "hang", time.monotonic() - begun, 0.0)

    def _start(self) -> subprocess.Popen[bytes]:
        environment = os.environ | {"PYTHONPATH": str(self.root), "OMP_NUM_THREADS": "1"}
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).resolve())], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, env=environment, cwd=self.root,
        )  # fmt: skip
        return self._process

    def _end(self) -> None:
        if self._process:
            self._process.kill()
            self._process.communicate(timeout=LIMIT)
            self._process = None


def resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0


def family() -> list[int]:
    """This process and those that it started."""
    found = [os.getpid()]
    for task in Path("/proc/self/task").iterdir():
        try:
            found += map(int, (task / "children").read_text().split())
        except OSError:
            pass
    return found


class Peak:
    """The most memory of the family while it runs."""

    def __init__(self) -> None:
        self.most = 0
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped.set()
        self._thread.join(60)

    def _watch(self) -> None:
        while not self._stopped.is_set():
            self.most = max(self.most, sum(map(resident, family())))
            time.sleep(PAUSE)


def main() -> None:
    import resource

    from mirror.errors import MirrorError
    from mirror.images import load_image

    resource.setrlimit(resource.RLIMIT_AS, (ADDRESS_SPACE, ADDRESS_SPACE))
    idle = resident(os.getpid())
    while len(head := sys.stdin.buffer.read(8)) == 8:
        size, at_least = struct.unpack(">II", head)
        data = sys.stdin.buffer.read(size)
        before = max(idle, resident(os.getpid()) - size)  # a worker that is there already counts as the file's
        is_image = False
        with Peak() as peak:
            begun = time.monotonic()
            try:
                said, is_image = str(load_image(data, at_least=at_least or None).size), True
            except MirrorError as error:
                said = f"{type(error).__name__}: {error}"
            except BaseException as error:
                said = f"!{type(error).__name__}: {error}"
            seconds = time.monotonic() - begun
        found = {"said": said[:300], "seconds": seconds, "megabytes": (peak.most - before) / 1e6, "is_image": is_image}
        print(json.dumps(found), flush=True)
        del data


if __name__ == "__main__":
    main()
