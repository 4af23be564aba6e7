"""Muon: against the singular values themselves, and against torch's own for matrices."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from mirror.fashion_mnist.muon import Muon, orthogonal


def with_singular_values(rows: int, columns: int, values: torch.Tensor) -> torch.Tensor:
    random = torch.Generator().manual_seed(0)
    left = torch.linalg.qr(torch.randn(rows, len(values), generator=random))[0]
    right = torch.linalg.qr(torch.randn(columns, len(values), generator=random))[0]
    return left @ torch.diag(values) @ right.T


@pytest.mark.parametrize(("rows", "columns"), [(8, 8), (8, 60), (60, 8)], ids=["square", "wide", "tall"])
@pytest.mark.parametrize("scale", [1e-6, 1.0, 1e4])
def test_every_direction_of_a_step_becomes_about_as_large(rows: int, columns: int, scale: float) -> None:
    matrix = with_singular_values(rows, columns, scale * torch.logspace(0, -1.5, 8))
    turned = orthogonal(matrix)
    values = torch.linalg.svdvals(turned)
    assert values.min() > 0.65 and values.max() < 1.25
    left, _, right = torch.linalg.svd(matrix, full_matrices=False)  # and stays the same direction
    assert torch.allclose((left.T @ turned @ right.T).diagonal().sort().values, values.sort().values, atol=1e-3)


def test_a_gradient_of_nothing_is_no_step() -> None:
    assert torch.equal(orthogonal(torch.zeros(4, 9)), torch.zeros(4, 9))


def test_its_first_step_is_that_of_torchs_own_muon_on_the_flattened_weight() -> None:
    torch.manual_seed(0)
    convolution = nn.Conv2d(6, 16, 3, bias=False)
    with torch.no_grad():
        convolution.weight.mul_(4 / convolution.weight.norm())  # the norm that ours keeps: the root of 16
    flat = nn.Parameter(convolution.weight.detach().flatten(1).clone())
    gradient = torch.randn_like(flat)
    theirs = torch.optim.Muon([flat], lr=0.05, weight_decay=0.0, momentum=0.9, nesterov=False)
    ours = Muon([convolution.weight], rate=0.05, plain_rate=0.1, momentum=0.9)
    flat.grad, convolution.weight.grad = gradient.clone(), gradient.view_as(convolution.weight).clone()
    theirs.step()
    ours.step()
    assert torch.allclose(convolution.weight.detach().flatten(1), flat.detach(), atol=2e-3)  # theirs is bfloat16


def test_what_is_no_convolution_is_left_to_sgd() -> None:
    torch.manual_seed(0)
    ours = nn.Sequential(nn.BatchNorm1d(5), nn.Linear(5, 3))
    theirs = copy.deepcopy(ours)
    optimizers = (
        Muon(ours.parameters(), rate=0.05, plain_rate=0.1, momentum=0.9),
        torch.optim.SGD(theirs.parameters(), lr=0.1, momentum=0.9, nesterov=True),
    )
    for _ in range(3):
        pixels = torch.randn(7, 5)
        for network, optimizer in zip((ours, theirs), optimizers, strict=True):
            optimizer.zero_grad()
            network(pixels).square().mean().backward()
            optimizer.step()
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def test_its_state_goes_on_elsewhere() -> None:
    def stepped(weight: nn.Parameter, optimizer: Muon, times: int) -> None:
        for _ in range(times):
            weight.grad = (weight.detach() ** 2 + 0.1).clone()
            optimizer.step()

    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(4, 2, 3, 3))
    other = nn.Parameter(weight.detach().clone())
    first, second = (Muon([w], rate=0.1, plain_rate=0.1, momentum=0.9) for w in (weight, other))
    stepped(weight, first, 4)
    stepped(other, second, 2)
    third = Muon([other], rate=0.1, plain_rate=0.1, momentum=0.9)
    third.load_state_dict(copy.deepcopy(second.state_dict()))
    stepped(other, third, 2)
    assert torch.equal(weight, other)
