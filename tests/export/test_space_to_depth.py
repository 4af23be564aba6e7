"""The first convolution over blocks of pixels against the one it replaces."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mirror.export.space_to_depth import blocked_kernel, to_space_to_depth
from mirror.inference.session import OnnxModel

NAMED = {  # kernel, pads (top, left, bottom, right), height and width
    "ResNet's, 7x7": (7, (3, 3, 3, 3), (32, 32)),
    "EfficientNet's, 3x3 padded below and right": (3, (0, 0, 1, 1), (24, 36)),
    "MobileNet's, 3x3 padded all around": (3, (1, 1, 1, 1), (36, 24)),
    "5x5": (5, (2, 2, 2, 2), (16, 16)),
    "6x6, unpadded": (6, (0, 0, 0, 0), (16, 20)),
    "2x2": (2, (0, 0, 0, 0), (16, 16)),
}
LEFT_ALONE = {
    "an odd image": dict(size=(31, 32)),
    "a stride of one": dict(strides=(1, 1)),
    "a stride of four": dict(strides=(4, 4)),
    "another stride a side": dict(strides=(2, 1)),
    "dilated": dict(dilations=(2, 2)),
    "grouped": dict(group=3),
    "padded unlike above and left": dict(pads=(1, 0, 1, 1)),
    "taken by another node too": dict(fork=True),
}


def network(kernel=3, pads=(1, 1, 1, 1), size=(32, 32), strides=(2, 2), dilations=(1, 1), group=1, fork=False):
    """A QDQ network of one convolution, with random weights, as onnxruntime's quantiser writes it."""
    random = np.random.default_rng(kernel)
    tensors = {
        "scale": np.float32(0.02), "zero": np.uint8(117),
        "levels": random.integers(-64, 65, (6, 3 // group, kernel, kernel), dtype=np.int8),
        "steps": random.uniform(0.001, 0.01, 6).astype(np.float32), "zeros": np.zeros(6, np.int8),
        "out_scale": np.float32(0.05), "out_zero": np.uint8(128),
    }  # fmt: skip
    node = helper.make_node
    nodes = [
        node("QuantizeLinear", ["pixels", "scale", "zero"], ["q"]),
        node("DequantizeLinear", ["q", "scale", "zero"], ["x"]),
        node("DequantizeLinear", ["levels", "steps", "zeros"], ["w"], axis=0),
        node("Conv", ["x", "w"], ["y"], kernel_shape=(kernel, kernel), pads=pads, strides=strides,
             dilations=dilations, group=group),
        node("QuantizeLinear", ["y", "out_scale", "out_zero"], ["z"]),
        node("DequantizeLinear", ["z", "out_scale", "out_zero"], ["logits"]),
    ]  # fmt: skip
    outputs = ["logits"]
    if fork:
        nodes.append(node("Identity", ["q"], ["forked"]))
        outputs.append("forked")
    graph = helper.make_graph(
        nodes, "one", [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", 3, *size])],
        [onnx.ValueInfoProto(name=name) for name in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in tensors.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    return onnx.shape_inference.infer_shapes(model)


@pytest.mark.parametrize("kernel, pads, size", NAMED.values(), ids=NAMED)
def test_the_answers_are_the_same_to_the_last_bit(kernel, pads, size):
    model = network(kernel, pads, size)
    photos = np.random.default_rng(1).normal(0, 1.2, (2, 3, *size)).astype(np.float32)
    before = OnnxModel(model.SerializeToString()).run(photos)[0]
    assert to_space_to_depth(model)
    onnx.checker.check_model(model, full_check=True)
    assert [node.op_type for node in model.graph.node].count("SpaceToDepth") == 1
    after = OnnxModel(model.SerializeToString()).run(photos)[0]
    assert len(np.unique(before)) > 20  # something to compare
    np.testing.assert_array_equal(after, before)


@pytest.mark.parametrize("case", LEFT_ALONE.values(), ids=LEFT_ALONE)
def test_what_it_cannot_do_is_left_alone(case):
    model = network(**case)
    before = model.SerializeToString()
    assert not to_space_to_depth(model)
    assert model.SerializeToString() == before


def test_the_new_kernels_taps_are_the_old_ones():
    weight = np.arange(1, 10).reshape(1, 1, 3, 3)
    padded = [[0, 0, 0, 0], [0, 1, 2, 3], [0, 4, 5, 6], [0, 7, 8, 9]]  # one odd row and column before
    kernel = blocked_kernel(weight, before=1)
    assert kernel.shape == (1, 4, 2, 2)
    for place in range(4):
        np.testing.assert_array_equal(kernel[0, place], np.array(padded)[place // 2 :: 2, place % 2 :: 2])
