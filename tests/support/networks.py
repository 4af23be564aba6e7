"""Small networks as ONNX, and what is shown to them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn


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
