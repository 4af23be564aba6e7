"""The Spaces' folders: the same bytes each time, what the Hub's rules ask, and nothing that must not go."""

from __future__ import annotations

import io
import json
import re
import shutil
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
import yaml
from PIL import Image

from mirror.cli import main
from mirror.errors import PublishError
from mirror.model_folder import ModelFolder, read_model_folder
from mirror.publish.content_checks import check_files, check_space_card
from mirror.publish.model_repository import model_repository
from mirror.publish.publication import WAYS
from mirror.publish.published_files import write_folder
from mirror.publish.space_card import SHORT, short_description, title
from mirror.publish.space_container import space_container
from mirror.publish.space_gradio import GRADIO, PYTHON, REQUIREMENTS, example_pictures, own_pictures, space_gradio
from mirror.publish.space_static import space_static
from mirror.templates import FOLDER
from tests.publish.conftest import SHIPPED, renamed

ROOT = Path(__file__).resolve().parents[2]


BUILT = {"gradio": space_gradio, "container": space_container, "static": space_static}


def front_matter(files: dict[str, bytes]) -> dict:
    return yaml.safe_load(files["README.md"].decode().split("---\n")[1])


@pytest.fixture(scope="module", params=["mirror", "fashion"])
def shipped(request: pytest.FixtureRequest) -> ModelFolder:
    return read_model_folder(ROOT / "models" / request.param)


@pytest.mark.parametrize("kind", BUILT)
def test_the_same_bytes_each_time_and_all_checks_pass(shipped: ModelFolder, kind: str) -> None:
    files = BUILT[kind](shipped)
    assert files == BUILT[kind](shipped)
    check_files(kind, files, photos_may_go=False)
    assert sum(map(len, files.values())) < 30e6


def test_one_model_without_its_pickle_and_its_photos(shipped: ModelFolder) -> None:
    files = space_gradio(shipped)
    models = {name for name in files if name.startswith("models/")}
    folder = f"models/{shipped.info.name}/"
    assert all(name.startswith(folder) for name in models)
    assert {f"{folder}model.json", f"{folder}{shipped.info.onnx.file}"} <= models
    endings = {Path(name).suffix for name in models}
    assert endings <= {".json", ".onnx", ".png", ".md", ".html"} and f"{folder}report/top_losses.png" not in models
    said = json.loads(files[f"{folder}model.json"])
    assert {f"{folder}{name}" for name in said["files"]} == models - {f"{folder}model.json"}
    assert said["pickle"] is None and "top_losses.png" not in files[f"{folder}README.md"].decode()


def test_the_published_model_answers_as_the_one_here(shipped: ModelFolder, tmp_path: Path) -> None:
    from mirror.inference.classifier import Classifier

    folder = f"models/{shipped.info.name}/"
    for name, body in space_gradio(shipped).items():
        if name.startswith(folder):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(body)
    photo = ROOT / "examples" / "duckling.jpg"
    there = Classifier.load(read_model_folder(tmp_path / folder)).predict(photo)
    assert there.probabilities == Classifier.load(shipped).predict(photo).probabilities


def test_pictures_to_click_go_with_the_model_whose_labels_they_show() -> None:
    pictures = {
        name: {path for path in space_gradio(read_model_folder(ROOT / "models" / name)) if path.startswith("examples/")}
        for name in ("mirror", "fashion")
    }
    assert "examples/duckling.jpg" in pictures["mirror"] and "examples/garments/bag.jpg" in pictures["fashion"]
    assert not pictures["mirror"] & pictures["fashion"]


def test_a_spaces_builder_brings_gradio_and_the_front_matter_says_which(model: ModelFolder) -> None:
    files = space_gradio(model, repository="ana/fruit", models=["ana/fruit"], datasets=["ana/fruit"])
    front = front_matter(files)
    assert (front["sdk"], front["sdk_version"], front["python_version"]) == ("gradio", GRADIO, PYTHON)
    assert (front["app_file"], front["models"], front["datasets"]) == ("app.py", ["ana/fruit"], ["ana/fruit"])
    named = {re.split(r"[=\[]", line)[0] for line in files["requirements.txt"].decode().splitlines()}
    assert not named & {"gradio", "spaces", "huggingface_hub", "pydantic", "torch"}
    assert all("==" in line for line in REQUIREMENTS.splitlines())


def test_every_requirement_of_the_page_is_pinned_or_brought_by_gradio() -> None:
    lines = [line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text("utf-8").splitlines()]
    wanted = {re.split(r"[<>=\[]", line)[0].lower() for line in lines if line}
    pinned = {re.split(r"[=\[]", line)[0].lower() for line in REQUIREMENTS.splitlines()}
    assert wanted - pinned == {"gradio", "huggingface_hub", "jinja2", "pydantic", "filelock", "tqdm"}


