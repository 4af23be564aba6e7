"""Layers that keep float32 in an int8 network: the same bits in whatever order their sums are added."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from mirror.export.int8_sums import EXACT, whole_numbers
from mirror.export.quantize import Quantizer
from mirror.inference.session import OnnxModel
from tests.support.networks import exported, mobile, noise

WEIGHTS = {  # shape, what of it is not zero, size of the bias
    "EfficientNet's first, 3x3 over colours": ((32, 3, 3, 3), 1.0, 1.0),
    "ResNet's first, 7x7 over colours": ((64, 3, 7, 7), 1.0, 1.0),
    "depthwise": ((32, 1, 3, 3), 1.0, 1.0),
    "of 512 channels": ((8, 512, 3, 3), 1.0, 1.0),
    "of 100,000 inputs": ((2, 100_000), 1.0, 1.0),
    "hardly anything but zeros": ((4, 4096, 3, 3), 1e-4, 1.0),
    "zeros": ((4, 8), 0.0, 1.0),
    "a bias that is a thousand times what is summed": ((4, 8, 3, 3), 1.0, 1e5),
    "no bias": ((4, 8, 3, 3), 1.0, 0.0),
}


@pytest.mark.parametrize("largest", [0.0, 1e-6, 1.0, 300.0])
@pytest.mark.parametrize(("shape", "share", "size"), WEIGHTS.values(), ids=WEIGHTS)
def test_no_sum_outgrows_what_float32_holds_exactly(
    shape: tuple[int, ...], share: float, size: float, largest: float
) -> None:
    random = np.random.default_rng(0)
    weight = random.normal(size=shape) * (random.random(shape) < share)
    levels, step, whole, shift, steps = whole_numbers(weight, size * random.normal(size=shape[0]), largest)
    assert levels >= 1 and np.isfinite([step, *steps]).all() and (steps.astype(np.float32) > 0).all()
    assert (levels * np.abs(whole).reshape(len(whole), -1).sum(axis=1) + np.abs(shift)).max() < EXACT
    assert np.array_equal(whole, np.round(whole)) and np.array_equal(shift, np.round(shift))


def test_first_layers_are_finer_than_eight_bits() -> None:
    weight, bias = np.random.default_rng(1).normal(size=(32, 3, 3, 3)), np.linspace(-1, 1, 32)
    levels, step, whole, shift, steps = whole_numbers(weight, bias, 2.0)
    assert levels > 1000 and np.abs(whole).max(axis=(1, 2, 3)).min() > 300
    np.testing.assert_allclose(whole * (steps / step)[:, None, None, None], weight, atol=0.005)
    np.testing.assert_allclose(shift * steps, bias, atol=1e-5)


class Mixed(nn.Module):
    """A convolution without bias, one of 7 x 7, and a matrix product."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(3)
        self.stem, self.conv = nn.Conv2d(3, 16, 7, stride=2, padding=3), nn.Conv2d(16, 16, 3, bias=False)
        self.linear, self.last, self.head = nn.Linear(16, 16), nn.Conv2d(16, 16, 1), nn.Linear(16, 2)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = self.conv(torch.relu(self.stem(pixels)))
        x = torch.relu(self.linear(x.permute(0, 2, 3, 1))).permute(0, 3, 1, 2)
        return self.head(torch.relu(self.last(x)).mean(dim=(2, 3)))


def inside(network: Path, photo: np.ndarray, mixed: bool) -> list[np.ndarray]:
    """All that the network works out on its way; mixed: with the inputs of the first convolution in another order,
    which adds its sums in another."""
    model = onnx.load(network)
    model = onnx.shape_inference.infer_shapes(model)
    if mixed:
        order = np.array([2, 0, 1])
        first = next(node for node in model.graph.node if node.op_type == "Conv")
        tensor = next(tensor for tensor in model.graph.initializer if tensor.name == first.input[1])
        tensor.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(tensor)[:, order].copy(), tensor.name))
        photo = photo[order]
    del model.graph.output[:]
    quantised = [node.output[0] for node in model.graph.node if node.op_type == "QuantizeLinear"]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in quantised)
    return OnnxModel(model.SerializeToString()).run(photo[None], quantised)


@pytest.mark.parametrize("model", [mobile(), Mixed()], ids=["mobile", "mixed"])
@pytest.mark.parametrize("first", [1, 2, 3])
def test_sums_in_another_order_give_the_same_levels(tmp_path: Path, model: nn.Module, first: int) -> None:
    network, target = exported(model, tmp_path / "fp32.onnx", side=32), tmp_path / "int8.onnx"
    photos = noise(40, side=32)
    Quantizer(network, photos[:8]).write(target, first)
    for photo in photos:
        for own, other in zip(inside(target, photo, False), inside(target, photo, True), strict=True):
            assert np.array_equal(own, other)


@pytest.mark.parametrize("model", [mobile(), Mixed()], ids=["mobile", "mixed"])
def test_answers_stay_as_near_as_float32_layers_are(tmp_path: Path, model: nn.Module) -> None:
    network, photos = exported(model, tmp_path / "fp32.onnx", side=32), noise(24, side=32)
    quantizer = Quantizer(network, photos[:12])
    rounded = len(quantizer.layers)
    quantizer.write(tmp_path / "exact.onnx", rounded)  # no layer is left for int8
    before, after = (
        np.concatenate([OnnxModel(file).run(photo[None])[0] for photo in photos])
        for file in (network, tmp_path / "exact.onnx")
    )
    assert 0 < np.abs(after - before).max() < 0.01 * before.std()


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(4)
        self.stem, self.blocks = nn.Conv2d(3, 32, 1), nn.ModuleList(nn.Conv2d(32, 32, 1) for _ in range(6))
        self.head = nn.Linear(32, 2)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        x = self.stem(pixels)
        for block in self.blocks:
            x = x + torch.relu(block(x))
        return self.head(x.mean(dim=(2, 3)))


def test_onnxruntime_adds_residuals_one_operation_after_another(tmp_path: Path) -> None:
    """Its own sum of levels, QLinearAdd, rounds once where the processor can, and twice in WebAssembly."""
    network, target = exported(Residual(), tmp_path / "fp32.onnx", side=64), tmp_path / "int8.onnx"
    Quantizer(network, noise(8, side=64)).write(target)
    options = onnxruntime.SessionOptions()
    options.log_severity_level, options.optimized_model_filepath = 3, str(tmp_path / "optimised.onnx")
    onnxruntime.InferenceSession(str(target), options)
    kinds = [node.op_type for node in onnx.load(tmp_path / "optimised.onnx").graph.node]
    assert kinds.count("QLinearConv") >= 6 and kinds.count("Sum") == 6
    assert set(kinds).isdisjoint({"QLinearAdd", "Add"})
