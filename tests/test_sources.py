"""What is found in folders, and in which order, against os.walk."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from mirror.errors import MirrorError
from mirror.sources import SUFFIXES, find_sources


def test_folders_are_searched_to_the_bottom_in_the_order_of_names(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    names = [*"abc", "a.png", "b.JPG", "c.gif", "B.jpeg", "a b.webp", "é.tif", "x.txt", ".hidden.png", ".cache", "a.d"]
    for _ in range(300):
        path = tmp_path.joinpath(*random.choice(names, random.integers(1, 5)))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if "." in path.name:
                path.touch()
        except (FileExistsError, NotADirectoryError, IsADirectoryError):
            continue
    expected = []
    for folder, _, files in os.walk(tmp_path):
        inside = [Path(folder, name).relative_to(tmp_path) for name in files]
        expected += [
            path for path in inside
            if path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in path.parts)
        ]  # fmt: skip
    found = [source.file for source in find_sources([str(tmp_path)])]
    assert len(found) > 40 and any("." in path.parent.name for path in expected)
    assert found == [f"{tmp_path}/{path}" for path in sorted(expected, key=lambda path: path.parts)]


def test_links_to_images_are_images_and_links_to_folders_are_not_entered(tmp_path: Path) -> None:
    (tmp_path / "a" / "deep").mkdir(parents=True)
    (tmp_path / "a" / "deep" / "x.png").touch()
    (tmp_path / "a" / "again").symlink_to(tmp_path / "a")
    (tmp_path / "a" / "folder.png").symlink_to(tmp_path / "a" / "deep")
    (tmp_path / "a" / "file.png").symlink_to(tmp_path / "a" / "deep" / "x.png")
    (tmp_path / "a" / "gone.png").symlink_to(tmp_path / "nowhere")
    (tmp_path / "a" / "round.png").symlink_to(tmp_path / "a" / "round.png")
    found = list(find_sources([str(tmp_path / "a")]))
    names = [Path(source.file).relative_to(tmp_path / "a").as_posix() for source in found]
    assert names == ["deep/x.png", "file.png", "gone.png", "round.png"]
    assert not any(isinstance(source.location, MirrorError) for source in found)