def test_a_container_names_gradio_itself(model: ModelFolder) -> None:
    files = space_container(model)
    assert front_matter(files)["sdk"] == "docker" and front_matter(files)["app_port"] == 7860
    assert files["requirements.txt"].decode().splitlines()[0] == f"gradio=={GRADIO}"


def test_the_repository_itself_is_a_space_as_well() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    check_space_card(readme)
    front = yaml.safe_load(readme.split("---\n")[1])
    assert (front["sdk_version"], front["python_version"]) == (GRADIO, PYTHON)
    assert (FOLDER / "space_app.txt").read_bytes() == (ROOT / "app.py").read_bytes()
    assert (FOLDER / "Dockerfile").read_bytes() == (ROOT / "Dockerfile").read_bytes()


@pytest.mark.parametrize("count", [2, 3, 7, 1000])
@pytest.mark.parametrize("length", [1, 30, 400])
def test_titles_and_descriptions_are_short_whatever_the_labels(model: ModelFolder, count: int, length: int) -> None:
    import dataclasses

    info = dataclasses.replace(model.info, labels=tuple(f"{n}{'x' * length}" for n in range(count)))
    assert 0 < len(short_description(info)) <= SHORT and title(info)


@pytest.mark.parametrize(
    ("field", "value"),
    [("colorFrom", "orange"), ("short_description", "x" * 61), ("sdk_version", "6.31"), ("sdk", "flask"), ("title", ""),
     ("python_version", 3.1), ("app_file", None)],
)  # fmt: skip
def test_a_readme_that_the_hub_would_refuse_is_refused_here(model: ModelFolder, field: str, value: object) -> None:
    front = front_matter(space_gradio(model)) | {field: value}
    with pytest.raises(PublishError, match=field):
        check_space_card(f"---\n{yaml.safe_dump(front)}---\n")


@pytest.mark.parametrize("name", ["../models/good", "/etc/x", "a b/ä", "mirror #2", "50%3f?x", "..", "C:\\x", ".x"])
@pytest.mark.parametrize("kind", BUILT)
def test_no_name_of_a_model_leads_out_of_the_folder(kind: str, name: str, tmp_path: Path) -> None:
    model = read_model_folder(renamed(ROOT / "models" / "mirror", name, tmp_path / "model"))
    files = BUILT[kind](model)
    check_files(kind, files, photos_may_go=False)
    assert not [path for path in files if not re.fullmatch(r"[\w./-]+", path) or ".." in path]
    (described,) = (path for path in files if path.endswith("model.json") and not path.startswith("mirror/"))
    assert json.loads(files[described])["name"] == name
    write_folder(tmp_path / "out" / "space", files)
    assert {path.name for path in tmp_path.iterdir()} == {"model", "out"}


def test_what_others_noted_in_a_model_is_not_published(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    renamed(ROOT / "models" / "mirror", "mirror", folder)
    said = json.loads((folder / "model.json").read_text("utf-8"))
    said["notes_of_mine"] = said["training"]["my_server"] = "/home/ana/private"
    (folder / "model.json").write_text(json.dumps(said), encoding="utf-8")
    for build in (*BUILT.values(), model_repository):
        assert not [name for name, body in build(read_model_folder(folder)).items() if b"/home/ana" in body]


def test_the_pictures_of_examples_are_those_that_come_with_this_program(model: ModelFolder) -> None:
    shipped = {path.relative_to(ROOT / "examples").as_posix() for path in (ROOT / "examples").rglob("*.jpg")}
    found = set(example_pictures(model)) | set(example_pictures(read_model_folder(ROOT / "models" / "fashion")))
    assert found == shipped


def test_a_picture_of_ones_own_in_examples_stays_until_it_may_go(
    model: ModelFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With leave it goes without what the camera wrote beside its pixels."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    (tmp_path / "examples" / "aunt.jpg").write_bytes(with_place())
    monkeypatch.setattr("mirror.publish.space_gradio.PACKAGE", tmp_path / "mirror")
    assert "aunt.jpg" not in example_pictures(model)
    published = example_pictures(model, photos_may_go=True)["aunt.jpg"]
    assert not Image.open(io.BytesIO(published)).getexif() and b"PhoneOfAna" not in published


def with_place() -> bytes:
    """A photo that says where and by which phone it was taken."""
    exif, buffer = Image.Exif(), io.BytesIO()
    exif[0x0110] = "PhoneOfAna"
    exif.get_ifd(0x8825)[1] = "N"
    Image.new("RGB", (64, 48), "green").save(buffer, "JPEG", exif=exif)
    return buffer.getvalue()


@pytest.mark.parametrize("way", WAYS)
def test_folders_are_built_without_an_account_and_replaced_whole(way: str, tmp_path: Path) -> None:
    command = ["publish", str(ROOT / "models" / "mirror"), "--out", str(tmp_path), "--as", way]
    assert main(command) == 0
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    (tmp_path / "space" / "stale.txt").write_text("from before")
    assert main(command) == 0
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before
    assert {path.name for path in tmp_path.iterdir()} == {"space", "model", "dataset"}


def test_a_folder_of_somebody_elses_is_not_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "space").mkdir()
    (tmp_path / "space" / "thesis.txt").write_text("precious")
    command = ["publish", str(ROOT / "models" / "mirror"), "--out", str(tmp_path), "--as", "gradio", "--what", "space"]
    assert main(command) == 2
    assert "was not made by `mirror publish`" in capsys.readouterr().err
    assert (tmp_path / "space" / "thesis.txt").read_text() == "precious"


def test_what_cannot_be_written_whole_leaves_nothing(tmp_path: Path) -> None:
    """As on a full disk: here a file has the name of another one's folder."""
    with pytest.raises(PublishError, match="cannot be written"):
        write_folder(tmp_path / "out" / "space", {".mirror": b"", "a": b"x", "a/b": b"x"})
    assert not list((tmp_path / "out").iterdir())


def test_a_folder_is_written_where_a_link_leads_and_the_link_stays(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "space").symlink_to(tmp_path / "disk" / "site")
    for text in (b"first", b"second"):
        write_folder(tmp_path / "space", {".mirror": b"", "a.txt": text})
        assert (tmp_path / "disk" / "site" / "a.txt").read_bytes() == text
    assert (tmp_path / "space").is_symlink()
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".mirror", "a.txt", "disk", "site", "space"]


