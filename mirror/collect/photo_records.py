"""metadata.csv and rejected.csv: their rows as dataclasses, and how they are read and written.

The files are RFC 4180 CSV in UTF-8, "\\n" after every row, fields quoted only where they must be, so that the same rows
give the same bytes. metadata.csv is what Hugging Face's `load_dataset("imagefolder", data_dir=…)` reads: `file_name`
comes first and is relative to the folder that holds metadata.csv.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any

from mirror.errors import DatasetError
from mirror.model_schema import OWN
from mirror.storage import LinkRefused, check_inside, complete_length, journal, read_file, write_atomically

TRAIN, VALIDATION = "train", "validation"
SPLITS = (TRAIN, VALIDATION, "")
FOLDER = "folder"  # `engine` of a photo from a folder of one's own
_FOLDER_WITH_SPLITS = "folder-with-splits"  # how the files write FOLDER for a photo whose split was given
# Before rejected.csv had a column `phash`, the hash of a withdrawn photo began its `detail`
_PHASH_IN_DETAIL = re.compile(r"perceptual hash ([0-9a-f]{16}); ")


@dataclass(frozen=True)
class Origin:
    """Where a photo comes from: a search result, a file of one's own folder, a row of a photo list.

    retrieved_at    ISO 8601, UTC; "" for now
    split           "train", "validation", or "" before splits were assigned
    split_given     the split came with the folder, and is not assigned anew (the files say so in `engine`)
    """

    url: str
    label: str
    page_url: str = ""
    title: str = ""
    query: str = ""
    engine: str = ""
    license_filter: str = ""
    retrieved_at: str = ""
    split: str = ""
    split_given: bool = False

    @property
    def key(self) -> tuple[str, str]:
        return self.label, self.url

    @property
    def is_own(self) -> bool:
        """Whether a person added it by hand: no rule of a search, a folder or a list leaves it out again."""
        return self.engine == OWN


@dataclass(frozen=True, kw_only=True)
class Photo(Origin):
    """One row of metadata.csv.

    sha256          of the source's bytes, before they were decoded and stored anew
    width, height   pixels of the stored, upright JPEG
    phash           perceptual hash, 16 hex digits; "" where the photo is too flat to have one
    """

    file_name: str
    sha256: str
    width: int
    height: int
    phash: str

    def path(self, folder: Path) -> Path:
        """Where the stored photo lies, `folder` being the photo folder. Raises DatasetError where a link is in the way:
        a photo folder from elsewhere must not lead to other files of this machine."""
        try:
            return check_inside(Path(folder), self.file_name)
        except OSError as error:
            raise DatasetError(
                f"{error.filename} cannot be used ({error.strerror}): put the file itself there."
            ) from None


@dataclass(frozen=True, kw_only=True)
class Rejection(Origin):
    """One row of rejected.csv.

    reason    a stable slug; detail: a sentence
    sha256    of the photo's bytes; "" where there were none
    phash     of a withdrawn photo (stored once), so that its copies are known; else ""
    """

    reason: str
    detail: str
    sha256: str = ""
    phash: str = ""


_PROVENANCE = ("page_url", "title", "query", "engine", "license_filter", "retrieved_at", "sha256")
METADATA_COLUMNS = ("file_name", "label", "url", *_PROVENANCE, "width", "height", "phash", "split")
REJECTED_COLUMNS = ("url", "label", "reason", "detail", *_PROVENANCE, "phash")


def clean(text: object) -> str:
    """Text that UTF-8 and every CSV reader can hold: NULs removed, lone surrogates replaced, None as ""."""
    if text is None:
        return ""
    return str(text).replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def recorded(origin: Origin) -> dict[str, Any]:
    """The fields of `origin` as a row holds them: clean, and retrieved now unless it says otherwise."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    values = {field.name: getattr(origin, field.name) for field in fields(Origin)}
    texts = {name: clean(value) for name, value in values.items() if name not in ("label", "split_given")}
    return values | texts | {"retrieved_at": texts["retrieved_at"] or now}


def rejection(origin: Origin, reason: str, detail: str, sha256: str = "", phash: str = "") -> Rejection:
    """The row of rejected.csv for a photo that could not be used."""
    values = recorded(origin) | {"split": ""}  # no column
    return Rejection(**values, reason=reason, detail=clean(detail)[:500], sha256=sha256, phash=phash)


# ---- the rows as CSV ------------------------------------------------------------------------------------------------


def format_row(values: Iterable[object]) -> str:
    """One CSV record with its "\\n". Fields with a comma, quote or line break are quoted."""
    return ",".join(_quoted(str(value)) for value in values) + "\n"


def _quoted(value: str) -> str:
    # The csv module leaves a lone "\r" bare under lineterminator="\n", and then reads it back as the end of the row
    return '"' + value.replace('"', '""') + '"' if any(c in value for c in ',"\r\n') else value


