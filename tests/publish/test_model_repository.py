"""The model repository opens in the ways that its card names, and answers as the model here."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import shutil
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from huggingface_hub import ModelCard
from PIL import Image

from mirror.describe import REPORT_PAGE
from mirror.inference.classifier import Classifier, softmax
from mirror.model_folder import ModelFolder, read_model_folder, write_model_folder
from mirror.model_schema import ModelInfo
from mirror.publish.content_checks import check_files
from mirror.publish.model_repository import (
    config,
    for_transformers,
    is_expressible,
    model_repository,
    preprocessor_config,
)
from mirror.publish.published_files import write_folder
from mirror.report_page import HardPhoto, report_page
from mirror.static_site.site_files import publishable
from tests.publish.conftest import ROOT

DUCKLING = ROOT / "examples" / "duckling.jpg"
PICTURES = [DUCKLING, ROOT / "examples" / "cygnet.jpg", ROOT / "examples" / "pineapple.jpg"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("published") / "model"
    write_folder(folder, model_repository(read_model_folder(ROOT / "models" / "mirror"), repository="ana/mirror"))
    return folder


@pytest.mark.parametrize("name", ["mirror", "fashion"])
def test_the_same_bytes_each_time_whole_and_without_photos(name: str) -> None:
    model = read_model_folder(ROOT / "models" / name)
    files = model_repository(model)
    assert files == model_repository(model)
    check_files("model", files, photos_may_go=False)
    said = json.loads(files["model.json"])["files"]
    assert {name: hashlib.sha256(files[name]).hexdigest() for name in said} == said
    assert "report/top_losses.png" not in files


def test_the_report_shows_photos_only_where_they_may_go() -> None:
    model = read_model_folder(ROOT / "models" / "fashion")
    assert "report/top_losses.png" in model_repository(model, photos_may_go=True)


def test_the_report_for_pupils_goes_with_its_photos_or_without(tmp_path: Path) -> None:
    def build(folder: Path) -> ModelInfo:
        shutil.copytree(ROOT / "models" / "fashion", folder, dirs_exist_ok=True)
        hardest = [HardPhoto(b"somebody's photo", info.metrics.top_losses[0])]
        (folder / REPORT_PAGE).write_text(report_page(info, hardest), encoding="utf-8")
        return info

    info = read_model_folder(ROOT / "models" / "fashion").info
    model = write_model_folder(tmp_path / "fashion", build)
    shown, hidden = (model_repository(model, photos_may_go=may_go)[REPORT_PAGE] for may_go in (True, False))
    assert shown == model.read(REPORT_PAGE) and b"data:image/jpeg" in shown
    assert b"data:image/jpeg" not in hidden and b"How the model fashion learned" in hidden
    assert [REPORT_PAGE in publishable(model, may_go).info.files for may_go in (True, False)] == [True, False]


def test_this_program_opens_it(folder: Path, model: ModelFolder) -> None:
    here, there = Classifier.load(model), Classifier.load(read_model_folder(folder))
    assert there.predict(DUCKLING).probabilities == here.predict(DUCKLING).probabilities


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:load_learner. uses Python's insecure pickle module:UserWarning")
def test_fastai_opens_it_as_the_hub_does(folder: Path, model: ModelFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("fastai", reason="fastai is not installed")
    from huggingface_hub import from_pretrained_fastai

    monkeypatch.chdir(folder.parent)  # it takes a folder's name for that of a repository, which has no root
    learner = from_pretrained_fastai(folder.name)
    with learner.no_bar():
        label, _, probabilities = learner.predict(DUCKLING)
    here = Classifier.load(model).predict(DUCKLING)
    assert label == here.label
    assert float(max(probabilities)) == pytest.approx(here.probability, abs=0.05)  # int8 against float32


@pytest.mark.parametrize("network", ["model.onnx", "model_quantized.onnx"])
@pytest.mark.slow
def test_transformers_prepares_a_photo_nearly_alike_and_the_network_takes_it(
    folder: Path, model: ModelFolder, network: str
) -> None:
    """transformers.js reads the same files as transformers, and feeds `pixel_values`."""
    pytest.importorskip("torch", reason="torch is not installed")
    transformers = pytest.importorskip("transformers", reason="transformers is not installed")
    processor = transformers.AutoImageProcessor.from_pretrained(folder)
    labels = json.loads((folder / "config.json").read_text("utf-8"))["id2label"]
    session, here = onnxruntime.InferenceSession(folder / "onnx" / network), Classifier.load(model)
    for picture in PICTURES:
        pixels = processor(Image.open(picture).convert("RGB"), return_tensors="np")["pixel_values"]
        logits = session.run(["logits"], {"pixel_values": pixels.astype(np.float32)})[0]
        found = dict(zip(labels.values(), softmax(logits)[0], strict=True))
        expected = here.predict(picture).probabilities
        assert max(abs(found[label] - expected[label]) for label in expected) < 0.05


@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.5])
def test_its_logits_are_those_that_are_served(model: ModelFolder, temperature: float) -> None:
    network = model.read(model.info.onnx.file)
    pixels = np.random.default_rng(0).normal(size=(1, 3, 288, 288)).astype(np.float32)
    before = onnxruntime.InferenceSession(network).run(["logits"], {"pixels": pixels})[0]
    after = onnxruntime.InferenceSession(for_transformers(network, temperature))
    assert [given.name for given in after.get_inputs()] == ["pixel_values"]
    np.testing.assert_allclose(after.run(["logits"], {"pixel_values": pixels})[0], before / temperature, rtol=1e-6)


def test_labels_keep_their_numbers_whatever_they_are_called(model: ModelFolder) -> None:
    labels = ("01", "None", "nan", "ä b", "true")
    said = json.loads(json.dumps(config(dataclasses.replace(model.info, labels=labels))))
    assert [said["id2label"][str(number)] for number in range(5)] == list(labels)
    assert said["label2id"] == {label: number for number, label in enumerate(labels)}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, True),
        ({"resize": "squish"}, True),
        ({"resize": "pad"}, False),
        ({"resize": "none"}, False),
        ({"crop": (200, 200)}, False),
        ({"prepare": "garment"}, False),
        ({"prepare": "greyscale"}, False),
    ],
)
def test_what_transformers_cannot_do_is_not_offered_to_it(model: ModelFolder, changes: dict, expected: bool) -> None:
    preprocessing = dataclasses.replace(model.info.preprocessing, **changes)
    assert is_expressible(preprocessing) is expected
    if expected:
        assert preprocessor_config(preprocessing)["do_center_crop"] is (preprocessing.resize == "crop")


def test_its_card_names_the_ways_that_there_are() -> None:
    cards = {
        name: ModelCard(
            model_repository(read_model_folder(ROOT / "models" / name), repository="ana/x")["README.md"].decode()
        )
        for name in ("mirror", "fashion")
    }
    assert 'from_pretrained_fastai("ana/x")' in cards["mirror"].text
    assert "transformers.js" in cards["mirror"].data.tags and '"image-classification", "ana/x"' in cards["mirror"].text
    assert "from_pretrained_fastai" not in cards["fashion"].text and "transformers.js" not in cards["fashion"].data.tags
