"""A plain fastai pickle in models/, served like any model folder: compiled once, in a child process, and kept.

The child runs `python -m mirror compile`, so that this process imports neither torch nor fastai. What it makes lies in
`models/.compiled/<first 16 of the pickle's sha256>-<COMPILER>/`, or in the user's cache where models/ is read-only.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from mirror.errors import ModelFolderError, UnsupportedLearner
from mirror.model_folder import ModelEntry, ModelFolder, find_model, read_model_folder, sha256_of

COMPILER = 3  # raised when compiling the same pickle gives something better, so that it is done anew
TIMEOUT = 900.0  # seconds; a ResNet-18 takes 6 to 15, a 1 GB network some minutes

_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
_failures: dict[str, str] = {}  # sentences by sha256: a pickle that failed is not tried again by this process


def open_model(model: ModelEntry | str | Path) -> ModelFolder:
    """The model folder of an entry or a path; a pickle is compiled where it was not yet. Raises ModelFolderError."""
    entry = model if isinstance(model, ModelEntry) else find_model(model)
    return ensure_compiled(entry) if entry.needs_compiling else read_model_folder(entry.path)


def ensure_compiled(entry: ModelEntry, timeout: float = TIMEOUT) -> ModelFolder:
    """The compiled model folder of a pickle, from the cache where its sha256 is known there.

    Blocks for some seconds when it has to compile; safe to call from several threads and processes. Raises
    ModelFolderError or UnsupportedLearner with the sentence that the compiler gave.
    """
    if entry.problem or entry.pickle is None:
        raise ModelFolderError(entry.problem or f"{entry.path} holds no learner pickle: put one there or remove it.")
    try:
        sha256 = sha256_of(entry.pickle)
    except OSError as error:
        raise ModelFolderError(f"{entry.pickle} cannot be read: {error.strerror or error}.") from None
    with _locks[sha256]:
        for place in cache_places(entry, sha256):
            found = _cached(place, sha256)
            if found:
                return found
        if sha256 in _failures:
            raise UnsupportedLearner(_failures[sha256])
        try:
            place = next(p for p in cache_places(entry, sha256) if writable(p.parent))
        except StopIteration:
            raise ModelFolderError(
                f"No place to keep the compiled {entry.pickle.name}: make {entry.path.parent} writable."
            ) from None
        try:
            _compile_in_child(entry.pickle, place, timeout)
        except UnsupportedLearner as error:
            _failures[sha256] = str(error)
            raise
        return read_model_folder(place)


def cache_places(entry: ModelEntry, sha256: str) -> Iterator[Path]:
    """Where the compiled model of a pickle may lie, the preferred place first."""
    name = f"{sha256[:16]}-{COMPILER}"
    yield entry.path.absolute().parent / ".compiled" / name
    yield user_cache() / name


def user_cache() -> Path:
    """Where this user keeps compiled models."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "mirror" / "compiled"


def _cached(place: Path, sha256: str) -> ModelFolder | None:
    """A valid compiled folder of that very pickle; anything else is as good as none, and is made again."""
    try:
        folder = read_model_folder(place)
        if folder.info.learner_sha256 == sha256:
            folder.file(folder.info.onnx.file)
            return folder
    except ModelFolderError:
        pass
    return None


def writable(directory: Path) -> bool:
    """Whether files can be made in `directory`, which is made where it is missing."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return True
    except OSError:
        return False


def _compile_in_child(pickle: Path, place: Path, timeout: float) -> None:
    run_child(
        ["mirror", "compile", str(pickle), "--out", str(place)],
        what=str(pickle),
        otherwise=f"try `python -m mirror compile {pickle}` to see more",
        timeout=timeout,
    )


def run_child(arguments: list[str], *, what: str, otherwise: str, timeout: float = TIMEOUT) -> None:
    """Compiles by `python -m …` of this project, in a process of its own, which may import what serving must not.

    what: is compiled. otherwise: what to do where that fails without a sentence. Raises UnsupportedLearner.
    """
    root = str(Path(__file__).resolve().parents[2])
    paths = [root, *filter(None, [os.environ.get("PYTHONPATH")])]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(paths), "PYTHONIOENCODING": "utf-8"}
    try:
        child = subprocess.run(
            [sys.executable, "-m", *arguments],
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            encoding="utf-8",
            errors="replace",
            timeout=timeout,
        )
    except subprocess.TimeoutExpired:
        raise UnsupportedLearner(f"{what} did not compile within {timeout:.0f} seconds: {otherwise}.") from None
    if child.returncode == 0:
        return
    lines = [line for line in child.stderr.splitlines() if line.strip()]
    if child.returncode == 1 and lines and lines[-1].startswith("mirror: "):
        raise UnsupportedLearner(lines[-1].removeprefix("mirror: "))
    why = (
        f"was ended by signal {-child.returncode}"
        if child.returncode < 0
        else f"failed ({lines[-1] if lines else '?'})"
    )
    raise UnsupportedLearner(f"Compiling {what} {why}: {otherwise}.")
