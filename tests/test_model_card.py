"""The model card: metadata that Hugging Face's own reader takes, and what the figures can and cannot say."""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import Path

import numpy as np
import pytest
from huggingface_hub import ModelCard
from huggingface_hub.repocard import metadata_load

from mirror.cli.train import parse
from mirror.model_card import model_card
from mirror.model_schema import (
    DataInfo,
    ModelInfo,
    Novelty,
    OnnxInfo,
    Preprocessing,
    Quantization,
    QuantizationLimits,
    QuantizationResult,
    Query,
    TrainingInfo,
)
from mirror.training.calibration import calibrate
from mirror.training.metrics import measure
from tests.support.training import honest

LABELS = ("a|b: it", "c", "-d")


def card_of(photos: int = 153, sure: float = 1.0, folds: int | None = None, **changes) -> str:
    held = honest(photos, 3, seed=2).tempered(1 / sure)
    files = [(f"{i}.jpg", None) for i in range(photos)]
    temperature, calibration = calibrate(held, None, "out-of-fold", seed=0)
    metrics = measure(held.logits / temperature, held.actual, LABELS, [50] * 3, files, folds=folds)
    info = ModelInfo(
        "it's mine",
        LABELS,
        Preprocessing("crop", (288, 288), (0.5,) * 3, (0.5,) * 3),
        arch="resnet18",
        temperature=temperature,
        metrics=dataclasses.replace(metrics, calibration=calibration),
        data=DataInfo(
            "search",
            dict.fromkeys(LABELS, 50),
            {"near-duplicate": 3, "http-404": 12},
            (Query("c", "a sea"),),
            retrieved=("2026-01-02T03:04:05+00:00", "2026-02-03T03:04:05+00:00"),
            engines={"ddgs": 150},
            sites={"photos.example": 90, "other.example": 60},
        ),
        training=TrainingInfo(42, 0, "w.pth", "frozen body", 1.0, tuple("--arch resnet18 --seed 42 --folds 5".split())),
        versions={"torch": "2.9"},
        pickle="learner.pkl",
    )
    return model_card(dataclasses.replace(info, **changes))


def told(card: str) -> str:
    return " ".join(card.split())


@pytest.mark.parametrize("folds", [None, 5])
def test_hugging_face_reads_its_metadata_and_results(tmp_path: Path, folds: int | None) -> None:
    (tmp_path / "README.md").write_text(card_of(folds=folds), encoding="utf-8")
    found = metadata_load(tmp_path / "README.md")
    assert found["library_name"] == "fastai" and found["pipeline_tag"] == "image-classification"
    card = ModelCard.load(tmp_path / "README.md", ignore_metadata_errors=False)
    (result,) = card.data.eval_results
    held = honest(153, 3, seed=2)
    accuracy = np.mean(held.logits.argmax(axis=1) == held.actual)
    assert (result.metric_type, result.metric_value) == ("accuracy", pytest.approx(accuracy, abs=1e-4))
    assert result.task_type == "image-classification" and card.data.model_name == "it's mine"


def test_without_results_it_claims_none(tmp_path: Path) -> None:
    card = card_of(metrics=None, data=None, training=None)
    assert ModelCard(card).data.eval_results is None
    assert "It has not been judged" in card and "trusted" not in card
    assert "answers with one of 3 labels." in card


@pytest.mark.parametrize(
    ("photos", "says"),
    [
        (8, "What 8 photos cannot say:"),
        (99, "What 99 photos cannot say:"),
        (100, None),
        (400, None),
    ],
)
def test_below_a_hundred_photos_it_says_what_they_cannot_say(photos: int, says: str | None) -> None:
    card = card_of(photos)
    assert (says in card) if says else ("cannot say" not in card)
    assert ("mostly chance" in card) == (photos < 100)


def test_none_wrong_is_no_promise() -> None:
    actual = np.array([0, 1, 2] * 4)
    metrics = measure(np.eye(3)[actual] * 9, actual, LABELS, [0] * 3, [(f"{i}.jpg", None) for i in range(12)])
    text = told(card_of(metrics=metrics))
    assert "Error 0.0 % (95 % interval 0.0–26.5 %) on 12 photos" in text
    assert "an error of 0 % and one of 26 % both fit" in text and "does not mean that none will be" in text
    assert "moves a label's recall by up to 25 points" in text


