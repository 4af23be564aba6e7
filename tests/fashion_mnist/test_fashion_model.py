"""The model folder made of a network from scratch: what it answers and says of itself, and its pickle elsewhere."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mirror.fashion_mnist.dataset import LABELS, FashionSet
from mirror.fashion_mnist.fashion_model import FashionModel, ranges
from mirror.fashion_mnist.from_scratch import TrainedNetwork, enlarged, to_pixels
from mirror.inference.classifier import Classifier
from mirror.model_folder import ModelFolder, read_model_folder, sha256_of
from mirror.training.build import build_model
from tests.support.garments import RECIPE
from tests.support.limits import LIMIT

WITHOUT_US = """
import json, sys
from fastai.vision.all import PILImage, load_learner
learner = load_learner("learner.pkl")
with learner.no_bar():
    label, _, probabilities = learner.predict(PILImage.create("one.png"))
assert not any(name.split(".")[0] == "mirror" for name in sys.modules)
print(json.dumps([label, probabilities.tolist(), list(learner.dls.vocab)]))
"""


@pytest.fixture(scope="module")
def folder(grown: TrainedNetwork, shapes: FashionSet, tmp_path_factory: pytest.TempPathFactory) -> ModelFolder:
    path = tmp_path_factory.mktemp("models") / "fashion"
    build_model(FashionModel(grown, shapes, RECIPE), path, precision="fp32", log=lambda line: None)
    return read_model_folder(path)


def test_the_test_images_are_judged_as_the_network_itself_says(
    folder: ModelFolder, grown: TrainedNetwork, shapes: FashionSet
) -> None:
    with torch.no_grad():
        said = grown.network(to_pixels(enlarged(shapes.test.pixels, RECIPE.size), RECIPE.plan)).argmax(dim=1).numpy()
    metrics = folder.info.metrics
    assert metrics.validation.photos == 120
    assert metrics.validation.errors == int((said != shapes.test.labels).sum())
    matrix = np.zeros((10, 10), int)
    np.add.at(matrix, (shapes.test.labels, said), 1)
    assert np.array_equal(metrics.confusion_matrix, matrix)
    assert {(label.train, label.validation) for label in metrics.labels.values()} == {(24, 12)}


def test_a_picture_of_the_set_is_answered_as_the_network_itself_does(
    folder: ModelFolder, grown: TrainedNetwork, shapes: FashionSet
) -> None:
    classifier = Classifier.load(folder)
    assert classifier.labels == LABELS and classifier.info.preprocessing.prepare == "garment"
    with torch.no_grad():
        logits = grown.network(to_pixels(enlarged(shapes.test.pixels[:8], RECIPE.size), RECIPE.plan))
    theirs = torch.softmax(logits / classifier.info.temperature, dim=1).numpy()
    ours = [classifier.predict(Image.fromarray(one)).probabilities for one in shapes.test.pixels[:8]]
    assert np.abs(np.array([list(one.values()) for one in ours]) - theirs).max() < 1e-4


def test_its_pickle_opens_with_plain_fastai_where_this_project_is_not(
    folder: ModelFolder, shapes: FashionSet, tmp_path: Path
) -> None:
    (tmp_path / "learner.pkl").write_bytes(folder.read("learner.pkl"))
    Image.fromarray(shapes.test.pixels[0]).save(tmp_path / "one.png")
    done = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", WITHOUT_US],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    assert done.returncode == 0, done.stderr
    label, probabilities, vocab = json.loads(done.stdout.splitlines()[-1])
    ours = Classifier.load(folder).predict(tmp_path / "one.png")
    assert (label, vocab) == (ours.label, list(LABELS))
    tempered = np.array(list(ours.probabilities.values())) ** folder.info.temperature
    assert np.abs(tempered / tempered.sum() - probabilities).max() < 1e-4


def test_it_says_which_images_served_for_what(folder: ModelFolder, grown: TrainedNetwork, shapes: FashionSet) -> None:
    with open(folder.file("photos.csv"), encoding="utf-8", newline="") as file:
        rows = {(row["half"], row["use"]): row for row in csv.DictReader(file)}
    places = {
        key: [i for part in row["places"].split() for i in range(int(part.split("-")[0]), int(part.split("-")[-1]) + 1)]
        for key, row in rows.items()
    }
    assert places["train", "train"] == grown.learned.tolist()
    assert places["train", "validation"] == grown.held.tolist()
    assert places["test", "test"] == list(range(120))
    assert rows["test", "test"]["sha256"] == shapes.test.sha256 != shapes.train.sha256
    assert {key: int(row["images"]) for key, row in rows.items()} == {key: len(at) for key, at in places.items()}


def test_the_folder_is_complete_and_its_card_tells_of_the_set(folder: ModelFolder) -> None:
    info = folder.info
    assert {"learner.pkl", "model.onnx", "heat.onnx", "photos.csv", "README.md"} <= set(info.files)
    assert {f"report/{name}.png" for name in ("confusion", "top_losses", "reliability")} <= set(info.files)
    assert info.learner_sha256 == sha256_of(folder.path / "learner.pkl")
    assert sum(info.data.counts.values()) == 480 and info.data.source == "fashion-mnist"
    card = folder.read("README.md").decode()
    assert "Fashion-MNIST's 480 product pictures" in card and "plain background" in card
    assert "python train.py --name fashion --dataset fashion-mnist --epochs 9 --size 32 --seed 1" in card
    assert "load_learner" in card and "Licence filter" not in card


def test_a_folder_without_the_pickle_says_which_it_came_from(
    grown: TrainedNetwork, shapes: FashionSet, tmp_path: Path, folder: ModelFolder
) -> None:
    content = FashionModel(grown, shapes, RECIPE)
    build_model(content, tmp_path / "lean", keep_pickle=False, log=lambda line: None)
    lean = read_model_folder(tmp_path / "lean")
    assert not (lean.path / "learner.pkl").exists() and "learner.pkl" not in lean.info.files
    assert len(lean.info.learner_sha256) == 64
    card = lean.read("README.md").decode()
    assert "load_learner" not in card and "--no-pickle" in card
    assert lean.info.onnx.precision in ("int8", "fp32") and lean.info.quantisation.attempts
    assert Classifier.load(lean).predict(Image.fromarray(shapes.test.pixels[0])).probability > 0


def test_what_is_held_out_and_compared_with_was_not_learned_from(folder: ModelFolder) -> None:
    assert folder.info.novelty.photos == 120
    assert folder.info.metrics.calibration.fitted_on == folder.info.metrics.calibration.photos == 120
    assert 0 <= folder.info.novelty.test_refused <= 1


@pytest.mark.parametrize(
    ("places", "text"), [([], ""), ([4], "4"), ([3, 4, 5, 9], "3-5 9"), ([0, 2, 3], "0 2-3"), ([0, 1], "0-1")]
)
def test_places_as_ranges(places: list[int], text: str) -> None:
    assert ranges(np.array(places, int)) == text
