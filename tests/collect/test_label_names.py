"""Labels: what may be one, and a folder for each that leads nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror.collect.label_names import check_label, label_folder
from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.photo_records import (
    Origin,
)
from mirror.errors import DatasetError
from tests.support.photo_folders import check_totals, csv_rows, drawing, origin
from tests.world import draw_photo, encode

LABELS = [
    "cygnet", "baby swan", "Baby Swan", "baby-swan", "a/b", "a\\b", "a-b", "..", ".", "../..", "/etc", "C:\\x", "-rf",
    "con", "nul", "com1", "swan.", "天鹅", "天鵝", "Schwänchen", "schwanchen", "🦢", "a" * 100, "a" * 99, "train",
    ".hidden", "x~0123456789", "BIKE", "bike", "bike ~", "%2e%2e", "a:b", "a*b", "__pycache__",
]  # fmt: skip


def test_label_folders_stay_inside_and_never_meet(tmp_path: Path) -> None:
    names = [label_folder(label) for label in LABELS]
    assert len({name.lower() for name in names}) == len(LABELS)
    for name in names:
        assert (tmp_path / name).resolve().parent == tmp_path.resolve()
        assert name.isascii() and not set(name) & set('/\\:*?"<>| .') and name[0] not in "._-" and len(name) <= 64
    assert [label_folder(label) for label in ("cygnet", "trash-bin", "Baby Swan")] == [
        "cygnet", "trash-bin", "baby-swan~0d6b5bd7fd",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("label", "start"),
    [("train", "train~"), ("test-tube", "testtube~"), ("Dev", "dev~"), ("eval_2", "eval~"), ("my val.", "myval~")],
)
def test_no_label_folder_looks_like_a_split_to_hugging_face(label: str, start: str) -> None:
    """`load_dataset("imagefolder")` would read images/train and leave the other labels out."""
    assert label_folder(label).startswith(start)


def test_words_that_only_begin_like_a_split_are_plain() -> None:
    labels = ["trains", "valley", "testament", "device", "evaluator"]
    assert [label_folder(label) for label in labels] == labels


@pytest.mark.parametrize("label", ["", " ", "\t", " swan", "swan ", "a\nb", "a\0b", "x" * 101, "a\ud800"])
def test_labels_that_cannot_be_meant_are_refused(label: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError):
        check_label(label)
    with PhotoFolder(tmp_path) as folder, pytest.raises(DatasetError):
        folder.add(Origin("https://photos.example/1.jpg", label), drawing(1))
    assert csv_rows(tmp_path / "metadata.csv") == []


def test_photos_of_awkward_labels_come_back(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        for number, label in enumerate(LABELS):
            folder.add(origin(number, label), encode(draw_photo("x", number)))
    with PhotoFolder(tmp_path) as folder:
        check_totals(folder)
        assert folder.labels == sorted(LABELS)
    assert {path.parent.parent for path in tmp_path.rglob("*.jpg")} == {tmp_path / "images"}
