"""A fastai pickle in models/ is served like any model folder: it is compiled once, in a child process, and kept.

A pickle is a program. It is first read without running it (`pickle_scan.py`), then opened in a sandboxed child
(`sandbox.py`), so that this process imports neither torch nor fastai. The compiled folder is
`models/.compiled/<first 16 digits of the pickle's sha256>-<COMPILER>/`; where models/ is read-only, in the user's
cache; where that is too, among the temporary files.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import re
import shutil
import sys
import tempfile
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path

from mirror.errors import ModelFolderError, UnsupportedLearner, UsageError, require_installed
from mirror.inference import sandbox
from mirror.inference.learner_refusals import refusal, refusal_of
from mirror.inference.pickle_scan import check_pickle
from mirror.inference.user_cache import is_ours, user_cache
from mirror.model_folder import (
    MODEL_JSON,
    ModelEntry,
    ModelFolder,
    find_model,
    read_model_folder,
    sha256_of,
    write_model_folder,
)
from mirror.model_schema import ModelInfo
from mirror.storage import open_file
from mirror.terminal import sentence, silent

COMPILER = 4  # raised when compiling the same pickle gives something better, so that it is done anew
TIMEOUT = 900.0  # seconds; a ResNet-18 takes 6 to 15, a 1 GB network some minutes

MEMORY = 6 << 30  # bytes of private data, and eight times the pickle: torch and fastai alone take 1.2 GB
FILES = 1 << 30  # bytes of a file that compiling writes, and four times the pickle
SAID_LINES, SAID = 20, 500  # lines of a compiler that are passed on, and characters of each
PLAIN = re.compile(r"[\w.+ -]{1,80}", re.ASCII)  # the name of an architecture; a library and its version


_locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
_failures: dict[str, str] = {}  # sentences by sha256: a pickle that failed is not tried again by this process


def open_model(model: ModelEntry | str | Path, log: Callable[[str], None] = silent) -> ModelFolder:
    """The model folder of an entry or a path; a pickle is compiled where it was not yet. log: gets what the compiler
    says, which may be the pickle's own words. Raises ModelFolderError."""
    entry = model if isinstance(model, ModelEntry) else find_model(model)
    return compiled_folder(entry, log=log) if entry.needs_compiling else read_model_folder(entry.path)


def compiled_folder(entry: ModelEntry, timeout: float = TIMEOUT, log: Callable[[str], None] = silent) -> ModelFolder:
    """The compiled model folder of a pickle, from the cache where its sha256 is known there.

    Blocks for some seconds when it has to compile; safe to call from several threads and processes. Raises
    ModelFolderError, or UnsupportedLearner with a sentence that holds nothing of the file; also for a pickle that names
    what no learner needs, which is not opened.
    """
    if entry.problem or entry.pickle is None:
        raise ModelFolderError(entry.problem or f"{entry.path} holds no learner pickle: put one there or remove it.")
    try:
        sha256, owner = sha256_of(entry.pickle), os.stat(entry.pickle).st_uid
    except OSError as error:
        raise ModelFolderError(f"{entry.pickle} cannot be read: {error.strerror or error}.") from None
    with _locks[sha256]:
        for place in cache_places(entry, sha256):
            found = _cached(place, sha256, owner)
            if found:
                return found
        if sha256 in _failures:
            raise UnsupportedLearner(_failures[sha256])
        place = keeping_place(entry, sha256, owner)
        try:
            compile_in_child(entry.pickle, place, timeout=timeout, log=log)
        except UnsupportedLearner as error:
            known = refusal(error.reason, str(entry.pickle)) if error.reason != "unknown" else error
            if str(known) != str(error):
                log(sentence(error))
            _failures[sha256] = str(known)
            raise known from None
        return read_model_folder(place)


def keeping_place(entry: ModelEntry, sha256: str, owner: int | None = None) -> Path:
    """Where the compiled model of a pickle is to be kept. Raises ModelFolderError where nothing can be."""
    owner = os.stat(entry.pickle or entry.path).st_uid if owner is None else owner
    for place in cache_places(entry, sha256):
        if writable(place.parent, owner):
            return place
    raise ModelFolderError(
        f"No place to keep the compiled {(entry.pickle or entry.path).name}: make {entry.path.parent} writable."
    )


def is_space() -> bool:
    """Whether this is a Hugging Face Space, where what anybody uploads to the repository would be run."""
    return os.environ.get("SYSTEM") == "spaces" or bool(os.environ.get("SPACE_ID"))


def cache_places(entry: ModelEntry, sha256: str) -> Iterator[Path]:
    """Where the compiled model of a pickle may lie, the preferred place first."""
    name = f"{sha256[:16]}-{COMPILER}"
    yield entry.path.absolute().parent / ".compiled" / name
    yield user_cache("compiled") / name
    with contextlib.suppress(OSError):  # where not even temporary files can be kept
        yield Path(tempfile.gettempdir(), f"mirror-compiled-{os.getuid() if hasattr(os, 'getuid') else ''}", name)


def _cached(place: Path, sha256: str, owner: int) -> ModelFolder | None:
    """A valid compiled folder of that very pickle; anything else is as good as none, and is made again. So is one that
    another user could have written: its labels would be what that user says. owner: of the pickle, who is believed."""
    if not place.is_dir():
        return None
    try:
        if not all(is_ours(path, owner) for path in (place.parent, place, place / MODEL_JSON)):
            raise PermissionError
        folder = read_model_folder(place)
        if folder.info.learner_sha256 == sha256:
            if not is_ours(folder.file(folder.info.onnx.file), owner):
                raise PermissionError
            return folder
    except PermissionError:
        print(
            f"mirror: {sentence(place)} is not used: it belongs to another user, or anybody may write to it.",
            file=sys.stderr,
        )
    except ModelFolderError:
        pass
    return None


