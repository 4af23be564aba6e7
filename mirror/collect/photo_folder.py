"""The photo folder: every photo that was tried, either stored with where it came from or listed with why not.

    data/<name>/metadata.csv                        a Hugging Face ImageFolder's rows (metadata.METADATA_COLUMNS)
                rejected.csv                        what failed, and why (metadata.REJECTED_COLUMNS)
                images/<label>/<sha256[:16]>.jpg    upright JPEG, long side at most 640 px

Both files grow a row at a time, each on disk before the next photo is screened, so that a process killed at any moment
loses at most the photo it was working on. The next opening repairs what a kill leaves behind: a torn last row is cut, a
stored photo without a row is deleted (its URL does not count as tried, so it comes again), and a photo that is in both
files, because the process died while withdrawing it, counts as rejected. No (label, url) is in both files, or twice.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from mirror.collect.copies import (
    LABELLED,
    REMOVED_BY_HAND,
    SEARCHED,
    CopyRule,
    DuplicateIndex,
    copies_among,
    copy_of,
    two_labels,
)
from mirror.collect.label_names import label_folder
from mirror.collect.photo_records import (
    METADATA_COLUMNS,
    REJECTED_COLUMNS,
    Origin,
    Photo,
    Rejection,
    append_rows,
    clean,
    format_row,
    no_link,
    read_photos,
    read_rejections,
    recorded,
    rejection,
    write_photos,
    write_rows,
    writing,
)
from mirror.collect.screening import ScreenedPhoto, screen, sha256_of
from mirror.collect.search_types import PhotoJudge
from mirror.errors import DatasetError, ImageError
from mirror.folders import take_lock
from mirror.storage import PART, LinkRefused, make_folder, recover, write_atomically

LOCK_TIMEOUT = 0.5  # seconds: the studio may be writing a decision
_STORED_NAME = re.compile(r"[0-9a-f]{16}\.jpg")


class PhotoFolder:
    """A photo folder opened for writing, by one process at a time. Close it, or use it in a `with` statement.

    copies: what becomes of copies of its photos; judge: leaves out photos for what they show. Raises DatasetError when
    another process has it open, or when its files cannot be what they should be.
    """

    def __init__(self, path: Path | str, copies: CopyRule = SEARCHED, judge: PhotoJudge | None = None):
        self.path, self.copies, self.judge = Path(path), copies, judge
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            make_folder(self.path / "images", inside=self.path)
            self._lock = take_lock(self.path, patience=LOCK_TIMEOUT)
        except BlockingIOError as holder:
            raise DatasetError(
                f"{self.path} is being written by another process ({holder}); wait for it to end, or choose another "
                "name."
            ) from None
        except (FileExistsError, NotADirectoryError):
            raise DatasetError(f"{self.path} is not a folder; move it away or choose another name.") from None
        except LinkRefused as error:
            raise no_link(error) from None
        except OSError as error:
            raise DatasetError(f"{self.path} cannot be written ({(error.strerror or '').lower()}); check it.") from None
        self._open = True
        self.notes: list[str] = []  # what opening repaired, a sentence each
        self._photos: dict[tuple[str, str], Photo] = {}
        self._rejected: dict[tuple[str, str], Rejection] = {}
        self._duplicates = DuplicateIndex()
        try:
            self._load()
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        self._open = False
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def __enter__(self) -> PhotoFolder:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # ---- what is in it ----------------------------------------------------------------------------------------------

    @property
    def metadata_csv(self) -> Path:
        return self.path / "metadata.csv"

    @property
    def rejected_csv(self) -> Path:
        return self.path / "rejected.csv"

    @property
    def photos(self) -> list[Photo]:
        return list(self._photos.values())

    @property
    def rejected(self) -> list[Rejection]:
        return list(self._rejected.values())

    @property
    def rows(self) -> list[Photo | Rejection]:
        """Every photo that was tried: the stored ones, then the rejected ones."""
        return [*self._photos.values(), *self._rejected.values()]

    @property
    def labels(self) -> list[str]:
        """The labels of the stored photos, sorted."""
        return sorted({photo.label for photo in self._photos.values()})

    def has_tried(self, url: str, label: str) -> bool:
        key = (label, clean(url))
        return key in self._photos or key in self._rejected

    def outcome(self, url: str, label: str) -> Photo | Rejection | None:
        """What became of a URL under a label; None if it was never tried."""
        key = (label, clean(url))
        return self._photos.get(key) or self._rejected.get(key)

    def count(self, label: str) -> int:
        """Stored photos of a label."""
        return sum(photo.label == label for photo in self._photos.values())

    # ---- adding -----------------------------------------------------------------------------------------------------

    def add(self, origin: Origin, body: bytes) -> Photo | Rejection:
        """Screen one photo's bytes and record the outcome. A (label, url) tried before keeps its first outcome."""
        known = self.outcome(origin.url, origin.label)
        if known is not None:
            return known
        try:
            return self.admit(origin, screen(body))
        except ImageError as error:
            return self.reject(origin, error.reason, str(error), sha256=sha256_of(body))

    def admit(self, origin: Origin, screened: ScreenedPhoto) -> Photo | Rejection:
        """Compare a photo that `screen` has passed (in another thread, perhaps) with all others; record it, store it.

        Of copies under one label the first stays. Of copies under two labels none does where nobody has said which is
        right (`copies`); a person has of photos of their own, of which only the same bytes are left out.
        """
        self._check_open()
        known = self.outcome(origin.url, origin.label)
        if known is not None:
            return known
        rule = LABELLED if origin.is_own else self.copies
        withdrawn = self._duplicates.withdrawn_copy_of(screened, origin.label, rule)
        if withdrawn is not None and not origin.is_own:
            return self.reject(origin, withdrawn.reason, f"a copy of {withdrawn.url}", screened.sha256)
        duplicates = self._duplicates.copies_of(screened, rule)
        if mislabeled := rule.mislabeled(duplicates, origin.label):
            return self._withdraw(origin, screened, mislabeled)
        if first := next((photo for photo in duplicates if photo.label == origin.label), None):
            return self.reject(origin, *copy_of(first, screened.sha256), screened.sha256)
        if self.judge and not origin.is_own and (why := self.judge(origin.label, screened.jpeg)):
            return self.reject(origin, *why, screened.sha256)
        photo = self._store(origin, screened)
        append_rows(self.metadata_csv, METADATA_COLUMNS, [photo])
        self._add_photo(photo)
        return photo

    def reject(self, origin: Origin, reason: str, detail: str, sha256: str = "") -> Rejection:
        """Record a photo that could not be used. `reason`: a slug such as "http-404"; `sha256`: of its bytes, if any.

        A (label, url) that was tried before keeps its first outcome; if that was a stored photo, DatasetError.
        """
        self._check_open()
        known = self.outcome(origin.url, origin.label)
        if isinstance(known, Photo):
            raise DatasetError(
                f"{known.url} is already stored as a photo of {known.label}; it cannot be rejected as well."
            )
        if known is not None:
            return known
        row = rejection(origin, reason, detail, sha256)
        append_rows(self.rejected_csv, REJECTED_COLUMNS, [row])
        self._add_rejection(row)
        return row

    def save_splits(self, photos: Iterable[Photo]) -> None:
        """Store the `split` of these photos (others keep theirs); metadata.csv is replaced whole."""
        self._check_open()
        for photo in photos:
            stored = self._photos.get(photo.key)
            if stored is None:
                raise DatasetError(f"{photo.url} is not in {self.path}; assign splits to the folder's own photos.")
            self._photos[photo.key] = replace(stored, split=photo.split)
        write_photos(self.metadata_csv, self.photos)

    def forget(self, keys: Iterable[tuple[str, str]]) -> None:
        """Delete every trace of these (label, url), as if never tried: the source is gone or has changed."""
        self._check_open()
        keys = set(keys)
        photos = [photo for key, photo in self._photos.items() if key in keys]
        if keys & self._rejected.keys():
            rejections = [row for key, row in self._rejected.items() if key not in keys]
            write_rows(self.rejected_csv, REJECTED_COLUMNS, rejections)
            self._rejected = {row.key: row for row in rejections}
            self._duplicates.replace_rejections(rejections)
        if photos:
            self._delete_photos(photos)

    def judge_copies_anew(self) -> None:
        """Makes of the copies what `copies` says, where another rule has judged them: photos that it keeps count as
        never tried, stored ones that it does not keep are withdrawn."""
        self.forget(row.key for row in self.copies.outdated(self.rejected))
        self.withdraw(copies_among(self.photos, self.copies))

    def withdraw(self, photos: Iterable[tuple[Photo, tuple[str, str]]]) -> None:
        """Rejects these stored photos, each for this reason and with this detail."""
        self._check_open()
        withdrawn = {photo.key: _withdrawal(photo, *why) for photo, why in photos}
        if withdrawn:
            append_rows(self.rejected_csv, REJECTED_COLUMNS, withdrawn.values())
            self._delete_photos([self._photos[key] for key in withdrawn])
            for row in withdrawn.values():
                self._add_rejection(row)

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _check_open(self) -> None:
        if not self._open:  # the lock is gone with it, and another process may be writing
            raise DatasetError(f"{self.path} was closed; open it again before changing it.")

    def _store(self, origin: Origin, screened: ScreenedPhoto) -> Photo:
        name = f"images/{label_folder(origin.label)}/{screened.sha256[:16]}.jpg"
        target = self.path / name
        with writing(target):
            make_folder(target.parent, inside=self.path)
            write_atomically(target, screened.jpeg, inside=self.path)
        return Photo(
            **recorded(origin),
            file_name=name,
            sha256=screened.sha256,
            width=screened.width,
            height=screened.height,
            phash=screened.phash,
        )

    def _withdraw(self, origin: Origin, screened: ScreenedPhoto, photos: list[Photo]) -> Rejection:
        """Rejects a photo and the stored ones of other labels that show the same, but for a person's own."""
        rows = [rejection(origin, *two_labels(photos[0]), screened.sha256, screened.phash)]
        photos = [photo for photo in photos if not photo.is_own]
        rows += [_withdrawal(photo, *two_labels(origin)) for photo in photos]
        # Rejections first, in one write: if the process dies before metadata.csv is replaced, opening finishes the job
        append_rows(self.rejected_csv, REJECTED_COLUMNS, rows)
        self._delete_photos(photos)
        for row in rows:
            self._add_rejection(row)
        return rows[0]

    def _delete_photos(self, photos: list[Photo]) -> None:
        for photo in photos:
            del self._photos[photo.key]
            self._duplicates.discard(photo)
        write_photos(self.metadata_csv, self.photos)
        for photo in photos:
            photo.path(self.path).unlink(missing_ok=True)

    def _add_photo(self, photo: Photo) -> None:
        self._photos[photo.key] = photo
        self._duplicates.add(photo)

    def _add_rejection(self, row: Rejection) -> None:
        self._rejected[row.key] = row
        self._duplicates.add_rejection(row)

    def _stored_files(self) -> set[str]:
        """The files under images/ that have a name of ours, as file_name gives them."""
        folders = [folder for folder in os.scandir(self.path / "images") if folder.is_dir(follow_symlinks=False)]
        return {
            f"images/{folder.name}/{file.name}"
            for folder in folders
            for file in os.scandir(folder.path)
            if _STORED_NAME.fullmatch(file.name)
        }

    def _load(self) -> None:
        self._repair_tables()
        for rejected in read_rejections(self.rejected_csv):
            self._add_rejection(rejected)
        rows = read_photos(self.metadata_csv)
        files = self._stored_files()
        lost = [photo for photo in rows if photo.key not in self._rejected and photo.file_name not in files]
        if len(lost) > max(1, len(rows) // 2):
            raise DatasetError(
                f"{self.path} lists {len(rows)} photos but {len(lost)} of their files are missing; restore images/, or "
                "delete the whole folder to collect anew."
            )
        for photo in rows:
            if photo.key not in self._rejected and photo.key not in self._photos and photo.file_name in files:
                self._add_photo(photo)
        orphans = files - {photo.file_name for photo in self._photos.values()}
        if len(orphans) > max(100, len(rows)):
            raise DatasetError(
                f"{self.path}/images holds {len(orphans)} photos that metadata.csv does not list; restore it, or "
                "delete the whole folder to collect anew."
            )
        if lost:
            removed = [_withdrawal(photo, REMOVED_BY_HAND, "its file was deleted from images/") for photo in lost]
            append_rows(self.rejected_csv, REJECTED_COLUMNS, removed)
            for row in removed:
                self._add_rejection(row)
            self.notes.append(f"{self.path}: {len(lost)} photos whose files were deleted now count as rejected.")
        if len(self._photos) != len(rows):
            write_photos(self.metadata_csv, self.photos)
        folders = [folder for folder in (self.path / "images").iterdir() if folder.is_dir() and not folder.is_symlink()]
        unfinished = [path for folder in (self.path, *folders) for path in folder.glob(f".*{PART}")]
        for path in [*(self.path / name for name in orphans), *unfinished]:
            path.unlink()

    def _repair_tables(self) -> None:
        """Makes missing tables, cuts torn rows, and gives a rejected.csv of an older version its new columns."""
        for path, columns in ((self.metadata_csv, METADATA_COLUMNS), (self.rejected_csv, REJECTED_COLUMNS)):
            if not path.exists() or path.stat().st_size == 0:
                write_rows(path, columns, [])
                continue
            size = path.stat().st_size
            with writing(path):
                data = recover(path, quoted=True)
            if len(data) < size:
                self.notes.append(f"{path}: the last row was cut short by a crash and has been removed.")
            if path == self.rejected_csv and not data.startswith(format_row(columns).encode()):
                write_rows(path, columns, read_rejections(path))


def _withdrawal(photo: Photo, reason: str, detail: str) -> Rejection:
    return rejection(photo, reason, detail, photo.sha256, photo.phash)
