"""Where a model of the Hub's layout is: in a folder, or on the Hugging Face Hub and from then on in its cache.

    located = locate("hf:google/vit-base-patch16-224")   # or a folder; fetched here, where it is not yet
    located.onnx                                         # its network in ONNX, which is preferred; None: for torch

Only what is needed is fetched, of the commit that the Hub names. The Hub has a few seconds to answer; where it does
not, its cache does. HF_ENDPOINT, HF_HOME, HF_TOKEN, HF_HUB_OFFLINE and HTTPS_PROXY mean what they mean to
huggingface_hub.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import queue
import re
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatchcase as fnmatch
from glob import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeVar

from mirror.errors import ModelUnavailable, UsageError, require_installed
from mirror.inference.user_cache import is_ours, sha256_of_large
from mirror.storage import make_folder, parse_json, read_file, write_atomically
from mirror.tasks.hub_errors import loading, quietly
from mirror.tasks.request import KNOWN, ONNX_FORMS
from mirror.terminal import warn

CONFIG = "config.json"
MAX_CONFIG = 16 << 20  # bytes; 21,000 labels take 1.5 MB
PREFIX = "hf:"  # of a model on the Hub
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]*\w")
ANSWER_SECONDS = 5.0  # for the Hub's first answer; see _in_time
DEADLINE_SECONDS = 8.0  # the same with looking up its name, which has no limit of its own
DESCRIPTIONS = ("*.json", "*.txt", "*.model")  # configuration, preprocessing and words
# A model's weights, the first of these that it has
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
SHARDS = {"model.safetensors.index.json": "model-*.safetensors", "pytorch_model.bin.index.json": "pytorch_model-*.bin"}
TEXTS = (".json", ".txt", ".model")  # the files of a folder that its answers depend on,
READ = (*TEXTS, ".safetensors", ".bin")  # and with torch these too
# A model's network in ONNX, the first of these that it has. Of numbers in 8 bits the loss must be known: see PARITY
ONNX = ("onnx/model.onnx", "model.onnx", "onnx/model_fp16.onnx", "onnx/model_int8.onnx", "onnx/model_quantized.onnx")
IN_8_BITS = ONNX[3:]
PARITY = "parity.json"  # what `mirror compile --task` measured
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
    """owner/name of `hf:owner/name`, of a model that the tasks know and of one that the Hub's cache holds; None for
    whatever else, where owner/name may be a path that was mistyped, and be anybody's on the Hub."""
    name = model.removeprefix(PREFIX)
    if os.path.lexists(model) or not HUB_ID.fullmatch(name):
        return None
    return name if name != model or name in KNOWN or _cached(name) else None


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
    original, model = name, name if torch_is_here() else ONNX_FORMS.get(name, name)
    with loading(model, hint):
        try:
            source = _fetched(model, for_torch)
        except Exception as error:
            cached = _cached(model, for_torch)
            if cached is None:
                raise error from None
            source = cached
        _require_ours(model, source)
    onnx = None if for_torch else _onnx_in(source)
    if model != original:
        warn(f"{model} answers for {original}, which needs torch: its network in ONNX, published by others.")
    identity = f"{model}@{source.name}" + (f"/{onnx.relative_to(source).as_posix()}" if onnx else "")
    return Located(model, source, identity, local=False, config=_config(model, source), onnx=onnx)


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


def fetch_file(repository: str, name: str, hint: str = "") -> Located:
    """One file of a model on the Hub; `source` is the file. Raises ModelUnavailable."""
    with loading(repository, hint):
        from huggingface_hub import hf_hub_download, try_to_load_from_cache

        try:
            info = _info(repository)
            with quietly("huggingface_hub"):
                path = hf_hub_download(repository, name, revision=info.sha)
        except Exception as error:
            cached = try_to_load_from_cache(repository, name)
            if not isinstance(cached, str):
                raise error from None
            path, revision = cached, Path(cached).parent.name
            _require_ours(repository, Path(path).parent)
        else:
            revision = info.sha
            _require_ours(repository, Path(path).parent)
            _remember(Path(path), revision)
    return Located(repository, Path(path), f"{repository}@{revision}/{name}", local=False)


def _folder(model: str, for_torch: bool) -> Located:
    folder = Path(model)
    if not (folder / CONFIG).is_file():
        raise ModelUnavailable(f"{model} holds no {CONFIG}: give a folder that transformers' save_pretrained made.")
    onnx = None if for_torch else _onnx_in(folder)
    if onnx is None:
        require_installed(model, "torch", "transformers")
    with loading(model):
        files = [path for path in folder.iterdir() if path.is_file() and path.suffix in (TEXTS if onnx else READ)]
        hashes = {path: sha256_of_large(path) for path in [*sorted(files), *([onnx] if onnx else [])]}
    digest = hashlib.sha256("".join(f"{path.name}\0{sha256}\0" for path, sha256 in hashes.items()).encode())
    identity = f"sha256:{digest.hexdigest()}"
    sha256 = hashes[onnx] if onnx else None
    return Located(model, folder, identity, True, _config(model, folder), onnx, sha256)


