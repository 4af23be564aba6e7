"""Photo folders and their rows, as tests make and check them."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from random import Random
from typing import Any

from mirror.collect.corrections import Correction, record_corrections
from mirror.collect.metadata import Origin, Photo, read_photos, read_rejections
from mirror.collect.photo_folder import PhotoFolder
from tests.world import draw_photo, encode


def make_photo(number: int, label: str = "cygnet", phash: str = "", page_url: str = "", **more: Any) -> Photo:
    """A row of metadata.csv without a file. `more`: other columns."""
    values = {
        "file_name": f"images/{label}/{number:016x}.jpg",
        "sha256": f"{Random(f'{label}/{number}').getrandbits(256):064x}",
        "engine": "test",
        "width": 64,
        "height": 64,
        **more,
    }
    return Photo(f"https://photos.example/{label}/{number}", label, page_url, phash=phash, **values)


def correct(folder: Path, file_names: Sequence[str], action: str, label: str = "") -> list[Correction]:
    """One action on several photos, decided together."""
    return record_corrections(folder, [(name, action, label) for name in file_names])


def check_totals(folder: PhotoFolder) -> None:
    """The files on disk say what the open folder says, no (label, url) is there twice, and images/ holds its photos."""
    photos, rejected = read_photos(folder.metadata_csv), read_rejections(folder.rejected_csv)
    assert (photos, rejected) == (folder.photos, folder.rejected)
    keys = [row.key for row in [*photos, *rejected]]
    assert len(set(keys)) == len(keys)
    stored = {path.relative_to(folder.path).as_posix() for path in folder.path.glob("images/*/*.jpg")}
    assert stored == {photo.file_name for photo in photos}


def origin(number: int, label: str = "cygnet", **more: Any) -> Origin:
    values = {"page_url": f"https://pages.example/{label}/{number}", "query": "baby swan", "engine": "test"}
    return Origin(f"https://photos.example/{label}/{number}.jpg", label, **{**values, **more})


def drawing(number: int, label: str = "cygnet") -> bytes:
    return encode(draw_photo(label, number))


def fill(folder: PhotoFolder, numbers: range, label: str = "cygnet") -> None:
    for number in numbers:
        assert isinstance(folder.add(origin(number, label), drawing(number, label)), Photo)


def csv_rows(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
