"""The data set repository: `datasets` opens it, with labels that stay text, and photos go only where they may."""

from __future__ import annotations

import csv
import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from mirror.collect.corrections import REMOVE, record_corrections
from mirror.collect.own_photos import add_own_photos
from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.photo_records import read_photos, write_photos
from mirror.errors import PublishError
from mirror.model_folder import ModelFolder, sha256_of
from mirror.publish.content_checks import check_files
from mirror.publish.dataset_repository import dataset_repository
from mirror.publish.published_files import write_folder
from tests.support.photo_folders import drawing, origin

LABELS = ("01", "None", "nan", "2020-01-01", "true", "ä, “b”")
WITHOUT_NETWORK = {"HF_HUB_OFFLINE": "1", "HF_DATASETS_OFFLINE": "1"}


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A photo folder with labels that readers of tables take for something else."""
    folder = tmp_path / "data"
    with PhotoFolder(folder) as photos:
        for number, label in enumerate(LABELS * 2):
            split = "validation" if number >= len(LABELS) else "train"
            photos.add(origin(number, label, split=split, title='=1+1 "quoted"'), drawing(number, label))
    return folder


@pytest.fixture
def trained(model: ModelFolder, photos: Path, tmp_path: Path) -> ModelFolder:
    """A model folder whose photos.csv lists them."""
    (tmp_path / "trained").mkdir()
    write_photos(tmp_path / "trained" / "photos.csv", read_photos(photos / "metadata.csv"))
    files = {"photos.csv": sha256_of(tmp_path / "trained" / "photos.csv")}
    return ModelFolder(tmp_path / "trained", dataclasses.replace(model.info, labels=LABELS, files=files))


def opened(files: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What `datasets.load_dataset` makes of them."""
    pytest.importorskip("datasets", reason="datasets is not installed")
    write_folder(tmp_path / "dataset", files)
    for name, value in WITHOUT_NETWORK.items():
        monkeypatch.setenv(name, value)
    from datasets import load_dataset

    return load_dataset(str(tmp_path / "dataset"), cache_dir=str(tmp_path / "cache"))


def test_what_a_file_is_called_on_somebodys_machine_is_told_to_nobody(trained: ModelFolder, photos: Path) -> None:
    add_own_photos(photos, LABELS[0], [("Anna at home.jpg", drawing(99))])
    write_photos(trained.path / "photos.csv", read_photos(photos / "metadata.csv"))
    info = dataclasses.replace(trained.info, files={"photos.csv": sha256_of(trained.path / "photos.csv")})
    for leave in (False, True):
        files = dataset_repository(ModelFolder(trained.path, info), photos, photos_may_go=leave)
        told = b"".join(one if isinstance(one, bytes) else one.read_bytes() for one in files.values())
        assert b"Anna" not in told and b'"own"' in told if leave else b",own," in told


def test_without_leave_the_photos_stay_here(trained: ModelFolder, photos: Path) -> None:
    files = dataset_repository(trained, photos)
    assert set(files) == {".mirror", "README.md", "photos.csv"}
    check_files("dataset", files, photos_may_go=False)
    card = bytes(files["README.md"]).decode()
    assert "The photos themselves are not here" in card and yaml.safe_load(card.split("---\n")[1])["license"] == "other"


