"""Detectors of tiny size, made of transformers' own classes, against transformers' own pipeline; and the command."""

from __future__ import annotations

import csv
import json
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from PIL import Image, ImageOps

from mirror.cli import main
from mirror.errors import ImageTooSmall, ModelUnavailable, UsageError
from mirror.image_sources import ImageSource, find_sources
from mirror.images import load_image
from mirror.tasks.detections import Box, Detection, Detections
from mirror.tasks.registry import open_predictor
from mirror.tasks.request import OBJECT_DETECTION, TaskRequest
from tests.support.limits import LIMIT
from tests.support.tiny_detector import FOUND, scene, tiny_detector, tiny_yolos
from tests.support.tiny_vit import tiny_vit

REPOSITORY = Path(__file__).resolve().parents[2]
SHARED = REPOSITORY.parent / "shared" / "data"
KINDS = {
    "DETR": tiny_detector,
    "DETR with timm's backbone": lambda folder: tiny_detector(folder, timm=True),
    "YOLOS": tiny_yolos,
}


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return request.param(tmp_path_factory.mktemp("detector"))


@pytest.fixture(scope="module")
def detr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_detector(tmp_path_factory.mktemp("detr"))


def opened(model: Path | str) -> Any:
    return open_predictor(TaskRequest(OBJECT_DETECTION, str(model)))


def theirs(folder: Path) -> Any:
    """transformers' pipeline, opened by nothing of ours."""
    from transformers import pipeline

    return pipeline(OBJECT_DETECTION, model=str(folder))


def drawn_photos(folder: Path) -> list[Path]:
    """The scene in several shapes and modes; one lies on its side and says so."""
    street = scene()
    exif = Image.Exif()
    exif[0x0112] = 6
    street.save(folder / "a street.png")
    street.resize((640, 360)).save(folder / "b wide.jpg")
    street.resize((90, 200)).convert("L").save(folder / "c grey.png")
    street.transpose(Image.Transpose.ROTATE_90).save(folder / "d sideways.jpg", exif=exif, quality=95)
    street.convert("RGBA").save(folder / "e.webp", lossless=True)
    return sorted(folder.iterdir())


def shared_photos() -> list[Path]:
    photos = (
        sorted((SHARED / "scenes/street").glob("*.jpg")) + sorted((SHARED / "bikes_bins/bike/1").glob("*_n.jpg"))[:2]
    )
    if not photos:
        pytest.skip("the shared photos are not on this machine")
    return photos


def assert_the_pipelines(folder: Path, photos: list[Path]) -> None:
    """The same numbers, to the last digit, in the same order, whatever the threshold."""
    ours, pipeline = opened(folder), theirs(folder)
    seen = Counter()
    for path in photos:
        [detections] = ours.predict([load_image(path)])
        upright = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
        for threshold in (0.0, 0.5, 0.9):
            given = detections.above(threshold).to_json()["detections"]
            assert given == pipeline(upright, threshold=threshold), (path, threshold)
            seen[threshold] += len(given)
    assert seen[0.0] > seen[0.9] > 0  # something was found, and something was left out


def test_answers_are_the_pipelines(folder, tmp_path):
    assert_the_pipelines(folder, drawn_photos(tmp_path))


def test_answers_are_the_pipelines_on_photos(folder):
    assert_the_pipelines(folder, shared_photos())


def test_what_it_was_taught_is_found_in_pixels_of_the_upright_image(detr, tmp_path):
    drawn_photos(tmp_path)
    predictor = opened(detr)
    for name in ("a street.png", "e.webp"):
        [answer] = predictor.predict([load_image(tmp_path / name)])
        assert [each.label for each in answer.above(0.05).found] == [each.label for each in FOUND]
        assert [each.box for each in answer.above(0.05).found] == [each.box for each in FOUND]
        assert [each.score for each in answer.above(0.05).found] == pytest.approx([e.score for e in FOUND], abs=4e-3)
    [sideways] = predictor.predict([load_image(tmp_path / "d sideways.jpg")])
    boxes = [each.box for each in sideways.above(0.05).found]
    for box, wanted in zip(boxes, (each.box for each in FOUND), strict=True):  # JPEG moves them by a pixel or two
        for side in ("xmin", "ymin", "xmax", "ymax"):
            assert getattr(box, side) == pytest.approx(getattr(wanted, side), abs=3)


