"""The pictures a visitor can click: they come from our script, and the shipped models answer them rightly.

The pictures are compared as pixels, not bytes: another Pillow, numpy or libjpeg may round differently.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirror.inference.classifier import Classifier

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
GARMENTS = {"garments/t-shirt": "T-shirt/top", "garments/ankle-boot": "Ankle boot", "garments/bag": "Bag"}
NAMES = ("duckling", "cygnet", "pineapple", *GARMENTS)
MODEL, FASHION = ROOT / "models" / "mirror", ROOT / "models" / "fashion"


def draw(out: Path, *names: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / "draw.py"), "--out", str(out), *names], capture_output=True, text=True
    )


def pixels(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGB"), np.float32)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("examples")
    done = draw(out)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == [str(out / f"{name}.jpg") for name in NAMES]
    return out


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    if not (MODEL / "model.json").exists():
        pytest.skip("models/mirror does not exist yet: train.py writes it")
    return Classifier.load(MODEL)


@pytest.mark.parametrize("name", NAMES)
def test_the_script_reproduces_the_committed_picture(drawn: Path, name: str):
    committed, again = pixels(EXAMPLES / f"{name}.jpg"), pixels(drawn / f"{name}.jpg")
    assert committed.shape == again.shape == (768, 768, 3)
    assert np.abs(committed - again).mean() <= 2.0


def test_drawing_twice_gives_the_same_bytes(drawn: Path, tmp_path: Path):
    assert draw(tmp_path, "cygnet").returncode == 0
    assert (tmp_path / "cygnet.jpg").read_bytes() == (drawn / "cygnet.jpg").read_bytes()
    assert [path.name for path in tmp_path.iterdir()] == ["cygnet.jpg"]


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_small_enough_for_a_gallery(name: str):
    assert (EXAMPLES / f"{name}.jpg").stat().st_size < 200_000


def test_an_unknown_picture_is_refused_in_one_sentence(tmp_path: Path):
    done = draw(tmp_path, "goose")
    assert done.returncode == 2
    assert "no picture is called goose; choose from duckling, cygnet, pineapple, t-shirt" in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ("duckling", "cygnet"))
def test_the_shipped_model_knows_the_bird(classifier: Classifier, name: str):
    prediction = classifier.predict(EXAMPLES / f"{name}.jpg")
    assert prediction.label == name
    assert prediction.probability >= 0.8
    assert prediction.known


def test_the_shipped_model_says_the_pineapple_is_neither(classifier: Classifier):
    assert not classifier.predict(EXAMPLES / "pineapple.jpg").known


@pytest.mark.parametrize("name", GARMENTS)
def test_the_shipped_model_knows_the_garment(name: str):
    prediction, framed = Classifier.load(FASHION).see(EXAMPLES / f"{name}.jpg")
    assert (prediction.label, prediction.known, framed.found) == (GARMENTS[name], True, True)


def test_to_the_shipped_model_of_garments_no_bird_and_no_fruit_is_one():
    classifier = Classifier.load(FASHION)
    for name in ("duckling", "cygnet", "pineapple"):
        assert not classifier.predict(EXAMPLES / f"{name}.jpg").known, name
