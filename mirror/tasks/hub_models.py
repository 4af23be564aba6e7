"""Where a model of the Hub's layout is: in a folder, or on the Hugging Face Hub and from then on in its cache.

    located = locate("hf:google/vit-base-patch16-224")   # or a folder; fetched here, where it is not yet
    located.onnx                                         # its network in ONNX, which is preferred; None: for torch

Only what is needed is fetched, of the commit that the Hub names; from then on that commit answers, and the Hub is not
asked. `hf:OWNER/NAME@main` asks it for the newest, which answers from then on; `@COMMIT` names one. The Hub has a few
seconds to answer. HF_ENDPOINT, HF_HOME, HF_TOKEN, HF_HUB_OFFLINE and HTTPS_PROXY mean what they mean to
huggingface_hub.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase as fnmatch
from glob import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from mirror.errors import ModelUnavailable, UsageError, require_installed
from mirror.inference.user_cache import sha256_of_large
from mirror.storage import parse_json, read_file
from mirror.tasks.hub_client import NEWEST, PIN, info_of, is_fixed, progress_bar, remember, require_ours
from mirror.tasks.hub_errors import loading, quietly
from mirror.tasks.hub_layout import (
    CONFIG,
    DESCRIPTIONS,
    IN_FEWER_BITS,
    IN_FULL,
    PARITY,
    SHARDS,
    WEIGHTS,
    chosen_network,
    require_measured,
    require_network,
)
from mirror.tasks.request import KNOWN, ONNX_FORMS
from mirror.terminal import warn

MAX_CONFIG = 16 << 20  # bytes; 21,000 labels take 1.5 MB
PREFIX = "hf:"  # of a model on the Hub
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]*\w(@[\w.-]+)?")
TEXTS = (".json", ".txt", ".model")  # the files of a folder that its answers depend on,
READ = (*TEXTS, ".safetensors", ".bin")  # and with torch these too
MAX_ONNX = 2 << 30  # bytes: what a protobuf message may have
MAX_DESCRIPTION = 64 << 20  # bytes; the largest tokenizer has 34 MB
T = TypeVar("T")


@dataclass(frozen=True)
class Located:
    """A model whose files are all here. name: of the folder, or on the Hub. source: its folder. identity: changes with
    its files. local: whether it was given as a folder. config: what config.json says. onnx: its network, where that is
    what answers; None: its weights are for torch. sha256: of that file, where it is known."""

    name: str
    source: Path
    identity: str
    local: bool
    config: dict[str, Any] = field(default_factory=dict, repr=False)
    onnx: Path | None = None
    sha256: str | None = None


def hub_id(model: str) -> str | None:
    """owner/name of `hf:owner/name`, of a model that the tasks know and of one that the Hub's cache holds, with its
    `@revision` where it has one; None for whatever else, where owner/name may be a path that was mistyped, and be
    anybody's on the Hub."""
    name = model.removeprefix(PREFIX)
    if os.path.lexists(model) or not HUB_ID.fullmatch(name):
        return None
    repository = name.partition("@")[0]
    return name if name != model or repository in KNOWN or _cached(repository) else None


def not_found(model: str) -> str:
    """The sentence for a path that is not there, which may have been meant for a model of the Hub."""
    name = model if HUB_ID.fullmatch(model) else "OWNER/NAME"
    return (
        f"There is no {model}: give the folder of a model, or {PREFIX}{name} for one of the Hugging Face Hub, or "
        "train one with `python train.py`."
    )


