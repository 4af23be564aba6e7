"""The general model: the Hub's where it can be had, else the packaged one, timm's own but for rounded weights."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mirror.images import load_image
from mirror.inference.classifier import Classifier
from mirror.inference.preprocess import preprocess
from mirror.tasks import imagenet
from tests.support.hub_server import Hub
from tests.support.tiny_vit import tiny_vit

REPOSITORY = Path(__file__).resolve().parents[2]
LICENSE = imagenet.FOLDER / "efficientnet_lite0.LICENSE"
SCENES = REPOSITORY.parent / "shared" / "data" / "scenes" / "other"
SEEN = {  # what is on each, in ImageNet's words; the cats' photo is the one of transformers' own examples
    "bird.jpg": {"chickadee"},
    "cat_720p.jpg": {"tabby, tabby cat", "tiger cat", "Egyptian cat"},
    "cats_000000039769.jpg": {"tabby, tabby cat", "tiger cat", "Egyptian cat"},
    "hot_dog.jpg": {"hotdog, hot dog, red hot"},
    "parrot.jpg": {"macaw"},
}


@pytest.fixture(scope="module")
def coffee() -> Path:
    data = pytest.importorskip("skimage", reason="scikit-image ships the photo").__path__[0]
    return Path(data, "data", "coffee.png")


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(imagenet.packaged_folder(), threads=1)


def run(code: str, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HF_")}
    environment = {**kept, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(REPOSITORY), **variables}
    command = [sys.executable, *(["-c", code] if code else ["-m", "mirror", "predict"]), *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


def test_the_packaged_network_is_timms_own(classifier: Classifier, coffee: Path):
    timm, torch = (pytest.importorskip(name) for name in ("timm", "torch"))
    from timm.data import create_transform, resolve_model_data_config

    from mirror.training.pretrained import packaged_weights

    weights = packaged_weights(imagenet.PACKAGED)
    if weights is None:
        pytest.skip("the package of its weights is not installed")
    assert hashlib.sha256(weights.read_bytes()).hexdigest() in LICENSE.read_text()
    network = timm.create_model(imagenet.PACKAGED, pretrained=False).eval()
    state = torch.load(weights, map_location="cpu", weights_only=True)
    network.load_state_dict(dict(zip(network.state_dict(), state.values(), strict=True)))
    transform = create_transform(**resolve_model_data_config(network), is_training=False)
    paths = [coffee, coffee.with_name("chelsea.png"), coffee.with_name("astronaut.png"), *sorted(SCENES.glob("*.jpg"))]
    for path in paths:
        image = load_image(path)
        pixels = preprocess(image, classifier.info.preprocessing)
        with torch.no_grad():
            same, whole = network(torch.stack([torch.from_numpy(pixels), transform(image)])).numpy()
        (ours,) = classifier.engine.run(pixels[None])[0]
        assert np.abs(ours - same).mean() < 0.05, path.name  # weights of 8 and 16 bits
        # timm resizes first and crops then: the border falls a fraction of a pixel elsewhere
        assert np.abs(classifier.predict(image).probability - _softmax(whole).max()) < 0.1, path.name
        assert int(ours.argmax()) == int(same.argmax()) == int(whole.argmax()), path.name


def test_it_takes_little_room_and_its_loss_is_known(classifier: Classifier):
    assert sum(path.stat().st_size for path in imagenet.FOLDER.iterdir()) <= 6_000_000
    quantisation = classifier.info.quantisation
    assert quantisation and quantisation.shipped and quantisation.shipped.passed
    assert quantisation.shipped.agreement >= quantisation.gates.least_agreement
    assert "Apache License" in LICENSE.read_text()


def _softmax(logits: np.ndarray) -> np.ndarray:
    exponents = np.exp(logits - logits.max())
    return exponents / exponents.sum()


def test_it_knows_a_thousand_things_by_names_of_their_own(classifier: Classifier):
    labels = classifier.labels
    assert len(labels) == len(set(labels)) == 1000
    assert (labels[281], labels[285], labels[134], labels[517]) == (
        "tabby, tabby cat", "Egyptian cat", "crane", "crane (machine)",
    )  # fmt: skip


def test_it_knows_a_cup_of_coffee_and_a_cat(classifier: Classifier, coffee: Path):
    assert classifier.predict(coffee).label == "espresso"
    assert classifier.predict(coffee.with_name("chelsea.png")).label in (
        "Egyptian cat",
        "tabby, tabby cat",
        "tiger cat",
    )


@pytest.mark.skipif(not SCENES.is_dir(), reason="the photos of ../shared are not here")
@pytest.mark.parametrize("name", SEEN)
def test_it_knows_everyday_photos(name: str, classifier: Classifier):
    assert classifier.predict(SCENES / name).label in SEEN[name]


def test_without_a_hub_the_packaged_model_answers_and_says_so(classifier: Classifier, coffee: Path, tmp_path: Path):
    arguments = [str(coffee), "--model", "imagenet", "--format", "jsonl"]
    offline = {"HF_ENDPOINT": "http://127.0.0.1:1", "HF_HOME": str(tmp_path / "hub"), "XDG_CACHE_HOME": str(tmp_path)}
    done = run("", *arguments, **offline)
    assert done.returncode == 0
    assert done.stderr == (
        "mirror: imagenet is the packaged tf_efficientnet_lite0 here (google/vit-base-patch16-224 is not on this "
        "machine, and the Hugging Face Hub cannot be reached).\n"
    )
    row = json.loads(done.stdout)
    assert row["label"] == "espresso" and len(row["probabilities"]) == 5 and row["known"] is True
    assert row["probability"] == pytest.approx(classifier.predict(coffee).probability, abs=1e-6)


def test_the_packaged_model_answers_without_torch(classifier: Classifier, coffee: Path, tmp_path: Path):
    code = """\
import sys
from mirror.tasks.request import TaskRequest
from mirror.tasks.registry import open_predictor
from mirror.image_sources import ImageSource
predictor = open_predictor(TaskRequest(model="imagenet"))
((_, answer),) = predictor.answer_all(iter([ImageSource(sys.argv[1], sys.argv[1])]))
print(answer.label, predictor.name, sorted({"torch", "transformers", "timm", "fastai"} & set(sys.modules)))
"""
    done = run(code, str(coffee), HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path / "hub"), XDG_CACHE_HOME=str(tmp_path))
    assert done.stdout == "espresso tf_efficientnet_lite0 []\n", done.stderr
    assert "HF_HUB_OFFLINE forbids to fetch it" in done.stderr


def test_where_the_hub_has_its_model_that_one_answers(coffee: Path, tmp_path: Path):
    labels = tuple(f"thing {number}" for number in range(1000))
    with Hub({imagenet.HUB_MODEL: tiny_vit(tmp_path / "vit", labels=labels)}) as hub:
        arguments = [str(coffee), "--model", "imagenet", "--format", "jsonl"]
        done = run("", *arguments, HF_ENDPOINT=hub.url, HF_HOME=str(tmp_path), XDG_CACHE_HOME=str(tmp_path))
    assert done.returncode == 0 and re.fullmatch(r"mirror: \S+: commit [0-9a-f]{12} answers .*\n", done.stderr)
    assert json.loads(done.stdout)["label"].startswith("thing ")
