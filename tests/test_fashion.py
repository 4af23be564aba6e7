"""models/fashion as it ships: on Fashion-MNIST's own test images, on product photos and on everyday ones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirror.fashion_mnist.dataset import DEBIAN, LABELS, ImageSplit, read_split
from mirror.inference.classifier import Classifier
from mirror.inference.grad_cam import explain
from tests.support.garments import product

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT.parent / "shared" / "data"


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    return Classifier.load(ROOT / "models" / "fashion")


@pytest.fixture(scope="module")
def test_images() -> ImageSplit:
    if not DEBIAN.is_dir():
        pytest.skip("Debian's package dataset-fashion-mnist is not installed")
    return read_split(DEBIAN, "test")


def test_it_is_right_on_the_first_thousand_test_images(classifier: Classifier, test_images: ImageSplit) -> None:
    said = list(classifier.predict_many(Image.fromarray(pixels) for pixels in test_images.pixels[:1000]))
    right = np.mean([LABELS.index(one.label) == label for one, label in zip(said, test_images.labels, strict=False)])
    assert right >= 0.93
    assert np.mean([not one.known for one in said]) <= 0.07


def test_what_it_says_of_itself(classifier: Classifier) -> None:
    info = classifier.info
    judged = info.metrics.validation
    assert (info.labels, judged.photos, info.preprocessing.prepare) == (LABELS, 10_000, "garment")
    assert judged.error_rate <= 0.055 and judged.interval[0] < judged.error_rate < judged.interval[1]
    assert [sum(row) for row in info.metrics.confusion_matrix] == [1000] * 10
    assert {label.train for label in info.metrics.labels.values()} == {5700}
    assert not list(classifier.folder.path.glob("*.pkl")) and len(info.learner_sha256) == 64
    for name in info.files:
        classifier.folder.file(name)


def test_a_product_photo_is_one_of_its_labels_and_shows_why(classifier: Classifier) -> None:
    photo = product((244, 243, 240), noise=2)
    pixels, framed = classifier.preprocess(classifier.decode(photo))
    prediction = classifier.answer(pixels, framed)
    assert prediction.known and framed.found
    assert prediction.label in ("T-shirt/top", "Shirt", "Dress")
    explanation = explain(classifier, photo)
    assert explanation.label == prediction.label and explanation.known
    assert np.abs(np.array(explanation.box) - framed.box).max() < 1e-9
    assert explanation.heat.max() == 1


def test_everyday_photos_are_none_of_its_labels(classifier: Classifier) -> None:
    photos = sorted(path for name in ("scenes", "bikes_bins") for path in (DATA / name).rglob("*.jpg"))
    if not photos:
        pytest.skip("the photos lie beside the repository only where it is worked on")
    known = [path.name for path, one in zip(photos, classifier.predict_many(photos), strict=True) if one.known]
    assert len(known) <= 0.03 * len(photos), known
