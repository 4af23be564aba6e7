"""`--data DIR`: a folder of label folders becomes a photo folder, through the same screening as a search.

    DIR/cygnet/1.jpg  DIR/cygnet/lake/2.png        the top folder is the label, however deep the photo lies
    DIR/train/cygnet/1.jpg  DIR/val/cygnet/2.png   a split that came with it is kept (test/ is left out)

Every file becomes a row of metadata.csv or rejected.csv, `url` being its path inside DIR, except for names that begin
with a dot and the files that operating systems leave behind (Thumbs.db and the like). DIR is only read. A second run
does not decode files with the same bytes again, and files that have gone from DIR or changed lose their rows.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from mirror.collect.label_names import check_label
from mirror.collect.metadata import FOLDER, TRAIN, VALIDATION, Origin
from mirror.collect.photo_folder import DUPLICATE_REASONS, PhotoFolder
from mirror.collect.screening import ScreenedPhoto, screen, sha256_of
from mirror.errors import DatasetError, ImageError, NotAnImage
from mirror.images import read_file

WORKERS = 2  # threads; Pillow decodes outside Python's global lock
LITTER = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx"}
TRAIN_FOLDERS, VALIDATION_FOLDERS = ("train", "training"), ("val", "valid", "validation")
TEST_FOLDERS = ("test", "testing")
SPLIT_OF_FOLDER = dict.fromkeys(TRAIN_FOLDERS, TRAIN) | dict.fromkeys(VALIDATION_FOLDERS, VALIDATION)

Log = Callable[[str], None]
Item = TypeVar("Item")
Result = TypeVar("Result")


@dataclass(frozen=True)
class LocalFile:
    """A file under DIR and what it will be recorded as. `label`: "" for a file that is in no label folder."""

    path: Path
    origin: Origin

    @property
    def key(self) -> tuple[str, str]:
        return self.origin.label, self.origin.url


def collect_from_folder(
    folder: Path,
    source: Path,
    *,
    log: Log = print,
    progress: Callable[[int, int], None] | None = None,
) -> PhotoFolder:
    """Bring the photo folder `folder` in line with the label folders in `source`; returned open, the caller closes it.

    `progress(done, total)` is called after each file that was decoded. A run that was killed at any moment goes on
    where it was. Raises DatasetError if `source` holds no label folders, or `folder` holds the photos of a search.
    """
    folder, source = Path(folder), Path(source)
    _refuse_overlap(folder, source)
    files = find_files(source, log)
    photos = PhotoFolder(folder)
    try:
        for note in photos.notes:
            log(note)
        if any(row.engine != FOLDER for row in photos.rows):
            raise DatasetError(f"{folder} holds photos from a search; choose another --name for those of {source}.")
        _forget_stale(photos, files, source, log)
        new = [file for file in files if photos.outcome(file.origin.url, file.origin.label) is None]
        for done, (file, result) in enumerate(_in_order(_screen, new), start=1):
            if isinstance(result, ScreenedPhoto):
                photos.admit(file.origin, result)
            else:
                sha256, error = result
                photos.reject(file.origin, error.reason, str(error), sha256)
            if progress is not None:
                progress(done, len(new))
        log(_summary(photos, source))
    except BaseException:
        photos.close()
        raise
    return photos


def find_files(source: Path, log: Log = print) -> list[LocalFile]:
    """Every file under `source` that is not litter, in the order of their paths. Raises DatasetError."""
    source = Path(source)
    if not source.is_dir():
        what = "is not a folder" if source.exists() else "does not exist"
        raise DatasetError(f"{source} {what}; give --data a folder that holds one folder of photos per label.")
    if (source / "metadata.csv").is_file() and (source / "images").is_dir():
        raise DatasetError(f"{source} is a photo folder of this program; give --data {source / 'images'} instead.")
    tops = _split_folders(source, log)
    has_validation = VALIDATION in tops.values()
    files = []
    for path in _walk(source, log):
        top, *below = path.relative_to(source).parts
        split = tops.get(top, "") if has_validation else ""
        if tops and below:
            if top not in tops:
                continue  # test/, as the log said
            top, *below = below
        label = check_label(_label_of(top)) if below else ""
        files.append(LocalFile(path, _origin(source, path, label, split)))
    if not any(file.origin.label for file in files):
        raise DatasetError(
            f"{source} holds no label folders with files; put the photos of each label into a folder named after it, "
            f"such as {source / 'cygnet' / '1.jpg'}."
        )
    return sorted(files, key=lambda file: file.origin.url)


# ---- finding --------------------------------------------------------------------------------------------------------


def _split_folders(source: Path, log: Log) -> dict[str, str]:
    """The training and validation folders of DIR by name with their split; {} where DIR came without a split.

    It came with one if every folder in it is called train, val, test or the like, and train holds folders.
    """
    names = [entry.name for entry in _visible(source) if entry.is_dir(follow_symlinks=False)]
    splits = {name: SPLIT_OF_FOLDER[name.lower()] for name in names if name.lower() in SPLIT_OF_FOLDER}
    tests = [name for name in names if name.lower() in TEST_FOLDERS]
    trains = [name for name, split in splits.items() if split == TRAIN]
    if len(splits) + len(tests) < len(names) or not trains or not all(_folders_in(source / name) for name in trains):
        return {}
    for name in tests:
        log(f"{source / name} is left out: a test set is for judging a finished model.")
    train_labels = set().union(*(_folders_in(source / name) for name in trains))
    for name, split in splits.items():
        labels = _folders_in(source / name)
        if split == VALIDATION and labels != train_labels:
            odd = ", ".join(sorted(labels ^ train_labels))
            raise DatasetError(
                f"{source / trains[0]} and {source / name} hold different labels ({odd}); give both the same folders."
            )
    return splits


def _folders_in(folder: Path) -> set[str]:
    return {_label_of(entry.name) for entry in _visible(folder) if entry.is_dir(follow_symlinks=False)}


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


def _walk(folder: Path, log: Log) -> Iterator[Path]:
    for entry in _visible(folder):
        path = folder / entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path, log)
        elif entry.is_dir():
            log(f"{path} is a link to a folder and is not followed; copy the photos instead.")
        else:
            yield path


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


def _refuse_overlap(folder: Path, source: Path) -> None:
    inner, outer = folder.resolve(), source.resolve()
    if inner == outer or inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise DatasetError(f"The photos would be stored in {folder}, which overlaps {source}; move one of the two.")


# ---- reading --------------------------------------------------------------------------------------------------------


def _read(file: LocalFile) -> bytes:
    """The file's bytes; ImageError for one that lies in no label folder, cannot be read, or is a link out of DIR."""
    if not file.origin.label:
        raise NotAnImage(f"{file.path} is in no label folder; move it into one.", reason="no-label-folder")
    root = file.path.parents[file.origin.url.count("/")]  # DIR: as many levels up as the url has parts
    if file.path.is_symlink() and not file.path.resolve().is_relative_to(root.resolve()):
        message = f"{file.path} is a link that leads out of the folder; copy the photo instead."
        raise NotAnImage(message, reason="link-leads-outside")
    return read_file(file.path)


