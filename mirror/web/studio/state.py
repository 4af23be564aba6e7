"""What lies on the desk: a photo folder, the decisions about it, and what the model made from it says of its photos."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from mirror.collect.corrections import (
    DECISIONS_CSV,
    RELABEL,
    FolderState,
    current_labels,
    effective_corrections,
    read_corrections,
    require_photo_folder,
)
from mirror.collect.issue_files import (
    PREDICTIONS_CSV,
    SUSPECTS_CSV,
    PhotoIssue,
    PhotoPrediction,
    read_issues,
    read_predictions,
)
from mirror.collect.metadata import Photo, read_photos, read_rejections
from mirror.errors import DatasetError, MirrorError
from mirror.folders import holder_of
from mirror.model_folder import MODEL_JSON, ModelFolder, read_model_folder
from mirror.model_schema import ModelInfo


@dataclass(frozen=True)
class Snapshot:
    """All of it at one moment.

    suspects, predictions: of photos that are in the folder; `problem`: a sentence on why the model says nothing of
    them, or "". stranger: models/<name> is a model of other labels, which a training would replace. busy: who works
    on the folder ("pid 123"), or None.
    """

    folder: Path
    reading: FolderState
    model: ModelFolder | None = None
    problem: str = ""
    stranger: bool = False
    suspects: list[PhotoIssue] = field(default_factory=list)
    predictions: list[PhotoPrediction] = field(default_factory=list)
    busy: str | None = None

    @property
    def info(self) -> ModelInfo | None:
        return self.model.info if self.model else None

    @cached_property
    def photos(self) -> dict[str, Photo]:
        return {photo.file_name: photo for photo in self.reading.photos}

    @cached_property
    def labels(self) -> list[str]:
        """Every label that photos have or may be given: as collected, sorted; then new ones as they were thought of."""
        collected = sorted({photo.label for photo in self.reading.photos})
        new = [
            decision.label for decision in effective_corrections(self.reading.corrections) if decision.action == RELABEL
        ]
        return list(dict.fromkeys([*collected, *new]))

    @cached_property
    def counts(self) -> dict[str, int]:
        """Photos of each label, as decided; removed ones do not count."""
        counts = dict.fromkeys(self.labels, 0)
        for photo in self.reading.photos:
            standing = self.reading.current_label(photo)
            if not standing.removed:
                counts[standing.label] += 1
        return counts

    @property
    def can_undo(self) -> bool:
        return bool(effective_corrections(self.reading.corrections))

    @property
    def removed(self) -> int:
        return sum(standing.removed for standing in self.reading.current_labels.values())

    @property
    def open_suspects(self) -> list[PhotoIssue]:
        """Those about which nothing was decided yet; of a near-duplicate pair, about neither."""
        decided = self.reading.current_labels
        return [one for one in self.suspects if one.file_name not in decided and one.other not in decided]

    def is_missing(self, photo: Photo) -> bool:
        try:
            return not photo.path(self.folder).is_file()
        except DatasetError:  # a link
            return True


class StudioState:
    """Reads a photo folder and its model again whenever their files have changed. Raises DatasetError for no such
    folder."""

    def __init__(self, folder: Path, models: Path):
        require_photo_folder(folder)
        self.folder = folder
        self.models = models
        self.name = folder.resolve().name
        self._read: dict[Path, tuple[Any, Any]] = {}
        self.look()

    @property
    def model(self) -> Path:
        return self.models / self.name

    def look(self) -> Snapshot:
        """Everything as it is now. Raises DatasetError for a folder that has gone or files that cannot be read."""
        require_photo_folder(self.folder)
        rejected_csv = self.folder / "rejected.csv"
        photos = self._photos()
        rejected = self._fresh([rejected_csv], lambda: read_rejections(rejected_csv) if rejected_csv.exists() else [])
        decisions = self._fresh([self.folder / DECISIONS_CSV], lambda: read_corrections(self.folder))
        reading = FolderState(photos, decisions, current_labels(photos, decisions, rejected))
        report = [self.model / name for name in (MODEL_JSON, SUSPECTS_CSV, PREDICTIONS_CSV)]
        told = self._fresh(report, lambda: _told(self.model))
        return _with_model(Snapshot(self.folder, reading, busy=holder_of(self.folder)), *told)

    def lists(self, file_name: str) -> bool:
        """Whether metadata.csv has a photo of this name."""
        return any(photo.file_name == file_name for photo in self._photos())

    def _photos(self) -> list[Photo]:
        metadata_csv = self.folder / "metadata.csv"
        return self._fresh([metadata_csv], lambda: read_photos(metadata_csv))

    def _fresh(self, files: list[Path], read: Callable[[], Any]) -> Any:
        """What `read` makes of these files, read again when one of them has changed."""
        stamp = [_stamp(file) for file in files]
        known = self._read.get(files[0])
        if known is None or known[0] != stamp:
            known = self._read[files[0]] = (stamp, read())
        return known[1]


Told = tuple[ModelFolder | None, list[PhotoIssue], list[PhotoPrediction], str]


def _told(path: Path) -> Told:
    """The model, what it says of single photos, and a sentence where it says nothing."""
    if not path.exists():
        return None, [], [], "There is no model yet. Train one, and it will say which photos to look at."
    try:
        model = read_model_folder(path)
    except MirrorError as error:
        return None, [], [], str(error)
    try:
        return model, read_issues(path / SUSPECTS_CSV), read_predictions(path / PREDICTIONS_CSV), ""
    except MirrorError as error:
        return model, [], [], f"The model says nothing of single photos; train again. ({error})"


def _with_model(
    scene: Snapshot,
    model: ModelFolder | None,
    suspects: list[PhotoIssue],
    predictions: list[PhotoPrediction],
    problem: str,
) -> Snapshot:
    given = (scene.folder, scene.reading)
    if model is not None and not set(model.info.labels) <= {*scene.labels, *_ever_given(scene)}:
        shown = ", ".join(model.info.labels[:6])
        problem = (
            f"{model.path} tells {shown} apart, which is not what this folder's photos show: "
            "start the studio with the folder of its own model (--models)."
        )
        return Snapshot(*given, None, problem, True, busy=scene.busy)
    here = scene.photos
    suspects = [one for one in suspects if one.file_name in here and (not one.other or one.other in here)]
    predictions = [one for one in predictions if one.file_name in here]
    return Snapshot(*given, model, problem, False, suspects, predictions, scene.busy)


def _ever_given(scene: Snapshot) -> set[str]:
    """Labels of decisions that were taken back since: the model may have been trained before that."""
    return {decision.label for decision in scene.reading.corrections if decision.label}


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino
