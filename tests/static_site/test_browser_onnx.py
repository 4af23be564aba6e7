"""The network that a browser gets: the one of the model folder, to the last bit of its answers."""

from __future__ import annotations

import gzip
import itertools

import numpy as np
import pytest

from mirror.inference.session import OnnxModel
from mirror.model_folder import read_model_folder
from mirror.static_site.browser_onnx import for_browsers
from tests.static_site.conftest import ROOT

onnx = pytest.importorskip("onnx")
SIDE, CHANNELS = 11, 6


def network(
    *, before: int = 0, after: int = 0, side: int = 3, stride: int = 1, bias: bool = True, each: bool = True,
    groups: int = CHANNELS, seed: int = 0,
) -> bytes:  # fmt: skip
    """pixels → QuantizeLinear → a convolution of levels → logits. before, after: zero points; each: of a scale."""
    random = np.random.default_rng(seed)
    count = CHANNELS if each else 1
    scales = random.uniform(0.001, 0.02, count).astype(np.float32)
    scale_before, scale_after = np.float32(0.0235), np.float32(0.0412)
    tensors = {
        "scale_before": scale_before, "zero_before": np.uint8(before), "scale_after": scale_after,
        "zero_after": np.uint8(after), "zeros": np.zeros(count, np.int8), "many": np.zeros(count, np.int32),
        "weights": random.integers(-127, 128, (CHANNELS, CHANNELS // groups, side, side)).astype(np.int8),
        "bias": random.integers(-9000, 9000, CHANNELS).astype(np.int32), "scales": scales,
        "sums": scales * scale_before,
    }  # fmt: skip
    if not each:
        tensors |= {name: tensors[name][0] for name in ("zeros", "many", "scales", "sums")}
    node = onnx.helper.make_node
    nodes = [
        node("QuantizeLinear", ["pixels", "scale_before", "zero_before"], ["levels"]),
        node("DequantizeLinear", ["levels", "scale_before", "zero_before"], ["values"]),
        node("DequantizeLinear", ["weights", "scales", "zeros"], ["kernel"], axis=0),
        node("DequantizeLinear", ["bias", "sums", "many"], ["shift"], axis=0),
        node(
            "Conv", ["values", "kernel", *(["shift"] if bias else [])], ["made"], group=groups,
            kernel_shape=[side, side], strides=[stride] * 2, pads=[side // 2] * 4,
        ),
        node("QuantizeLinear", ["made", "scale_after", "zero_after"], ["found"]),
        node("DequantizeLinear", ["found", "scale_after", "zero_after"], ["logits"]),
    ]  # fmt: skip
    value = onnx.helper.make_tensor_value_info
    kind, given = onnx.TensorProto.FLOAT, [onnx.numpy_helper.from_array(array, name) for name, array in tensors.items()]
    ends = [value("pixels", kind, [1, CHANNELS, SIDE, SIDE])], [value("logits", kind, None)]
    graph = onnx.helper.make_graph(nodes, "g", *ends, given)
    return onnx.helper.make_model(
        graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=9
    ).SerializeToString()


def slow(data: bytes) -> list[str]:
    """The convolutions of an ONNX file that take what a DequantizeLinear gives, and are depthwise or of one pixel."""
    graph = onnx.load_from_string(data).graph
    made = {node.output[0]: node.op_type for node in graph.node}
    weights = {tensor.name: tensor.dims for tensor in graph.initializer}
    behind = {node.output[0]: weights.get(node.input[0]) for node in graph.node}
    found = [node for node in graph.node if node.op_type == "Conv" and made.get(node.input[0]) == "DequantizeLinear"]
    return [node.name for node in found if behind[node.input[1]][1] == 1 or list(behind[node.input[1]][2:]) == [1, 1]]


def answers(data: bytes, shape: tuple[int, ...], outputs: tuple[str, ...]) -> list[np.ndarray]:
    engine, random = OnnxModel(data, threads=1), np.random.default_rng(1)
    photos = [random.normal(0, 1.5, shape).astype(np.float32) for _ in range(4)]
    return [found for photo in photos for found in engine.run(photo, outputs)]


def test_the_shipped_network_answers_the_same_to_the_last_bit() -> None:
    folder = read_model_folder(ROOT / "models" / "mirror")
    given, outputs = folder.read(folder.info.onnx.file), folder.info.onnx.outputs
    found = for_browsers(given)
    assert len(slow(given)) == 46 and slow(found) == []
    assert len(gzip.compress(found)) < 1.01 * len(gzip.compress(given))
    expected = answers(given, (1, 3, 288, 288), outputs)
    for own, other in zip(answers(found, (1, 3, 288, 288), outputs), expected, strict=True):
        assert np.array_equal(own, other)


@pytest.mark.parametrize("seed", range(3))
def test_convolutions_of_every_form_give_the_same_levels(seed: int) -> None:
    different = []
    kinds = [{"side": 3}, {"side": 3, "stride": 2}, {"side": 5}, {"side": 5, "stride": 2}, {"side": 1, "groups": 1}]
    for kind, before, after, bias, each in itertools.product(kinds, (0, 7), (0, 130), (0, 1), (0, 1)):
        form = {**kind, "before": before, "after": after, "bias": bias, "each": each}
        given = network(**form, seed=seed)
        found, shape = for_browsers(given), (1, CHANNELS, SIDE, SIDE)
        pairs = zip(answers(given, shape, ("logits",)), answers(found, shape, ("logits",)), strict=True)
        if slow(found) or not all(np.array_equal(own, other) for own, other in pairs):
            different.append(form)
    assert different == []


@pytest.mark.parametrize("form", [{"groups": 1}, {"groups": 2}, {"groups": 3}, {"groups": 1, "side": 1, "stride": 2}])
def test_a_network_that_would_not_be_quicker_stays_as_it_is(form: dict[str, int]) -> None:
    given = network(**form)
    assert for_browsers(given) == given


def test_a_bias_that_is_no_sum_of_levels_leaves_its_convolution_as_it_is() -> None:
    model = onnx.load_from_string(network())
    (conv,) = (node for node in model.graph.node if node.op_type == "Conv")
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.ones(CHANNELS, np.float32), "shift of floats"))
    conv.input[2] = "shift of floats"
    given = model.SerializeToString()
    assert for_browsers(given) == given
