"""The page in a browser answers as `mirror predict` does: on photos of all formats, for each way to prepare a photo."""

from __future__ import annotations

import base64

import pytest
from PIL import Image

from mirror.inference.classifier import Classifier, Prediction
from tests.static.conftest import ROOT, Visit
from tests.static.formats import EXAMPLES, forms

pytestmark = pytest.mark.browser
CLOSE = 1e-3
PREDICT = """async coded => {
  const file = new Blob([Uint8Array.from(atob(coded), letter => letter.charCodeAt(0))]);
  return window.mirror.predict(file).catch(String);
}"""


def differing(visit: Visit, classifier: Classifier, photos: list[tuple[str, bytes]]) -> list[str]:
    """Of photos that the browser answers otherwise: what it says, and what Python says."""
    found = []
    for name, body in photos:
        said, expected = visit.page.evaluate(PREDICT, base64.b64encode(body).decode()), classifier.predict(body)
        if isinstance(said, str) or not same(said, expected):
            found.append(f"{name}: {said}, not {expected}")
    return found


def same(said: dict, expected: Prediction) -> bool:
    close = all(abs(said["probabilities"][label] - p) <= CLOSE for label, p in expected.probabilities.items())
    return close and said["known"] == expected.known and said["label"] == expected.label


@pytest.mark.parametrize(("model", "photo"), [("mirror", "duckling.jpg"), ("fashion", "garments/t-shirt.jpg")])
def test_a_photo_in_any_form_is_answered_as_python_answers_it(visit: Visit, model: str, photo: str) -> None:
    visit.open(f"?model={model}")
    photos = list(forms(Image.open(EXAMPLES / photo).convert("RGB")))
    assert len(photos) >= 40
    assert differing(visit, Classifier.load(ROOT / "models" / model), photos) == []


def test_the_examples_are_answered_as_python_answers_them(visit: Visit) -> None:
    photos = [(path.name, path.read_bytes()) for path in sorted(EXAMPLES.rglob("*.jpg"))]
    for model in ("mirror", "fashion"):
        visit.open(f"?model={model}")
        assert differing(visit, Classifier.load(ROOT / "models" / model), photos) == []
