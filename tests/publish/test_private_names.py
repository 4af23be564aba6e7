"""Nothing that is published names people, folders or hosts of the machine that a model was made on."""

from __future__ import annotations

import dataclasses
import gzip
import json
from pathlib import Path

import pytest

from mirror.collect.photo_records import read_photos, write_photos
from mirror.errors import PublishError
from mirror.model_folder import ModelFolder, read_model_folder, sha256_of
from mirror.publish.content_checks import check_files
from mirror.publish.dataset_repository import dataset_repository
from mirror.publish.model_repository import model_repository
from mirror.publish.published_files import content_of
from mirror.publish.published_model import published_table, web_address
from mirror.publish.space_container import space_container
from mirror.publish.space_gradio import space_gradio
from mirror.publish.space_static import space_static
from tests.publish.conftest import renamed

WEB = "https://example.org/swans/1.jpg"
PRIVATE = (
    "duckling/Grandma Erna/birthday.jpg",
    "/Users/erna/birthday.jpg",
    "file:///home/erna/birthday.jpg",
    "C:\\Users\\erna\\birthday.jpg",
    "http://erna-laptop/birthday.jpg",
    "http://ernas-nas.local:5000/birthday.jpg",
    "https://photos.erna.lan./birthday.jpg",
    "http://192.168.7.31/birthday.jpg",
    "http://[fd00::e12]/birthday.jpg",
    "https://erna:secret1@photos.example.org/birthday.jpg",
    "https://[birthday.jpg",
)


@pytest.mark.parametrize("url", PRIVATE)
def test_an_address_of_ones_own_is_none(url: str) -> None:
    assert web_address(url) == ""


@pytest.mark.parametrize(
    "url", [WEB, "http://8.8.8.8/a.jpg", "HTTPS://Example.org/ä?q=1#x", "https://example.org:8443/a"]
)
def test_an_address_on_the_web_stays(url: str) -> None:
    assert web_address(url) == url


@pytest.fixture(params=PRIVATE)
def private(request: pytest.FixtureRequest, model: ModelFolder, tmp_path: Path) -> ModelFolder:
    """The shipped model, but for where its photos and its hardest ones came from."""
    folder = renamed(model.path, "mirror", tmp_path / "model")
    photos = read_photos(folder / "photos.csv")
    changed = [dataclasses.replace(photos[0], url=WEB)]
    changed += [dataclasses.replace(photo, url=request.param, page_url=request.param) for photo in photos[1:]]
    write_photos(folder / "photos.csv", changed)
    said = json.loads((folder / "model.json").read_text("utf-8"))
    said["files"]["photos.csv"] = sha256_of(folder / "photos.csv")
    said["metrics"]["top_losses"] = [{"file_name": "1.jpg", "label": "cygnet", "predicted": "duckling",
                                      "probability": 0.9, "loss": 2.3, "url": request.param}]  # fmt: skip
    said["data"]["sites"] = {"example.org": 1, "ernas-nas.local": 3, "192.168.7.31": 1}
    (folder / "model.json").write_text(json.dumps(said), encoding="utf-8")
    return read_model_folder(folder)


def test_no_published_file_names_them(private: ModelFolder) -> None:
    for build in (model_repository, space_gradio, space_container, space_static, dataset_repository):
        files = build(private, None) if build is dataset_repository else build(private)
        for name, content in files.items():
            body = content_of(content)
            body = gzip.decompress(body) if name.endswith(".gz") else body
            found = [word for word in (b"birthday", b"ernas-nas", b"192.168.7.31") if word in body]
            assert not found, (build.__name__, name)
        if "photos.csv" in files:
            assert WEB.encode() in content_of(files["photos.csv"])


def test_the_published_list_is_the_one_that_the_published_model_records(private: ModelFolder, tmp_path: Path) -> None:
    for name, body in model_repository(private).items():
        (tmp_path / "out" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "out" / name).write_bytes(body)
    opened = read_model_folder(tmp_path / "out")
    assert len(read_photos(opened.file("photos.csv"))) == len(read_photos(private.path / "photos.csv"))


@pytest.mark.parametrize("table", ["url\nö".encode("latin-1"), b'url\n"' + b"a" * 200_000])
def test_a_table_that_is_none_is_told(table: bytes) -> None:
    with pytest.raises(PublishError, match="A table of the model cannot be read"):
        published_table(table)


@pytest.mark.parametrize("table", [b"", b"url", b"url\n\n", b"a,url\nx\n", b"\xef\xbb\xbfurl\nhttps://example.org/\n"])
def test_a_table_without_private_names_stays_as_it_is(table: bytes) -> None:
    assert published_table(table) == table


@pytest.mark.parametrize("name", ["learner.pkl", "model.onnx", "model.json", "report/predictions.csv"])
def test_a_file_that_names_the_home_folder_is_not_published(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/erna")
    with pytest.raises(PublishError, match=f"{name} names /home/erna, a folder of this machine"):
        check_files("model", {name: b"x" * 2_000_000 + b"/home/erna/birds"}, photos_may_go=False)
    check_files("model", {name: b"/home/somebody/birds /home/ernas-birds /home/ernesto"}, photos_may_go=False)
