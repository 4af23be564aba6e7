"""A Ray cluster of its own for tests, and the processes that Ray started, by the folder they work in."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path

from tests.support.limits import LIMIT
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled",
    "RAY_worker_niceness": "0",  # 15 where nothing is said: beside other tests they hardly run
}  # fmt: skip


class Cluster:
    """Two CPUs. Use in a `with` statement. address: of the cluster."""

    def __enter__(self) -> Cluster:
        self._folder = tempfile.mkdtemp(prefix="ray-")  # short: sockets lie in it
        port = free_port()
        self.address = f"127.0.0.1:{port}"
        command = [
            sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", "--num-cpus=2",
            "--node-ip-address=127.0.0.1", f"--port={port}", "--include-dashboard=false",
            # where it can, Ray listens for its clients too, else on a port that every cluster of this machine has
            *([f"--ray-client-server-port={free_port()}"] if find_spec("grpc") else []),
            f"--temp-dir={self._folder}", f"--object-store-memory={128 * 1024**2}",
        ]  # fmt: skip
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        environment = os.environ | ENVIRONMENT | {"PYTHONWARNINGS": "ignore", "PYTHONPATH": str(ROOT)}
        self._process = subprocess.Popen(command, cwd=self._folder, env=environment, **quiet)
        status = [sys.executable, "-m", "ray.scripts.scripts", "status", f"--address={self.address}"]
        end = time.monotonic() + 120
        while not listens(port) or subprocess.run(status, env=environment, **quiet, timeout=LIMIT).returncode:
            assert time.monotonic() < end and self._process.poll() is None
            time.sleep(0.2)
        return self

    def __exit__(self, *_: object) -> None:
        for pid in [self._process.pid, *processes_in(Path(self._folder))]:  # asked to end, Ray takes half a minute
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._process.wait(60)
        shutil.rmtree(self._folder, ignore_errors=True)


def listens(port: int) -> bool:
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0


def processes_in(folder: Path) -> dict[int, str]:
    """Those whose working folder is `folder`: their numbers and command lines."""
    found = {}
    for process in Path("/proc").iterdir():
        try:
            if process.name.isdecimal() and os.readlink(process / "cwd") == str(folder):
                found[int(process.name)] = (process / "cmdline").read_text().replace("\0", " ")
        except OSError:  # it has just ended
            continue
    return found
