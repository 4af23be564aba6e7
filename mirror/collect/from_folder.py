"""`--data DIR`: a folder of label folders becomes a photo folder, through the same screening as a search.

    DIR/cygnet/1.jpg  DIR/cygnet/lake/2.png        the top folder is the label, however deep the photo lies
    DIR/train/cygnet/1.jpg  DIR/val/cygnet/2.png   a split that came with it is kept (test/ is left out)

Every file is a row of metadata.csv or rejected.csv, `url` being its path inside DIR; only what operating systems litter
(.DS_Store, Thumbs.db, names that begin with a dot) is passed over. DIR is only read. On a second run, files with the
same bytes are not decoded again, and files that have gone from DIR or changed lose their rows.
"""

from __future__ import annotations

import os
import unicodedata
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from mirror.collect.label_names import check_label
from mirror.collect.metadata import TRAIN, VALIDATION, Origin, Photo, Rejection
from mirror.collect.photo_folder import DUPLICATE_REASONS, PhotoFolder
from mirror.collect.screening import ScreenedPhoto, screen, sha256_of
from mirror.collect.splits import GIVEN_SPLIT_ENGINE
from mirror.errors import DatasetError, ImageError, NotAnImage
from mirror.images import read_file

ENGINE = "folder"  # Photo.engine of a photo from DIR, unless DIR came with a split
ENGINES = (ENGINE, GIVEN_SPLIT_ENGINE)
WORKERS = 2  # threads; Pillow decodes outside Python's global lock
LITTER = {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__macosx"}
SPLIT_FOLDERS = {
    "train": TRAIN, "training": TRAIN,
    "val": VALIDATION, "valid": VALIDATION, "validation": VALIDATION,
    "test": "", "testing": "",
}  # fmt: skip

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

    `progress(done, total)` is called after each file that had to be decoded. Killed at any moment and called again, it
    goes on where it was. Raises DatasetError if `source` holds no label folders, or `folder` holds a search's photos.
    """
    folder, source = Path(folder), Path(source)
    _refuse_overlap(folder, source)
    files = find_files(source, log)
    photos = PhotoFolder(folder)
    try:
        for note in photos.notes:
            log(note)
        if any(row.engine not in ENGINES for row in photos.photos + photos.rejected):
            raise DatasetError(f"{folder} holds photos from a search; choose another --name for those of {source}.")
        _forget_stale(photos, files, source, log)
        todo = [file for file in files if photos.outcome(file.origin.url, file.origin.label) is None]
        for done, (file, found) in enumerate(_in_order(_examined, todo), start=1):
            if isinstance(found, ScreenedPhoto):
                photos.admit(file.origin, found)
            else:
                sha256, error = found
                photos.reject(file.origin, error.reason, str(error), sha256)
            if progress is not None:
                progress(done, len(todo))
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
    tops = {name: split for name, split in _split_folders(source, log).items() if split is not None}
    splits = set(tops.values())
    files = []
    for path in _walk(source, source.resolve(), log):
        parts = path.relative_to(source).parts
        split = ""
        if tops:
            if parts[0].lower() in SPLIT_FOLDERS and parts[0] not in tops and len(parts) > 1:
                continue  # test/, as the log said
            split = tops.get(parts[0], "") if VALIDATION in splits else ""
            parts = parts[1:] if parts[0] in tops else parts[:1]
        label = check_label(_label_of(parts[0])) if len(parts) > 1 else ""
        files.append(LocalFile(path, _origin(source, path, label, split)))
    if not any(file.origin.label for file in files):
        raise DatasetError(
            f"{source} holds no label folders with files; put the photos of each label into a folder named after it, "
            f"such as {source / 'cygnet' / '1.jpg'}."
        )
    return sorted(files, key=lambda file: file.origin.url)


# ---- finding --------------------------------------------------------------------------------------------------------


def _split_folders(source: Path, log: Log) -> dict[str, str | None]:
    """The folders of DIR by name with their split, if DIR came with one; {} otherwise. None: left out.

    It did if every folder in it is called train, val, test or the like, and train holds folders.
    """
    names = [entry.name for entry in _visible(source) if entry.is_dir(follow_symlinks=False)]
    found = {name: SPLIT_FOLDERS.get(name.lower()) for name in names}
    trains = [name for name in names if found[name] == TRAIN]
    if None in found.values() or not trains or not all(_folders_in(source / name) for name in trains):
        return {}
    train_labels = set().union(*(_folders_in(source / name) for name in trains))
    for name in names:
        if found[name] == "":
            log(f"{source / name} is left out: a test set is for judging a finished model.")
            found[name] = None
        elif found[name] == VALIDATION and (labels := _folders_in(source / name)) != train_labels:
            odd = ", ".join(sorted(labels ^ train_labels))
            raise DatasetError(
                f"{source / trains[0]} and {source / name} hold different labels ({odd}); give both the same folders."
            )
    return found


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
        why = (error.strerror or str(error)).lower()
        raise DatasetError(f"{folder} cannot be read ({why}); check its permissions.") from None


def _walk(folder: Path, root: Path, log: Log) -> Iterator[Path]:
    for entry in _visible(folder):
        path = folder / entry.name
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(path, root, log)
        elif entry.is_dir():
            log(f"{path} is a link to a folder and is not followed; copy the photos instead.")
        else:
            yield path


def _label_of(name: str) -> str:
    # macOS stores "é" as two code points, other systems as one: the same label must not become two
    return unicodedata.normalize("NFC", name).strip()


def _origin(source: Path, path: Path, label: str, split: str) -> Origin:
    inside = path.relative_to(source).as_posix()
    url = os.fsencode(inside).decode("utf-8", "backslashreplace")  # a name that is not UTF-8 must fit into UTF-8
    try:
        when = datetime.fromtimestamp(path.stat().st_mtime, UTC).isoformat(timespec="seconds")
    except (OSError, ValueError, OverflowError):  # a dangling link; it is rejected when it is read
        when = ""
    return Origin(url, label, engine=GIVEN_SPLIT_ENGINE if split else ENGINE, retrieved_at=when, split=split)


def _refuse_overlap(folder: Path, source: Path) -> None:
    inner, outer = folder.resolve(), source.resolve()
    if inner == outer or inner.is_relative_to(outer) or outer.is_relative_to(inner):
        raise DatasetError(f"The photos would be stored in {folder}, which overlaps {source}; move one of the two.")


# ---- reading --------------------------------------------------------------------------------------------------------


def _read(file: LocalFile) -> bytes:
    """The file's bytes; ImageError for one that lies in no label folder, cannot be read, or is a link out of DIR."""
    if not file.origin.label:
        raise NotAnImage(f"{file.path} is in no label folder; move it into one.", reason="no-label-folder")
    if file.path.is_symlink():
        root = _root_of(file)
        if not file.path.resolve().is_relative_to(root):
            raise NotAnImage(f"{file.path} is a link that leads out of the folder; copy the photo instead.",
                             reason="link-leads-outside")  # fmt: skip
    return read_file(file.path)


def _root_of(file: LocalFile) -> Path:
    """DIR, resolved: as many levels up as the url has parts."""
    return file.path.parents[file.origin.url.count("/")].resolve()


def _examined(file: LocalFile) -> ScreenedPhoto | tuple[str, ImageError]:
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
    """sha256 of the file's bytes as `_examined` would report it."""
    try:
        body = _read(file)
        return sha256_of(body) if body else ""
    except ImageError:
        return ""


def _in_order(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
    """(item, work(item)) in the items' order, WORKERS at a time and only a few ahead, so that memory stays bounded."""
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="photos") as pool:
        waiting: deque = deque()
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
    rows: dict[tuple[str, str], Photo | Rejection] = {row.key: row for row in photos.photos + photos.rejected}
    if not rows:
        return
    by_key = {file.key: file for file in files}
    gone = {key for key in rows if key not in by_key}
    # A file that was moved between train/ and val/, or got a split, keeps its bytes but not its row
    moved = {key for key, row in rows.items() if key in by_key and row.engine != by_key[key].origin.engine}
    known = [file for file in files if file.key in rows and file.key not in moved]
    changed = {file.key for file, digest in _in_order(_digest, known) if digest != rows[file.key].sha256}
    stale = gone | moved | changed
    if not stale:
        return
    log(f"{source}: since the last run {len(gone)} files have gone and {len(changed | moved)} have changed.")
    freed = any(isinstance(rows[key], Photo) or rows[key].reason in DUPLICATE_REASONS for key in stale)
    if freed:
        stale |= {row.key for row in photos.rejected if row.reason in DUPLICATE_REASONS}
    photos.forget(stale)


def _summary(photos: PhotoFolder, source: Path) -> str:
    counts = Counter(photo.label for photo in photos.photos)
    reasons = Counter(row.reason for row in photos.rejected)
    kept = ", ".join(f"{count} {label}" for label, count in sorted(counts.items())) or "none"
    left = ", ".join(f"{count} {reason}" for reason, count in sorted(reasons.items()))
    return f"{source}: {kept}" + (f"; rejected: {left}." if left else "; nothing rejected.")
