"""Real processes for the page's tests: `python app.py` on a free port, and a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.web.serving import Served, serve
from tests.web.tiny import tiny_model


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the one tiny model, named and labelled as the shipped one."""
    folder = tmp_path_factory.mktemp("models")
    tiny_model(folder, pictures=True)
    return folder


@pytest.fixture(scope="module")
def served(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The page with the one model; photo addresses may point to this machine, where the tests' photos are served."""
    with serve("--models", str(models), "--allow-private-hosts", uploads=tmp_path_factory.mktemp("uploads")) as page:
        yield page


@pytest.fixture(scope="module")
def all_tabs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The page with every tab, each with a tiny model of its kind."""
    from tests.support.tiny_clip import tiny_clip
    from tests.support.tiny_detector import tiny_detector
    from tests.support.tiny_vit import tiny_vit

    models, tasks = tmp_path_factory.mktemp("models"), tmp_path_factory.mktemp("tasks")
    tiny_model(models, pictures=True)
    tiny_model(models, "fruit", ("apple", "pear", "plum"))
    kinds = {
        "image-classification": tiny_vit(tasks / "vit"),
        "object-detection": tiny_detector(tasks / "detr"),
        "zero-shot-image-classification": tiny_clip(tasks / "clip"),
    }
    chosen = [part for task, model in kinds.items() for part in ("--task-model", f"{task}={model}")]
    uploads = tmp_path_factory.mktemp("uploads")
    chosen += ["--default", "mirror", "--allow-private-hosts"]
    with serve("--models", str(models), *chosen, uploads=uploads, HF_HUB_OFFLINE="1") as page:
        yield page
