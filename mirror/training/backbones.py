"""Backbones: a network by name → the part of it before its classifier (fastai's body), whatever family it is of.

A body gives a map [N, C, h, w], which the head averages, or features [N, D]. It is a map where the network's own
features are just that average (ResNets, EfficientNets; fastai's cut); else the whole network without its classifier
(transformers, which give tokens or channels last; networks that do more than average). D is timm's `num_features`, or
the width that torchvision's classifier takes; a network of which that cannot be had is refused, before any photo is
looked at.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from mirror.errors import UsageError
from mirror.terminal import say
from mirror.training.pretrained import Architecture, find_architecture, load_into, load_weights

LARGEST = 384  # px: pretraining on more takes minutes a photo on a CPU, and such a network takes less as well
UNFIT = "gives nothing that a classifier could be fitted to: choose another."


@dataclass(frozen=True)
class Backbone:
    """A pretrained network that can be trained from. state: its body's weights, and `source` where they came from;
    size: side in px of the photos that it is shown; chosen_of: networks that the photos chose it from."""

    architecture: Architecture
    state: dict[str, torch.Tensor]
    source: str
    size: int
    chosen_of: int = 1


def find_backbone(
    name: str, weights: Path | None, size: int | None, default: int, log: Callable[[str], None] = say
) -> Backbone:
    """The network of this name with its weights, which fit it; all that can be wrong with it is found out here. size:
    asked for in px, None: `default`, or what the network takes. Raises UsageError, WeightsError."""
    architecture = find_architecture(name)
    side = size or input_size(architecture, default)
    body = make_body(architecture, side)
    if size is None and side != default:
        log(f"{name} is built for photos of one size: they are shown to it at {side} px.")
    state, source = load_weights(architecture, weights, log)
    load_into(body, state, source)
    return Backbone(architecture, body.state_dict(), source, side)


def make_body(architecture: Architecture, size: int) -> nn.Module:
    """The body for photos of `size` px, with random weights, in evaluation mode. Raises UsageError where the network
    takes no photos of that size, or gives nothing that a classifier could be fitted to."""
    try:
        body = (
            _of_timm(architecture, size) if isinstance(architecture.arch, str) else _of_torchvision(architecture, size)
        )
        width = width_of(body, size)
    except UsageError:
        raise
    except Exception as error:  # networks of hundreds of authors, each with errors of its own
        reason = (str(error) or type(error).__name__).splitlines()[0][:160]
        raise UsageError(
            f"--arch {architecture.name} takes no photos of {size} px ({reason}): {_way_out(architecture, size)}."
        ) from None
    if width is None:
        raise UsageError(f"--arch {architecture.name} {UNFIT}")
    return body


def width_of(body: nn.Module, size: int) -> int | None:
    """D, the number of features of a photo; None where the body gives no such thing."""
    given = _shown(body, size)
    if not isinstance(given, torch.Tensor) or given.ndim not in (2, 4) or len(given) != 1:
        return None
    return given.shape[1]


def input_size(architecture: Architecture, default: int) -> int:
    """The side in px that photos get where nobody asks for one: `default`, but for networks that are built for one size
    that size, or `default` in whole patches where that is a large one."""
    if not architecture.fixed or architecture.size is None:
        return default
    if architecture.size <= LARGEST:
        return architecture.size
    patch = re.search(r"patch(\d+)", architecture.name)
    return default // int(patch[1]) * int(patch[1]) if patch else default


def pooled(given: torch.Tensor) -> torch.Tensor:
    """[N, D] of what a body gives: a map's mean, or the features themselves."""
    return given if given.ndim == 2 else given.mean(dim=(2, 3))


def head_of(body: nn.Module, size: int) -> nn.Sequential:
    """The layers that go after the body; the last one is to be the classifier."""
    mapped = _shown(body, size).ndim == 4
    return nn.Sequential(nn.AdaptiveAvgPool2d(1) if mapped else nn.Identity(), nn.Flatten(), nn.Identity())


def _way_out(architecture: Architecture, size: int) -> str:
    if architecture.size and architecture.size != size:
        return f"it was pretrained on {architecture.size}, so give --size {architecture.size}"
    return "choose another"


def _shown(body: nn.Module, size: int) -> Any:
    with torch.no_grad():
        return body.eval()(torch.zeros(1, 3, size, size, device=next(body.parameters()).device))


def _of_timm(architecture: Architecture, size: int) -> nn.Module:
    import timm
    from fastai.vision.learner import TimmBody

    name = architecture.name
    try:
        made: dict[str, Any] = {"img_size": size} if architecture.fixed else {}
        network = timm.create_model(name, pretrained=False, num_classes=0, **made)
    except TypeError:  # it takes any size
        network = timm.create_model(name, pretrained=False, num_classes=0)
    body = TimmBody(network.eval(), pretrained=False)
    with torch.no_grad():
        given = getattr(network, "forward_features", network)(torch.zeros(1, 3, size, size))
    body.needs_pool = isinstance(given, torch.Tensor) and given.ndim == 4 and given.shape[1] == network.num_features
    if not body.needs_pool:
        width = width_of(body, size)
        if width not in (network.num_features, getattr(network, "head_hidden_size", None)):
            raise UsageError(f"{name} {UNFIT}")
    return body


def _of_torchvision(architecture: Architecture, size: int) -> nn.Module:
    from fastai.vision.learner import create_body, model_meta

    build, name = architecture.arch, architecture.name
    assert callable(build)
    made: dict[str, Any] = {}
    if name in ("googlenet", "inception_v3"):  # its pretrained weights were made with pixels shifted again
        made = {"aux_logits": False, "init_weights": False, "transform_input": True}
    network = build(weights=None, **made).eval()
    linear = [place for place, module in network.named_modules() if isinstance(module, nn.Linear)]
    try:  # both share their layers
        cut = create_body(network, 3, False, model_meta.get(build, {}).get("cut")).eval()
    except StopIteration:  # it has no pool that could be told
        cut = None
    whole = _without(network, linear[-1]) if linear else None
    if whole is None or (cut is not None and _agree(cut, whole, size)):
        return cut
    return whole


def _without(network: nn.Module, place: str) -> nn.Module:
    parent, _, last = place.rpartition(".")
    setattr(network.get_submodule(parent), last, nn.Identity())
    return network


def _agree(cut: nn.Module, whole: nn.Module, size: int) -> bool:
    """Whether the average of the cut network's map is what the whole one gives its classifier."""
    pixels = torch.rand(2, 3, size, size, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        try:
            given, features = cut(pixels), whole(pixels)
        except RuntimeError:  # cut at a place from which there is no way through
            return False
    if given.ndim != 4 or pooled(given).shape != features.shape:
        return False
    return bool(torch.allclose(pooled(given), features, rtol=1e-3, atol=1e-5 * float(features.abs().max())))