def locate(model: str, hint: str = "", *, for_torch: bool = False) -> Located:
    """A folder of the Hub's layout, or a model of the Hub that is fetched where it is not in the cache: that may take
    minutes.

    hint: a further way out for the sentence where the Hub cannot be reached, as "use --model imagenet". for_torch: its
    weights, also where it has an ONNX form. Raises UsageError for what is neither a folder nor a model's name,
    ModelUnavailable for what is not to be had, NotInstalled (of these) where only torch could open it, which is not
    here.
    """
    name = hub_id(model)
    if not os.path.isdir(model) and name is None:
        if os.path.lexists(model):
            raise UsageError(f"{model} is no folder: give one that transformers' save_pretrained made.")
        raise UsageError(not_found(model))
    if name is None:
        return _folder(model, for_torch)
    original, _, revision = name.partition("@")
    others = not torch_is_here() and revision in ("", NEWEST)  # a commit is of this repository
    model = ONNX_FORMS.get(original, original) if others else original
    with loading(model, hint):
        source = _snapshot(model, revision, for_torch)
        require_ours(model, source)
        onnx = None if for_torch else _onnx_in(source)
        if onnx is not None and onnx.relative_to(source).as_posix() in IN_FEWER_BITS:
            _require_measured(model, source, onnx, sha256_of_large(onnx))
    if model != original:
        warn(f"{model} answers for {original}, which needs torch: its network in ONNX, published by others.")
    identity = f"{model}@{source.name}" + (f"/{onnx.relative_to(source).as_posix()}" if onnx else "")
    return Located(model, source, identity, local=False, config=_config(model, source), onnx=onnx)


def _snapshot(model: str, revision: str, for_torch: bool) -> Path:
    """The folder of the commit that answers, fetched where it is not in the cache."""
    pinned = _cached(model, for_torch, revision or PIN) if is_fixed(revision) else None
    if pinned is not None:
        return pinned
    try:
        return _fetched(model, revision, for_torch)
    except Exception as error:
        cached = _cached(model, for_torch, revision or NEWEST)
        if cached is None:
            raise error from None
        return cached


def opened_by(model: str, by_onnx: Callable[[Located], T], by_torch: Callable[[Located], T], hint: str = "") -> T:
    """The model, by its ONNX form where it has one that can be opened, else by torch where that is here. Raises what
    `locate` does, and ModelUnavailable."""
    located = locate(model, hint)
    if located.onnx is None:
        return by_torch(located)
    try:
        return by_onnx(located)
    except ModelUnavailable as error:
        if not torch_is_here():
            raise
        why = error
    try:
        return by_torch(locate(model, hint, for_torch=True))
    except ModelUnavailable:
        raise why from None


def torch_is_here() -> bool:
    """Whether models that have no ONNX form can be opened. Nothing is imported."""
    return all(map(find_spec, ("torch", "transformers")))


def can_be_had(model: str) -> bool:
    """Whether a model of the Hub may be opened here: it is in the cache, or the Hub may be asked for it."""
    from huggingface_hub import constants

    name = model if torch_is_here() else ONNX_FORMS.get(model, model)
    return not constants.HF_HUB_OFFLINE or _cached(name, for_torch=False) is not None


def _folder(model: str, for_torch: bool) -> Located:
    folder = Path(model)
    if not (folder / CONFIG).is_file():
        raise ModelUnavailable(f"{model} holds no {CONFIG}: give a folder that transformers' save_pretrained made.")
    onnx = None if for_torch else _onnx_in(folder)
    if onnx is None:
        require_network(model, [name for name in (*IN_FEWER_BITS, *WEIGHTS) if (folder / name).is_file()])
        require_installed(model, "torch", "transformers")
    with loading(model):
        files = [path for path in folder.iterdir() if path.is_file() and path.suffix in (TEXTS if onnx else READ)]
        hashes = {path: sha256_of_large(path) for path in [*sorted(files), *([onnx] if onnx else [])]}
    digest = hashlib.sha256("".join(f"{path.name}\0{sha256}\0" for path, sha256 in hashes.items()).encode())
    identity = f"sha256:{digest.hexdigest()}"
    sha256 = hashes[onnx] if onnx else None
    if onnx and sha256:
        _require_measured(model, folder, onnx, sha256)
    return Located(model, folder, identity, True, _config(model, folder), onnx, sha256)


def _onnx_in(folder: Path) -> Path | None:
    """The network of a folder."""
    names = [name for name in (*IN_FULL, *IN_FEWER_BITS) if (folder / name).is_file()]
    chosen = chosen_network(names, _parity(folder))
    return folder / chosen if chosen else None


