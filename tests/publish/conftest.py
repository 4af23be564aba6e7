"""What publishing is tested with: a local Hub, and a model of a few labels and no photo that may not go."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mirror.model_folder import ModelFolder, read_model_folder
from tests.support.warm import Warm
from tests.world.hub import Hub

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ROOT / "models" / "mirror"
Run = Callable[..., subprocess.CompletedProcess]


@pytest.fixture
def hub() -> Iterator[Hub]:
    with Hub() as hub:
        yield hub


@pytest.fixture(scope="session")
def copied(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped model where what is published of it may be kept beside it."""
    return Path(shutil.copytree(SHIPPED, tmp_path_factory.mktemp("models") / SHIPPED.name))


@pytest.fixture
def model(copied: Path) -> ModelFolder:
    return read_model_folder(copied)


def environment() -> dict[str, str]:
    """Of `mirror publish`, but for what a test says."""
    outer = {name: value for name, value in os.environ.items() if not re.match("HF_|PIP_|.*_proxy$", name, re.I)}
    return outer | {"PIP_NO_INDEX": "1", "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="session")
def program() -> Iterator[Warm]:
    """`python -m mirror`, which has imported what reads no variable of the Hub's."""
    with Warm("mirror.cli:main", ["mirror.cli.publish", "mirror.publish.publication"], environment()) as program:
        assert program("--version", cwd=ROOT).returncode == 0
        yield program


@pytest.fixture
def publish(hub: Hub, tmp_path: Path, copied: Path, program: Warm) -> Run:
    """`python -m mirror publish models/mirror …` as a process of its own, logged in to the local Hub. No package index
    is asked; environment variables are given in capitals. kill: a process anew, which is killed once this is set."""

    def run(
        *arguments: str, model: Path = copied, kill: threading.Event | None = None, **variables: str
    ) -> subprocess.CompletedProcess:
        told = {**hub.environment, "XDG_CACHE_HOME": str(tmp_path / "cache"), "HF_HOME": str(tmp_path / "hf")}
        told |= variables
        if kill is None:
            return program("publish", str(model), *arguments, cwd=ROOT, **told)
        command = [sys.executable, "-m", "mirror", "publish", str(model), *arguments]
        pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        process = subprocess.Popen(command, env=environment() | told, cwd=ROOT, text=True, **pipes)
        assert kill.wait(300)
        process.kill()
        said, errors = process.communicate(timeout=300)
        return subprocess.CompletedProcess(command, process.returncode, said, errors)

    return run


def renamed(model: Path, name: str, folder: Path) -> Path:
    """A copy of a model folder under another name."""
    shutil.copytree(model, folder)
    said = json.loads((folder / "model.json").read_text("utf-8")) | {"name": name}
    (folder / "model.json").write_text(json.dumps(said), encoding="utf-8")
    return folder
