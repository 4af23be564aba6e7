"""A network in two parts: together they are the network, and the last one's weights are the network's own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mirror.training.augmented_features import MOST_BYTES, views_that_fit
from mirror.training.backbones import make_body
from mirror.training.last_layers import SplitBody, split_body
from mirror.training.pretrained import find_architecture

SIZE = 64
SHARE = 0.7


@pytest.mark.parametrize(
    "arch",
    ["resnet18", "tf_efficientnet_lite0", "mobilenet_v3_small", "squeezenet1_1", "convnext_atto", "swin_t",
     "densenet121", "deit_tiny_patch16_224"],
)  # fmt: skip
def test_both_parts_are_the_network(arch: str) -> None:
    size = 224 if "224" in arch else SIZE
    torch.manual_seed(0)
    body = make_body(find_architecture(arch), size)
    split = split_body(body, size, SHARE)
    pixels = torch.rand(2, 3, size, size)
    with torch.no_grad():
        given = split.first(pixels)
        assert tuple(given.shape[1:]) == split.shape and split.shape != (3, size, size)
        assert torch.allclose(split.last(given), body(pixels), rtol=1e-3, atol=1e-4)
    own = {id(parameter) for parameter in body.parameters()}
    last = list(split.last.parameters())
    assert all(id(parameter) in own for parameter in last)
    held = sum(p.numel() for p in last) / sum(p.numel() for p in body.parameters())
    assert SHARE <= held < 1 and held == pytest.approx(split.share)


class Undecided(nn.Module):
    """It cannot be traced, for it looks at what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(3, 4, 3)

    def forward(self, pixels: torch.Tensor) -> Any:
        return self.layer(pixels) if pixels.sum() > -1 else pixels


def test_a_network_that_cannot_be_cut_is_all_last_layers() -> None:
    body = Undecided()
    split = split_body(body, SIZE, SHARE)
    assert split.last is body and split.shape == (3, SIZE, SIZE) and split.share == 1


@pytest.mark.parametrize(("photos", "views"), [(10, 3), (10**6, 1), (10**8, 0)])
def test_as_many_views_are_kept_as_fit_into_memory(photos: int, views: int) -> None:
    split = SplitBody(nn.Identity(), nn.Identity(), (32, 5, 5), 1.0)
    assert views_that_fit(split, photos, 3) == views
    assert (views + 1) * photos * 2 * int(np.prod(split.shape)) <= MOST_BYTES or not views
