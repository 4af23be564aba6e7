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
from mirror.training.report import draw_report
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
    assert names == ["confusion.png", "reliability.png"]
    for name in names:
        one, other = ((tmp_path / place / name).read_bytes() for place in ("first", "second"))
        assert one == other
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
    assert not (tmp_path / "report").exists()
