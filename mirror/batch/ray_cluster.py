"""A Ray cluster for the time of a job: one of this machine alone, or a running one that is asked for by its address."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mirror.errors import MirrorError, UsageError
from mirror.inference.session import available_cpus

SHARED_MEMORY = 128 * 1024**2  # bytes, of a cluster of our own; images' names and answers are small
CONNECT_SECONDS = 5.0
STATUS_SECONDS = 20.0
ROOT = Path(__file__).resolve().parents[2]  # where workers import this package from
SETTINGS = {
    "RAY_BACKEND_LOG_LEVEL": "fatal",  # what Ray would say of itself is for its own log files
    "RAY_ENABLE_AUTO_CONNECT": "0",  # else a thread of Ray Data's that outlives a stopped job starts another cluster
}
TOKEN = "RAY_AUTH_MODE"  # "token" where a cluster wants to be shown the token in ~/.ray/auth_token


def check_installed() -> None:
    """Raises UsageError where Ray Data is not."""
    if any(find_spec(package) is None for package in ("ray", "pyarrow", "pandas")):
        raise UsageError(
            'The engine ray needs Ray Data: `pip install "ray[data]"`, or leave out --engine to use this machine.'
        )


@contextlib.contextmanager
def connected(address: str | None, cpus: int | None = None) -> Iterator[None]:
    """address: "host:port" or "auto"; None: a cluster of this machine with `cpus` (default: those it has), which ends
    with the `with` statement.

    Raises UsageError for an address that cannot be meant, MirrorError where no cluster can be had.
    """
    for name, value in SETTINGS.items():
        os.environ.setdefault(name, value)
    if address is not None:
        check_reachable(address)
    import ray

    try:
        try:
            _init(address, cpus)
        except Exception as error:  # where its processes do not start in time, Ray raises nothing narrower
            raise MirrorError(
                f"Ray cannot be used ({last_line(error)}): try again, or leave out --engine to use this machine."
            ) from None
        yield
    finally:
        ray.shutdown()


def _init(address: str | None, cpus: int | None, *, again: bool = True) -> None:
    import ray

    quiet: dict[str, Any] = {"logging_level": logging.CRITICAL, "log_to_driver": False}
    try:
        with _hushed():
            if address is None:
                own: dict[str, Any] = {"num_gpus": 0, "include_dashboard": False, "object_store_memory": SHARED_MEMORY}
                ray.init("local", num_cpus=cpus or available_cpus(), **own, **quiet)
            else:
                imported = ray.job_config.JobConfig(_py_driver_sys_path=[str(ROOT)])
                ray.init(address, job_config=imported, **quiet)
    except Exception as error:
        if not again or "psutil." not in str(error):
            raise
        ray.shutdown()  # Ray looked at a process that ended at this moment
        _init(address, cpus, again=False)


def check_reachable(address: str) -> None:
    """Raises UsageError or MirrorError soon, where Ray itself would try for minutes. Takes the token where only that
    lets us in."""
    if address.startswith("ray://"):
        raise UsageError(
            f"--ray-address {address} is for Ray Client, which Ray Data does not run through: give the command on a "
            "machine of the cluster, with HOST:PORT or auto."
        )
    host, _, port = address.rpartition(":")
    if address != "auto":
        if not host or not port.isdecimal() or int(port) > 65535:
            raise UsageError(f"--ray-address {address} cannot be meant: give HOST:PORT or auto.")
        try:
            socket.create_connection((host.strip("[]"), int(port)), CONNECT_SECONDS).close()
        except OSError as error:
            raise MirrorError(
                f"Nothing answers at --ray-address {address} ({error.strerror or error}): check that the cluster runs "
                "and can be reached from here."
            ) from None
    status = [sys.executable, "-m", "ray.scripts.scripts", "status", "--address", address]
    for mode in ({},) if TOKEN in os.environ else ({}, {TOKEN: "token"}):
        try:
            answer = subprocess.run(status, capture_output=True, timeout=STATUS_SECONDS, env=os.environ | mode)
        except subprocess.TimeoutExpired:  # whatever listens there, it does not speak Ray's language
            break
        if answer.returncode == 0:
            os.environ.update(mode)
            return
    raise MirrorError(
        f"There is no Ray cluster at --ray-address {address}, or it does not let us in: see what `ray status --address "
        f"{address}` says here."
    )


@contextlib.contextmanager
def _hushed() -> Iterator[None]:
    """Nothing written to standard error: Ray's C++ part says there how much it will say."""
    sys.stderr.flush()
    stderr, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(stderr, 2)
        os.close(stderr)
        os.close(nowhere)


def last_line(error: BaseException) -> str:
    """Of an error's text: the one that says what happened."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[-1] if lines else type(error).__name__)[:200].rstrip(".")
