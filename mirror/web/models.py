"""The models that the page offers: each one's name, description, and a classifier that is opened once and then kept.

A model that cannot be opened stays in the registry with the sentence that says why, so that the page can show it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mirror.errors import MirrorError, ModelFolderError, NotInstalled, UsageError
from mirror.inference.classifier import Classifier
from mirror.inference.pickle_cache import open_model
from mirror.model_folder import MODEL_JSON, ModelEntry, ModelFolder, list_models
from mirror.model_schema import ModelInfo
from mirror.phrases import SHIPPED_LABELS
from mirror.preparation import published_dataset
from mirror.terminal import say, sentence

FIRST_CHOICE = "mirror"  # the shipped model's name


@dataclass
class ServedModel:
    """One model. Either `folder` (what was read) or `problem` (a sentence) is set."""

    name: str
    folder: ModelFolder | None = None
    problem: str | None = None
    from_pickle: bool = False
    version: tuple[int, ...] = ()
    _classifier: Classifier | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def info(self) -> ModelInfo | None:
        return self.folder.info if self.folder else None

    @property
    def labels(self) -> tuple[str, ...]:
        return self.info.labels if self.info else ()

    @property
    def is_own(self) -> bool:
        """Whether it is not one of the two that come with this program."""
        source = self.info.data.source if self.info and self.info.data else ""
        shipped = self.name == FIRST_CHOICE and frozenset(self.labels) == SHIPPED_LABELS
        return self.info is not None and not shipped and published_dataset(source) is None

    def classifier(self) -> Classifier:
        """The opened model, warmed up; the first call opens it, others wait for that one. Raises ModelFolderError."""
        with self._lock:
            if self.folder is None:
                raise ModelFolderError(self.problem or f"The model {self.name} cannot be used.")
            if self._classifier is None:
                try:
                    classifier = Classifier.load(self.folder)
                except ModelFolderError as error:
                    raise ModelFolderError(for_visitors(error, self.folder.path.parent)) from None
                classifier.warm_up()
                self._classifier = classifier
            return self._classifier


class ModelRegistry:
    """The models of one directory. `served`: all, by name, as they were when it was last read; `default`: the one shown
    first, or None. first: its name, where the host chose one.

    Raises UsageError for a `first` that is not there.
    """

    def __init__(self, folder: Path, log: Callable[[str], None] = say, first: str | None = None):
        self.folder, self.first, self._log = folder, first, log
        self.served: dict[str, ServedModel] = {}
        self._reading = threading.Lock()
        self.refresh()
        if first is not None and first not in self.served:
            there = f"choose one of {', '.join(self.served)}" if self.served else "there is none yet"
            raise UsageError(f"There is no model named {first} in {folder}: {there}.")

    def refresh(self) -> None:
        """Reads what came, changed or went since. Where another thread is at that, this one does not wait for it."""
        if not self._reading.acquire(blocking=False):
            return
        try:
            kept = self.served
            self.served = {entry.name: self._read(entry, kept.get(entry.name)) for entry in list_models(self.folder)}
        finally:
            self._reading.release()

    @property
    def default(self) -> ServedModel | None:
        """The host's choice; else the newest of the host's own models that can be opened; else the shipped mirror."""
        if self.first in self.served:
            return self.served[self.first]
        healthy = [one for one in self.served.values() if one.folder and _has_network(one.folder)]
        models = healthy or list(self.served.values())
        own = [one for one in models if one.is_own]
        if own:
            return max(own, key=lambda one: (one.info and one.info.created_at or "", one.name == FIRST_CHOICE))
        return next((one for one in models if one.name == FIRST_CHOICE), models[0] if models else None)

    def get(self, name: str | None) -> ServedModel:
        """The model of that name; the default one for None. Raises ModelFolderError for a name that is not there."""
        served = self.default if name is None else self.served.get(name)
        if served is None:
            raise ModelFolderError(
                "There is no model yet: train one with `python train.py`, then start the page again."
                if self.default is None
                else f"There is no model named {name}: choose one of {', '.join(self.served)}."
            )
        return served

    def warm(self, log: Callable[[str], None] = say) -> threading.Thread:
        """Opens the default model in the background; what goes wrong there is said again to whoever asks it."""

        def open_default() -> None:
            if self.default and self.default.folder:
                try:
                    self.default.classifier()
                except MirrorError as error:
                    log(sentence(error))
                except MemoryError:
                    log(f"There is not enough memory to open {sentence(self.default.name)}.")

        thread = threading.Thread(target=open_default, name="warm-up", daemon=True)
        thread.start()
        return thread

    def _read(self, entry: ModelEntry, before: ServedModel | None) -> ServedModel:
        version = _version(entry)
        if before is not None and before.version == version:
            return before
        try:
            if entry.needs_compiling and not entry.problem:
                path = sentence(entry.path)
                self._log(f"{path} is opened: the first time, its learner is compiled, which takes some seconds.")
            folder = open_model(entry)
        except MirrorError as error:
            self._log(sentence(error))
            return ServedModel(entry.name, problem=for_visitors(error, self.folder), version=version)
        return ServedModel(entry.name, folder, from_pickle=entry.needs_compiling, version=version)


def _version(entry: ModelEntry) -> tuple[int, ...]:
    """What differs once the model is another: of its description or its pickle."""
    try:
        status = os.stat(entry.pickle or entry.path / MODEL_JSON)
    except OSError:
        return ()
    return status.st_ino, status.st_mtime_ns, status.st_size


def _has_network(folder: ModelFolder) -> bool:
    """Whether its network is a file, as far as that is seen without reading it: no pipe, no link."""
    network = folder.path / folder.info.onnx.file
    return network.is_file() and not network.is_symlink()


def for_visitors(error: MirrorError, models: Path) -> str:
    """The sentence with files named from the folder of models on: where this machine keeps it is nobody's business. Nor
    is what it has installed."""
    if isinstance(error, NotInstalled):
        return "This model cannot be opened on this page."
    return str(error).replace(f"{models}{os.sep}", "")