def test_boxes_are_in_pixels_of_the_photo_also_where_it_is_decoded_reduced(detr, tmp_path):
    scene().resize((scene().width * 2, scene().height * 2)).save(tmp_path / "phone.jpg", quality=95)
    image = load_image(tmp_path / "phone.jpg", max_pixels=scene().width * scene().height, reduce=True)
    assert image.size == scene().size
    [answer] = opened(detr).predict([image])
    boxes = [each.box for each in answer.above(0.05).found]
    for box, wanted in zip(boxes, (each.box for each in FOUND), strict=True):
        for side in ("xmin", "ymin", "xmax", "ymax"):
            assert getattr(box, side) == pytest.approx(2 * getattr(wanted, side), abs=8)


def test_json_is_the_articles():
    """The first of the eleven that the article prints of its bicycles."""
    first = Detection(0.9970716238021851, "bicycle", Box(333, 216, 522, 531))
    assert repr(Detections((first,)).to_json()["detections"]) == (
        "[{'score': 0.9970716238021851, 'label': 'bicycle', "
        "'box': {'xmin': 333, 'ymin': 216, 'xmax': 522, 'ymax': 531}}]"
    )


def test_an_image_is_answered_the_same_whatever_its_neighbours(detr, tmp_path):
    paths = drawn_photos(tmp_path)
    predictor = opened(detr)
    alone = {path.name: predictor.predict([load_image(path)])[0] for path in paths}
    for order in (paths, paths[::-1], paths[2:] + paths[:2]):
        answers = predictor.answer_all(iter([ImageSource(path.name, path) for path in order]))
        assert {source.file: answer for source, answer in answers} == alone


def test_a_strip_is_refused_in_one_sentence_and_the_rest_answered(detr, tmp_path):
    Image.new("RGB", (3000, 1)).save(tmp_path / "a strip.png")
    scene().save(tmp_path / "b street.png")
    (tmp_path / "c broken.png").write_bytes(b"no image")
    strip, street, broken = [answer for _, answer in opened(detr).answer_all(find_sources([str(tmp_path)]))]
    assert isinstance(strip, ImageTooSmall)
    assert str(strip) == "An image of 3000 x 1 pixels is too narrow for this model: crop it."
    assert len(street.above(0.5).found) == 3 and "not an image" in str(broken)


def test_the_identity_follows_the_models_files(detr, tmp_path):
    other = tiny_detector(tmp_path, labels=("person", "bicycle", "tram", "traffic light", "car"))
    assert opened(detr).identity == opened(detr).identity != opened(other).identity


# ---- what is no detector --------------------------------------------------------------------------------------------


def test_a_classifier_is_no_detector(tmp_path):
    with pytest.raises(ModelUnavailable, match="does no object-detection: choose a model that is made for object-de"):
        opened(tiny_vit(tmp_path))


def test_a_detector_without_its_last_layer_is_no_detector(tmp_path):
    """As a checkpoint of DetrModel would be: transformers itself fills in random numbers."""
    from safetensors.torch import load_file, save_file

    weights = tiny_detector(tmp_path) / "model.safetensors"
    kept = {name: value for name, value in load_file(weights).items() if "class_labels_classifier" not in name}
    save_file(kept, weights, {"format": "pt"})
    with pytest.raises(ModelUnavailable, match="lacks weights that a DetrForObjectDetection needs"):
        opened(tmp_path)


@pytest.mark.parametrize(
    ("spoil", "says"),
    [
        (lambda folder: (folder / "model.safetensors").write_bytes(b"\0" * 100), "cannot be opened"),
        (lambda folder: (folder / "model.safetensors").unlink(), "cannot be opened"),
        (lambda folder: (folder / "preprocessor_config.json").unlink(), "does not tell how its photos are"),
        (lambda folder: (folder / "config.json").write_text("{"), "cannot be read"),
        (lambda folder: (folder / "config.json").unlink(), "holds no config.json"),
    ],
    ids=["damaged weights", "no weights", "no preprocessing", "damaged config", "no config"],
)
def test_a_damaged_folder_is_one_sentence(tmp_path, spoil, says):
    spoil(tiny_detector(tmp_path))
    with pytest.raises(ModelUnavailable, match=says) as caught:
        opened(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_name_that_is_none_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="There is no "):
        opened(tmp_path / "missing")


# ---- the command ----------------------------------------------------------------------------------------------------


