"""The int8 network, of small networks and of a real learner: what is rounded to what, and that it repeats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from mirror.export.onnx_export import compile_learner
from mirror.export.quantize import Quantizer, blocked_kernel, to_space_to_depth
from mirror.inference.session import OnnxModel
from tests.learners import LABELS, drawing, plain_pickle
from tests.support.networks import exported, mobile, noise


def weights_of(network: Path) -> dict[tuple[str, ...], list[np.ndarray]]:
    """Shape of each Conv's and Gemm's weight → its values as they are stored."""
    graph = onnx.load(network).graph
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    made = {node.output[0]: node for node in graph.node}
    found = {}
    for node in graph.node:
        if node.op_type in ("Conv", "Gemm"):
            name = node.input[1] if node.input[1] in tensors else made[node.input[1]].input[0]
            found[tensors[name].shape] = tensors[name]
    return found


def test_the_ends_stay_in_float_and_the_rest_cannot_overflow_sixteen_bits(tmp_path: Path) -> None:
    network, target = exported(mobile(), tmp_path / "fp32.onnx"), tmp_path / "int8.onnx"
    Quantizer(network, noise(8)).write(target, first=1)
    found = weights_of(target)
    in_float = {shape for shape, weight in found.items() if weight.dtype == np.float32}
    largest = {shape: np.abs(weight.astype(int)).max() for shape, weight in found.items() if weight.dtype == np.int8}
    assert in_float == {(8, 3, 3, 3), (3, 16)}
    graph = onnx.load(target).graph
    assert {tensor.name for tensor in graph.initializer} <= {name for node in graph.node for name in node.input}
    assert largest == {(8, 1, 3, 3): 127, (16, 8, 1, 1): 64, (16, 16, 1, 1): 64}
    onnx.checker.check_model(onnx.load(target), full_check=True)


@pytest.mark.parametrize(("first", "in_int8"), [(0, 4), (1, 3), (3, 1), (4, 0)])
def test_so_many_first_layers_stay_in_float(tmp_path: Path, first: int, in_int8: int) -> None:
    network, target = exported(mobile(), tmp_path / "fp32.onnx"), tmp_path / "int8.onnx"
    Quantizer(network, noise(4)).write(target, first)
    assert sum(weight.dtype == np.int8 for weight in weights_of(target).values()) == in_int8


def test_answers_stay_near_and_the_bias_is_corrected(tmp_path: Path) -> None:
    """A layer whose weights lie just below the middle between two levels: rounding alone shifts its mean by much."""
    layer = nn.Conv2d(8, 4, 1)
    model = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), layer)
    torch.manual_seed(2)
    with torch.no_grad():
        layer.weight.fill_(0.49 / 64)
        layer.weight[:, 0] = 1.0  # the scale: 1/64 a level, so that the others become 0
    network = exported(nn.Sequential(model, nn.AdaptiveAvgPool2d(1), nn.Flatten()), tmp_path / "fp32.onnx")
    target, photos = tmp_path / "int8.onnx", noise(32)
    Quantizer(network, photos).write(target)
    before, after = (np.concatenate([OnnxModel(p).run(x[None])[0] for x in photos]) for p in (network, target))
    lost = 0.49 / 64 * _positive_mean(model, photos)  # what the channels rounded away gave on average
    assert lost > 0.01
    assert np.abs((after - before).mean(axis=0)).max() < lost / 4


def _positive_mean(model: nn.Module, photos: list[np.ndarray]) -> float:
    with torch.no_grad():
        middle = model[:2](torch.from_numpy(np.stack(photos)))
    return float(middle[:, 1:].sum(dim=1).mean())


def test_a_convolution_without_bias_and_a_matrix_product_are_quantised_too(tmp_path: Path) -> None:
    torch.manual_seed(3)

    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.conv = nn.Conv2d(3, 8, 4, stride=4), nn.Conv2d(8, 8, 1, bias=False)
            self.linear, self.head = nn.Linear(8, 8), nn.Linear(8, 2)

        def forward(self, pixels: torch.Tensor) -> torch.Tensor:
            x = self.conv(torch.relu(self.stem(pixels)))
            x = torch.relu(self.linear(x.permute(0, 2, 3, 1)))
            return self.head(x.mean(dim=(1, 2)))

    network, target = exported(Mixed(), tmp_path / "fp32.onnx"), tmp_path / "int8.onnx"
    photos = noise(16)
    Quantizer(network, photos).write(target)
    graph = onnx.load(target).graph
    int8 = sorted(numpy_helper.to_array(t).shape for t in graph.initializer if t.data_type == onnx.TensorProto.INT8)
    assert (8, 8) in int8 and (8, 8, 1, 1) in int8
    before, after = (np.concatenate([OnnxModel(p).run(x[None])[0] for x in photos]) for p in (network, target))
    assert 0 < np.abs(after - before).mean() < 0.05 * before.std() + 0.01


@pytest.fixture(scope="module")
def resnet(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[np.ndarray]]:
    from mirror.inference.preprocess import preprocess

    network = tmp_path_factory.mktemp("resnet") / "model.onnx"
    compiled = compile_learner(plain_pickle(), network)
    photos = [preprocess(drawing(LABELS[seed % 3], seed), compiled.preprocessing) for seed in range(24)]
    return network, photos


def test_a_resnet_answers_as_before_at_less_than_a_third_of_the_size(resnet, tmp_path: Path) -> None:
    network, photos = resnet
    target = tmp_path / "int8.onnx"
    Quantizer(network, photos[:12]).write(target)
    assert target.stat().st_size < 0.3 * network.stat().st_size
    batch = np.stack(photos[12:])
    logits, features = OnnxModel(network).run(batch, ("logits", "features"))
    ours, our_features = OnnxModel(target).run(batch, ("logits", "features"))
    assert np.abs(ours - logits).mean() < 0.2 * logits.std()  # random weights: its logits are small differences, spread
    cosines = (features * our_features).sum(axis=1)
    cosines /= np.linalg.norm(features, axis=1) * np.linalg.norm(our_features, axis=1)
    assert cosines.min() > 0.99


def test_the_same_photos_give_the_same_bytes(resnet, tmp_path: Path) -> None:
    network, photos = resnet
    for name in ("one", "two"):
        Quantizer(network, photos[:6]).write(tmp_path / name)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


# ---- the first convolution over blocks of pixels, against the one it replaces

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
