"""Gradients on small maps: the same as torch's own."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torchvision.models import resnet18

from mirror.fashion_mnist.small_maps import quick_small_maps


def gradients(network: nn.Module, pixels: torch.Tensor) -> dict[str, torch.Tensor]:
    network.zero_grad()
    cross_entropy(network(pixels), torch.arange(len(pixels)) % 10).backward()
    return {name: weight.grad.clone() for name, weight in network.named_parameters()}


@pytest.mark.parametrize("size", [32, 56, 80], ids=["1 px", "2 px", "3 px: not small"])
def test_gradients_are_torchs_own(size: int) -> None:
    torch.manual_seed(0)
    network = resnet18(num_classes=10).to(memory_format=torch.channels_last).double()
    pixels = torch.randn(4, 3, size, size, dtype=torch.float64)
    theirs = gradients(network, pixels)
    with quick_small_maps(network):
        ours = gradients(network, pixels)
    for name, gradient in theirs.items():
        assert torch.allclose(ours[name], gradient, rtol=1e-9, atol=1e-12 * gradient.abs().max()), name


def test_the_network_is_its_own_again_afterwards() -> None:
    network = resnet18(num_classes=10)
    with quick_small_maps(network):
        assert sum("forward" in vars(module) for module in network.modules()) == 13  # 3 x 3 at a step of 1
    with quick_small_maps(network, unless=True):
        assert not any("forward" in vars(module) for module in network.modules())
    assert not any("forward" in vars(module) for module in network.modules())


def test_an_error_inside_leaves_nothing_behind() -> None:
    network = nn.Sequential(nn.Conv2d(2, 2, 3, padding=1, bias=False))
    with pytest.raises(RuntimeError), quick_small_maps(network):
        network(torch.zeros(1, 7, 2, 2))
    assert "forward" not in vars(network[0])
