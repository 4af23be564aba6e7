"""The models that a model has replaced: models/.history/<name>/<when>/, the last five, each a whole model folder.

    history(Path("models/fruit"))            # the latest first
    restore(Path("models/fruit"), "2026-11-29T02-10-05Z")

Training puts there what it replaces, and putting one back puts there the one of now: both are renames, on one disk, and
whoever lists models sees nothing of it, for the folder is hidden. `mirror history` is the command.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mirror.errors import ModelFolderError, UsageError
from mirror.folders import recovered, swap_folder
from mirror.metric_sentences import error_sentence
from mirror.model_folder import read_model_folder
from mirror.model_schema import ModelInfo
from mirror.storage import make_folder
from mirror.terminal import typed
from mirror.wording import count

HISTORY = ".history"
KEPT = 5  # models of one name; a ResNet-18 takes 60 to 150 MB
_TIME = "%Y-%m-%dT%H-%M-%SZ"  # in UTC; no colon, which Windows allows in no name


@dataclass(frozen=True)
class Entry:
    """A model that was replaced. time: when, as its folder is called."""

    time: str
    path: Path
    info: ModelInfo


def history(model: Path) -> list[Entry]:
    """What models/<name> has replaced, the latest first; without those that cannot be read."""
    entries = []
    for path in _folders(model)[:KEPT]:
        with contextlib.suppress(ModelFolderError):
            entries.append(Entry(path.name, path, read_model_folder(path).info))
    return entries


def previous(model: Path) -> ModelInfo | None:
    """The model that the one of now has replaced, or None."""
    return next((entry.info for entry in history(model)), None)


def restore(model: Path, time: str) -> ModelInfo:
    """Puts the model that was replaced then back at `model`; the one of now goes into the history first. Raises
    UsageError for a time that is none of the history's, ModelFolderError where the disk refuses."""
    entry = next((entry for entry in history(model) if entry.time == time), None)
    if entry is None:
        raise UsageError(f"No model of {model} was replaced at {time}: see {command(model)}.")
    try:
        swap_folder(entry.path, recovered(model), place_for(model))
    except OSError as error:
        raise ModelFolderError(f"{model} cannot be written: {error.strerror or error}.") from None
    return entry.info


def place_for(model: Path) -> Path | None:
    """Where the model of now goes when it is replaced; None where there is none, or no place for it."""
    if not model.exists():
        return None
    now = datetime.now(UTC).strftime(_TIME)
    with contextlib.suppress(OSError, ValueError):
        folder = model.absolute().parent / HISTORY / model.name
        make_folder(folder, inside=folder.parent.parent)
        taken = max((name for name in os.listdir(folder) if name.startswith(now)), default="")
        number = int(taken.removeprefix(now).lstrip("-") or 1) + 1  # of those of one second
        return folder / (f"{now}-{number:02}" if taken else now)
    return None


def shorten(model: Path) -> bool:
    """Removes all but the last KEPT; whether there are any."""
    folders = _folders(model)
    for old in folders[KEPT:]:
        shutil.rmtree(old, ignore_errors=True)
    return bool(folders)


def told(info: ModelInfo) -> str:
    """`made on 2026-11-29 of 200 photos: error 3.1 % (95 % interval 1.2–7.6 %) on 153 photos`"""
    return f"{made(info)}: {error_sentence(info.judged) if info.judged else 'its error is not known'}"


def made(info: ModelInfo) -> str:
    """`made on 2026-11-29 of 200 photos`"""
    day = f" on {info.created_at[:10]}" if info.created_at else ""
    photos = f" of {count(sum(info.data.counts.values()), 'photo')}" if info.data else ""
    return f"made{day}{photos}"


def command(model: Path, time: str = "") -> str:
    """`mirror history fruit`, in the way that it is typed."""
    models = [] if model.parent == Path("models") else ["--models", str(model.parent)]
    return typed(["mirror", "history", model.name, *(["--restore", time] if time else []), *models])


def _folders(model: Path) -> list[Path]:
    folder = model.absolute().parent / HISTORY / model.name
    if folder.is_symlink() or folder.parent.is_symlink() or not folder.is_dir():
        return []
    found = [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()]
    return sorted(found, key=lambda path: path.name, reverse=True)
