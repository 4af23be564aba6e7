"""Runs of a program in processes that have imported already what takes most of a short run's time.

    with Warm("mirror.cli.train:main", imports=["torch", "fastai.vision.all"]) as train:
        done = train("--data", "photos", cwd=tmp_path)     # a subprocess.CompletedProcess
            running = train.start(["--data", "photos"], tmp_path, {}, log)  # what goes on: poll, wait, send_signal

One process imports the modules, runs nothing of them, and forks for each run; the fork is a process like any other,
with its own working folder, environment, output and exit status. What a program imports, and when, is for tests that
start one anew (test_requirements_alone.py, and one at least beside each use of this).
"""

from __future__ import annotations

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mirror.command_process import run_program
from tests.support.limits import LIMIT, read_line

ROOT = Path(__file__).resolve().parents[2]
SECONDS = 0.9 * LIMIT  # that a run may take


class Warm:
    """program: MODULE:FUNCTION, which takes a list of arguments and gives an exit status. imports: MODULE, or
    MODULE:FUNCTION to be called. environment: of the process,
    and of its runs but for what they change."""

    def __init__(self, program: str, imports: Sequence[str], environment: Mapping[str, str]):
        command = [sys.executable, "-m", "tests.support.warm_processes", program, *imports]
        self._environment = dict(environment)
        self._process = subprocess.Popen(
            command, cwd=ROOT, env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def __enter__(self) -> Warm:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate(timeout=SECONDS)  # it ends with its input

    def __call__(self, *arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
        with tempfile.TemporaryDirectory() as scratch:
            run: dict[str, Any] = {"arguments": arguments, "cwd": str(cwd), "output": scratch}
            run["environment"] = {**self._environment, **variables}
            assert self._process.stdin and self._process.stdout
            print(json.dumps(run), file=self._process.stdin, flush=True)
            code = int(read_line(self._process))
            out, error = ((Path(scratch) / name).read_text("utf-8", "replace") for name in ("1", "2"))
        return subprocess.CompletedProcess(arguments, code, out, error)

    def start(self, arguments: Sequence[str], cwd: Path, variables: Mapping[str, str], log: Path) -> Running:
        """A run that goes on; both its outputs go to `log`."""
        scratch = tempfile.mkdtemp()
        run: dict[str, Any] = {"arguments": arguments, "cwd": str(cwd), "output": scratch, "log": str(log)}
        run["environment"] = {**self._environment, **variables}
        log.touch()  # for whoever reads it before anything is said
        assert self._process.stdin and self._process.stdout
        print(json.dumps(run), file=self._process.stdin, flush=True)
        return Running(int(read_line(self._process)), Path(scratch, "status"))


class Running:
    """A process that another one has forked."""

    def __init__(self, pid: int, status: Path):
        self.pid, self._status = pid, status
        self.returncode: int | None = None

    def poll(self) -> int | None:
        if self.returncode is None and self._status.exists():
            self.returncode = int(self._status.read_text())
            shutil.rmtree(self._status.parent, ignore_errors=True)
        return self.returncode

    def wait(self, timeout: float) -> int:
        end = time.monotonic() + timeout
        while (code := self.poll()) is None:
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired(str(self.pid), timeout)
            time.sleep(0.01)
        return code

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)


def keep(run: dict[str, Any]) -> int:
    """Forks what goes on, tells its number, and stays until it has ended, to leave its exit status. 0: this is it."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    child = os.fork()
    if child:
        print(child, file=run["answers"], flush=True)
        _, status = os.waitpid(child, 0)
        place = Path(run["output"], "status")
        place.with_suffix(".part").write_text(str(os.waitstatus_to_exitcode(status)))
        place.with_suffix(".part").rename(place)
        os._exit(0)
    return child


def wait_for(child: int) -> int:
    """The exit status of a run, as subprocess gives it; it is killed after SECONDS."""
    end = time.monotonic() + SECONDS
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(child, signal.SIGKILL)
        time.sleep(0.002)


def become(run: dict[str, Any]) -> None:
    """Makes a fork the run that was asked for."""
    for number in (0, 1, 2):
        path = os.devnull if number == 0 else run.get("log") or str(Path(run["output"]) / str(number))
        handle = os.open(path, os.O_RDONLY if number == 0 else os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        os.dup2(handle, number)
        os.close(handle)
    os.chdir(run["cwd"])
    os.environ.clear()
    os.environ.update(run["environment"])


def main(program: str, *imports: str) -> int:
    module, _, function = program.partition(":")
    for name in (*imports, module):
        part, _, called = name.partition(":")
        imported = importlib.import_module(part)
        if called:
            getattr(imported, called)()
    answers = os.fdopen(os.dup(1), "w")
    runs = os.fdopen(os.dup(0))
    os.dup2(2, 1)  # what libraries print is no answer
    for line in runs:
        run = json.loads(line)
        goes_on = "log" in run
        signal.signal(signal.SIGCHLD, signal.SIG_IGN if goes_on else signal.SIG_DFL)  # nobody waits for a keeper
        child = os.fork()
        if child == 0:
            if goes_on:
                keep({**run, "answers": answers})
            os.close(runs.fileno())
            os.close(answers.fileno())
            become(run)
            sys.argv = [module, *run["arguments"]]
            return int(getattr(sys.modules[module], function)(run["arguments"]))
        if not goes_on:
            print(wait_for(child), file=answers, flush=True)
    return 0


if __name__ == "__main__":  # each fork ends as a command does, without taking torch apart
    run_program("tests.support.warm_processes", "", *sys.argv[1:])
