"""What is found in folders, and in which order, against os.walk."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from PIL import Image
from pillow_heif import register_heif_opener

from mirror.errors import MirrorError
from mirror.image_sources import SUFFIXES, LeftOut, find_sources


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
            path
            for path in inside
            if path.suffix.lower() in SUFFIXES and not any(part.startswith(".") for part in path.parts)
        ]
    found = [source.file for source in find_sources([str(tmp_path)])]
    assert len(found) > 40 and any("." in path.parent.name for path in expected)
    assert found == [f"{tmp_path}/{path}" for path in sorted(expected, key=lambda path: path.parts)]


def test_what_begins_as_a_picture_is_one_and_what_is_none_is_counted(tmp_path: Path) -> None:
    drawn = Image.new("RGB", (8, 8), "red")
    kinds = {"plain": "JPEG", "x.jpg_large": "JPEG", "photo.jpg?w=600": "PNG", "a.jpg.1": "WEBP", "g.tmp": "GIF",
             "h.1": "HEIF", "v": "AVIF"}  # fmt: skip
    register_heif_opener()
    for name, kind in kinds.items():
        drawn.save(tmp_path / name, kind)
    others = {
        "notes.txt": b"BM is no bitmap",
        "clip": b"\0\0\0\x14ftypqt  ",
        "raw.dng": b"II*\0",
        "empty": b"",
        "p": b"P1 x",
    }
    for name, data in others.items():
        (tmp_path / name).write_bytes(data)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / ".DS_Store").touch()
    left_out = LeftOut()
    found = [Path(source.file).name for source in find_sources([str(tmp_path)], left_out)]
    assert found == sorted(kinds)
    assert str(left_out) == (
        f"Left out: 6 files without an image ({tmp_path}/clip, {tmp_path}/empty, {tmp_path}/notes.txt and 3 more)."
    )


def test_linked_folders_are_searched_once_and_never_round(tmp_path: Path) -> None:
    for name in ("a/deep/x.png", "elsewhere/y.png", "elsewhere/below/z.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    links = {"a/again": "a", "a/up": ".", "a/folder.png": "a/deep", "a/linked": "elsewhere",
             "a/twice": "elsewhere/below", "elsewhere/back": "a/deep", "elsewhere/round": "elsewhere",
             "a/file.png": "a/deep/x.png", "a/gone.png": "nowhere", "a/round.png": "a/round.png"}  # fmt: skip
    for name, target in links.items():
        (tmp_path / name).symlink_to(tmp_path / target)
    left_out = LeftOut()
    found = list(find_sources([str(tmp_path / "a")], left_out))
    names = [Path(source.file).relative_to(tmp_path / "a").as_posix() for source in found]
    assert names == ["deep/x.png", "file.png", "gone.png", "linked/below/z.png", "linked/y.png", "round.png"]
    assert not any(isinstance(source.location, MirrorError) for source in found)
    assert (left_out.links, left_out.files) == (6, 0) and "6 links to folders" in str(left_out)
    direct = tmp_path / "door"
    direct.symlink_to(tmp_path / "a")
    assert [source.file for source in find_sources([str(direct)])][0] == f"{direct}/deep/x.png"
