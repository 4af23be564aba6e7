"""The gates at their borders, and what ships on either side of them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from mirror.export.int8_gate import (
    UNJUDGED,
    PreprocessedImages,
    choose_precision,
    compare,
    evenly_spaced,
    expected_agreement,
    outputs_of,
    precision_of,
    with_precision,
    within_limits,
)
from mirror.inference.session import OnnxModel
from mirror.model_schema import ModelInfo, Preprocessing
from mirror.typed_json import encode
from tests.learners import LABELS, drawing
from tests.support.networks import exported, mobile

BORDERS = {
    "nothing changes": (0.0, 0.0, 1.0, True),
    "error half a point higher": (0.005, 0.0, 1.0, True),
    "error a little more": (0.0051, 0.0, 1.0, False),
    "error lower": (-0.1, 0.0, 0.99, True),
    "no error known": (None, 0.02, 0.99, True),
    "mean change at the border": (0.0, 0.02, 1.0, True),
    "mean change above it": (0.0, 0.0201, 1.0, False),
    "99 % of labels": (0.0, 0.0, 0.99, True),
    "a little less": (0.0, 0.0, 0.9899, False),
}


@pytest.mark.parametrize("name", BORDERS)
def test_a_gate_passes_up_to_and_on_its_borders(name: str) -> None:
    error, change, agreement, passes = BORDERS[name]
    assert within_limits(error, change, agreement) is passes


@pytest.mark.parametrize(
    ("photos", "flips", "wrong", "agreement", "increase", "passes"),
    [
        (200, 0, 0, 1.0, 0.0, True),
        (200, 1, 1, 0.995, 0.005, True),
        (200, 2, 2, 0.99, 0.01, False),
        (200, 2, 1, 0.99, 0.0, True),  # one becomes wrong, one right
        (200, 3, 1, 0.985, -0.005, False),
        (199, 1, 1, 1 - 1 / 199, 1 / 199, False),
    ],
)
def test_figures_are_counted_over_the_photos(photos, flips, wrong, agreement, increase, passes) -> None:
    """Logits ±0.001 around nothing: `flips` photos change sides, `wrong` of them to the wrong one."""
    actual = np.zeros(photos, int)
    before = np.tile(np.float32([0.001, -0.001]), (photos, 1))
    after = before.copy()
    after[:wrong] *= -1
    before[wrong:flips] *= -1  # were wrong, and are right
    gate = compare("all", before, after, actual)
    assert (gate.photos, gate.judged, gate.passed) == (photos, photos, passes)
    assert gate.agreement == pytest.approx(agreement) and gate.error_increase == pytest.approx(increase)
    assert gate.mean_change == pytest.approx(0.001 * flips / photos, rel=1e-3)


def test_photos_trained_on_count_for_change_and_agreement_only() -> None:
    before = np.float32([[1, 0], [1, 0], [0, 1], [0, 1]])
    after = np.float32([[1, 0], [0, 1], [1, 0], [0, 1]])
    gate = compare("all", before, after, np.array([0, UNJUDGED, UNJUDGED, 1]))
    assert (gate.photos, gate.judged, gate.error_increase, gate.agreement) == (4, 2, 0.0, 0.5)
    assert compare("all", before, after, np.full(4, UNJUDGED)).error_increase is None


def test_closer_photos_than_the_few_that_were_seen_are_reckoned_with() -> None:
    """Ten thousand leads that are evenly spread, and 30 of them: int8 moves each by up to 1."""
    random = np.random.default_rng(0)
    lead, move = random.uniform(0, 20, 10_000), random.normal(0, 0.8, 10_000)
    before, after = (np.stack([leads, np.zeros(len(leads))], axis=1) for leads in (lead, lead + move))
    truth = np.mean(before.argmax(axis=1) == after.argmax(axis=1))
    assert expected_agreement(before, after) == pytest.approx(truth, abs=0.004)
    few = [random.choice(10_000, 30, replace=False) for _ in range(200)]
    found = np.array([expected_agreement(before[rows], after[rows]) for rows in few])
    assert truth - 0.015 < found.mean() < truth, "rather too few than too many are promised"
    seen = np.array([np.mean(before[rows].argmax(axis=1) == after[rows].argmax(axis=1)) for rows in few])
    assert found.std() < seen.std() and np.mean(seen == 1) > 0.4 > np.mean(found == 1)


@pytest.mark.parametrize(
    ("count", "most", "expected"),
    [(3, 5, [0, 1, 2]), (5, 5, [0, 1, 2, 3, 4]), (9, 3, [0, 4, 8]), (9, 1, [0]), (9, 0, []), (244, 3, [0, 122, 243])],
)
def test_a_sample_is_spread_from_the_first_to_the_last(count: int, most: int, expected: list[int]) -> None:
    assert evenly_spaced(range(count), most) == expected


PREPROCESSING = Preprocessing("squish", (16, 16), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def pixels(start: int, count: int) -> PreprocessedImages:
    return PreprocessedImages([drawing(LABELS[i % 3], start + i) for i in range(count)], PREPROCESSING)


def test_pixels_come_in_order_and_again(tmp_path: Path) -> None:
    sources = []
    for value in range(21):
        sources.append(tmp_path / f"{value}.png")
        Image.new("RGB", (20, 20), (10 * value,) * 3).save(sources[-1])
    found = PreprocessedImages(sources, PREPROCESSING)
    expected = [(10 * value / 255 - 0.5) / 0.25 for value in range(21)]
    for _ in range(2):
        assert [float(photo[0, 0, 0]) for photo in found] == pytest.approx(expected, abs=1e-5)
    assert [len(batch) for batch in found.batches(8)] == [8, 8, 5]


@pytest.mark.parametrize(("asked", "shipped"), [("auto", "int8"), ("int8", "int8"), ("fp32", "fp32")])
def test_a_network_that_passes_ships_in_int8_unless_float_is_asked_for(tmp_path: Path, asked, shipped) -> None:
    network = exported(mobile(), tmp_path / "model.onnx")
    before, judged, said = network.read_bytes(), pixels(100, 20), []
    (logits,) = outputs_of(network, judged)
    quantisation = choose_precision(network, pixels(0, 12), judged, logits.argmax(axis=1), asked, said.append)
    assert precision_of(quantisation) == shipped and (network.read_bytes() == before) == (shipped == "fp32")
    info = with_precision(ModelInfo("a", ("x", "y", "z"), PREPROCESSING), quantisation)
    assert info.onnx.precision == shipped
    if shipped == "fp32":
        assert info.quantisation is None and not said
        return
    found = json.loads(json.dumps(encode(info)))["quantisation"]
    assert found["asked"] == asked and found["calibration_photos"] == 12 and found["attempts"][-1]["passed"] is True
    assert found["shipped"] == found["attempts"][-1] and len(said) == len(found["attempts"])
    gate = compare(quantisation.attempts[-1].layers, logits, outputs_of(network, judged)[0], logits.argmax(axis=1))
    assert gate == quantisation.shipped


def near_twins(count: int) -> PreprocessedImages:
    """One drawing, with values that differ by one of 256 steps at most."""
    base = np.asarray(drawing("circle", 1)) // 2
    noise = np.random.default_rng(0).integers(0, 2, (count, *base.shape), dtype=np.uint8)
    return PreprocessedImages([Image.fromarray(base + one) for one in noise], PREPROCESSING)


def knife_edge() -> nn.Module:
    """Tells near twins apart, by differences that no 8-bit network can see."""
    model = mobile()
    head = nn.Linear(16, 2)
    with torch.no_grad():
        seen = model[:-1](torch.from_numpy(np.stack(list(near_twins(40)))))
        centred = seen - seen.median(dim=0).values
        direction = torch.linalg.svd(centred).Vh[0]
        head.weight.copy_(torch.stack([direction, -direction]) / (centred @ direction).abs().mean())
        head.bias.copy_(-head.weight @ seen.median(dim=0).values)
    return nn.Sequential(*model[:-1], head)


@pytest.mark.parametrize(("asked", "shipped"), [("auto", "fp32"), ("int8", "int8")])
def test_a_network_that_cannot_pass_ships_in_float_unless_int8_is_asked_for(tmp_path: Path, asked, shipped) -> None:
    network = exported(knife_edge(), tmp_path / "model.onnx")
    before, judged, said = network.read_bytes(), near_twins(40), []
    (logits,) = outputs_of(network, judged)
    quantisation = choose_precision(network, near_twins(12), judged, logits.argmax(axis=1), asked, said.append)
    assert precision_of(quantisation) == shipped and [attempt.passed for attempt in quantisation.attempts] == 3 * [
        False
    ]
    assert (network.read_bytes() == before) == (shipped == "fp32")
    assert all("does not pass" in line for line in said[:3])
    if shipped == "fp32":
        assert quantisation.shipped is None and len(said) == 3
    else:
        assert quantisation.shipped.mean_change == min(attempt.mean_change for attempt in quantisation.attempts)
        assert said[3] == "int8 ships all the same, for it was asked for."
        assert not np.array_equal(OnnxModel(network).run(np.stack(list(judged)))[0], logits)


def test_a_network_without_a_layer_to_quantise_ships_in_float(tmp_path: Path) -> None:
    model = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2))
    network, said = exported(model, tmp_path / "model.onnx"), []
    quantisation = choose_precision(network, pixels(0, 4), pixels(9, 4), np.zeros(4, int), "int8", said.append)
    assert quantisation is None and said == ["int8: this network has too few layers for it, so fp32 ships."]


def test_without_photos_to_fit_to_float_ships(tmp_path: Path) -> None:
    network = exported(mobile(), tmp_path / "model.onnx")
    quantisation = choose_precision(network, pixels(0, 0), pixels(0, 4), np.zeros(4, int), "auto", print)
    assert quantisation is None and precision_of(None) == "fp32"
