"""What train.py finds out before it searches, downloads or reads: whether it can be done, and whether it has been."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

from mirror.collect.corrections import CorrectedFolder, require_photo_folder
from mirror.collect.folder_layout import find_files
from mirror.collect.from_photo_list import read_list
from mirror.collect.other_photos import find_others
from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.photo_records import read_photos
from mirror.collect.search_types import check_license
from mirror.collect.splits import MIN_PHOTOS_PER_LABEL, require_enough
from mirror.errors import DatasetError, MirrorError, UsageError, WeightsError
from mirror.folders import require_room
from mirror.model_folder import read_model_folder
from mirror.model_schema import ModelInfo
from mirror.terminal import say
from mirror.training.architectures import AUTO, check_name

if TYPE_CHECKING:
    from mirror.training.settings import TrainingSettings

MODEL_BYTES, PHOTOS_BYTES = 200 << 20, 50 << 20  # room for a ResNet-18's folder while it is made; for some photos


def check_given(options: argparse.Namespace, name: str) -> None:
    """What can be known before anything is searched for or fetched. name: of the model. Raises MirrorError."""
    check_license(options.license)
    if options.weights:
        check_weights(options.weights)
    searched = not (options.data or options.photos or options.collected)
    trains = not options.collect_only
    if searched and trains and options.count < MIN_PHOTOS_PER_LABEL:
        raise UsageError(
            f"Training needs at least {MIN_PHOTOS_PER_LABEL} photos of every label: raise --count {options.count}."
        )
    if trains:
        if options.arch != AUTO:
            check_name(options.arch)
        require_room(options.models / name, MODEL_BYTES, " by --models")
    if not options.collected:
        require_room(Path("data", name), PHOTOS_BYTES, ", by starting this in another folder")
    if options.data:
        check_files(options, Path("data", name))
    if options.photos:
        _, online = read_list(options.photos)
        if trains and not _holds_photos(Path("data", name)):
            require_enough(online)
    if options.collected:
        require_photo_folder(options.collected)
        if trains:
            check_collected(options.collected)
    if options.others:
        find_others(options.others)


def check_weights(path: Path) -> None:
    """Raises WeightsError where there is no file, or one that does not begin as a file of tensors does."""
    if not path.is_file():
        raise WeightsError(f"There is no weights file at {path}: check --weights.")
    with open(path, "rb") as file:
        begin = file.read(9)
    if not begin.startswith((b"PK\x03\x04", b"\x80")) and begin[8:] != b"{":  # zip, pickle; safetensors
        raise WeightsError(f"{path} is no file of weights: give a state dict (.pth, .safetensors).")


def check_files(options: argparse.Namespace, folder: Path) -> None:
    """Raises DatasetError where the files of --data are too few to train on; they are not read for that. folder: where
    their photos go, and others may be that a person added."""
    said: list[str] = []
    files = [file.origin for file in find_files(options.data, said.append, options.follow_links) if file.origin.label]
    labels = {origin.label for origin in files}
    if options.collect_only:
        return
    try:
        if len(labels) < 2:
            raise DatasetError(
                f"Training needs photos of at least two labels and {options.data} holds only {labels.pop()!r}: add "
                "another folder of photos beside it."
            )
        if not _holds_photos(folder):
            require_enough(files)
    except DatasetError:
        for line in said:  # why there are so few
            say(line)
        raise


def check_collected(path: Path) -> None:
    """Raises DatasetError where the photo folder holds too few photos to train on."""
    with PhotoFolder(path) as folder:
        for note in folder.notes:
            say(note)
        photos = CorrectedFolder(folder)
        require_enough(photos.photos, photos.rejected)


def _holds_photos(folder: Path) -> bool:
    return (folder / "metadata.csv").is_file()


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
