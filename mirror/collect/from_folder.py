"""`--data DIR`: a folder of label folders becomes a photo folder, through the same screening as a search.

    DIR/cygnet/1.jpg  DIR/duckling/2.jpg           folder_layout.py says what else a folder may look like

A person has labelled these photos, so none is left out for looking like another (copies.py: LABELLED).

Every file becomes a row of metadata.csv or rejected.csv, `url` being its path inside DIR, except for names that begin
with a dot and the files that operating systems leave behind (Thumbs.db and the like). DIR is only read. A second run
does not decode files with the same bytes again, and files that have gone from DIR or changed lose their rows.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from shlex import quote
from typing import TypeVar

from mirror.collect.copies import DUPLICATE_REASONS, LABELLED, CopyRule, under_two_labels
from mirror.collect.folder_layout import LocalFile, find_files
from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.photo_records import FOLDER
from mirror.collect.screening import MIN_SIDE, OWN_MIN_SIDE, ScreenedPhoto, screen, sha256_of
from mirror.errors import DatasetError, ImageError, NotAnImage, reasons_in_words
from mirror.images import read_file
from mirror.wording import count

LINK_OUT = "link-leads-outside"
WORKERS = 2  # threads; Pillow decodes outside Python's global lock
Log = Callable[[str], None]
Item = TypeVar("Item")
Result = TypeVar("Result")


def collect_from_folder(
    folder: Path,
    source: Path,
    *,
    copies: CopyRule = LABELLED,
    follow: bool = False,
    log: Log = print,
    progress: Callable[[int, int], None] | None = None,
) -> PhotoFolder:
    """Bring the photo folder `folder` in line with the label folders in `source`; returned open, the caller closes it.

    copies: what becomes of copies. follow: links that lead out of `source` are followed. `progress(done, total)` is
    called after each file that was decoded. A run that was killed at any moment goes on where it was. Raises
    DatasetError if `source` holds no label folders, or `folder` holds the photos of a search.
    """
    folder, source = Path(folder), Path(source)
    _refuse_overlap(folder, source)
    files = find_files(source, log, follow)
    photos = PhotoFolder(folder, copies)
    try:
        for note in photos.notes:
            log(note)
        if any(row.engine != FOLDER and not row.is_own for row in photos.rows):
            raise DatasetError(f"{folder} holds photos from a search; choose another --name for those of {source}.")
        _forget_stale(photos, files, source, log)
        photos.judge_copies_anew()
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
        for note in _notes(photos, source):
            log(note)
    except BaseException:
        photos.close()
        raise
    return photos


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
    if not file.follow and file.path.is_symlink() and not file.path.resolve().is_relative_to(root.resolve()):
        message = f"{file.path} is a link that leads out of the folder: --follow-links reads it."
        raise NotAnImage(message, reason=LINK_OUT)
    return read_file(file.path)


def _screen(file: LocalFile) -> ScreenedPhoto | tuple[str, ImageError]:
    """The screened photo; or the sha256 of its bytes ("" if there were none to read) and what is wrong with it."""
    body = b""
    try:
        body = _read(file)
        return screen(body, OWN_MIN_SIDE)
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
    rows = {row.key: row for row in photos.rows if not row.is_own}
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
    rejected = reasons_in_words(row.reason for row in photos.rejected)
    labels = ", ".join(f"{number} {label}" for label, number in sorted(counts.items())) or "none"
    return f"{source}: {labels}" + (f"; left out: {rejected}." if rejected else "; nothing left out.")


def _notes(photos: PhotoFolder, source: Path) -> Iterator[str]:
    """What a person may want to know of the photos that stay."""
    rows = photos.photos
    small = sum(min(photo.width, photo.height) < MIN_SIDE for photo in rows)
    if small:
        yield f"{source}: {small:,} of {len(rows):,} photos below {MIN_SIDE} pixels a side, where little is to be seen."
    if any(row.reason == LINK_OUT for row in photos.rejected):
        yield f"{source}: links that lead out of it are read with --follow-links."
    pairs = under_two_labels(rows)
    if pairs:
        first, second = pairs[0]
        yield (
            f"{source}: {count(len(pairs), 'photo')} under two labels, {first.url} and {second.url} "
            f"{'for one' if len(pairs) > 1 else 'being the same file'}; both stay until you decide: "
            f"python app.py --studio {quote(str(photos.path))}"
        )