def _onnx_in(folder: Path) -> Path | None:
    """The network of a folder; of numbers in 8 bits only where what they cost was measured."""
    kinds = ONNX if (folder / PARITY).is_file() else [name for name in ONNX if name not in IN_8_BITS]
    return next((folder / name for name in kinds if (folder / name).is_file()), None)


def _config(model: str, folder: Path) -> dict[str, Any]:
    try:
        # in the Hub's cache it is a link to a blob
        config = parse_json(read_file((folder / CONFIG).resolve(), limit=MAX_CONFIG))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"The {CONFIG} of {model} cannot be read ({error}): fetch the model again.") from None
    if not isinstance(config, dict):
        raise ModelUnavailable(f"The {CONFIG} of {model} describes no model: fetch the model again.")
    return config


def _fetched(model: str, for_torch: bool) -> Path:
    """The snapshot of the Hub's newest revision, fetched where it is not in the cache."""
    from huggingface_hub import snapshot_download

    info = _info(model)
    sizes = {sibling.rfilename: sibling.size or 0 for sibling in info.siblings or ()}
    kinds = ONNX if PARITY in sizes else [name for name in ONNX if name not in IN_8_BITS]
    onnx = None if for_torch else next((name for name in kinds if name in sizes), None)
    weights = next((name for name in WEIGHTS if name in sizes), None)
    if onnx and sizes[onnx] > MAX_ONNX and weights and torch_is_here():
        onnx = None
    if CONFIG in sizes and (onnx or weights) is None and any(name in sizes for name in IN_8_BITS):
        raise ModelUnavailable(
            f"{model} on the Hub has its network in 8 bits alone, and nobody says what they cost it: choose another, "
            "or make one by `mirror compile --task`."
        )
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
        folder = Path(snapshot_download(model, revision=info.sha, allow_patterns=wanted, tqdm_class=_bar()))
    _remember(folder / CONFIG, info.sha)
    return folder


def _cached(model: str, for_torch: bool | None = None) -> Path | None:
    """The newest snapshot in the cache, where it is whole enough to be opened. for_torch: None for either way."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(model, CONFIG)
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    if not for_torch and _onnx_in(folder):
        return folder
    has_weights = any((folder / name).exists() for name in WEIGHTS)
    return folder if has_weights and (for_torch is None or torch_is_here()) else None


def _require_ours(model: str, snapshot: Path) -> None:
    """Raises ModelUnavailable where another user could have written a snapshot of the Hub's cache, or what it links
    to: the Hub's client fetches nothing that lies there already."""
    entry = snapshot.parent.parent  # models--owner--name, which holds snapshots/ and blobs/
    folders = [entry, snapshot.parent, snapshot, *(blobs for blobs in [entry / "blobs"] if blobs.is_dir())]
    if not all(map(is_ours, (*folders, *(path.resolve() for path in snapshot.rglob("*"))))):
        raise ModelUnavailable(
            f"{model} is not opened: {entry} belongs to another user, or anybody may write to it. Set HF_HOME to a "
            "folder of your own."
        )


def _info(model: str) -> Any:
    """What the Hub says of a model (huggingface_hub.ModelInfo), with its revision and its files."""
    from huggingface_hub import HfApi

    return _in_time(lambda: HfApi().model_info(model, timeout=ANSWER_SECONDS, files_metadata=True))


def _in_time(ask: Callable[[], T]) -> T:
    """What `ask` gives or raises; TimeoutError after DEADLINE_SECONDS, while it goes on in a thread that nobody waits
    for."""
    answers: queue.SimpleQueue[tuple[bool, Any]] = queue.SimpleQueue()

    def run() -> None:
        try:
            answers.put((True, ask()))
        except Exception as error:
            answers.put((False, error))

    threading.Thread(target=run, name="hub", daemon=True).start()
    try:
        answered, value = answers.get(timeout=DEADLINE_SECONDS)
    except queue.Empty:
        raise TimeoutError("no answer") from None
    if not answered:
        raise value
    return value


def _remember(path: Path, sha: str) -> None:
    """Notes in the cache that `main` is `sha`, which fetching a file of a named revision does not."""
    ref = path.parents[2] / "refs" / "main"
    with contextlib.suppress(OSError):
        make_folder(ref.parent)
        write_atomically(ref, sha.encode())


def _bar() -> type:
    """The Hub's own progress bar, on a terminal only."""
    from huggingface_hub.utils import tqdm

    class Bar(tqdm):
        def __init__(self, *arguments: Any, **settings: Any):
            super().__init__(*arguments, **(settings | {"disable": not sys.stderr.isatty()}))

    return Bar