def test_a_temperature_is_told_with_what_it_changed() -> None:
    text = told(card_of(400, sure=3))
    assert "logits are divided by a temperature of 3." in text and "less sure of everything" in text
    assert "learner.pkl's own probabilities are without it" in text
    assert "| negative log-likelihood, nats | " in text and "expected calibration error" in text
    alone = told(card_of(400))
    assert (
        "Its probabilities are as the network gives them." in alone
        and "could not be shown to be better than none" in alone
    )


def test_cross_validation_is_told_and_so_is_the_precision_it_was_done_in() -> None:
    """Heads of folds judge the features of int8; whole networks that were tuned fold by fold are never in it."""
    int8 = OnnxInfo(precision="int8")
    text = told(card_of(folds=5, onnx=int8))
    assert "cross-validated in 5 folds: each photo was left out once" in text
    assert "8-bit integers; the figures are its own" in text
    tuned = TrainingInfo(42, 3, "w.pth", "fine-tuned", 1.0)
    assert "8-bit integers; what the folds said is in float32" in told(card_of(folds=5, onnx=int8, training=tuned))
    assert "the figures are its own" in told(card_of(onnx=int8, training=tuned))


@pytest.mark.parametrize("folds", [None, 5])
def test_no_photo_that_it_learned_from_in_the_end_is_called_unseen(folds: int | None) -> None:
    text = card_of(folds=folds)
    assert text.count("153 photos, each left out in turn") == (3 if folds else 0)
    assert text.count("153 photos it had not learned from") == (0 if folds else 3)
    assert "that it had not learned from" not in text or not folds


def test_how_far_int8_answers_alike_is_said_of_whose_photos() -> None:
    result = QuantizationResult("every layer", 40, 40, 0.0, 0.01, 0.975, True, 0.9901)
    limits = QuantizationLimits(0.005, 0.02, 0.99)

    def said(result: QuantizationResult) -> str:
        int8 = Quantization("auto", 28, limits, (result,), result)
        return told(card_of(onnx=OnnxInfo(precision="int8"), quantisation=int8))

    assert "the same label on 97.5 % of 40 photos left out, on about 99.0 % of others; the figures" in said(result)
    learned = dataclasses.replace(result, judged=0, error_increase=None, expected_agreement=None)
    assert "the same label on 97.5 % of 40 photos; the figures" in said(learned)


def test_where_the_photos_came_from_and_why_others_were_left_out() -> None:
    text = told(card_of())
    for part in (
        "found by DuckDuckGo image search",
        "“a sea” for c",
        "Licence filter: none.",
        "By engine: 150 ddgs.",
        "photos.example (90), other.example (60)",
        "Retrieved 2026-01-02 to 2026-02-03.",
        "No file of the model shows any",
        "Left out: 15.",
        "| the server answered 404 | 12 |",
        "| nearly the same as another photo | 3 |",
        "never identifies anyone",
        "| a\\|b: it | 50 |",
    ):
        assert part in text, part
    assert told(card_of()).index("404") < told(card_of()).index("nearly the same")


@pytest.mark.parametrize("sites", [{"photos.example": 3}, {}])
def test_the_command_that_makes_it_again_is_one_that_train_takes(sites: dict[str, int]) -> None:
    card = card_of(data=DataInfo("folder", sites=sites))
    line = next(line for line in card.splitlines() if line.startswith("python train.py"))
    options = parse(shlex.split(line)[2:])
    assert (options.name, options.arch, options.seed, options.folds) == ("it's mine", "resnet18", 42, 5)
    assert (options.photos is None) == (not sites) and (options.data is None) == bool(sites)


def test_it_promises_to_refuse_only_what_it_can() -> None:
    known = Novelty(k=3, threshold=0.5, photos=150, real_refused=0.04)
    text = told(card_of(novelty=known))
    assert "or with none of them" in text and "below 0.500" in text and "4 %" in text
    assert "whatever it is shown" in card_of() and "## None of these" not in card_of()


def test_no_line_of_it_is_half_finished() -> None:
    for card in (card_of(), card_of(12), card_of(folds=5), card_of(metrics=None), card_of(sure=3)):
        assert "None" not in card.replace("None of these", "") and "nan" not in card.split() and "  \n" not in card
