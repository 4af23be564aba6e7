"""metadata.csv and rejected.csv: their columns, their rows as dataclasses, and reading and writing them safely.

The files are plain RFC 4180 CSV in UTF-8, "\\n" after every row, fields quoted only where they must be, so that the
same rows give the same bytes. metadata.csv is what Hugging Face's `load_dataset("imagefolder", data_dir=…)` reads:
`file_name` comes first and is relative to the folder that holds metadata.csv.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from mirror.errors import DatasetError
from mirror.storage import LinkRefused, check_inside, complete_length, journal, read_file, recover, write_atomically

TRAIN, VALIDATION = "train", "validation"
SPLITS = (TRAIN, VALIDATION, "")


class Hit(Protocol):
    """What a photo came from, as search.ImageHit and Origin have it. Optional beside these: `retrieved_at`, `split`."""

    url: str
    label: str
    page_url: str
    title: str
    query: str
    engine: str
    license_filter: str | None


@dataclass(frozen=True)
class Origin:
    """A Hit that no search engine found: a photo of one's own folder or of a photo list."""

    url: str
    label: str
    page_url: str = ""
    title: str = ""
    query: str = ""
    engine: str = ""
    license_filter: str = ""
    retrieved_at: str = ""
    split: str = ""


@dataclass(frozen=True)
class Photo:
    """One row of metadata.csv.

    sha256          of the source's bytes, before they were decoded and stored anew
    width, height   pixels of the stored, upright JPEG
    phash           perceptual hash, 16 hex digits; "" where the photo is too flat to have one
    split           "train", "validation", or "" before splits were assigned
    """

    file_name: str
    label: str
    url: str
    page_url: str
    title: str
    query: str
    engine: str
    license_filter: str
    retrieved_at: str
    sha256: str
    width: int
    height: int
    phash: str
    split: str

    @property
    def key(self) -> tuple[str, str]:
        return self.label, self.url

    def path(self, folder: Path) -> Path:
        """Where the stored photo lies, `folder` being the photo folder. Raises DatasetError where a link is in the way:
        a photo folder from elsewhere must not lead to other files of this machine."""
        try:
            return check_inside(Path(folder), self.file_name)
        except OSError as error:
            raise DatasetError(
                f"{error.filename} cannot be used ({error.strerror}): put the file itself there."
            ) from None


@dataclass(frozen=True)
class Rejection:
    """One row of rejected.csv. `reason`: a stable slug; `detail`: a sentence; `sha256`: "" where no bytes were had."""

    url: str
    label: str
    reason: str
    detail: str
    page_url: str
    title: str
    query: str
    engine: str
    license_filter: str
    retrieved_at: str
    sha256: str

    @property
    def key(self) -> tuple[str, str]:
        return self.label, self.url


METADATA_COLUMNS = tuple(field.name for field in fields(Photo))
REJECTED_COLUMNS = tuple(field.name for field in fields(Rejection))


def clean(text: object) -> str:
    """Text that UTF-8 and every CSV reader can hold: NULs removed, lone surrogates replaced, None as ""."""
    if text is None:
        return ""
    return str(text).replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def provenance(hit: Hit) -> tuple[str, str, str, str, str, str, str]:
    """url, page_url, title, query, engine, license_filter, retrieved_at (ISO 8601, UTC, to the second)."""
    now = getattr(hit, "retrieved_at", "") or datetime.now(UTC).isoformat(timespec="seconds")
    values = (hit.url, hit.page_url, hit.title, hit.query, hit.engine, hit.license_filter, now)
    return tuple(clean(value) for value in values)  # type: ignore[return-value]


def rejection(hit: Hit, reason: str, detail: str, sha256: str) -> Rejection:
    """The row of rejected.csv for a hit that could not be used."""
    url, *rest = provenance(hit)
    return Rejection(url, hit.label, reason, clean(detail)[:500], *rest, sha256)


def withdrawn(photo: Photo, reason: str, detail: str) -> Rejection:
    """The row of rejected.csv for a photo that was stored and is taken back."""
    values = {field.name: getattr(photo, field.name) for field in fields(Rejection) if hasattr(photo, field.name)}
    return Rejection(reason=reason, detail=clean(detail)[:500], **values)


