"""Photos to train on: drawings, in a folder a label."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.world.photos import draw_photo

ARCH = "tf_efficientnet_lite0"  # its weights come with a package


@pytest.fixture(scope="session")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 ducklings and 10 cygnets of a sort, as PNG, of one size."""
    folder = tmp_path_factory.mktemp("drawings")
    for label, count in (("duckling", 12), ("cygnet", 10)):
        (folder / label).mkdir()
        for seed in range(count):
            draw_photo(label, seed, (160, 128)).save(folder / label / f"{seed:02}.png")
    return folder
