"""The page in a browser answers as `mirror predict` does: on photos of all formats, for each way to prepare a photo."""

from __future__ import annotations

import base64
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mirror.export.grad_cam_export import write_heat
from mirror.export.int8_gate import ATTEMPTS
from mirror.images import load_image
from mirror.inference.classifier import Classifier, Prediction
from mirror.inference.preprocess import preprocess
from mirror.model_folder import read_model_folder, write_model_folder
from mirror.model_schema import ModelInfo, OnnxInfo
from mirror.static_site.site_files import site_files
from tests.static_site.conftest import ROOT, Visit
from tests.static_site.formats import EXAMPLES, encoded, forms, oriented
from tests.static_site.hosting import hosted, write
from tests.support.arrow_model import ArrowModel, arrow, learn_arrows
from tests.support.browser import OPTIMISING

pytestmark = pytest.mark.browser
BROWSER_FLAGS = OPTIMISING
CLOSE = 1e-3
PREDICT = """async coded => {
  const file = new Blob([Uint8Array.from(atob(coded), letter => letter.charCodeAt(0))]);
  return window.mirror.predict(file).catch(String);
}"""

DECODE = """async ([module, coded, atLeast]) => {
  const { decode } = await import(new URL(module, document.baseURI));
  const file = new Blob([Uint8Array.from(atob(coded), letter => letter.charCodeAt(0))]);
  const { width, height, bands } = await decode(file, atLeast);
  const levels = [...bands()].map(({ rgba }) => rgba.filter((_, i) => i % 4 < 3));
  return new Promise((resolve) => {
    const reader = new FileReader();
    reader.onload = () => resolve([height, width, reader.result.split(",")[1]]);
    reader.readAsDataURL(new Blob(levels));
  });
}"""

JPEGS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("RGB", {"subsampling": 0}),
    ("RGB", {"subsampling": 2, "exif": oriented(6)}),
    ("RGB", {"progressive": True}),
    ("CMYK", {}),
    ("L", {}),
)


@pytest.fixture(scope="module")
def arrows(tmp_path_factory: pytest.TempPathFactory) -> ArrowModel:
    return learn_arrows(tmp_path_factory.mktemp("arrows"), [])


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


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_model_on_features_of_every_depth_answers_as_in_python(
    chromium: Any, tmp_path: Path, arrows: ArrowModel, precision: str
) -> None:
    def build(folder: Path) -> ModelInfo:
        for name in ("model.onnx", "heat.onnx"):
            shutil.copy(arrows.folder.path / name, folder)
        if precision == "int8":
            arrows.quantised(folder / "model.onnx")
            write_heat(folder / "model.onnx", folder / "heat.onnx")
        onnx = OnnxInfo(precision=precision, outputs=("logits", "features", "maps"), heat="heat.onnx")
        return replace(arrows.folder.info, onnx=onnx, novelty=None, pickle=None)

    model = write_model_folder(tmp_path / "arrows", build)
    photos = [
        (f"{label} {seed}", encoded(arrow(label, seed), "PNG")) for label in ("left", "right") for seed in (1, 99)
    ]
    with hosted(write(tmp_path / "site", site_files([model]))) as host:
        visit = Visit(chromium.new_page(), host).open()
        assert differing(visit, Classifier.load(model), photos) == []


def test_a_jpeg_that_is_decoded_at_a_part_of_its_size_has_the_pixels_of_python(visit: Visit, site: Path) -> None:
    (module,) = (path.relative_to(site).as_posix() for path in site.glob("app-*/decode.js"))
    picture, page, different = Image.open(EXAMPLES / "duckling.jpg"), visit.open().page, []
    sizes = ((640, 480), JPEGS), ((1601, 1203), JPEGS), ((4001, 2999), JPEGS), ((8660, 6000), JPEGS[:1])
    for size, kinds in sizes:  # the last is above 50 megapixels, of which no photo may be decoded at full size
        for mode, settings in kinds:
            photo = encoded(picture.convert(mode).resize(size), "JPEG", **settings)
            *shape, levels = page.evaluate(DECODE, [module, base64.b64encode(photo).decode(), 150])
            expected = np.asarray(load_image(photo, at_least=150))
            if (*shape, 3) != expected.shape or base64.b64decode(levels) != expected.tobytes():
                different.append((size, mode, settings))
    assert different == []


@pytest.fixture(scope="module")
def versions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped mirror's network in each of the versions of int8 that a model may have."""
    from mirror.export.onnx_export import compile_learner
    from mirror.export.quantize import Quantizer

    folder = tmp_path_factory.mktemp("versions")
    compiled = compile_learner(ROOT / "models" / "mirror" / "learner.pkl", folder / "fp32.onnx")
    photos = [load_image(path) for path in sorted(EXAMPLES.rglob("*.jpg"))]
    quantizer = Quantizer(folder / "fp32.onnx", [preprocess(photo, compiled.preprocessing) for photo in photos])
    for first in ATTEMPTS:

        def build(place: Path, first: int = first) -> ModelInfo:
            quantizer.write(place / "fp32.onnx", first)
            return compiled.info(f"first-{first}")

        write_model_folder(folder / f"first-{first}", build)
    return folder


def test_each_version_of_int8_answers_as_python_answers_it(chromium: Any, versions: Path, tmp_path: Path) -> None:
    photos = [(path.name, path.read_bytes()) for path in sorted(EXAMPLES.rglob("*.jpg"))]
    folders = [read_model_folder(versions / f"first-{first}") for first in ATTEMPTS]
    with hosted(write(tmp_path, site_files(folders))) as host, chromium.new_context() as context:
        visit = Visit(context.new_page(), host)
        for folder in folders:
            visit.open(f"?model={folder.info.name}")
            assert differing(visit, Classifier.load(folder), photos) == [], folder.info.name