@pytest.fixture
def predict(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture) -> Callable[..., tuple]:
    """`python -m mirror predict … --task object-detection` in tmp_path: its exit code and both its streams."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: str) -> tuple[int, str, str]:
        capfd.readouterr()
        return main(["predict", *arguments, "--task", OBJECT_DETECTION]), *capfd.readouterr()

    return run


def streets(place: Path) -> None:
    """Two places with photos, one of which is none."""
    for name, size in {"a/1.png": (320, 240), "a/2.png": (300, 300), "b/1.png": (500, 240)}.items():
        (place / "streets" / name).parent.mkdir(parents=True, exist_ok=True)
        scene().resize(size).save(place / "streets" / name)
    (place / "streets/b/2.png").write_bytes(b"no image")


def test_rows_to_every_file_and_the_summary_of_objects(detr, tmp_path, predict):
    streets(tmp_path)
    rows = {}
    for kind in ("jsonl", "csv", "parquet"):
        common = ("streets", "--model", str(detr), "--threshold", "0.2", "--summary")
        code, rows[kind], _ = predict(*common, "--out", f"out.{kind}")
        assert code == 1  # one photo is none
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["file"] for line in lines] == [
        "streets/a/1.png",
        "streets/a/2.png",
        "streets/b/1.png",
        "streets/b/2.png",
    ]
    first = [Detection(each["score"], each["label"], Box(**each["box"])) for each in lines[0]["detections"]]
    assert [(each.label, each.box) for each in first] == [(each.label, each.box) for each in FOUND if each.score > 0.2]
    assert list(lines[3]) == ["file", "error"]
    with open(tmp_path / "out.csv", encoding="utf-8", newline="") as file:
        table = list(csv.DictReader(file))
    assert [json.loads(row["detections"] or "null") for row in table] == [line.get("detections") for line in lines]
    parquet = pyarrow.parquet.read_table(tmp_path / "out.parquet").to_pylist()
    assert [row["detections"] for row in parquet] == [line.get("detections") for line in lines]
    assert [row["error"] for row in parquet] == [line.get("error") for line in lines]
    assert rows["jsonl"] == rows["csv"] == rows["parquet"]
    assert counted(rows["jsonl"]) == {folder: Counter(labels) for folder, labels in by_folder(lines).items()}
    assert (tmp_path / "out.summary.png").stat().st_size > 5_000


def by_folder(lines: list[dict]) -> dict[str, list[str]]:
    """Labels of all objects, folder by folder and over all, counted without our code."""
    folders: dict[str, list[str]] = {"all": []}
    for line in lines:
        labels = [each["label"] for each in line.get("detections", [])]
        folders.setdefault(os.path.dirname(line["file"]), []).extend(labels)
        folders["all"].extend(labels)
    return folders


def counted(table: str) -> dict[str, Counter]:
    """The counts in the summary's table; its columns are two spaces apart."""
    head, *lines = [cells(line) for line in table.strip().splitlines()]
    return {
        line[0]: Counter(
            {
                label: int(cell.split(" ")[0])
                for label, cell in zip(head[2:], line[2:], strict=True)
                if label not in ("nothing found", "not answered") and cell.split(" ")[0] != "0"
            }
        )
        for line in lines
    }


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.split("  ") if cell.strip()]


def test_a_table_says_what_is_where_above_a_half(detr, tmp_path, predict):
    scene().save(tmp_path / "street.png")
    code, table, _ = predict("street.png", "--model", str(detr))
    name, *found = re.split(r" {2,}", table.rstrip())
    assert (code, name) == (0, "street.png")
    boxes = [" (196, 52)–(232, 150)", " (18, 110)–(118, 200)", " (130, 116)–(226, 204)"]
    assert [re.sub(r"\d\d\.\d %", "", text) for text in found] == [
        f"{label} {box}" for label, box in zip(("person", "bicycle", "bicycle"), boxes, strict=True)
    ]
    assert predict("street.png", "--model", str(detr), "--threshold", "0.999")[1].rstrip().endswith("nothing found")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--model", "missing/folder/x"), "There is no missing/folder/x"),
        (("--labels", "a,b"), "--labels and --template are for zero-shot-image-classification"),
        (("--threshold", "2"), "--threshold"),
    ],
    ids=["no such folder", "labels", "threshold"],
)
def test_what_cannot_be_meant_is_one_sentence(tmp_path, predict, arguments, says):
    scene().save(tmp_path / "street.png")
    try:
        code, out, said = predict("street.png", *arguments)
    except SystemExit as end:  # argparse's own
        pytest.fail(f"{end.code}")
    assert (code, out) == (2, "")
    assert says in said and said.count("\n") == 1


def test_the_default_offline_is_one_sentence(tmp_path):
    scene().save(tmp_path / "street.png")
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hub")}
    command = [sys.executable, "-m", "mirror", "predict", "street.png", "--task", OBJECT_DETECTION]
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=LIMIT
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "mirror: facebook/detr-resnet-50 is not on this machine, and HF_HUB_OFFLINE forbids to fetch it: unset that, "
        "or give a folder that holds the model.\n"
    )
