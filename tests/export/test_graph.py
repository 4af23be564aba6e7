"""Fixed shapes become constants, and nothing else changes."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from timm import create_model

from mirror.export.graph import fold_shapes
from mirror.inference.session import OnnxModel
from tests.learners import PACKAGED_ARCH as ARCH
from tests.support.networks import exported

PIXELS = np.random.default_rng(0).normal(size=(3, 3, 96, 96)).astype(np.float32)


def operations(path: Path) -> Counter:
    return Counter(node.op_type for node in onnx.load(path).graph.node)


def test_paddings_computed_from_shapes_become_constants(tmp_path: Path) -> None:
    network = exported(create_model(ARCH, num_classes=5), tmp_path / "model.onnx", 96)
    before, many = OnnxModel(network).run(PIXELS)[0], operations(network)
    assert many["Shape"] > 10
    saved = fold_shapes(network)
    assert saved == sum(many.values()) - sum(operations(network).values()) and saved > 400
    left = {"Constant", "Conv", "Clip", "Add", "Pad", "GlobalAveragePool", "Flatten", "Gemm"}
    assert set(operations(network)) == left
    np.testing.assert_array_equal(OnnxModel(network).run(PIXELS)[0], before)
    np.testing.assert_allclose(OnnxModel(network).run(PIXELS[:1])[0], before[:1], atol=1e-5)
    assert fold_shapes(network) == 0


def test_what_depends_on_the_number_of_images_stays(tmp_path: Path) -> None:
    """logits = pixels as [N, everything], by a Reshape to (shape[0], shape[1] * shape[2] * shape[3])."""
    nodes = [
        helper.make_node("Shape", ["pixels"], ["shape"]),
        helper.make_node("Slice", ["shape", "zero", "one"], ["images"]),
        helper.make_node("Slice", ["shape", "one", "four"], ["sides"]),
        helper.make_node("ReduceProd", ["sides"], ["width"], keepdims=1),
        helper.make_node("Concat", ["images", "width"], ["target"], axis=0),
        helper.make_node("Reshape", ["pixels", "target"], ["logits"]),
    ]
    values = {"zero": [0], "one": [1], "four": [4]}
    graph = helper.make_graph(
        nodes,
        "flat",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", 3, 2, 2])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", 12])],
        [helper.make_tensor(name, TensorProto.INT64, [1], value) for name, value in values.items()],
    )
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), path)
    assert fold_shapes(path) == 0
    for images in (1, 4):
        pixels = PIXELS[:1, :, :2, :2].repeat(images, axis=0)
        np.testing.assert_array_equal(OnnxModel(path).run(pixels)[0], pixels.reshape(images, 12))


@pytest.mark.parametrize("architecture", ["convnext_atto", "mobilenetv3_small_050"])
def test_other_networks_answer_as_before(tmp_path: Path, architecture: str) -> None:
    network = exported(create_model(architecture, num_classes=4), tmp_path / "model.onnx", 96)
    before = OnnxModel(network).run(PIXELS)[0]
    fold_shapes(network)
    assert "Shape" not in operations(network)
    np.testing.assert_allclose(OnnxModel(network).run(PIXELS)[0], before, atol=1e-6)
    assert OnnxModel(network).run(PIXELS[:1])[0].shape == (1, 4)