def test_the_list_is_opened_with_labels_as_text(
    trained: ModelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = opened(dataset_repository(trained, None), tmp_path, monkeypatch)["train"]
    assert sorted(rows["label"]) == sorted(LABELS * 2)
    assert set(rows["title"]) == {'=1+1 "quoted"'} and set(rows["width"]) == {320}


def test_with_leave_it_is_an_image_folder_of_two_splits(
    trained: ModelFolder, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = dataset_repository(trained, photos, license="cc-by-4.0", photos_may_go=True)
    check_files("dataset", files, photos_may_go=True)
    card = bytes(files["README.md"])
    assert "photos.csv" not in files and b"cc-by-4.0" in card
    assert b"photos.csv" not in card and b"top_losses" not in card and b"file of the model" not in card
    splits = opened(files, tmp_path, monkeypatch)
    for split in ("train", "validation"):
        rows = splits[split]
        assert sorted(rows["label"]) == sorted(LABELS)
        assert rows[0]["image"].size == (320, 240)


def test_each_photo_has_its_own_label(
    trained: ModelFolder, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from PIL import Image

    splits = opened(dataset_repository(trained, photos, photos_may_go=True), tmp_path, monkeypatch)
    with open(photos / "metadata.csv", newline="", encoding="utf-8") as file:
        expected = {row["url"]: row for row in csv.DictReader(file)}
    for row in splits["train"]:
        listed = expected[row["url"]]
        assert row["label"] == listed["label"]
        assert row["image"].tobytes() == Image.open(photos / listed["file_name"]).tobytes()


def test_decisions_go_along(trained: ModelFolder, photos: Path) -> None:
    with open(photos / "metadata.csv", newline="", encoding="utf-8") as file:
        name = next(csv.DictReader(file))["file_name"]
    record_corrections(photos, [(name, REMOVE, "")])
    files = dataset_repository(trained, photos)
    assert files["decisions.csv"] == (photos / "decisions.csv").read_bytes()
    assert b"decisions.csv" in bytes(files["README.md"])


def test_photos_that_are_to_go_and_are_not_here_are_asked_for(trained: ModelFolder, photos: Path) -> None:
    with pytest.raises(PublishError, match="name it with --data"):
        dataset_repository(trained, None, photos_may_go=True)
    next(photos.glob("images/*/*.jpg")).unlink()
    with pytest.raises(PublishError, match="is not there any more"):
        dataset_repository(trained, photos, photos_may_go=True)


def test_a_photo_says_nothing_of_its_place_and_camera(trained: ModelFolder, photos: Path) -> None:
    from PIL import Image

    stored = next(photos.glob("images/*/*.jpg"))
    exif = Image.Exif()
    exif[0x0110] = "PhoneOfAna"
    exif.get_ifd(0x8825)[1] = "N"
    Image.open(stored).save(stored, "JPEG", exif=exif)
    files = dataset_repository(trained, photos, photos_may_go=True)
    pictures = [content for name, content in files.items() if name.endswith(".jpg")]
    bodies = [content if isinstance(content, bytes) else content.read_bytes() for content in pictures]
    assert len(bodies) == len(LABELS) * 4 // 2 and not any(b"PhoneOfAna" in body for body in bodies)
    assert sum(isinstance(content, bytes) for content in pictures) == 1  # the others go as they are


def test_only_the_photos_that_the_model_was_made_of_go(trained: ModelFolder, photos: Path) -> None:
    """A model's list may be a stranger's: what it names in one's own folder has to be what that folder lists."""
    stored = next(photos.glob("images/*/*.jpg"))
    secret = stored.read_bytes()
    stored.write_bytes(b"-----BEGIN OPENSSH PRIVATE " + b"KEY-----")
    with pytest.raises(PublishError, match="is not published ."):
        dataset_repository(trained, photos, photos_may_go=True)
    stored.write_bytes(secret)
    table = photos / "metadata.csv"
    rows = table.read_text("utf-8")
    table.write_text(re.sub(r",[0-9a-f]{64},", f",{'0' * 64},", rows, count=1), encoding="utf-8")
    with pytest.raises(PublishError, match="does not list .* as the photo that the model was made of"):
        dataset_repository(trained, photos, photos_may_go=True)


@pytest.mark.parametrize(
    ("url", "words"), [("https://a.example/1.jpg", "fetches them again"), ("ant/1.jpg", "stay with")]
)
def test_the_card_says_how_the_photos_are_had_without_a_promise(
    model: ModelFolder, tmp_path: Path, url: str, words: str
) -> None:
    with PhotoFolder(tmp_path / "data") as folder:
        folder.add(dataclasses.replace(origin(0, "ant"), url=url), drawing(0, "ant"))
    (tmp_path / "trained").mkdir()
    listed = tmp_path / "trained" / "photos.csv"
    listed.write_bytes((tmp_path / "data" / "metadata.csv").read_bytes())
    info = dataclasses.replace(model.info, files={"photos.csv": sha256_of(listed)})
    card = bytes(dataset_repository(ModelFolder(tmp_path / "trained", info), None)["README.md"]).decode()
    assert (words in card) and card.count("The photos themselves") == 1