def _screen(file: LocalFile) -> ScreenedPhoto | tuple[str, ImageError]:
    """The screened photo; or the sha256 of its bytes ("" if there were none to read) and what is wrong with it."""
    body = b""
    try:
        body = _read(file)
        return screen(body)
    except ImageError as error:
        # Named as in DIR: where DIR itself lies is no property of the photo
        message = str(error).replace(str(file.path), file.origin.url).replace("the file", file.origin.url, 1)
        return (sha256_of(body) if body else ""), type(error)(message, error.reason)


def _digest(file: LocalFile) -> str:
    """sha256 of the file's bytes as `_screen` would report it."""
    try:
        body = _read(file)
        return sha256_of(body) if body else ""
    except ImageError:
        return ""


def _in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
    """(item, work(item)) in the items' order, WORKERS at a time and only a few ahead: the memory stays bounded."""
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="photos") as pool:
        waiting: deque[tuple[Item, Future[Result]]] = deque()
        try:
            for item in items:
                waiting.append((item, pool.submit(work, item)))
                if len(waiting) > 2 * WORKERS:
                    first, future = waiting.popleft()
                    yield first, future.result()
            while waiting:
                first, future = waiting.popleft()
                yield first, future.result()
        finally:
            for _, future in waiting:
                future.cancel()


# ---- running again --------------------------------------------------------------------------------------------------


def _forget_stale(photos: PhotoFolder, files: list[LocalFile], source: Path, log: Log) -> None:
    """Drop the rows of files that have gone or changed, and let their duplicates be judged again."""
    rows = {row.key: row for row in photos.rows}
    if not rows:
        return
    origins = {file.key: file.origin for file in files}
    gone = rows.keys() - origins.keys()
    # DIR came with a split, or no longer does: the photo keeps its bytes but not its row
    resplit = {
        photo.key
        for photo in photos.photos
        if photo.key in origins and photo.split_given != origins[photo.key].split_given
    }
    known = [file for file in files if file.key in rows and file.key not in resplit]
    changed = {file.key for file, digest in _in_order(_digest, known) if digest != rows[file.key].sha256}
    stale = gone | resplit | changed
    if not stale:
        return
    log(f"{source}: since the last run {len(gone)} files have gone and {len(changed | resplit)} have changed.")
    duplicates = {row.key for row in photos.rejected if row.reason in DUPLICATE_REASONS}
    if stale & (duplicates | {photo.key for photo in photos.photos}):
        stale |= duplicates
    photos.forget(stale)


def _summary(photos: PhotoFolder, source: Path) -> str:
    counts = Counter(photo.label for photo in photos.photos)
    reasons = Counter(row.reason for row in photos.rejected)
    labels = ", ".join(f"{count} {label}" for label, count in sorted(counts.items())) or "none"
    rejected = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    return f"{source}: {labels}" + (f"; rejected: {rejected}." if rejected else "; nothing rejected.")
