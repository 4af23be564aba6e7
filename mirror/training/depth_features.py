"""Features of every depth: what a network's stages see, beside what its last layer makes of it.

The last layer's features are of the kinds that the network was pretrained on. On other pictures (garments, digits,
drawings, product photos) what earlier stages see, and roughly where, says more, and a head on all of it errs far less
often than one on the last layer, or than a network that was fine-tuned on a few hundred photos (Evci et al. 2022,
"Head2Toe", arXiv 2201.03529; `python -m benchmarks.training.fine_tuning`).

The last stage's map is averaged as a whole. Those of earlier stages are averaged to the size of the last of them, and
that over its quarters: so all are maps of one size, which heat maps are made of (export/grad_cam_export.py). It takes
no more time, for a photo goes through all stages anyway. A network that is no chain of stages (transformers) has its
last layer alone.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

QUARTERS = 2  # a side


def deepened(body: nn.Module, size: int) -> nn.Module | None:
    """A body of torch's and fastai's own parts, which shares the given one's layers: pixels [N, 3, h, w] → [N, D'], the
    last D of which are the average of the map that the given one makes. None where it is no chain of stages. size: of
    the photos in px. Both are left in evaluation mode."""
    from fastai.layers import Cat

    example = torch.rand(1, 3, size, size, generator=torch.Generator().manual_seed(0))
    example = example.to(next(body.parameters()).device)
    with torch.no_grad():
        stages = _stages(body.eval(), example)
    if stages is None or len(stages) < 2:
        return None
    side = stages[-2][1]
    deep = nn.Sequential(stages[-1][0], nn.AdaptiveAvgPool2d(1), nn.Flatten())
    for stage, own in reversed(stages[:-1]):
        quarters = nn.Sequential(averaged(own, side), averaged(side, QUARTERS), nn.Flatten())
        deep = nn.Sequential(stage, Cat([quarters, deep], dim=1))
    return deep.eval()


def averaged(side: int, to: int) -> nn.AvgPool2d:
    """Map of `side` x `side` → `to` x `to`: by windows of one size, which leave nothing out and overlap where `side` is
    no multiple (ONNX has no windows of several sizes)."""
    step = side // to
    return nn.AvgPool2d(side - step * (to - 1), step)


def _stages(body: nn.Module, example: torch.Tensor) -> list[tuple[nn.Sequential, int]] | None:
    """The layers whose outputs have the same height and width, stage by stage, with that side; None where they do not
    follow one another to what the body gives."""
    wanted: Any = body(example)
    if not isinstance(wanted, torch.Tensor) or wanted.ndim != 4:
        return None
    stages: list[tuple[list[nn.Module], int]] = []
    given = example
    for layer in _in_order(getattr(body, "model", body)):
        try:
            given = layer(given)
        except Exception:  # a layer that is not made for what the one before it gives
            return None
        if not isinstance(given, torch.Tensor) or given.ndim != 4 or given.shape[2] != given.shape[3]:
            return None  # tokens, or channels last
        side = given.shape[2]
        if stages and side > stages[-1][1]:
            return None
        if not stages or side < stages[-1][1]:
            stages.append(([], side))
        stages[-1][0].append(layer)
        if given.shape == wanted.shape and torch.allclose(given, wanted, rtol=1e-4, atol=1e-5):
            return [(nn.Sequential(*layers), side) for layers, side in stages]
    return None


def _in_order(network: nn.Module) -> list[nn.Module]:
    """A network's layers as they are listed, chains within taken apart."""
    found: list[nn.Module] = []
    for layer in network.children():
        found += _in_order(layer) if type(layer) is nn.Sequential else [layer]
    return found
