"""The pictures a visitor can click: small, and answered rightly by the shipped models."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror.inference.classifier import Classifier
from mirror.preparation import NAMES as PREPARATIONS
from mirror.preparation import preparation

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "examples"
GARMENTS = {"garments/t-shirt": "T-shirt/top", "garments/ankle-boot": "Ankle boot", "garments/bag": "Bag"}
NAMES = ("duckling", "cygnet", "pineapple", *GARMENTS)
MODEL, FASHION = ROOT / "models" / "mirror", ROOT / "models" / "fashion"


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    if not (MODEL / "model.json").exists():
        pytest.skip("models/mirror does not exist yet: train.py writes it")
    return Classifier.load(MODEL)


def test_pictures_of_one_folder_show_the_same_labels_to_every_preparation() -> None:
    labels: dict[str, set[frozenset[str]]] = {}
    for made in map(preparation, PREPARATIONS):
        labels.setdefault(made.examples, set()).add(frozenset(made.labels))
    assert all(len(found) == 1 and all(found) for found in labels.values()), labels


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_is_small_enough_for_a_gallery(name: str):
    assert (EXAMPLES / f"{name}.jpg").stat().st_size < 200_000


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
    classifier = Classifier.load(FASHION)
    pixels, framed = classifier.preprocess(classifier.decode(EXAMPLES / f"{name}.jpg"))
    prediction = classifier.answer(pixels, framed)
    assert (prediction.label, prediction.known, framed.found) == (GARMENTS[name], True, True)


def test_to_the_shipped_model_of_garments_no_bird_and_no_fruit_is_one():
    classifier = Classifier.load(FASHION)
    for name in ("duckling", "cygnet", "pineapple"):
        assert not classifier.predict(EXAMPLES / f"{name}.jpg").known, name
