"""The photo folder: every photo that was tried, either stored with where it came from or listed with why not.

    data/<name>/metadata.csv                        a Hugging Face ImageFolder's rows (rows.METADATA_COLUMNS)
                rejected.csv                        what failed, and why (rows.REJECTED_COLUMNS)
                images/<label>/<sha256[:16]>.jpg    upright JPEG, long side at most 640 px

Both files grow by appending, a row at a time, each on disk before the next photo is looked at, so that a process
killed at any moment loses at most the photo it was working on. What a kill can leave behind is put right when the
folder is next opened: a torn last row is cut, a stored photo without a row is deleted (its URL was not recorded as
tried, so it comes again), and a photo that is in both files, caught while being taken back, counts as rejected.

    tried = rows of metadata.csv + rows of rejected.csv, no (label, url) twice: `check_totals` asserts it
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from mirror.collect.duplicate_index import REMOVED_BY_HAND, TWO_LABELS, DuplicateIndex, mark
from mirror.collect.label_names import folder_name
from mirror.collect.metadata import (
    METADATA_COLUMNS,
    REJECTED_COLUMNS,
    Hit,
    Photo,
    Rejection,
    append_rows,
    clean,
    cut_torn_row,
    no_link,
    provenance,
    read_photos,
    read_rejections,
    rejection,
    withdrawn,
    write_photos,
    write_rows,
    writing,
)
from mirror.collect.screening import ScreenedPhoto, screen, sha256_of
from mirror.errors import DatasetError, ImageError
from mirror.folders import take_lock
from mirror.storage import PART, LinkRefused, make_folder, write_atomically

EXACT_DUPLICATE = "exact-duplicate"
NEAR_DUPLICATE = "near-duplicate"
DUPLICATE_REASONS = (EXACT_DUPLICATE, NEAR_DUPLICATE, TWO_LABELS)

LOCK_TIMEOUT = 0.5  # seconds: the studio may be writing a decision down
_STORED_NAME = re.compile(r"[0-9a-f]{16}\.jpg")


class PhotoFolder:
    """A photo folder opened for writing, by one process at a time. Close it, or use it in a `with` statement.

    Raises DatasetError when another process has it open, or when its files cannot be what they should be.
    """

    def __init__(self, path: Path | str):
        self.path = Path(path)
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
        self.notes: list[str] = []  # what was put right on opening, a sentence each
        self._photos: dict[tuple[str, str], Photo] = {}
        self._rejected: dict[tuple[str, str], Rejection] = {}
        self._seen = DuplicateIndex()
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
    def labels(self) -> list[str]:
        """The labels of the stored photos, sorted."""
        return sorted({photo.label for photo in self._photos.values()})

    @property
    def tried(self) -> int:
        """How many (label, url) were tried."""
        return len(self._photos.keys() | self._rejected.keys())

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

    def check_totals(self) -> None:
        """Raise DatasetError unless the files on disk say what this object says and each photo has its row and file."""
        photos, rejected = read_photos(self.metadata_csv), read_rejections(self.rejected_csv)
        if photos != self.photos or rejected != self.rejected:
            raise DatasetError(f"{self.path}: its CSV files were changed from outside; open the folder again.")
        if self.tried != len(photos) + len(rejected):
            raise DatasetError(f"{self.path}: {self.tried} tried, {len(photos)} kept and {len(rejected)} rejected.")
        if self._stored_files() != {photo.file_name for photo in photos}:
            raise DatasetError(f"{self.path}: images/ does not hold exactly the photos of metadata.csv.")

    # ---- adding -----------------------------------------------------------------------------------------------------

    def add(self, hit: Hit, body: bytes) -> Photo | Rejection:
        """Screen one photo's bytes and record the outcome. A (label, url) tried before keeps its first outcome."""
        known = self.outcome(hit.url, hit.label)
        if known is not None:
            return known
        try:
            return self.admit(hit, screen(body))
        except ImageError as error:
            return self.reject(hit, error.reason, str(error), sha256=sha256_of(body))

    def admit(self, hit: Hit, examined: ScreenedPhoto) -> Photo | Rejection:
        """Compare a photo that `screen` has passed (in another thread, say) with all others; record, store it.

        Of the same photo under one label the first stays. Under two labels none does: which one is right is unknown.
        """
        self._check_open()
        known = self.outcome(hit.url, hit.label)
        if known is not None:
            return known
        unwanted = self._seen.unwanted(examined, hit.label)
        if unwanted is not None:
            return self.reject(hit, unwanted.reason, f"a copy of {unwanted.url}", examined.sha256)
        twins = self._seen.twins(examined)
        others = [photo for photo in twins if photo.label != hit.label]
        if others:
            return self._take_back(hit, examined, others)
        if twins:
            exact = twins[0].sha256 == examined.sha256
            reason = EXACT_DUPLICATE if exact else NEAR_DUPLICATE
            return self.reject(hit, reason, f"{'the same bytes' if exact else 'nearly the same'} as {twins[0].url}",
                               examined.sha256)  # fmt: skip
        photo = self._stored(hit, examined)
        append_rows(self.metadata_csv, [photo])
        self._remember(photo)
        return photo

    def reject(self, hit: Hit, reason: str, detail: str, sha256: str = "") -> Rejection:
        """Record a photo that could not be used. `reason`: a slug such as "http-404"; `sha256`: of its bytes, if any.

        A (label, url) that was tried before keeps its first outcome; if that was a stored photo, DatasetError.
        """
        self._check_open()
        key = (hit.label, clean(hit.url))
        if key in self._photos:
            raise DatasetError(f"{hit.url} is already stored as a photo of {hit.label}; it cannot be rejected as well.")
        if key not in self._rejected:
            row = rejection(hit, reason, detail, sha256)
            append_rows(self.rejected_csv, [row])
            self._note_rejection(row)
        return self._rejected[key]

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
        """Drop every trace of these (label, url), as if never tried: the source is gone or has changed."""
        self._check_open()
        keys = set(keys)
        photos = [photo for key, photo in self._photos.items() if key in keys]
        if keys & self._rejected.keys():
            kept = [row for key, row in self._rejected.items() if key not in keys]
            write_rows(self.rejected_csv, REJECTED_COLUMNS, kept)
            self._rejected = {row.key: row for row in kept}
            self._seen.replace_withdrawn(kept)
        if photos:
            self._drop_photos(photos)

    # ---- inside -----------------------------------------------------------------------------------------------------

    def _check_open(self) -> None:
        if not self._open:  # the lock is gone with it, and another process may be writing
            raise DatasetError(f"{self.path} was closed; open it again before changing it.")

    def _stored(self, hit: Hit, examined: ScreenedPhoto) -> Photo:
        name = f"images/{folder_name(hit.label)}/{examined.sha256[:16]}.jpg"
        target = self.path / name
        with writing(target):
            make_folder(target.parent, inside=self.path)
            write_atomically(target, examined.jpeg, inside=self.path)
        return Photo(
            name, hit.label, *provenance(hit), examined.sha256, examined.width, examined.height, examined.phash,
            getattr(hit, "split", ""),
        )  # fmt: skip

    def _take_back(self, hit: Hit, examined: ScreenedPhoto, others: list[Photo]) -> Rejection:
        # Rejections first, in one write: if the process dies before metadata.csv is replaced, opening finishes the job
        detail = f"{mark(examined.phash)}also under {others[0].label}: {others[0].url}"
        rows = [rejection(hit, TWO_LABELS, detail, examined.sha256)]
        for photo in others:
            rows.append(withdrawn(photo, TWO_LABELS, f"{mark(photo.phash)}also under {hit.label}: {hit.url}"))
        append_rows(self.rejected_csv, rows)
        self._drop_photos(others)
        for row in rows:
            self._note_rejection(row)
        return rows[0]

    def _drop_photos(self, photos: list[Photo]) -> None:
        for photo in photos:
            del self._photos[photo.key]
            self._seen.discard(photo)
        write_photos(self.metadata_csv, self.photos)
        for photo in photos:
            photo.path(self.path).unlink(missing_ok=True)

    def _remember(self, photo: Photo) -> None:
        self._photos[photo.key] = photo
        self._seen.add(photo)

    def _note_rejection(self, row: Rejection) -> None:
        self._rejected[row.key] = row
        self._seen.withdraw(row)

    def _stored_files(self) -> set[str]:
        """Photos under images/ that carry a name of ours, as file_name gives them."""
        return {
            f"images/{folder.name}/{file.name}"
            for folder in os.scandir(self.path / "images") if folder.is_dir(follow_symlinks=False)
            for file in os.scandir(folder.path) if _STORED_NAME.fullmatch(file.name)
        }  # fmt: skip

    def _load(self) -> None:
        for path, columns in ((self.metadata_csv, METADATA_COLUMNS), (self.rejected_csv, REJECTED_COLUMNS)):
            if not path.exists() or path.stat().st_size == 0:
                write_rows(path, columns, [])
                continue
            with writing(path):
                torn = cut_torn_row(path)
            if torn:
                self.notes.append(f"{path}: the last row was cut short by a crash and has been removed.")
        for row in read_rejections(self.rejected_csv):
            self._note_rejection(row)
        rows = read_photos(self.metadata_csv)
        files = self._stored_files()
        gone = [photo for photo in rows if photo.key not in self._rejected and photo.file_name not in files]
        if len(gone) > max(1, len(rows) // 2):
            raise DatasetError(
                f"{self.path} lists {len(rows)} photos but {len(gone)} of their files are missing; restore images/, or "
                "delete the whole folder to collect anew."
            )
        missing = {photo.key for photo in gone}
        for photo in rows:
            if photo.key not in self._rejected and photo.key not in self._photos and photo.key not in missing:
                self._remember(photo)
        orphans = files - {photo.file_name for photo in self._photos.values()}
        if len(orphans) > max(100, len(rows)):
            raise DatasetError(
                f"{self.path}/images holds {len(orphans)} photos that metadata.csv does not list; restore it, or "
                "delete the whole folder to collect anew."
            )
        if gone:
            why = "its file was deleted from images/"
            removed = [withdrawn(photo, REMOVED_BY_HAND, mark(photo.phash) + why) for photo in gone]
            append_rows(self.rejected_csv, removed)
            for row in removed:
                self._note_rejection(row)
            self.notes.append(f"{self.path}: {len(gone)} photos whose files were deleted now count as rejected.")
        if len(self._photos) != len(rows):
            write_photos(self.metadata_csv, self.photos)
        for name in orphans:
            (self.path / name).unlink()
        ours = [folder for folder in (self.path / "images").iterdir() if folder.is_dir() and not folder.is_symlink()]
        for leftover in [path for folder in (self.path, *ours) for path in folder.glob(f".*{PART}")]:
            leftover.unlink()