def format_row(values: Iterable[object]) -> str:
    """One CSV record with its "\\n". Fields with a comma, quote or line break are quoted."""
    return ",".join(_quoted(str(value)) for value in values) + "\n"


def _quoted(value: str) -> str:
    # The csv module leaves a lone "\r" bare under lineterminator="\n", and then reads it back as the end of the row
    return '"' + value.replace('"', '""') + '"' if any(c in value for c in ',"\r\n') else value


def read_photos(path: Path) -> list[Photo]:
    """The rows of a metadata.csv or a model's photos.csv. Reads only; a last row torn by a crash is passed over."""
    photos = []
    for line, row in read_rows(path, METADATA_COLUMNS):
        values = dict(zip(METADATA_COLUMNS, row, strict=True))
        require_inside(values["file_name"], f"{path}, line {line}")
        if values["split"] not in SPLITS:
            raise DatasetError(f"{path}, line {line}: split {values['split']!r} must be train, validation or empty.")
        try:
            values["width"], values["height"] = int(values["width"]), int(values["height"])
            int(values["phash"] or "0", 16)
        except ValueError:
            raise DatasetError(f"{path}, line {line}: width, height or phash is no number; restore the row.") from None
        photos.append(Photo(**values))
    return photos


def require_inside(file_name: str, where: str) -> None:
    """Raise DatasetError, which names `where` it was read, for a file_name that is empty or leads out of its folder."""
    inside = PurePosixPath(file_name)
    if not inside.parts or inside.is_absolute() or ".." in inside.parts or "\\" in file_name:
        raise DatasetError(f"{where}: file_name {file_name!r} leads out of the folder.")


def read_rejections(path: Path) -> list[Rejection]:
    """The rows of a rejected.csv, as `read_photos` reads metadata.csv."""
    return [Rejection(*row) for _, row in read_rows(path, REJECTED_COLUMNS)]


def read_rows(path: Path, columns: Sequence[str], *, inside: Path | None = None) -> Iterable[tuple[int, list[str]]]:
    """(line, fields) of each row under exactly these columns, a torn last row left out. inside: a folder above it below
    which nothing may be a link. Raises DatasetError."""
    try:
        data = read_file(Path(path), inside=inside)
    except LinkRefused as error:
        raise no_link(error) from None
    except OSError as error:
        why = (error.strerror or str(error)).lower()
        raise DatasetError(f"{path} cannot be read ({why}); check the path.") from None
    try:
        text = data[: complete_length(data, quoted=True)].decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DatasetError(f"{path} is not UTF-8 text; save it again as UTF-8.") from None
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        header = next(reader, [])
        if tuple(header) != tuple(columns):
            raise DatasetError(f"{path} does not begin with the columns {','.join(columns)}; restore its first line.")
        for row in reader:
            if row and len(row) != len(columns):
                raise DatasetError(f"{path}, line {reader.line_num}: {len(row)} fields instead of {len(columns)}.")
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
        why = (error.strerror or str(error)).lower()
        raise DatasetError(f"{path} cannot be written ({why}); make room or choose another place.") from None


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Any]) -> None:
    """Replace the file by these dataclasses, whole or not at all. DatasetError where it cannot be written."""
    text = format_row(columns) + "".join(format_row(astuple(row)) for row in rows)
    with writing(path):
        write_atomically(Path(path), text.encode("utf-8"))


def write_photos(path: Path, photos: Iterable[Photo]) -> None:
    """Write a metadata.csv or photos.csv, whole or not at all."""
    write_rows(path, METADATA_COLUMNS, photos)


def append_rows(path: Path, rows: Sequence[Photo | Rejection]) -> None:
    """Append rows and wait until they are on disk. DatasetError on a full disk; the file is then left as it was."""
    data = "".join(format_row(astuple(row)) for row in rows).encode("utf-8")
    with writing(path), journal(path) as append:
        append(data)


def cut_torn_row(path: Path) -> int:
    """Cut the bytes after the last complete record, left by a crash in the middle of a write. Returns how many."""
    return path.stat().st_size - len(recover(path, quoted=True))
