"""Where a transformers model is: in a folder, or on the Hugging Face Hub and from then on in its cache.

    located = locate("hf:google/vit-base-patch16-224")   # or a folder; fetched here, where it is not yet
    require(located, "image-classification")          # before anything large is read
    model = pretrained(AutoModelForImageClassification, located)
    with loading(located.name):
        processor = AutoImageProcessor.from_pretrained(located.source, **OFFLINE)

Nothing that is fetched runs: no remote code, and weights are safetensors or what torch reads with weights_only. The Hub
has a few seconds to answer; where it does not, its cache does. HF_ENDPOINT, HF_HOME, HF_TOKEN, HF_HUB_OFFLINE and
HTTPS_PROXY mean what they mean to huggingface_hub.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import queue
import re
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from mirror.errors import MirrorError, ModelUnavailable, NotInstalled, UsageError, require_installed
from mirror.inference.user_cache import is_ours
from mirror.net.guard import without_passwords
from mirror.storage import make_folder, parse_json, read_file, write_atomically
from mirror.tasks.request import IMAGE_CLASSIFICATION, KNOWN, OBJECT_DETECTION, ZERO_SHOT

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
READ = (".json", ".txt", ".model", ".safetensors", ".bin")  # the files of a folder that its answers depend on
OFFLINE = {"local_files_only": True, "trust_remote_code": False}  # for from_pretrained: all is here, nothing runs
TASK_CLASSES = {  # transformers' tables of the architectures that can do a task
    IMAGE_CLASSIFICATION: "MODEL_FOR_IMAGE_CLASSIFICATION_MAPPING_NAMES",
    OBJECT_DETECTION: "MODEL_FOR_OBJECT_DETECTION_MAPPING_NAMES",
    ZERO_SHOT: "MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES",
}
T = TypeVar("T")


@dataclass(frozen=True)
class Located:
    """A model whose files are all here. name: as it was asked for. source: its folder, for from_pretrained. identity:
    changes with its files. local: whether it was given as a folder. config: what config.json says."""

    name: str
    source: Path
    identity: str
    local: bool
    config: dict[str, Any] = field(default_factory=dict, repr=False)


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


def locate(model: str, hint: str = "") -> Located:
    """A transformers folder, or a model of the Hub that is fetched where it is not in the cache: that may take minutes.

    hint: a further way out for the sentence where the Hub cannot be reached, as "use --model imagenet".
    Raises UsageError for what is neither, ModelUnavailable for what is not to be had.
    """
    name = hub_id(model)
    if not os.path.isdir(model) and name is None:
        if os.path.lexists(model):
            raise UsageError(f"{model} is no folder: give one that transformers' save_pretrained made.")
        raise UsageError(not_found(model))
    require_installed(model, "torch", "transformers")
    if name is None:
        return _folder(model)
    model = name
    with loading(model, hint):
        try:
            source = _fetched(model)
        except Exception as error:
            cached = _cached(model)
            if cached is None:
                raise error from None
            source = cached
        _require_ours(model, source)
    return Located(model, source, f"{model}@{source.name}", local=False, config=_config(model, source))


def fetch_file(repository: str, name: str, hint: str = "") -> Located:
    """One file of a model on the Hub; `source` is the file. Raises ModelUnavailable."""
    with loading(repository, hint):
        from huggingface_hub import hf_hub_download, try_to_load_from_cache

        try:
            info = _info(repository)
            with _quietly("huggingface_hub"):
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
            _remember(path, revision)
    return Located(repository, Path(path), f"{repository}@{revision}/{name}", local=False)


def require(located: Located, task: str) -> None:
    """Raises ModelUnavailable where the model's architecture cannot do the task (transformers would fill what it lacks
    with random numbers)."""
    architectures = located.config.get("architectures") or []
    if not architectures:  # timm's models on the Hub name none, and are wrapped; others are found out by `pretrained`
        return
    with loading(located.name):
        from transformers.models.auto import modeling_auto

        table = getattr(modeling_auto, TASK_CLASSES[task])
    able = {name for names in table.values() for name in ([names] if isinstance(names, str) else names)}
    if not able & set(architectures):
        raise ModelUnavailable(
            f"{located.name} is a {architectures[0]}, which does no {task}: choose a model that is made for {task}."
        )


def pretrained(kind: Any, located: Located, **settings: Any) -> Any:
    """`kind` (an AutoModel class of transformers) with the weights of `located`, ready to answer. Raises
    ModelUnavailable, also where weights are missing."""
    with loading(located.name), _quietly("transformers"):
        from transformers.utils import logging as transformers_logging

        transformers_logging.disable_progress_bar()
        model, report = kind.from_pretrained(located.source, output_loading_info=True, **OFFLINE, **settings)
        missing = sorted(report["missing_keys"]) + sorted(key[0] for key in report["mismatched_keys"])
        if missing:
            raise ModelUnavailable(
                f"{located.name} lacks weights that a {type(model).__name__} needs ({missing[0]} and "
                f"{len(missing) - 1} more): choose a model that was trained for this task."
            )
        return model.eval()


@contextlib.contextmanager
def loading(name: str, hint: str = "") -> Iterator[None]:
    """Whatever transformers, the Hub's client, the network or the disk raise becomes one ModelUnavailable."""
    try:
        yield
    except MirrorError:
        raise
    except ImportError as error:
        lacking = re.search(r"requires the (\S+) library", str(error))  # transformers' own error names no module
        raise NotInstalled(name, error.name or (lacking[1] if lacking else str(error))) from error
    except Exception as error:
        raise ModelUnavailable(_sentence(name, error, hint)) from error


