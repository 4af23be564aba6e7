"""What the Hugging Face Hub is asked for, within seconds, and what its cache knows of the commits that answer.

info_of("google/vit-base-patch16-224")     its newest commit and the files of that
fetch_file("opencv/face_detection_yunet", "face_detection_yunet_2023mar.onnx")
"""

from __future__ import annotations

import contextlib
import queue
import re
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from mirror.errors import ModelUnavailable
from mirror.inference.user_cache import is_ours
from mirror.storage import make_folder, write_atomically
from mirror.tasks.hub_errors import loading, quietly

NEWEST = "main"
PIN = "mirror"  # the name by which the cache knows the commit that answers
COMMIT = re.compile("[0-9a-f]{40}")
ANSWER_SECONDS = 5.0  # for the Hub's first answer; see _in_time
DEADLINE_SECONDS = 8.0  # the same with looking up its name, which has no limit of its own
T = TypeVar("T")


def is_fixed(revision: str) -> bool:
    """Whether the Hub need not be asked what a revision is: none was named, and so the commit answers that did so far,
    or a commit."""
    return not revision or COMMIT.fullmatch(revision) is not None


def fetch_file(model: str, name: str, hint: str = "") -> tuple[Path, str]:
    """One file of OWNER/NAME or OWNER/NAME@REVISION, and its identity. Raises ModelUnavailable."""
    repository, _, revision = model.partition("@")
    with loading(repository, hint):
        from huggingface_hub import hf_hub_download, try_to_load_from_cache

        path = try_to_load_from_cache(repository, name, revision=revision or PIN) if is_fixed(revision) else None
        if not isinstance(path, str):
            try:
                info = info_of(repository, revision)
                with quietly("huggingface_hub"):
                    path = hf_hub_download(repository, name, revision=info.sha)
                remember(Path(path).parents[len(Path(name).parts) - 1], revision)
            except Exception as error:
                path = try_to_load_from_cache(repository, name, revision=revision or NEWEST)
                if not isinstance(path, str):
                    raise error from None
        snapshot = Path(path).parents[len(Path(name).parts) - 1]
        require_ours(repository, snapshot)
    return Path(path), f"{repository}@{snapshot.name}/{name}"


def require_ours(model: str, snapshot: Path) -> None:
    """Raises ModelUnavailable where another user could have written a snapshot of the Hub's cache, or what it links
    to: the Hub's client fetches nothing that lies there already."""
    entry = snapshot.parent.parent  # models--owner--name, which holds snapshots/ and blobs/
    folders = [entry, snapshot.parent, snapshot, *(blobs for blobs in [entry / "blobs"] if blobs.is_dir())]
    if not all(map(is_ours, (*folders, *(path.resolve() for path in snapshot.rglob("*"))))):
        raise ModelUnavailable(
            f"{model} is not opened: {entry} belongs to another user, or anybody may write to it. Set HF_HOME to a "
            "folder of your own."
        )


def info_of(model: str, revision: str = "") -> Any:
    """What the Hub says of a revision of a model (huggingface_hub.ModelInfo; "": the newest), with its commit and its
    files."""
    from huggingface_hub import HfApi

    return _in_time(
        lambda: HfApi().model_info(model, revision=revision or None, timeout=ANSWER_SECONDS, files_metadata=True)
    )


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


def remember(snapshot: Path, revision: str = "") -> None:
    """Notes in the cache that a revision of a model is this snapshot, and that it answers from now on where it is the
    newest, which is said."""
    refs = snapshot.parents[1] / "refs"
    if COMMIT.fullmatch(revision):
        return
    for name in (NEWEST, PIN) if revision in ("", NEWEST) else (revision,):
        with contextlib.suppress(OSError):
            make_folder(refs)
            write_atomically(refs / name, snapshot.name.encode())


def progress_bar() -> type:
    """The Hub's own progress bar, on a terminal only."""
    from huggingface_hub.utils import tqdm

    class Bar(tqdm):
        def __init__(self, *arguments: Any, **settings: Any):
            super().__init__(*arguments, **(settings | {"disable": not sys.stderr.isatty()}))

    return Bar
