"""The report's pictures: drawn where there is something to draw, and the same bytes each time."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirror.model_schema import ModelInfo, Preprocessing
from mirror.training.calibration import calibrate
from mirror.training.metrics import measure
from mirror.training.report_pictures import draw_report, most_confused
from tests.support.training import honest


def described(photos: int, labels: int = 2, sure: float = 1.0) -> ModelInfo:
    held = honest(photos, labels, seed=3).tempered(1 / sure)
    names = tuple("abcdefgh"[:labels])
    files = [(f"{i}.jpg", None) for i in range(photos)]
    temperature, calibration = calibrate(held, None, "out-of-fold", seed=0)
    metrics = replace(measure(held.logits, held.actual, names, [0] * labels, files), calibration=calibration)
    preprocessing = Preprocessing("crop", (8, 8), (0.5,) * 3, (0.5,) * 3)
    return ModelInfo("it", names, preprocessing, temperature=temperature, metrics=metrics)


@pytest.mark.parametrize(("photos", "labels", "sure"), [(3, 2, 1), (40, 2, 1), (300, 5, 3)])
def test_it_draws_the_confusion_and_the_reliability_the_same_each_time(tmp_path: Path, photos, labels, sure) -> None:
    info = described(photos, labels, sure)
    for place in ("first", "second"):
        draw_report(info, None, tmp_path / place)
    names = sorted(path.name for path in (tmp_path / "first").iterdir())
    assert names == ["confusion.png", "reliability.png", "report.html"]
    for name in names:
        one, other = ((tmp_path / place / name).read_bytes() for place in ("first", "second"))
        assert one == other
    for name in names[:2]:
        pixels = np.asarray(Image.open(tmp_path / "first" / name).convert("L"))
        assert 0.005 < np.mean(pixels < 128) < 0.5  # ink on paper


def test_more_photos_draw_another_picture(tmp_path: Path) -> None:
    for photos in (40, 300):
        draw_report(described(photos), None, tmp_path / str(photos))
    assert (tmp_path / "40/reliability.png").read_bytes() != (tmp_path / "300/reliability.png").read_bytes()


def test_a_model_that_was_not_judged_has_no_pictures(tmp_path: Path) -> None:
    info = described(40)
    draw_report(replace(info, metrics=None), None, tmp_path / "report")
    nothing = measure(np.zeros((0, 2)), np.zeros(0, int), info.labels, [0, 0], [])
    draw_report(replace(info, metrics=nothing), None, tmp_path / "report")
    assert [path.name for path in (tmp_path / "report").iterdir()] == ["report.html"]


# Texts that matplotlib takes for formulas, that its fonts lack, that run the other way or break lines
LABELS = (
    "$5_$10", "$5 # $10", "a $ b % c $", "$5^$", "$1-$5", "\\frac{1}{2}", "🦆", "🦢👩🏽‍🌾", "بطة", "雏鸭",
    "two\nlines", "tab\tand \x1b[31m", "", "x" * 300, "{0}", "%s",
)  # fmt: skip


def size_of(path: Path) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def judged(labels: tuple[str, ...], wrong: int) -> ModelInfo:
    """Of every label one photo, of which the first `wrong` are taken for the next label."""
    count = len(labels)
    actual = np.arange(count)
    logits = np.full((count, count), -5.0)
    logits[actual, np.where(actual < wrong, (actual + 1) % count, actual)] = 5
    metrics = measure(logits, actual, labels, [1] * count, [(f"{i}.png", None) for i in range(count)])
    return ModelInfo("it", labels, Preprocessing("crop", (8, 8), (0.5,) * 3, (0.5,) * 3), metrics=metrics)


@pytest.mark.parametrize("label", LABELS)
def test_whatever_a_label_is_called_a_picture_comes_of_it(tmp_path: Path, label: str) -> None:
    """No formula, no traceback, no warning (warnings are errors here), and no picture that grows with a name."""
    draw_report(judged((label, "coin"), 1), lambda _: Image.new("RGB", (20, 20)), tmp_path)
    for name in ("confusion.png", "top_losses.png"):
        assert max(size_of(tmp_path / name)) < 1500


def test_dollars_are_drawn_as_dollars(tmp_path: Path) -> None:
    for folder, label in (("formula", "$a$"), ("letter", "a")):
        draw_report(judged((label, "coin"), 1), None, tmp_path / folder)
    sizes = [size_of(tmp_path / folder / "confusion.png") for folder in ("formula", "letter")]
    assert sizes[0] != sizes[1] or len({path.read_bytes() for path in tmp_path.rglob("confusion.png")}) == 2


@pytest.mark.parametrize(("labels", "wrong"), [(40, 5), (41, 5), (41, 0), (200, 200), (1000, 700)])
def test_of_many_labels_the_picture_stays_small(tmp_path: Path, labels: int, wrong: int) -> None:
    draw_report(judged(tuple(f"label {i}" for i in range(labels)), wrong), None, tmp_path)
    width, height = size_of(tmp_path / "confusion.png")
    assert width * height < 8_000_000


def test_the_pairs_confused_most_come_first() -> None:
    matrix = np.array([[9, 2, 0], [5, 9, 1], [0, 2, 9]])
    assert most_confused(matrix, 3) == [(5, 1, 0), (2, 0, 1), (2, 2, 1)]
