"""What training found out about single photos, as files that a person or the studio goes through. Imports no torch.

    models/<name>/report/suspects.csv      photos worth a look, the most suspicious first
    models/<name>/report/predictions.csv   what the model said of each photo it had not learned from

`file_name` is relative to the photo folder, as in metadata.csv; the files are CSV as photo_records.py writes it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from mirror.collect.photo_records import SPLITS, read_rows, require_inside, write_rows, writing
from mirror.errors import DatasetError

DISPUTED, OUTLIER, LOOK_ALIKE = "disputed", "outlier", "look-alike"
ISSUES = (DISPUTED, OUTLIER, LOOK_ALIKE)  # the first harms a model most
OLD_NAMES = {"near-duplicate": LOOK_ALIKE}  # in files written before 1.0
SUSPECTS_CSV, PREDICTIONS_CSV = "report/suspects.csv", "report/predictions.csv"  # inside a model folder
DIGITS = 4  # of a score or probability in the files


@dataclass(frozen=True)
class PhotoIssue:
    """A photo worth a look.

    issue       "disputed": the model, trained without it, gives it another label; "outlier": unlike the other photos of
                its label; "look-alike": almost the same as another photo that is in the folder as well
    score       0 to 1, 1 the most suspicious; to be compared within one issue only
    label       the label it has
    suggested   disputed: the label that the model gives it; else ""
    other       look-alike: file_name of the other photo; else ""
    reason      a sentence
    """

    file_name: str
    issue: str
    score: float
    label: str
    suggested: str = ""
    other: str = ""
    reason: str = ""


@dataclass(frozen=True)
class PhotoPrediction:
    """What a model said of a photo that it had not learned from: `predicted` with this probability (0 to 1).

    split: the photo's. The confusion matrix counts "validation", or all where the error was cross-validated.
    """

    file_name: str
    label: str
    predicted: str
    probability: float
    split: str


Row = TypeVar("Row", PhotoIssue, PhotoPrediction)


def worst_first(issues: Iterable[PhotoIssue]) -> list[PhotoIssue]:
    """By issue in the order of ISSUES, then by falling score; the same order whatever order they come in."""
    return sorted(issues, key=lambda row: (ISSUES.index(row.issue), -row.score, row.file_name, row.other))


def issue_sentences(issues: Sequence[PhotoIssue], folder: Path, limit: int = 5) -> list[str]:
    """A line that counts the issues, then the worst ones in plain words, at most `limit`. folder: of the photos."""
    if not issues:
        return []
    counts = Counter(row.issue for row in issues)
    names = {DISPUTED: "disputed label", OUTLIER: "outlier", LOOK_ALIKE: "look-alike"}
    listed = [f"{counts[issue]} {names[issue]}{'s' * (counts[issue] > 1)}" for issue in ISSUES if counts[issue]]
    worst = [f"  {folder / row.file_name}: {row.reason}" for row in worst_first(issues)[:limit]]
    return [f"Worth a look: {', '.join(listed)}.", *worst]


def write_issues(path: Path, issues: Iterable[PhotoIssue]) -> None:
    """A suspects.csv, the most suspicious first, whole or not at all. DatasetError where it cannot be written."""
    _write(path, [replace(row, score=round(row.score, DIGITS)) for row in worst_first(issues)], PhotoIssue)


def write_predictions(path: Path, predictions: Iterable[PhotoPrediction]) -> None:
    """A predictions.csv, by file name, whole or not at all. DatasetError where it cannot be written."""
    rows = sorted(predictions, key=lambda row: row.file_name)
    _write(path, [replace(row, probability=round(row.probability, DIGITS)) for row in rows], PhotoPrediction)


def read_issues(path: Path) -> list[PhotoIssue]:
    """The rows of a suspects.csv, in its order. Raises DatasetError for a file that is not one, or is not there."""
    return _read(path, PhotoIssue, number="score", choice="issue", choices=ISSUES)


def read_predictions(path: Path) -> list[PhotoPrediction]:
    """The rows of a predictions.csv. Raises DatasetError for a file that is not one, or is not there."""
    return _read(path, PhotoPrediction, number="probability", choice="split", choices=SPLITS)


def _write(path: Path, rows: Sequence[Row], cls: type[Row]) -> None:
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    write_rows(path, [field.name for field in fields(cls)], rows)


def _read(path: Path, cls: type[Row], *, number: str, choice: str, choices: tuple[str, ...]) -> list[Row]:
    columns = [field.name for field in fields(cls)]
    rows = []
    for line, row in read_rows(path, columns, inside=path.parents[1]):  # path: report/… of a model folder
        values: dict[str, Any] = dict(zip(columns, row, strict=True))
        where = f"{path}, line {line}"
        require_inside(values["file_name"], where)
        if values.get("other"):
            require_inside(values["other"], where)
        values[choice] = OLD_NAMES.get(values[choice], values[choice])
        if values[choice] not in choices:
            allowed = ", ".join(name or "empty" for name in choices)
            raise DatasetError(f"{where}: {choice} {values[choice]!r} is none of {allowed}; restore the row.")
        try:
            values[number] = float(values[number])
        except ValueError:
            raise DatasetError(f"{where}: {number} {values[number]!r} is no number; restore the row.") from None
        if not 0 <= values[number] <= 1:
            raise DatasetError(f"{where}: {number} {values[number]} does not lie between 0 and 1; restore the row.")
        rows.append(cls(**values))
    return rows
