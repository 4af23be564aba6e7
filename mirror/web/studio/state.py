"""A photo folder at one moment: its photos, the decisions about them, and what the model made from it says of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
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
from mirror.collect.photo_records import Photo, read_photos, read_rejections
from mirror.errors import DatasetError, MirrorError
from mirror.folders import holder_of
from mirror.model_folder import MODEL_JSON, ModelFolder, read_model_folder
from mirror.model_schema import ModelInfo


@dataclass(frozen=True)
class Snapshot:
    """All of it at one moment. name: of the project.

    issues, predictions: of photos that are in the folder; `problem`: a sentence on why the model says nothing of
    them, or "". is_foreign: models/<name> is a model of other labels, which a training would replace. busy: who works
    on the folder ("pid 123"), or None.
    """

    name: str
    folder: Path
    folder_state: FolderState
    model: ModelFolder | None = None
    problem: str = ""
    is_foreign: bool = False
    issues: list[PhotoIssue] = field(default_factory=list)
    predictions: list[PhotoPrediction] = field(default_factory=list)
    busy: str | None = None

    @property
    def info(self) -> ModelInfo | None:
        return self.model.info if self.model else None

    @cached_property
    def photos(self) -> dict[str, Photo]:
        return {photo.file_name: photo for photo in self.folder_state.photos}

    @cached_property
    def labels(self) -> list[str]:
        """Every label that photos have or may be given: as collected, sorted; then new ones as they were thought of."""
        collected = sorted({photo.label for photo in self.folder_state.photos})
        new = [
            decision.label
            for decision in effective_corrections(self.folder_state.corrections)
            if decision.action == RELABEL
        ]
        return list(dict.fromkeys([*collected, *new]))

    @cached_property
    def counts(self) -> dict[str, int]:
        """Photos of each label, as decided; removed ones do not count."""
        counts = dict.fromkeys(self.labels, 0)
        for photo in self.folder_state.photos:
            current = self.folder_state.current_label(photo)
            if not current.removed:
                counts[current.label] += 1
        return counts

    @property
    def can_undo(self) -> bool:
        return bool(effective_corrections(self.folder_state.corrections))

    @property
    def removed(self) -> int:
        return sum(current.removed for current in self.folder_state.current_labels.values())

    @property
    def open_issues(self) -> list[PhotoIssue]:
        """Those about which nothing was decided yet; of a look-alike pair, about neither."""
        decided = self.folder_state.current_labels
        return [issue for issue in self.issues if issue.file_name not in decided and issue.other not in decided]

    def is_missing(self, photo: Photo) -> bool:
        try:
            return not photo.path(self.folder).is_file()
        except DatasetError:  # a link
            return True


class StudioState:
    """Reads a photo folder and its model again whenever their files have changed. name: of the model, where it is not
    the folder's. Raises DatasetError for no such folder."""

    def __init__(self, folder: Path, models: Path, name: str = ""):
        require_photo_folder(folder)
        self.folder = folder
        self.models = models
        self.name = name or folder.resolve().name
        self._cache: dict[Path, tuple[Any, Any]] = {}
        self.snapshot()

    @property
    def model(self) -> Path:
        return self.models / self.name

    def snapshot(self) -> Snapshot:
        """Everything as it is now. Raises DatasetError for a folder that has gone or files that cannot be read."""
        require_photo_folder(self.folder)
        rejected_csv = self.folder / "rejected.csv"
        photos = self._photos()
        rejected = self._cached([rejected_csv], lambda: read_rejections(rejected_csv) if rejected_csv.exists() else [])
        decisions = self._cached([self.folder / DECISIONS_CSV], lambda: read_corrections(self.folder))
        folder_state = FolderState(photos, decisions, current_labels(photos, decisions, rejected))
        report_files = [self.model / name for name in (MODEL_JSON, SUSPECTS_CSV, PREDICTIONS_CSV)]
        report = self._cached(report_files, lambda: _read_report(self.model))
        return _with_model(Snapshot(self.name, self.folder, folder_state, busy=holder_of(self.folder)), *report)

    def lists(self, file_name: str) -> bool:
        """Whether metadata.csv has a photo of this name."""
        return any(photo.file_name == file_name for photo in self._photos())

    def _photos(self) -> list[Photo]:
        metadata_csv = self.folder / "metadata.csv"
        return self._cached([metadata_csv], lambda: read_photos(metadata_csv))

    def _cached(self, files: list[Path], read: Callable[[], Any]) -> Any:
        """What `read` makes of these files, read again when one of them has changed."""
        stamp = [file_stamp(file) for file in files]
        cached = self._cache.get(files[0])
        if cached is None or cached[0] != stamp:
            cached = self._cache[files[0]] = (stamp, read())
        return cached[1]


Stamp = tuple[int, int, int]
Report = tuple[ModelFolder | None, list[PhotoIssue], list[PhotoPrediction], str]


def _read_report(path: Path) -> Report:
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
    snapshot: Snapshot,
    model: ModelFolder | None,
    issues: list[PhotoIssue],
    predictions: list[PhotoPrediction],
    problem: str,
) -> Snapshot:
    # of decisions that were taken back since too: the model may have been trained before that
    past = {decision.label for decision in snapshot.folder_state.corrections if decision.label}
    if model is not None and not set(model.info.labels) <= {*snapshot.labels, *past}:
        labels = ", ".join(model.info.labels[:6])
        problem = (
            f"{model.path} tells {labels} apart, which is not what this folder's photos show: "
            "start the studio with the folder of its own model (--models)."
        )
        return replace(snapshot, problem=problem, is_foreign=True)
    photos = snapshot.photos
    issues = [issue for issue in issues if issue.file_name in photos and (not issue.other or issue.other in photos)]
    predictions = [prediction for prediction in predictions if prediction.file_name in photos]
    return replace(snapshot, model=model, problem=problem, issues=issues, predictions=predictions)


def file_stamp(file: Path) -> Stamp | None:
    """What differs once a file is another; None where there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
