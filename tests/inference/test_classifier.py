"""A model folder opened for use. The tiny models look at a photo's mean colour, so every answer is known beforehand."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.special
from PIL import Image

from mirror import cli
from mirror.errors import ImageError, MirrorError, ModelFolderError, NotAnImage
from mirror.inference.classifier import AHEAD, Classifier, Prediction, softmax
from mirror.inference.session import OnnxModel
from mirror.model_folder import read_model_folder, write_model_folder
from tests.support.limits import LIMIT
from tests.web.tiny import BLUE, GREY, RED, YELLOW, damage, photo, probabilities, tiny_model, tiny_onnx

LABELS = ("cygnet", "duckling")


@pytest.fixture
def classifier(tmp_path: Path) -> Classifier:
    return Classifier.load(tiny_model(tmp_path), threads=1)


@pytest.mark.parametrize("colour", [GREY, YELLOW, BLUE, RED], ids=["grey", "yellow", "blue", "red"])
def test_every_kind_of_source_gets_the_same_answer(classifier: Classifier, tmp_path: Path, colour: tuple) -> None:
    encoded = photo(colour, format="PNG")
    (tmp_path / "a.png").write_bytes(encoded)
    sources = [tmp_path / "a.png", str(tmp_path / "a.png"), encoded, Image.open(io.BytesIO(encoded))]
    for answer in map(classifier.predict, sources):
        assert list(answer.probabilities) == list(LABELS)
        assert list(answer.probabilities.values()) == pytest.approx(probabilities(colour, 2), abs=1e-5)
        assert answer.similarity == pytest.approx((colour[0] - colour[2]) / 255 + 1, abs=1e-5)
        assert answer.known is ((colour[0] - colour[2]) / 255 + 1 >= 0.6)


def test_an_answer_says_what_a_jsonl_line_needs() -> None:
    answer = Prediction({"cygnet": 0.25, "duckling": 0.75}, known=False, similarity=0.1)
    assert (answer.label, answer.probability) == ("duckling", 0.75)
    assert json.dumps(answer.to_json()) == (
        '{"label": "duckling", "probability": 0.75, '
        '"probabilities": {"cygnet": 0.25, "duckling": 0.75}, "known": false}'
    )


def test_of_equally_probable_labels_the_first_is_named() -> None:
    assert Prediction({"b": 0.5, "a": 0.5}).label == "b"


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_softmax_agrees_with_scipy(temperature: float) -> None:
    logits = np.random.default_rng(0).normal(0, 300, (50, 7)).astype(np.float32)
    ours = softmax(logits, temperature)
    assert ours.dtype == np.float64
    np.testing.assert_allclose(ours, scipy.special.softmax(logits.astype(np.float64) / temperature, axis=1), atol=1e-15)


def test_temperature_and_a_missing_threshold_come_from_the_folder(tmp_path: Path, capsys) -> None:
    path = tiny_model(tmp_path, strangers=False, heat=False)
    info = replace(read_model_folder(path).info, temperature=2.5)
    write_model_folder(path, lambda folder: ((folder / "model.onnx").write_bytes(tiny_onnx(2)), info)[1])
    picture = tmp_path / "blue.png"
    picture.write_bytes(photo(BLUE, format="PNG"))
    classifier = Classifier.load(path)
    answer = classifier.predict(picture)
    softer = np.sqrt(probabilities(BLUE, 2) ** (2 / 2.5))
    assert list(answer.probabilities.values()) == pytest.approx(softer / softer.sum(), abs=1e-5)
    assert answer.known is True
    assert list(classifier.predict_many([picture])) == [answer]
    assert cli.main(["predict", str(picture), "--model", str(path), "--format", "jsonl"]) == 0
    assert json.loads(capsys.readouterr().out)["probabilities"] == pytest.approx(answer.probabilities)


def test_a_stream_is_answered_in_order_with_errors_in_their_places(classifier: Classifier, tmp_path: Path) -> None:
    colours = [(10 * i % 256, 90, 255 - 10 * i % 256) for i in range(25)]
    sources: list = [photo(colour, format="PNG") for colour in colours]
    sources[4], sources[11], sources[20] = b"<html>", tmp_path / "missing.jpg", NotAnImage("already known to be bad")
    answers = list(classifier.predict_many(iter(sources), workers=3))
    assert len(answers) == len(sources)
    for number, (colour, answer) in enumerate(zip(colours, answers, strict=True)):
        if number in (4, 11, 20):
            assert isinstance(answer, ImageError)
        else:
            assert list(answer.probabilities.values()) == pytest.approx(probabilities(colour, 2), abs=1e-5)
    assert answers[20] is sources[20]


def test_a_stream_of_nothing_or_of_errors_alone_is_answered(classifier: Classifier) -> None:
    assert list(classifier.predict_many([])) == []
    assert [type(answer) for answer in classifier.predict_many([b"x"] * 20)] == [NotAnImage] * 20


def test_a_stream_is_drawn_no_further_ahead_than_its_workers_can_use(classifier: Classifier) -> None:
    drawn = 0

    def endless():
        nonlocal drawn
        while True:
            drawn += 1
            yield photo(GREY, (8, 8), "PNG")

    answers = classifier.predict_many(endless(), workers=3)
    for count in range(1, 40):
        assert isinstance(next(answers), Prediction)
        assert drawn < count + 3 * AHEAD
    answers.close()


def test_an_error_in_the_source_itself_is_not_swallowed(classifier: Classifier) -> None:
    def failing():
        yield photo(GREY)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        list(classifier.predict_many(failing()))


def test_a_photo_that_is_none_is_an_error_of_one_sentence(classifier: Classifier) -> None:
    with pytest.raises(MirrorError) as caught:
        classifier.predict(b"<html>")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("output", ["logits", "similarity"])
def test_numbers_that_are_none_are_an_error_in_the_photos_place(tmp_path: Path, output: str) -> None:
    """The kind: a network that is sound on one photo and gives nan on the next."""
    model = tiny_model(tmp_path)
    damage(model, output, 0.5)
    classifier = Classifier.load(model)
    answers = list(classifier.predict_many([photo(BLUE), photo(YELLOW), photo(BLUE)]))
    assert [type(answer) for answer in answers] == [Prediction, ModelFolderError, Prediction]
    assert str(answers[1]) == (
        "The model mirror gives no numbers for this photo, for its network is damaged: train, copy or fetch it again."
    )


def test_a_folder_that_promises_what_its_network_lacks_is_refused(tmp_path: Path) -> None:
    path = tiny_model(tmp_path, heat=False)
    info = read_model_folder(path).info
    broken = replace(info, onnx=replace(info.onnx, outputs=("logits", "features")))
    write_model_folder(path, lambda folder: ((folder / "model.onnx").write_bytes(tiny_onnx(2)), broken)[1])
    with pytest.raises(ModelFolderError, match="gives no features, as model.json says"):
        Classifier.load(path)
    wrong = replace(info, labels=("a", "b", "c"), metrics=None)
    write_model_folder(path, lambda folder: ((folder / "model.onnx").write_bytes(tiny_onnx(2)), wrong)[1])
    with pytest.raises(ModelFolderError, match="3 labels, but its network gives 2"):
        Classifier.load(path)


def test_a_network_that_is_none_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tiny_model(tmp_path)
    info = read_model_folder(path).info
    write_model_folder(path, lambda folder: ((folder / "model.onnx").write_bytes(b"not a network"), info)[1])
    with pytest.raises(ModelFolderError, match="cannot be loaded by onnxruntime") as caught:
        Classifier.load(path)
    assert "\n" not in str(caught.value)


def test_the_engine_answers_batches_of_any_size(tmp_path: Path) -> None:
    engine = OnnxModel(tiny_onnx(3), threads=1)
    pixels = np.random.default_rng(0).random((5, 3, 32, 32), dtype=np.float32)
    logits, similarity = engine.run(pixels, ("logits", "similarity"))
    assert engine.outputs == ("logits", "similarity")
    assert logits.shape == (5, 3) and similarity.shape == (5,)
    for one, expected in zip(pixels, logits, strict=True):
        np.testing.assert_allclose(engine.run(one[None])[0][0], expected, rtol=1e-6)


def test_a_fresh_process_predicts_without_torch_or_gradio(tmp_path: Path) -> None:
    path = tiny_model(tmp_path)
    (tmp_path / "a.jpg").write_bytes(photo(YELLOW))
    code = (
        "import sys, mirror.inference; from pathlib import Path; from mirror.inference.classifier import Classifier;"
        "answer = Classifier.load(Path(sys.argv[1])).predict(sys.argv[2]);"
        "many = list(Classifier.load(Path(sys.argv[1])).predict_many([sys.argv[2]] * 20));"
        "print(answer.label, len(many), *sorted({m.split('.')[0] for m in sys.modules}))"
    )
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, "-W", "error", "-c", code, str(path), str(tmp_path / "a.jpg")]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=LIMIT)
    assert run.stderr == "" and run.returncode == 0
    label, count, *modules = run.stdout.split()
    assert (label, count) == ("duckling", "20")
    assert "onnxruntime" in modules
    assert set(modules).isdisjoint(
        {"torch", "fastai", "torchvision", "transformers", "timm", "onnx", "gradio", "scipy"}
    )
