"""What train.py finds out before it searches, downloads or reads: whether it can be done, and whether it has been."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING

from mirror.collect.corrections import CorrectedFolder, require_photo_folder
from mirror.collect.folder_layout import find_files
from mirror.collect.from_photo_list import read_list
from mirror.collect.metadata import read_photos
from mirror.collect.others import find_others
from mirror.collect.search_types import check_license
from mirror.collect.splits import MIN_PHOTOS_PER_LABEL
from mirror.errors import DatasetError, MirrorError, UsageError, WeightsError
from mirror.folders import require_room
from mirror.model_folder import read_model_folder
from mirror.model_schema import ModelInfo

if TYPE_CHECKING:
    from mirror.training.settings import TrainingSettings

MODEL_BYTES, PHOTOS_BYTES = 200 << 20, 50 << 20  # room for a ResNet-18's folder while it is made; for some photos


def check_given(options: argparse.Namespace, name: str) -> None:
    """What can be known before anything is searched for or fetched. name: of the model. Raises MirrorError."""
    check_license(options.license)
    if options.weights and not options.weights.is_file():
        raise WeightsError(f"There is no weights file at {options.weights}: check --weights.")
    searched = not (options.data or options.photos or options.collected)
    trains = not options.collect_only
    if searched and trains and options.count < MIN_PHOTOS_PER_LABEL:
        raise UsageError(
            f"Training needs at least {MIN_PHOTOS_PER_LABEL} photos of every label: raise --count {options.count}."
        )
    if trains:
        require_room(options.models / name, MODEL_BYTES, " by --models")
    if not options.collected:
        require_room(Path("data", name), PHOTOS_BYTES, ", by starting this in another folder")
    if options.data:
        files = find_files(options.data, lambda line: None, options.follow_links)
        if trains:
            require_two({file.origin.label for file in files}, options.data)
    if options.photos:
        read_list(options.photos)
    if options.collected:
        require_photo_folder(options.collected)
    if options.others:
        find_others(options.others)


def require_two(labels: Collection[str], source: Path) -> None:
    """Raises DatasetError where the files of `source` are of one label alone; its photos are not read for that."""
    named = sorted(label for label in labels if label)
    if len(named) < 2:
        raise DatasetError(
            f"Training needs photos of at least two labels and {source} holds only {named[0]!r}: add another folder of "
            "photos beside it."
        )


def finished(
    path: Path, photos: CorrectedFolder, settings: TrainingSettings, options: argparse.Namespace
) -> ModelInfo | None:
    """The model at `path`, where it was made of these photos by these options."""
    if options.again or options.others or options.minutes:
        return None
    with contextlib.suppress(MirrorError):
        info = read_model_folder(path).info
        recorded = list(info.training.options) if info.training else []
        from mirror.training.photo_model import options_of

        asked = options_of(settings, settings.epochs, options.precision, False, not options.no_pickle)
        if settings.epochs is None and "--epochs" in recorded:  # what its machine had the time for
            del recorded[(place := recorded.index("--epochs")) : place + 2]
        shows = (path / "report" / "top_losses.png").exists()
        made_of = {(row.sha256, row.label) for row in read_photos(path / "photos.csv")}
        if recorded == list(asked) and made_of == {(row.sha256, row.label) for row in photos.photos}:
            return info if not (shows and options.no_photos_in_report) else None
    return None
