"""The parent's side of the workers: started when first needed, kept, watched, ended and replaced.

A thread of its own watches them: a task that takes too long is first put behind everything else, then ended; a worker
that has had nothing to do for a while is ended; where all are taken and somebody waits, the longest task is ended
sooner.
"""

from __future__ import annotations

import atexit
import contextlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import cache
from io import RawIOBase
from pathlib import Path
from typing import Any, cast

from PIL import Image

import mirror
from mirror.decoding.budget import MAX_WAIT, Busy
from mirror.decoding.limits import MAX_SECONDS
from mirror.decoding.pixels import image_over, memory_for
from mirror.decoding.worker import LENGTH, LENGTHS
from mirror.storage import parse_json

MAX_WORKERS = 8
IDLE_SECONDS = 30.0  # then a worker is ended: its 40 MB are given back
DEMOTED_AFTER = 1.5  # seconds of processor time; an ordinary photo is decoded by then, also on a loaded machine
DEMOTED_NICE = 15  # eight such tasks weigh a fourth of one answer
CROWDED_SECONDS = 4.0  # a task's time where all workers are taken and somebody waits for one
START_SECONDS = 30.0  # for Python and Pillow to be there, on a loaded machine
MAX_ANSWER = 65_536  # bytes of JSON
# What a worker's environment keeps of this process's: how the system finds libraries and Python its modules
KEPT = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "SYSTEMROOT", "TMP", "TEMP", "TMPDIR")

_log = logging.getLogger(__name__)


class WorkerFailed(Exception):
    """A task that gave no picture. kind: "too-slow", "crashed"."""

    def __init__(self, kind: str, why: str = ""):
        super().__init__(why or kind)
        self.kind = kind


class NoWorker(Exception):
    """No worker can be started here."""


