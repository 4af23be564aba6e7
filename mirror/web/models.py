"""The models that the page offers: each one's name, description, and a classifier that is opened once and then kept.

A model that cannot be opened stays in the registry with the sentence that says why, so that the page can show it.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from mirror.errors import MirrorError, ModelFolderError, NotInstalled
from mirror.inference.classifier import Classifier
from mirror.inference.pickle_cache import open_model
from mirror.model_folder import ModelEntry, ModelFolder, list_models
from mirror.model_schema import ModelInfo
from mirror.terminal import say, sentence

FIRST_CHOICE = "mirror"  # the shipped model's name; where there is none, the first healthy model by name


@dataclass
class ServedModel:
    """One model. Either `folder` (what was read) or `problem` (a sentence) is set."""

    name: str
    folder: ModelFolder | None = None
    problem: str | None = None
    from_pickle: bool = False
    _classifier: Classifier | None = field(default=None, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    @property
    def info(self) -> ModelInfo | None:
        return self.folder.info if self.folder else None

    @property
    def labels(self) -> tuple[str, ...]:
        return self.info.labels if self.info else ()

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
    """The models of one directory, read once. `served`: all, by name; `default`: the one shown first, or None."""

    def __init__(self, folder: Path, log: Callable[[str], None] = say):
        self.folder = folder
        self.served = {entry.name: self._read(entry, log) for entry in list_models(folder)}
        healthy = [name for name, served in self.served.items() if served.folder and _has_network(served.folder)]
        names = healthy or list(self.served)
        self.default = self.served[FIRST_CHOICE if FIRST_CHOICE in names else names[0]] if names else None

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

        thread = threading.Thread(target=open_default, name="warm-up", daemon=True)
        thread.start()
        return thread

    def _read(self, entry: ModelEntry, log: Callable[[str], None]) -> ServedModel:
        try:
            if entry.needs_compiling and not entry.problem:
                path = sentence(entry.path)
                log(f"{path} is opened: the first time, its learner is compiled, which takes some seconds.")
            folder = open_model(entry)
        except MirrorError as error:
            log(sentence(error))
            return ServedModel(entry.name, problem=for_visitors(error, self.folder))
        return ServedModel(entry.name, folder, from_pickle=entry.needs_compiling)


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
