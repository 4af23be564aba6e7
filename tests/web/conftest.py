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
