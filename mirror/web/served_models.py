"""The models that the page offers: each one's name, description, and a classifier that is opened once and then kept.

A model that cannot be opened stays in the registry. Visitors read that it cannot; why, with files and what would mend
it, is for whoever runs the page, and printed.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from mirror.answer_sentences import SHIPPED_LABELS
from mirror.errors import MirrorError, ModelFolderError, UsageError
from mirror.inference.classifier import Classifier
from mirror.inference.pickle_cache import open_model
from mirror.model_folder import MODEL_JSON, ModelEntry, ModelFolder, list_models
from mirror.model_schema import ModelInfo
from mirror.preparation import published_dataset
from mirror.terminal import say, sentence

FIRST_CHOICE = "mirror"  # the shipped model's name
BROKEN = "The model {} cannot answer: whoever runs this page finds the reason in its terminal."
MAX_TOLD = 20  # reasons that are printed of one model


@dataclass
class ServedModel:
    """One model. Either `folder` (what was read) or `problem` (a sentence) is set."""

    name: str
    folder: ModelFolder | None = None
    problem: str | None = None
    from_pickle: bool = False
    version: tuple[int, ...] = ()
    log: Callable[[str], None] = field(default=say, repr=False)
    _told: set[str] = field(default_factory=set, repr=False)
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
                raise ModelFolderError(self.problem or BROKEN.format(self.name))
            if self._classifier is None:
                with self.excused():
                    classifier = Classifier.load(self.folder)
                    classifier.warm_up()
                    self._classifier = classifier
            return self._classifier

    @contextmanager
    def excused(self) -> Iterator[None]:
        """Where the model fails in here, a visitor reads that it does (ModelFolderError), and the terminal why."""
        try:
            yield
        except ModelFolderError as error:
            told = sentence(error)
            if told not in (*self._told, BROKEN.format(self.name)) and len(self._told) < MAX_TOLD:
                self._told.add(told)
                self.log(told)
            raise ModelFolderError(BROKEN.format(self.name)) from None


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
                "There is no model here yet."
                if self.default is None
                else f"There is no model named {name}: choose one of {', '.join(self.served)}."
            )
        return served

    def warm(self) -> threading.Thread:
        """Opens the default model in the background; what goes wrong there is said again to whoever asks it."""

        def open_default() -> None:
            if self.default and self.default.folder:
                try:
                    self.default.classifier()
                except ModelFolderError:
                    pass  # it has been told
                except MemoryError:
                    self._log(f"There is not enough memory to open {sentence(self.default.name)}.")

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
            return ServedModel(entry.name, problem=BROKEN.format(entry.name), version=version)
        return ServedModel(entry.name, folder, from_pickle=entry.needs_compiling, version=version, log=self._log)


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