@pytest.fixture
def with_pictures(tmp_path: Path) -> ModelFolder:
    """The shipped model with two pictures of somebody's own, one with a camera's words, and things that are none."""
    folder = tmp_path / "models" / "mirror"
    shutil.copytree(SHIPPED, folder)
    (folder / "examples").mkdir()
    exif = Image.Exif()
    exif[0x010F] = "Nikosonon 3000"
    Image.new("RGB", (64, 48), "red").save(folder / "examples" / "our-swan.jpg", exif=exif)
    Image.new("RGB", (64, 48), "blue").save(folder / "examples" / "our-swan.png")
    (folder / "examples" / "notes.txt").write_text("not a picture")
    (folder / "examples" / "linked.jpg").symlink_to(SHIPPED.parents[1] / "examples" / "cygnet.jpg")
    return read_model_folder(folder)


@pytest.mark.parametrize(
    ("build", "kind", "place"),
    [(space_gradio, "gradio", "models/mirror/examples/"), (space_static, "static", "examples/mirror/")],
)
def test_a_models_own_pictures_go_where_photos_may(
    with_pictures: ModelFolder, build: Any, kind: str, place: str
) -> None:
    without, files = build(with_pictures), build(with_pictures, photos_may_go=True)
    check_files(kind, without, False)
    check_files(kind, files, True)
    own = {name: body for name, body in files.items() if name.startswith(place) and "/small/" not in name}
    assert set(own) == {f"{place}our-swan.jpg", f"{place}our-swan.png"}
    assert not any(b"Nikosonon 3000" in body for body in files.values())
    assert not any("our-swan" in name for name in without)


def test_a_picture_that_cannot_go_is_told_with_its_true_reason(with_pictures: ModelFolder) -> None:
    examples = with_pictures.path / "examples"
    for body, reason in ((b"no picture", "not an image"), (huge_png(), "15000")):
        (examples / "bad.png").write_bytes(body)
        with pytest.raises(PublishError, match=f"bad.png is not published .*{reason}.*: remove it, or publish without"):
            own_pictures(with_pictures, photos_may_go=True)


def huge_png() -> bytes:
    """180 megapixels in a few bytes: nothing but a header, and pixels that never come."""
    header = struct.pack(">IIBBBBB", 15000, 12000, 8, 0, 0, 0, 0)
    chunk = b"IHDR" + header
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))


def test_pictures_of_one_name_are_each_models_own(with_pictures: ModelFolder, tmp_path: Path) -> None:
    twin = renamed(with_pictures.path, "twin", tmp_path / "models" / "twin")
    Image.new("RGB", (64, 48), "green").save(twin / "examples" / "our-swan.png")
    site = space_static(with_pictures, photos_may_go=True, others=[read_model_folder(twin)])
    assert site["examples/mirror/our-swan.png"] != site["examples/twin/our-swan.png"]
    assert site["examples/mirror/small/our-swan.png.jpg"] != site["examples/mirror/small/our-swan.jpg.jpg"]