def writable(directory: Path, *owners: int) -> bool:
    """Whether files can be made in `directory`, which is made where it is missing, and no other user may make them.
    owners: users besides this one and root who may."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not is_ours(directory, *owners):
            return False
        with tempfile.TemporaryFile(dir=directory):
            return True
    except OSError:
        return False


def compile_in_child(
    pickle: Path, out: Path, *, precision: str = "auto", calibrate: Path | None = None, trust: bool = False,
    timeout: float = TIMEOUT, log: Callable[[str], None] = silent,
) -> None:  # fmt: skip
    """Compiles a pickle into the model folder `out`, in a confined process. trust: it is not checked before, and its
    code is run. log: gets the lines that the compiler says, made harmless. Raises UnsupportedLearner,
    ModelFolderError, NotInstalled, UsageError.

    The process writes to an empty folder beside `out`. Of what it leaves there, this one takes the network and what
    its model.json says of labels, transforms and comparisons, if that is valid, and writes the model folder itself.
    """
    if is_space():
        raise UnsupportedLearner(
            f"{pickle} is not opened on a Space: compile it elsewhere with `python -m mirror compile {pickle.name} "
            f"--out models/{pickle.stem}` and publish that folder instead."
        )
    require_installed(f"{pickle}, a learner pickle,", "torch", "fastai", "onnx")
    if not trust:
        check_pickle(pickle)
    if precision == "int8" and calibrate is None:
        raise UsageError("int8 needs photos to be fitted to: give a folder of them with --calibrate.")
    name = pickle.stem if pickle.stem not in ("learner", "export") else pickle.absolute().parent.name

    def build(place: Path) -> ModelInfo:
        sha256 = sha256_of(pickle)
        job = {"pickle": str(pickle.absolute()), "out": str(place / "made"), "precision": precision, "trust": trust}
        job["calibrate"] = str(calibrate.absolute()) if calibrate else None
        log(f"Compiling {sentence(pickle)} and comparing it with the learner …")
        run_child(
            ["mirror.export.compile_child", json.dumps(job)],
            what=str(pickle),
            hint=f"try `python -m mirror compile {pickle}` to see more",
            timeout=timeout,
            size=os.stat(pickle).st_size,
            log=log,
            writes=None if trust else [place],
            reads=None if trust else [pickle, *([calibrate] if calibrate else [])],
        )
        return dataclasses.replace(_take(place), name=name, learner_sha256=sha256)

    write_model_folder(out, build)


def _take(place: Path) -> ModelInfo:
    """Leaves in a folder only the networks that the confined process made in it, and tells what they are. Raises
    ModelFolderError where those are not what a compiler makes."""
    made = read_model_folder(place / "made")
    network, info = made.info.onnx, made.info
    names = [network.file, *([network.heat] if network.heat else [])]
    if any(name not in ("model.onnx", "heat.onnx") for name in names):
        raise ModelFolderError(f"{made.path} names other files than a compiler makes: make the model again.")
    for name in names:
        made.file(name)  # its sha256
        with os.fdopen(open_file(made.path / name, inside=place), "rb") as source, open(place / name, "xb") as target:
            shutil.copyfileobj(source, target)
    for left in place.iterdir():
        if left.name not in names:
            shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
    plain = {library: number for library, number in info.versions.items() if PLAIN.fullmatch(f"{library} {number}")}
    return ModelInfo(
        name=info.name, labels=info.labels, preprocessing=info.preprocessing, onnx=network, versions=plain,
        arch=info.arch if info.arch and PLAIN.fullmatch(info.arch) else None,
        parity=info.parity, quantisation=info.quantisation,
    )  # fmt: skip


def run_child(
    arguments: list[str], *, what: str, hint: str, timeout: float = TIMEOUT, size: int = 0,
    log: Callable[[str], None] = silent, writes: list[Path] | None = None, reads: list[Path] | None = None,
) -> None:  # fmt: skip
    """Compiles by `python -m …` of this project, in a confined process, which may import what serving must not.

    what: is compiled. hint: what to do where that fails without a known reason. size: of what is compiled, in
    bytes. writes, reads: what the process may write to and read, None for all.
    Raises UnsupportedLearner, with a sentence of `learner_refusals.py`; nothing that the process says is in it.
    """
    ended = sandbox.run_sandboxed(
        arguments, seconds=timeout, memory=MEMORY + 8 * size, files=FILES + 4 * size, writes=writes, reads=reads
    )
    said = ended.stdout if ended.status == 0 else ended.stderr
    for line in said.decode("utf-8", "replace").splitlines()[-SAID_LINES:]:
        log(sentence(line)[:SAID])
    if ended.status is None:
        raise UnsupportedLearner(f"{what} did not compile within {timeout:.0f} seconds: {hint}.") from None
    if ended.status == 0:
        return
    known = refusal_of(ended.status, what)
    if known is not None:
        raise known
    number = -ended.status if ended.status < 0 else ended.status - 128
    why = f"was ended by signal {number}" if number > 0 else "failed"
    raise UnsupportedLearner(f"Compiling {what} {why}: {hint}.")
