"""The similarity computed inside a network's graph against the same score in numpy, and what it decides."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from mirror.errors import ModelFolderError
from mirror.export.graph import attach_novelty_bank
from mirror.export.novelty import FeatureBank, Plane
from mirror.inference.classifier import is_known
from mirror.inference.session import OnnxModel
from mirror.model_schema import Novelty

WIDTH = 12


@pytest.fixture
def network(tmp_path: Path) -> Path:
    """features = the pixels' means over columns [N, 12]; logits = the first three of them."""
    nodes = [
        helper.make_node("ReduceMean", ["pixels", "axes"], ["rows"], keepdims=0),
        helper.make_node("Flatten", ["rows"], ["features"]),
        helper.make_node("Slice", ["features", "start", "end", "one"], ["logits"]),
    ]
    values = {"axes": [3], "start": [0], "end": [3], "one": [1]}
    graph = helper.make_graph(
        nodes, "means",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", 3, 4, "W"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 3]),
         helper.make_tensor_value_info("features", TensorProto.FLOAT, ["N", WIDTH])],
        [helper.make_tensor(name, TensorProto.INT64, [1], value) for name, value in values.items()],
    )  # fmt: skip
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    return path


def slow_similarity(features: np.ndarray, bank: np.ndarray, k: int) -> np.ndarray:
    found = []
    for photo in features.astype(float):
        cosines = [photo @ row / np.linalg.norm(photo) / np.linalg.norm(row) for row in bank.astype(float)]
        found.append(np.mean(sorted(cosines)[-k:]))
    return np.array(found)


@pytest.mark.parametrize("k", [1, 3, 40])
def test_the_graphs_similarity_is_numpys(network: Path, k: int) -> None:
    random = np.random.default_rng(k)
    bank, pixels = random.normal(size=(40, WIDTH)).astype(np.float32), random.normal(size=(9, 3, 4, 5))
    before = OnnxModel(network).run(pixels.astype(np.float32), ("logits", "features"))
    attach_novelty_bank(network, FeatureBank(bank, k, 0))
    engine = OnnxModel(network)
    assert engine.outputs == ("logits", "features", "similarity")
    logits, features, similarity = engine.run(pixels.astype(np.float32), engine.outputs)
    np.testing.assert_array_equal(logits, before[0])
    np.testing.assert_array_equal(features, before[1])
    assert similarity.shape == (9,)
    np.testing.assert_allclose(similarity, slow_similarity(features, bank, k), atol=5e-4)


def test_a_photo_on_the_other_side_of_the_plane_is_less_similar(network: Path) -> None:
    random = np.random.default_rng(3)
    bank = random.normal(size=(20, WIDTH)).astype(np.float32)
    pixels = random.normal(size=(9, 3, 4, 5)).astype(np.float32)
    (features,) = OnnxModel(network).run(pixels, ("features",))
    weight = random.normal(size=WIDTH).astype(np.float32)
    sides = features.astype(float) @ weight
    made = FeatureBank(bank, 3, 0.2, Plane(weight, 0.3 - float(np.median(sides))), 7)
    attach_novelty_bank(network, made)
    (found,) = OnnxModel(network).run(pixels, ("similarity",))
    own = slow_similarity(features, bank, 3)
    expected = [min(pair) for pair in zip(own, sides + made.plane.bias, strict=True)]
    assert 0 < sum(value < other for value, other in zip(expected, own, strict=True)) < 9
    np.testing.assert_allclose(found, expected, atol=5e-4)
    np.testing.assert_allclose(found, made.similarity(features), atol=5e-4)


def test_a_bank_of_thousands_compares_alike(network: Path) -> None:
    random = np.random.default_rng(4)
    bank, pixels = random.normal(size=(2500, WIDTH)).astype(np.float32), random.normal(size=(2, 3, 4, 5))
    features = OnnxModel(network).run(pixels.astype(np.float32), ("features",))[0]
    attach_novelty_bank(network, FeatureBank(bank, 3, 0))
    (similarity,) = OnnxModel(network).run(pixels.astype(np.float32), ("similarity",))
    np.testing.assert_allclose(similarity, slow_similarity(features, bank, 3), atol=5e-4)


def test_a_photo_of_the_bank_has_similarity_one_and_its_opposite_minus_one(network: Path) -> None:
    pixels = np.random.default_rng(0).normal(size=(1, 3, 4, 5)).astype(np.float32)
    bank = OnnxModel(network).run(pixels, ("features",))[0]
    attach_novelty_bank(network, FeatureBank(7 * bank, 1, 0))
    (similarity,) = OnnxModel(network).run(np.concatenate([pixels, -pixels]), ("similarity",))
    assert similarity == pytest.approx([1, -1], abs=5e-4)


def test_a_second_bank_replaces_the_first(network: Path) -> None:
    pixels = np.random.default_rng(1).normal(size=(2, 3, 4, 5)).astype(np.float32)
    first, second = np.eye(WIDTH, dtype=np.float32), np.ones((4, WIDTH), np.float32)
    attach_novelty_bank(network, FeatureBank(second, 2, 0))
    expected, size = OnnxModel(network).run(pixels, ("similarity",))[0], network.stat().st_size
    attach_novelty_bank(network, FeatureBank(first, 5, 0, Plane(first[0], 1.0), 3))
    attach_novelty_bank(network, FeatureBank(second, 2, 0))
    np.testing.assert_array_equal(OnnxModel(network).run(pixels, ("similarity",))[0], expected)
    assert network.stat().st_size == size


@pytest.mark.parametrize(
    "bank, k, message",
    [
        (np.ones((4, WIDTH)), 5, "at least k = 5 finite rows"),
        (np.ones((4, WIDTH)), 0, "at least k = 0 finite rows"),
        (np.ones(WIDTH), 1, r"shape is \(12,\)"),
        (np.full((4, WIDTH), np.nan), 1, "finite rows"),
        (np.ones((4, WIDTH + 1)), 1, "13 features a photo, and the network gives 12"),
    ],
    ids=["too few", "no neighbours", "flat", "nan", "another width"],
)
def test_a_bank_that_does_not_fit_is_refused(network: Path, bank: np.ndarray, k: int, message: str) -> None:
    before = network.read_bytes()
    with pytest.raises(ModelFolderError, match=message):
        attach_novelty_bank(network, FeatureBank(bank.astype(np.float32), k, 0))
    assert network.read_bytes() == before


def test_a_plane_that_does_not_fit_is_refused(network: Path) -> None:
    bank = FeatureBank(np.ones((4, WIDTH), np.float32), 3, 0, Plane(np.ones(WIDTH + 1, np.float32), 0.0), 5)
    with pytest.raises(ModelFolderError, match="13 features a photo, and the network gives 12"):
        attach_novelty_bank(network, bank)


def test_a_network_without_features_takes_no_bank(network: Path) -> None:
    with pytest.raises(ModelFolderError, match="has no output pooled to compare photos by"):
        attach_novelty_bank(network, FeatureBank(np.ones((4, WIDTH), np.float32), 1, 0), source="pooled")


@pytest.mark.parametrize(
    "similarity, novelty, expected",
    [
        (0.6, Novelty(threshold=0.6), True),
        (0.5999, Novelty(threshold=0.6), False),
        (-1.0, Novelty(threshold=None), True),
        (-1.0, None, True),
        (None, Novelty(threshold=0.6), True),
    ],
    ids=["at the threshold", "below", "no threshold", "no method", "cannot tell"],
)
def test_a_photo_is_known_from_the_threshold_up(
    similarity: float | None, novelty: Novelty | None, expected: bool
) -> None:
    assert is_known(similarity, novelty) is expected