def _format(columns: Sequence[str], rows: Iterable[Any]) -> bytes:
    """The records of dataclasses that have these columns as fields."""
    records = (
        [_FOLDER_WITH_SPLITS if name == "engine" and row.split_given else getattr(row, name) for name in columns]
        for row in rows
    )
    return "".join(map(format_row, records)).encode("utf-8")


def read_photos(path: Path) -> list[Photo]:
    """The rows of a metadata.csv or a model's photos.csv. Reads only; a last row torn by a crash is passed over."""
    photos = []
    for line, row in read_rows(path, METADATA_COLUMNS):
        values: dict[str, Any] = dict(zip(METADATA_COLUMNS, row, strict=True))
        require_inside(values["file_name"], f"{path}, line {line}")
        if values["split"] not in SPLITS:
            raise DatasetError(f"{path}, line {line}: split {values['split']!r} must be train, validation or empty.")
        try:
            values["width"], values["height"] = int(values["width"]), int(values["height"])
            int(values["phash"] or "0", 16)
        except ValueError:
            raise DatasetError(f"{path}, line {line}: width, height or phash is no number; restore the row.") from None
        photos.append(Photo(**_decoded(values)))
    return photos


def require_inside(file_name: str, where: str) -> None:
    """Raise DatasetError, which names `where` it was read, for a file_name that is empty or leads out of its folder."""
    path = PurePosixPath(file_name)
    if not path.parts or path.is_absolute() or ".." in path.parts or "\\" in file_name:
        raise DatasetError(f"{where}: file_name {file_name!r} leads out of the folder.")


def read_rejections(path: Path) -> list[Rejection]:
    """The rows of a rejected.csv, as `read_photos` reads metadata.csv; also of one without the column `phash`."""
    rejections = []
    for _, row in read_rows(path, REJECTED_COLUMNS, optional="phash"):
        values: dict[str, Any] = dict(zip(REJECTED_COLUMNS, row, strict=False))
        if "phash" not in values and (match := _PHASH_IN_DETAIL.match(values["detail"])):
            values["phash"], values["detail"] = match[1], values["detail"][match.end() :]
        rejections.append(Rejection(**_decoded(values)))
    return rejections


def _decoded(values: dict[str, Any]) -> dict[str, Any]:
    if values["engine"] == _FOLDER_WITH_SPLITS:
        values |= {"engine": FOLDER, "split_given": True}
    return values


def read_rows(
    path: Path, columns: Sequence[str], *, optional: str = "", inside: Path | None = None
) -> Iterator[tuple[int, list[str]]]:
    """(line, fields) of each row under exactly these columns, a torn last row left out.

    optional: the last column, where older files lack it; inside: a folder above `path` below which nothing may be a
    link. Raises DatasetError.
    """
    try:
        data = read_file(Path(path), inside=inside)
    except LinkRefused as error:
        raise no_link(error) from None
    except OSError as error:
        cause = (error.strerror or str(error)).lower()
        raise DatasetError(f"{path} cannot be read ({cause}); check the path.") from None
    try:
        text = data[: complete_length(data, quoted=True)].decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DatasetError(f"{path} is not UTF-8 text; save it again as UTF-8.") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        if header != list(columns) and [*header, optional] != list(columns):
            raise DatasetError(f"{path} does not begin with the columns {','.join(columns)}; restore its first line.")
        for row in reader:
            if row and len(row) != len(header):
                raise DatasetError(f"{path}, line {reader.line_num}: {len(row)} fields instead of {len(header)}.")
            if row:
                yield reader.line_num, row
    except csv.Error as error:
        raise DatasetError(f"{path}, line {reader.line_num}: not valid CSV ({error}); restore the row.") from None


def no_link(error: LinkRefused) -> DatasetError:
    """What to do about a link where a file or folder of a photo folder should be."""
    return DatasetError(
        f"{error.filename} is a link, and links are not followed here; put the file or folder itself in its place."
    )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """A full disk or a folder without write permission becomes a DatasetError that names `path`."""
    try:
        yield
    except LinkRefused as error:
        raise no_link(error) from None
    except OSError as error:
        cause = (error.strerror or str(error)).lower()
        raise DatasetError(f"{path} cannot be written ({cause}); make room or choose another place.") from None


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Any]) -> None:
    """Replace the file by these dataclasses, whole or not at all. DatasetError where it cannot be written."""
    with writing(path):
        write_atomically(Path(path), format_row(columns).encode() + _format(columns, rows))


def write_photos(path: Path, photos: Iterable[Photo]) -> None:
    """Write a metadata.csv or photos.csv, whole or not at all."""
    write_rows(path, METADATA_COLUMNS, photos)


def append_rows(path: Path, columns: Sequence[str], rows: Iterable[Any]) -> None:
    """Append rows and wait until they are on disk. DatasetError on a full disk; the file is then left as it was."""
    with writing(path), journal(path) as append:
        append(_format(columns, rows))