def _parity(folder: Path) -> dict[str, Any]:
    try:
        told = parse_json(read_file((folder / PARITY).resolve(), limit=MAX_CONFIG))
    except (OSError, ValueError):
        return {}
    return told if isinstance(told, dict) else {}


def _require_measured(model: str, folder: Path, onnx: Path, sha256: str) -> None:
    require_measured(model, onnx.relative_to(folder).as_posix(), sha256, _parity(folder))


def _config(model: str, folder: Path) -> dict[str, Any]:
    try:
        # in the Hub's cache it is a link to a blob
        config = parse_json(read_file((folder / CONFIG).resolve(), limit=MAX_CONFIG))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"The {CONFIG} of {model} cannot be read ({error}): fetch the model again.") from None
    if not isinstance(config, dict):
        raise ModelUnavailable(f"The {CONFIG} of {model} describes no model: fetch the model again.")
    return config


def _fetched(model: str, revision: str, for_torch: bool) -> Path:
    """The snapshot of a revision ("": of the commit that answers so far, else the newest), which answers from now on
    where no other was named."""
    from huggingface_hub import hf_hub_download, snapshot_download

    pinned = _cached(model, None, PIN) if not revision else None  # without what is wanted now
    info = info_of(model, pinned.name if pinned else revision)
    sizes = {sibling.rfilename: sibling.size or 0 for sibling in info.siblings or ()}
    parity: dict[str, Any] = {}
    if PARITY in sizes and not for_torch and sizes[PARITY] <= MAX_CONFIG:
        with quietly("huggingface_hub"):
            parity = _parity(Path(hf_hub_download(model, PARITY, revision=info.sha)).parent)
    onnx = None if for_torch else chosen_network(sizes, parity)
    weights = next((name for name in WEIGHTS if name in sizes), None)
    if onnx and sizes[onnx] > MAX_ONNX and weights and torch_is_here():
        onnx = None
    if CONFIG in sizes and onnx is None:
        require_network(f"{model} on the Hub", sizes)
    if CONFIG not in sizes or (onnx or weights) is None:
        raise ModelUnavailable(
            f"{model} on the Hub holds no model that answers here, neither in ONNX nor for torch: choose another."
        )
    if onnx is None:
        require_installed(model, "torch", "transformers")
    network = [name for name in sizes if name in (onnx, weights) or fnmatch(name, SHARDS.get(weights or "", ""))]
    network = [onnx] if onnx else network
    described = [name for name in sizes if "/" not in name and any(fnmatch(name, kind) for kind in DESCRIPTIONS)]
    for names, limit in ((described, MAX_DESCRIPTION), ([onnx] if onnx else [], MAX_ONNX)):
        large = next((name for name in names if sizes[name] > limit), None)
        if large:
            raise ModelUnavailable(
                f"{large} of {model} has {sizes[large] / 1e9:.1f} GB, and at most {limit / 1e9:.1f} are opened: choose "
                "a smaller model."
            )
    wanted = [escape(name) for name in dict.fromkeys([*described, *network])]
    with quietly("huggingface_hub"):  # it logs every retry
        folder = Path(snapshot_download(model, revision=info.sha, allow_patterns=wanted, tqdm_class=progress_bar()))
    if pinned is None:
        remember(folder, revision)
        if not revision:
            warn(f"{model}: commit {info.sha[:12]} answers from now on; {PREFIX}{model}@main asks for the newest.")
    return folder


def _cached(model: str, for_torch: bool | None = None, revision: str = NEWEST) -> Path | None:
    """The snapshot of a revision in the cache, where it can be opened. for_torch: None for either way."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(model, CONFIG, revision=revision)
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    if not for_torch and _onnx_in(folder):
        return folder
    has_weights = any((folder / name).exists() for name in WEIGHTS)
    return folder if has_weights and (for_torch is None or torch_is_here()) else None
