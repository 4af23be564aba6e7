"""Which files of a folder are photos of which label, and on which side of a split: what its folders say."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from mirror.collect.folder_layout import find_files
from mirror.collect.from_folder import collect_from_folder
from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.photo_records import Origin
from mirror.collect.splits import assign_splits
from mirror.errors import DatasetError
from tests.support.label_folders import Lines, put, tree
from tests.support.photo_folders import check_totals
from tests.world import draw_photo, encode


def test_a_split_that_came_with_the_folder_is_kept(tmp_path: Path) -> None:
    source = tree(tmp_path / "in/train", swan=range(3), goose=range(3))
    tree(tmp_path / "in/val", swan=range(3, 5), goose=range(3, 5))
    tree(tmp_path / "in/test", swan=range(5, 9))
    put(tmp_path / "in/README.md", b"a data set")
    log = Lines()
    with collect_from_folder(tmp_path / "out", source.parent, log=log) as photos:
        assert Counter((photo.label, photo.split) for photo in photos.photos) == {
            ("swan", "train"): 3, ("goose", "train"): 3, ("swan", "validation"): 2, ("goose", "validation"): 2,
        }  # fmt: skip
        assert {photo.split for photo in photos.photos if photo.url.startswith("val/")} == {"validation"}
        assert [(row.url, row.reason) for row in photos.rejected] == [("README.md", "no-label-folder")]
        assert assign_splits(photos.photos, seed=1) == photos.photos
    assert "test is left out" in str(log)


@pytest.mark.parametrize("name", ["valid", "Validation", "VAL"])
def test_other_names_of_the_validation_folder(tmp_path: Path, name: str) -> None:
    tree(tmp_path / "in/train", swan=range(2), goose=range(2))
    tree(tmp_path / "in" / name, swan=range(2, 3), goose=range(2, 3))
    splits = Counter(file.origin.split for file in find_files(tmp_path / "in", Lines()))
    assert splits == {"train": 4, "validation": 2}


def test_train_alone_or_with_test_is_split_like_any_folder(tmp_path: Path) -> None:
    tree(tmp_path / "in/train", swan=range(10), goose=range(10))
    tree(tmp_path / "in/test", swan=range(10, 12))
    with collect_from_folder(tmp_path / "out", tmp_path / "in", log=Lines()) as photos:
        assert photos.labels == ["goose", "swan"] and len(photos.photos) == 20
        splits = Counter(photo.split for photo in assign_splits(photos.photos, seed=1))
    assert splits == {"train": 16, "validation": 4}


def test_trains_are_a_label_like_any_other(tmp_path: Path) -> None:
    source = tree(tmp_path / "in", train=range(2), car=range(2))
    assert {file.origin.label for file in find_files(source, Lines())} == {"train", "car"}
    source = tree(tmp_path / "two", train=range(2), test=range(2))  # photos at once below: no label folders in train
    assert {file.origin.label for file in find_files(source, Lines())} == {"train", "test"}


def test_labels_and_names_of_any_alphabet(tmp_path: Path) -> None:
    decomposed = "Schwa\u0308nchen"  # as macOS stores it
    put(tmp_path / "in" / decomposed / "1.jpg", encode(draw_photo("a", 1)))
    put(tmp_path / "in" / "Baby Swan" / 'a, "b"\nc.jpg', encode(draw_photo("b", 1)))
    put(tmp_path / "in" / "天鹅" / "图.jpg", encode(draw_photo("c", 1)))
    (tmp_path / "in" / "Baby Swan" / os.fsdecode(b"\xff\xfe.jpg")).write_bytes(encode(draw_photo("d", 1)))
    for _ in range(2):
        with collect_from_folder(tmp_path / "out", tmp_path / "in", log=(log := Lines())) as photos:
            check_totals(photos)
            assert photos.labels == ["Baby Swan", "Schwänchen", "天鹅"]
            assert {photo.url for photo in photos.photos if photo.label == "Baby Swan"} == {
                'Baby Swan/a, "b"\nc.jpg',
                "Baby Swan/\\xff\\xfe.jpg",
            }
    assert len(log) == 1


def test_a_folder_that_holds_nothing_but_another_is_passed_through(tmp_path: Path) -> None:
    tree(tmp_path / "in/archive/photos", swan=range(2), goose=range(2))
    put(tmp_path / "in/__MACOSX/x.jpg", b"litter")
    files, log = find_files(tmp_path / "in", log := Lines()), log
    assert {file.origin.label for file in files} == {"swan", "goose"}
    assert files[0].origin.url == "archive/photos/goose/0.jpg"
    assert "holds nothing but archive/photos" in str(log)


def test_an_empty_folder_is_no_label_and_is_told(tmp_path: Path) -> None:
    source = tree(tmp_path / "in/train", swan=range(2), goose=range(2)).parent
    tree(source / "valid", swan=range(2, 3), goose=range(2, 3))
    (source / "models/checkpoints").mkdir(parents=True)
    files, log = find_files(source, log := Lines()), log
    assert Counter(file.origin.split for file in files) == {"train": 4, "validation": 2}
    assert "models holds no files and is left out" in str(log)


@pytest.mark.parametrize(
    ("folders", "words"),
    [
        (("train/swan", "train/goose", "val/swan", "val/goose", "chest_xray/val/swan"), "and chest_xray beside them"),
        (("Train/swan", "Train/goose", "notes"), "inside Train, and notes beside it"),
        (("val/swan", "test/swan"), "no train folder beside"),
        (("swan", "goose", "test/swan", "test/goose"), "inside test, and goose and swan beside it"),
    ],
)
def test_a_split_beside_other_folders_is_asked_about(tmp_path: Path, folders: tuple[str, ...], words: str) -> None:
    for number, folder in enumerate(folders):
        put(tmp_path / "in" / folder / "1.jpg", encode(draw_photo("x", number)))
    with pytest.raises(DatasetError, match=words):
        collect_from_folder(tmp_path / "out", tmp_path / "in", log=Lines())
    assert not (tmp_path / "out").exists()


def test_links_that_lead_outside_are_not_followed(tmp_path: Path) -> None:
    source = tree(tmp_path / "in", swan=range(3), goose=range(3))
    outside = tree(tmp_path / "elsewhere", secret=range(2))
    (source / "swan/out.jpg").symlink_to(outside / "secret/0.jpg")
    (source / "swan/inside.jpg").symlink_to("2.jpg")
    (source / "swan/broken.jpg").symlink_to("nowhere.jpg")
    (source / "goose/folder").symlink_to(outside / "secret", target_is_directory=True)
    (source / "loop").symlink_to(source, target_is_directory=True)
    log = Lines()
    with collect_from_folder(tmp_path / "out", source, log=log) as photos:
        assert {row.url: row.reason for row in photos.rejected} == {
            "swan/out.jpg": "link-leads-outside",
            "swan/inside.jpg": "exact-duplicate",
            "swan/broken.jpg": "missing-file",
        }
        assert len(photos.photos) == 6 and photos.labels == ["goose", "swan"]
    assert "goose/folder is a link to a folder and is not followed" in str(log)
    assert "links that lead out of it are read with --follow-links" in str(log)
    followed = Lines()
    (source / "swan/round").symlink_to(outside.parent, target_is_directory=True)  # which holds DIR itself
    with collect_from_folder(tmp_path / "out", source, follow=True, log=followed) as photos:
        assert {row.url: row.reason for row in photos.rejected} == {
            "swan/inside.jpg": "exact-duplicate",
            "swan/broken.jpg": "missing-file",
        }
        assert {photo.label for photo in photos.photos if photo.url in ("swan/out.jpg", "goose/folder/1.jpg")} == {
            "goose",
            "swan",
        }
        assert len(photos.photos) == 9 and "swan/round is a link to a folder that is read already" in str(followed)
    (source / "swan/round").unlink()
    only = tmp_path / "subset"  # label folders that are links themselves
    only.mkdir()
    for label in ("swan", "goose"):
        (only / label).symlink_to(source / label, target_is_directory=True)
    with collect_from_folder(tmp_path / "out3", only, follow=True, log=Lines()) as photos:
        assert photos.labels == ["goose", "swan"]
    with pytest.raises(DatasetError, match="--follow-links"):
        collect_from_folder(tmp_path / "out4", only, log=Lines())
    (tmp_path / "link").symlink_to(source, target_is_directory=True)  # DIR itself may be a link
    with collect_from_folder(tmp_path / "out2", tmp_path / "link", log=Lines()) as photos:
        assert len(photos.photos) == 6


def test_folders_that_cannot_be_meant(tmp_path: Path) -> None:
    empty, loose, file = tmp_path / "empty", tmp_path / "loose", put(tmp_path / "file.jpg", b"x")
    empty.mkdir()
    put(loose / "1.jpg", encode(draw_photo("x", 1)))
    (tmp_path / "hollow/swan").mkdir(parents=True)
    tree(tmp_path / "odd/train", swan=range(1), goose=range(1))
    tree(tmp_path / "odd/val", swan=range(1), heron=range(1))
    tree(tmp_path / "long", **{"x" * 101: range(1)})
    with PhotoFolder(tmp_path / "ours") as photos:
        photos.add(Origin("https://photos.example/1.jpg", "swan", engine="test"), encode(draw_photo("swan", 1)))
    for source, words in (
        (tmp_path / "nowhere", "does not exist; give --data a folder"),
        (file, "is not a folder; give --data a folder"),
        (empty, "holds no label folders with files"),
        (loose, "holds no label folders with files"),
        (tmp_path / "hollow", "holds no label folders with files"),
        (tmp_path / "odd", r"hold different labels \(goose, heron\)"),
        (tmp_path / "long", "cannot be a label"),
        (tmp_path / "ours", "is a photo folder of this program"),
    ):
        with pytest.raises(DatasetError, match=words):
            collect_from_folder(tmp_path / "out", source, log=Lines())
    assert not (tmp_path / "out").exists()
