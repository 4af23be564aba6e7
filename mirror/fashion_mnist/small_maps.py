"""Convolutions of maps of one or two pixels: without AVX-512, oneDNN takes five times too long for their gradient.

    with quick_small_maps(network):
        said = network(pixels)

The numbers are the same to rounding: there it is one product of matrices.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

import torch
from torch import nn
from torch.nn.functional import conv2d, pad
from torch.nn.grad import conv2d_input

SMALL = 2  # px: from 4 px up nothing is gained


@contextlib.contextmanager
def quick_small_maps(network: nn.Module, unless: bool = False) -> Iterator[None]:
    """What the network computes in this context has its plain 3 x 3 convolutions' gradients taken in this way."""
    plain = [] if unless else [
        module for module in network.modules()
        if isinstance(module, nn.Conv2d) and module.kernel_size == (3, 3) and module.stride == module.padding == (1, 1)
        and module.groups == 1 and module.dilation == (1, 1) and module.bias is None
    ]  # fmt: skip
    for module in plain:
        module.forward = partial(_forward, module)
    try:
        yield
    finally:
        for module in plain:
            del module.forward


def _forward(module: nn.Conv2d, maps: torch.Tensor) -> torch.Tensor:
    if max(maps.shape[2:]) > SMALL:
        return nn.Conv2d.forward(module, maps)
    return _Small.apply(maps, module.weight)


class _Small(torch.autograd.Function):
    """3 x 3, at a step of 1, padded by 1."""

    @staticmethod
    def forward(context, maps: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:  # [B, I, H, W], [O, I, 3, 3]
        context.save_for_backward(maps, weight)
        return conv2d(maps, weight, padding=1)

    @staticmethod
    def backward(context, gradient: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # [B, O, H, W]
        maps, weight = context.saved_tensors
        height, width = maps.shape[2:]
        padded = pad(maps, (1, 1, 1, 1)).permute(0, 2, 3, 1)
        seen = [padded[:, y : y + height, x : x + width] for y in range(3) for x in range(3)]
        seen = torch.stack(seen, dim=3).flatten(0, 2).flatten(1)  # [B H W, 9 I]: what each place sees
        of_weight = gradient.permute(0, 2, 3, 1).flatten(0, 2).T @ seen
        of_weight = of_weight.view(len(weight), 3, 3, -1).permute(0, 3, 1, 2)
        return conv2d_input(maps.shape, weight, gradient, padding=1), of_weight
