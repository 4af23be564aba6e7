"""The int8 network, of small networks and of a real learner: what is rounded to what, and that it repeats."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import numpy_helper
from torch import nn

from mirror.export.onnx_export import compile_learner
from mirror.export.quantize import Quantizer
from mirror.inference.session import OnnxModel
from tests.learners import LABELS, drawing, plain_pickle


def exported(model: nn.Module, path: Path, side: int = 16) -> Path:
    torch.manual_seed(0)
    axes = {"pixels": {0: "N"}, "logits": {0: "N"}}
    with pytest.warns(DeprecationWarning):
        torch.onnx.export(
            model.eval(), (torch.rand(2, 3, side, side),), str(path), input_names=["pixels"], output_names=["logits"],
            dynamo=False, dynamic_axes=axes, opset_version=18,
        )  # fmt: skip
    return path


def noise(count: int, side: int = 16, seed: int = 0) -> list[np.ndarray]:
    return list(np.random.default_rng(seed).normal(size=(count, 3, side, side)).astype(np.float32))


def mobile() -> nn.Module:
    """A stem, a depthwise and two pointwise convolutions, pooling and a head."""
    torch.manual_seed(1)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, padding=1), nn.ReLU6(), nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.ReLU6(),
        nn.Conv2d(8, 16, 1), nn.ReLU(), nn.Conv2d(16, 16, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(16, 3),
    )  # fmt: skip


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
    assert largest == {(8, 1, 3, 3): 127, (16, 8, 1, 1): 64, (16, 16, 1, 1): 64}
    onnx.checker.check_model(onnx.load(target), full_check=True)


@pytest.mark.parametrize(("first", "last", "in_int8"), [(0, 0, 4), (1, 0, 3), (2, 1, 1), (3, 1, 0)])
def test_so_many_layers_at_the_ends_stay_in_float(tmp_path: Path, first: int, last: int, in_int8: int) -> None:
    network, target = exported(mobile(), tmp_path / "fp32.onnx"), tmp_path / "int8.onnx"
    Quantizer(network, noise(4)).write(target, first, last)
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