class Worker:
    """One process, and how far it is with its task."""

    def __init__(self) -> None:
        group = 0 if os.name == "posix" else None
        try:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "mirror.decoding.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL, bufsize=0, pipesize=1 << 20, env=environment(), process_group=group,
            )  # fmt: skip
        except (OSError, ValueError) as error:
            raise NoWorker(str(error)) from None
        self.requests, self.replies = cast(RawIOBase, self.process.stdin), cast(RawIOBase, self.process.stdout)
        self.begun: float | None = time.monotonic()  # when it began what it does; None where it has nothing to do
        self.idle_since = self.used = 0.0
        self.allowed = START_SECONDS
        self.demoted = self.overdue = False

    def wait_until_ready(self) -> None:
        try:
            ready = self.read_answer()
        except WorkerFailed as error:
            raise NoWorker(str(error)) from None
        if not ready.get("limited"):
            _say_unlimited()

    def begin(self) -> None:
        self.used = self.used_in_all()
        self.begun, self.allowed = time.monotonic(), MAX_SECONDS

    def processor_time(self) -> float:
        """Seconds of its task."""
        return self.used_in_all() - self.used

    def used_in_all(self) -> float:
        """Seconds of processor time of all its tasks; of the clock, where the system does not tell (proc(5))."""
        try:
            with open(f"/proc/{self.process.pid}/stat") as file:
                fields = file.read().rpartition(")")[2].split()
            return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
        except (AttributeError, IndexError, OSError, ValueError):
            return time.monotonic()

    def send(self, task: dict[str, Any], data: bytes) -> None:
        head = json.dumps(task).encode()
        for part in (LENGTHS.pack(len(head), len(data)) + head, data):
            view = memoryview(part)
            while view:
                view = view[self.requests.write(view) :]

    def read_answer(self) -> dict[str, Any]:
        size = LENGTH.unpack(self.read(LENGTH.size))[0]
        if size > MAX_ANSWER:
            raise WorkerFailed("crashed")
        answer = parse_json(bytes(self.read(size)))
        if not isinstance(answer, dict):
            raise WorkerFailed("crashed")
        return answer

    def read(self, size: int) -> bytearray:
        """Exactly so many bytes. Raises WorkerFailed."""
        data = bytearray(size)
        self.read_into(memoryview(data))
        return data

    def read_into(self, view: memoryview) -> None:
        while view:
            count = self.replies.readinto(view)
            if not count:
                raise self.failure()
            view = view[count:]

    def failure(self) -> WorkerFailed:
        """Why its output has ended."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(5)
        status = self.process.returncode
        if self.overdue or status == -getattr(signal, "SIGXCPU", 24):
            return WorkerFailed("too-slow")
        return WorkerFailed("crashed", f"status {status}")

    def demote(self) -> None:
        self.demoted = True
        if hasattr(os, "setpriority"):
            with contextlib.suppress(OSError):  # of the group, which is all of its threads
                os.setpriority(os.PRIO_PGRP, self.process.pid, DEMOTED_NICE)

    def kill(self) -> None:
        with contextlib.suppress(OSError):
            self.process.kill()

    def close(self) -> None:
        self.kill()
        for pipe in (self.requests, self.replies):
            with contextlib.suppress(OSError):
                pipe.close()
        self.process.wait()


class Pool:
    """At most `most` workers, each with one task at a time. Safe to use from several threads."""

    def __init__(self, most: int = MAX_WORKERS):
        self.most = most
        self.workers: list[Worker] = []
        self._starting = self._waiting = 0
        self._changed = threading.Condition()
        self._watch: threading.Thread | None = None

    def decode(self, task: dict[str, Any], data: bytes) -> Image.Image | dict[str, Any]:
        """A task (worker.py) → the upright RGB image, or what the worker says instead. Raises WorkerFailed, Busy,
        NoWorker."""
        with self._worker() as worker:
            try:
                worker.send(task, data)
            except OSError:
                raise worker.failure() from None
            answer = worker.read_answer()
            return answer if "error" in answer else _received(worker, answer, task["max_pixels"])

    @contextlib.contextmanager
    def _worker(self) -> Iterator[Worker]:
        worker = self._take()
        try:
            worker.begin()
            yield worker
        except BaseException:
            self._drop(worker)
            raise
        if worker.demoted or worker.overdue:  # what was put behind cannot be put before again
            self._drop(worker)
            return
        with self._changed:
            worker.begun, worker.idle_since = None, time.monotonic()
            self._changed.notify_all()

    def _take(self) -> Worker:
        until = time.monotonic() + MAX_WAIT
        with self._changed:
            while True:
                for worker in self.workers:
                    if worker.begun is None and worker.process.poll() is None:
                        worker.begun = time.monotonic()
                        self._changed.notify_all()  # the watch looks more often while something is being done
                        return worker
                if len(self.workers) + self._starting < self.most:
                    self._starting += 1
                    break
                left = until - time.monotonic()
                if left <= 0:
                    raise Busy
                self._waiting += 1
                self._changed.notify_all()
                self._changed.wait(left)
                self._waiting -= 1
        return self._start()

    def _start(self) -> Worker:
        worker = None
        try:
            worker = Worker()
        finally:
            with self._changed:
                self._starting -= 1
                if worker:
                    self.workers.append(worker)
                    if self._watch is None:
                        self._watch = threading.Thread(target=self._watch_workers, name="decoders", daemon=True)
                        self._watch.start()
                self._changed.notify_all()
        try:
            worker.wait_until_ready()
        except BaseException:
            self._drop(worker)
            raise
        return worker

    def _drop(self, worker: Worker) -> None:
        with self._changed:
            if worker in self.workers:
                self.workers.remove(worker)
            self._changed.notify_all()
        worker.close()

    def _watch_workers(self) -> None:
        while True:
            with self._changed:
                idle = self._look_after(time.monotonic())
                if not self.workers and not self._starting and not idle:
                    self._watch = None
                    return
            for worker in idle:
                worker.close()
            with self._changed:
                self._changed.wait(self._pause())

    def _look_after(self, now: float) -> list[Worker]:
        """Demotes and ends what takes too long; the workers that are no longer needed, taken out of the pool."""
        crowded = self._waiting and len(self.workers) >= self.most
        busy = [(worker.begun, worker) for worker in self.workers if worker.begun is not None]
        longest = min(busy, key=lambda pair: pair[0], default=(0.0, None))[1]
        for begun, worker in busy:
            passed = now - begun
            if passed > (min(worker.allowed, CROWDED_SECONDS) if crowded and worker is longest else worker.allowed):
                worker.overdue = True
                worker.kill()
            elif passed > DEMOTED_AFTER and not worker.demoted and worker.processor_time() > DEMOTED_AFTER:
                worker.demote()
        idle = [
            worker
            for worker in self.workers
            if worker.begun is None and (now - worker.idle_since >= IDLE_SECONDS or worker.process.poll() is not None)
        ]
        self.workers = [worker for worker in self.workers if worker not in idle]
        return idle

    def _pause(self) -> float:
        """Seconds until there may be something to do."""
        return 0.2 if any(worker.begun is not None for worker in self.workers) else 5.0

    def close(self) -> None:
        """Ends all workers."""
        with self._changed:
            workers, self.workers = self.workers, []
            self._changed.notify_all()
        for worker in workers:
            worker.close()


def _received(worker: Worker, answer: dict[str, Any], max_pixels: int) -> Image.Image:
    """The picture that follows an answer. What the worker says is checked: it has met the file."""
    width, height = (int(side) for side in answer["size"])
    if not (width > 0 < height and width * height <= max_pixels):
        raise WorkerFailed("crashed")
    pixels = memory_for((width, height))
    worker.read_into(memoryview(pixels))
    return image_over(pixels, (width, height))


def environment() -> dict[str, str]:
    """A worker's: nothing but what Python needs to start, and one thread for numpy."""
    kept = {name: os.environ[name] for name in KEPT if name in os.environ}
    root = str(Path(mirror.__file__).resolve().parents[1])
    paths = [root, *filter(None, kept.get("PYTHONPATH", "").split(os.pathsep))]
    settings = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    settings |= {"PYTHONSAFEPATH": "1", "PYTHONUTF8": "1"}
    # glibc reserves 64 MB of address space for each thread's arena, and keeps large blocks that were freed
    settings |= {"MALLOC_ARENA_MAX": "2", "MALLOC_MMAP_THRESHOLD_": "4000000"}
    settings["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"  # such blocks in large pages, which are there sooner
    return kept | settings | {"PYTHONPATH": os.pathsep.join(paths)}


@cache
def _say_unlimited() -> None:
    """Once."""
    sentence = "This system cannot limit the memory of a process: a hostile photo may take much of it for %g seconds."
    _log.warning(sentence, MAX_SECONDS)


_pool = Pool()


def shared() -> Pool:
    """The workers of this process."""
    return _pool


def _after_fork() -> None:
    """A forked child starts workers of its own; those of its parent are not its children."""
    global _pool
    for worker in _pool.workers:
        for pipe in (worker.requests, worker.replies):
            with contextlib.suppress(OSError):
                pipe.close()
        worker.process.returncode = 0  # so that nothing here waits for it, or warns that it runs
    _pool = Pool()


atexit.register(lambda: _pool.close())
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
