"""What publishing is tested with: a local Hub, and a model of a few labels and no photo that may not go."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from mirror.model_folder import ModelFolder, read_model_folder
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


@pytest.fixture
def publish(hub: Hub, tmp_path: Path, copied: Path) -> Run:
    """`python -m mirror publish models/mirror …` as a process of its own, logged in to the local Hub. No package index
    is asked; environment variables are given in capitals. kill: the process is killed once this is set."""

    def run(
        *arguments: str, model: Path = copied, kill: threading.Event | None = None, **variables: str
    ) -> subprocess.CompletedProcess:
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "PIP_"))}
        environment |= hub.environment | {"PIP_NO_INDEX": "1", "XDG_CACHE_HOME": str(tmp_path / "cache")}
        environment |= {"HF_HOME": str(tmp_path / "hf"), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "mirror", "publish", str(model), *arguments]
        process = subprocess.Popen(
            command, env=environment | variables, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            stdin=subprocess.DEVNULL,
        )  # fmt: skip
        if kill is not None:
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