def _folder(model: str) -> Located:
    folder = Path(model)
    if not (folder / CONFIG).is_file():
        raise ModelUnavailable(f"{model} holds no {CONFIG}: give a folder that transformers' save_pretrained made.")
    with loading(model):
        digest = hashlib.sha256()
        for path in sorted(path for path in folder.iterdir() if path.is_file() and path.suffix in READ):
            with path.open("rb") as file:
                digest.update(f"{path.name}\0{hashlib.file_digest(file, 'sha256').hexdigest()}\0".encode())
    return Located(model, folder, f"sha256:{digest.hexdigest()}", local=True, config=_config(model, folder))


def _config(model: str, folder: Path) -> dict[str, Any]:
    try:
        # in the Hub's cache it is a link to a blob
        config = parse_json(read_file((folder / CONFIG).resolve(), limit=MAX_CONFIG))
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"The {CONFIG} of {model} cannot be read ({error}): fetch the model again.") from None
    if not isinstance(config, dict):
        raise ModelUnavailable(f"The {CONFIG} of {model} describes no model: fetch the model again.")
    return config


def _fetched(model: str) -> Path:
    """The snapshot of the Hub's newest revision, fetched where it is not in the cache."""
    from huggingface_hub import snapshot_download

    info = _info(model)
    files = {sibling.rfilename for sibling in info.siblings or ()}
    weights = next((name for name in WEIGHTS if name in files), None)
    if weights is None or CONFIG not in files:
        raise ModelUnavailable(f"{model} on the Hub holds no model of transformers for torch: choose another.")
    wanted = [name for name in (*DESCRIPTIONS, weights, SHARDS.get(weights)) if name]
    with _quietly("huggingface_hub"):  # it logs every retry
        # */* leaves out folders: a * passes over slashes
        return Path(snapshot_download(model, allow_patterns=wanted, ignore_patterns="*/*", tqdm_class=_bar()))


def _cached(model: str) -> Path | None:
    """The newest snapshot in the cache, where it is whole enough to be opened."""
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(model, CONFIG)
    if not isinstance(config, str):
        return None
    folder = Path(config).parent
    return folder if any((folder / name).exists() for name in WEIGHTS) else None


def _require_ours(model: str, snapshot: Path) -> None:
    """Raises ModelUnavailable where another user could have written a snapshot of the Hub's cache, or what it links
    to: the Hub's client fetches nothing that lies there already."""
    entry = snapshot.parent.parent  # models--owner--name, which holds snapshots/ and blobs/
    folders = [entry, snapshot.parent, snapshot, *(blobs for blobs in [entry / "blobs"] if blobs.is_dir())]
    if not all(map(is_ours, (*folders, *(path.resolve() for path in snapshot.iterdir())))):
        raise ModelUnavailable(
            f"{model} is not opened: {entry} belongs to another user, or anybody may write to it. Set HF_HOME to a "
            "folder of your own."
        )


def _info(model: str) -> Any:
    """What the Hub says of a model (huggingface_hub.ModelInfo), with its revision and its files."""
    from huggingface_hub import HfApi

    return _in_time(lambda: HfApi().model_info(model, timeout=ANSWER_SECONDS))


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


def _remember(path: str, sha: str) -> None:
    """Notes in the cache that `main` is `sha`, which fetching a file of a named revision does not."""
    ref = Path(path).parents[2] / "refs" / "main"
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


@contextlib.contextmanager
def _quietly(name: str) -> Iterator[None]:
    """A library's logger without what it says to programmers."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def _sentence(name: str, error: Exception, hint: str) -> str:
    from huggingface_hub import errors

    if isinstance(error, errors.GatedRepoError):
        return f"{name} is open only to those who accept its terms: do so at huggingface.co/{name} and set HF_TOKEN."
    if isinstance(error, errors.EntryNotFoundError) and not isinstance(error, errors.LocalEntryNotFoundError):
        return f"{name} on the Hugging Face Hub lacks a file that is needed: choose another model."
    if isinstance(error, errors.RepositoryNotFoundError) or _status(error) in (401, 404):
        return (
            f"The Hugging Face Hub has no model {name} that is open to you: check the name, or set HF_TOKEN if it is "
            "private."
        )
    ways = f"give a folder that holds the model, or {hint}" if hint else "or give a folder that holds the model"
    if isinstance(error, errors.OfflineModeIsEnabled):
        return f"{name} is not on this machine, and HF_HUB_OFFLINE forbids to fetch it: unset that, {ways}."
    if _status(error) is not None:
        return f"The Hugging Face Hub answered {_status(error)} for {name}: try again later, {ways}."
    if isinstance(error, errors.HTTPError | errors.LocalEntryNotFoundError | TimeoutError | ConnectionError):
        return f"{name} is not on this machine, and the Hugging Face Hub cannot be reached: connect, {ways}."
    lines = without_passwords(str(error)).splitlines()
    detail = next((line.strip() for line in lines if line.strip()), "") or type(error).__name__
    return f"{name} cannot be opened ({detail.rstrip('.:')}): check its files, or choose another model."


def _status(error: Exception) -> int | None:
    """The HTTP status that the Hub refused with."""
    return getattr(getattr(error, "response", None), "status_code", None)
