"""Which files of `--data DIR` are photos of which label, and on which side of a split: read off the folders.

    DIR/cygnet/1.jpg  DIR/cygnet/lake/2.png        the top folder is the label, however deep the photo lies
    DIR/train/cygnet/1.jpg  DIR/val/cygnet/2.png   a split that came with it is kept (test/ is left out)
    DIR/photos/cygnet/1.jpg                        a folder that holds nothing but another is passed through

Where folders can be read in two ways it is asked, not guessed.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from mirror.collect.label_names import check_label
from mirror.collect.photo_records import FOLDER, TRAIN, VALIDATION, Origin
from mirror.errors import DatasetError
from mirror.image_sources import enter
from mirror.wording import listed

NAMED = 3  # folders in a sentence
LITTER = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx"}
TRAIN_FOLDERS, VALIDATION_FOLDERS = ("train", "training"), ("val", "valid", "validation")
TEST_FOLDERS = ("test", "testing")
SPLIT_OF_FOLDER = dict.fromkeys(TRAIN_FOLDERS, TRAIN) | dict.fromkeys(VALIDATION_FOLDERS, VALIDATION)


Log = Callable[[str], None]


@dataclass(frozen=True)
class LocalFile:
    """A file under DIR and what it will be recorded as, its `label` being "" where it is in no label folder. follow:
    whether it is read where it is a link that leads out of DIR."""

    path: Path
    origin: Origin
    follow: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return self.origin.label, self.origin.url


def find_files(source: Path, log: Log = print, follow: bool = False) -> list[LocalFile]:
    """Every file under `source` that is not litter, in the order of their paths. follow: linked folders are entered,
    each once, and so are links that lead out of `source`. Raises DatasetError."""
    source = Path(source)
    if not source.is_dir():
        what = "is not a folder" if source.exists() else "does not exist"
        raise DatasetError(f"{source} {what}; give --data a folder that holds one folder of photos per label.")
    if (source / "metadata.csv").is_file() and (source / "images").is_dir():
        raise DatasetError(f"{source} is a photo folder of this program; give --data {source / 'images'} instead.")
    root = _inner(source, log, follow)
    tops = _split_folders(root, log, follow)
    has_validation = VALIDATION in tops.values()
    files = []
    for path in _walk(root, root, log, {os.path.realpath(root)} if follow else None):
        top, *below = path.relative_to(root).parts
        split = tops.get(top, "") if has_validation else ""
        if tops and below:
            if top not in tops:
                continue  # test/, or an empty folder, as the log said
            top, *below = below
        label = check_label(_label_of(top)) if below else ""
        files.append(LocalFile(path, _origin(source, path, label, split), follow))
    if not any(file.origin.label for file in files):
        raise DatasetError(
            f"{source} holds no label folders with files; put the photos of each label into a folder named after it, "
            f"such as {source / 'cygnet' / '1.jpg'}" + ("." if follow else "; --follow-links enters linked ones.")
        )
    return sorted(files, key=lambda file: file.origin.url)


def _inner(source: Path, log: Log, follow: bool) -> Path:
    """The folder whose folders are the labels: DIR, or the one inside it where it holds nothing but that, as archives
    do that were unpacked into a folder of their name."""
    inner = source
    while True:
        match _visible(inner):
            case [entry] if entry.is_dir(follow_symlinks=False) and _folders_in(inner / entry.name, follow):
                inner = inner / entry.name
            case _:
                break
    if inner != source:
        log(f"{source} holds nothing but {inner.relative_to(source)}, whose folders are taken for the labels.")
    return inner


def _split_folders(source: Path, log: Log, follow: bool) -> dict[str, str]:
    """The training and validation folders of DIR by name with their split; {} where DIR came without a split.

    It came with one if a folder in it is called train, val, test or the like, and holds folders. Raises DatasetError
    where others hold files beside it: whether "train" is then a label is for a person to say.
    """
    names = [entry.name for entry in _visible(source) if entry.is_dir(follow_symlinks=follow)]
    for name in names:
        if not _holds_files(source / name):
            log(f"{source / name} holds no files and is left out.")
    names = [name for name in names if _holds_files(source / name)]
    parts = [
        name
        for name in names
        if name.lower() in (*SPLIT_OF_FOLDER, *TEST_FOLDERS) and _folders_in(source / name, follow)
    ]
    if not parts:
        return {}
    splits = {name: SPLIT_OF_FOLDER[name.lower()] for name in parts if name.lower() in SPLIT_OF_FOLDER}
    trains = [name for name, split in splits.items() if split == TRAIN]
    beside = [name for name in names if name not in parts]
    if beside:
        raise DatasetError(
            f"{source} holds label folders inside {listed(parts)}, and {listed(beside[:NAMED])} beside "
            f"{'them' if len(parts) > 1 else 'it'}: move what is no part of the split elsewhere, or, where "
            f"{parts[0]} is a label, give its folder another name."
        )
    if not trains:
        raise DatasetError(
            f"{source} holds label folders inside {listed(parts)} and no train folder beside: give --data the folder "
            "that holds both, or the one whose folders are the labels."
        )
    for name in parts:
        if name not in splits:
            log(f"{source / name} is left out: a test set is for judging a finished model.")
    train_labels = set().union(*(_folders_in(source / name, follow) for name in trains))
    for name, split in splits.items():
        labels = _folders_in(source / name, follow)
        if split == VALIDATION and labels != train_labels:
            odd = ", ".join(sorted(labels ^ train_labels))
            raise DatasetError(
                f"{source / trains[0]} and {source / name} hold different labels ({odd}); give both the same folders."
            )
    return splits


def _holds_files(folder: Path) -> bool:
    entries = _visible(folder)
    return any(not entry.is_dir(follow_symlinks=False) or _holds_files(folder / entry.name) for entry in entries)


def _folders_in(folder: Path, follow: bool) -> set[str]:
    return {_label_of(entry.name) for entry in _visible(folder) if entry.is_dir(follow_symlinks=follow)}


def _visible(folder: Path) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return sorted(
                (entry for entry in entries if entry.name[0] != "." and entry.name.lower() not in LITTER),
                key=lambda entry: entry.name,
            )
    except OSError as error:
        cause = (error.strerror or str(error)).lower()
        raise DatasetError(f"{folder} cannot be read ({cause}); check its permissions.") from None


def _walk(folder: Path, root: Path, log: Log, searched: set[str] | None) -> Iterator[Path]:
    """searched: real paths of the linked folders that were entered, None where none is to be."""
    for entry in _visible(folder):
        path = folder / entry.name
        if not entry.is_dir():
            yield path
        elif entry.is_dir(follow_symlinks=False) or (searched is not None and enter(path, root, searched)):
            yield from _walk(path, root, log, searched)
        elif searched is None:
            log(f"{path} is a link to a folder and is not followed: --follow-links does.")
        else:
            log(f"{path} is a link to a folder that is read already.")


def _label_of(name: str) -> str:
    # macOS stores "é" as two code points, other systems as one: the same label must not become two
    return unicodedata.normalize("NFC", name).strip()


def _origin(source: Path, path: Path, label: str, split: str) -> Origin:
    name = path.relative_to(source).as_posix()
    url = os.fsencode(name).decode("utf-8", "backslashreplace")  # a name that is not UTF-8 must fit into UTF-8
    try:
        modified_at = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
    except (OSError, ValueError, OverflowError):  # a dangling link; it is rejected when it is read
        modified_at = ""
    return Origin(url, label, engine=FOLDER, retrieved_at=modified_at, split=split, split_given=bool(split))
