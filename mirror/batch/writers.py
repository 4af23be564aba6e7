"""Answers written down as they come: a table for people, or jsonl, csv and parquet for programs.

Every writer is a context manager with `write(row)`, for a row that `to_row` made. Names that are not valid UTF-8 are
written with backslash escapes.
"""

from __future__ import annotations

import csv
import json
import re
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from mirror.batch.exif import EXIF_COLUMNS, taken
from mirror.errors import MirrorError, UsageError
from mirror.image_sources import ImageSource
from mirror.inference.classifier import Prediction
from mirror.tasks.detections import Box, Detections
from mirror.terminal import exact, printable, sentence, use_utf8
from mirror.wording import percent

FORMATS = ("table", "jsonl", "csv", "parquet")
COLUMNS = ("file", "label", "probability", "known", "probabilities", "error")
DETECTION_COLUMNS = ("file", "detections", "error")
ROWS_A_GROUP = 2_000  # of a parquet file: what is held in memory before it is written
UNKNOWN = "unlike the photos this model was trained on"
NOTHING = "nothing found"
# What json.dumps leaves as it is and a terminal obeys
_UNSEEN = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True)
class OutputFilter:
    """What of an answer is listed: of its labels, those of the `top` most probable that reach `threshold`; or, where
    answers are `detections`, those above `threshold`. exif: whether when and where it was taken goes with it."""

    top: int = 5
    threshold: float = 0.0
    detections: bool = False
    exif: bool = False

    @property
    def columns(self) -> tuple[str, ...]:
        """Of a table for programs."""
        return (DETECTION_COLUMNS if self.detections else COLUMNS) + EXIF_COLUMNS * self.exif

    def of(self, answer: Prediction) -> list[tuple[str, float]]:
        """(label, probability), highest first, equals in label order."""
        ranked = sorted(answer.probabilities.items(), key=lambda item: -item[1])[: self.top]
        return [(label, probability) for label, probability in ranked if probability >= self.threshold]


def row_of(source: ImageSource, answer: Prediction | Detections | MirrorError, output: OutputFilter) -> dict[str, Any]:
    """`to_row` of an image that is there, with its EXIF_COLUMNS where they are asked for."""
    return to_row(source.file, answer, output) | (taken(source.location) if output.exif else {})


def to_row(file: str, answer: Prediction | Detections | MirrorError, output: OutputFilter) -> dict[str, Any]:
    """One answer as a jsonl line has it; `probabilities` holds the labels asked for, in label order."""
    if isinstance(answer, MirrorError):
        return {"file": file, "error": str(answer)}
    if isinstance(answer, Detections):
        return {"file": file} | answer.above(output.threshold).to_json()
    labels = {label for label, _ in output.of(answer)}
    row = {"file": file} | answer.to_json()
    return row | {"probabilities": {label: p for label, p in answer.probabilities.items() if label in labels}}


def check_format(kind: str) -> None:
    """Raises UsageError where a format cannot be written here."""
    if kind == "parquet" and find_spec("pyarrow") is None:
        raise UsageError("Parquet needs the package pyarrow: `pip install pyarrow`, or use --format jsonl.")


def open_writer(kind: str, out: Path | None, output: OutputFilter) -> Writer:
    """The writer of a format, to `out` or standard output. Raises UsageError where the file cannot be made."""
    check_format(kind)
    try:
        return {"table": TableWriter, "jsonl": JsonlWriter, "csv": CsvWriter, "parquet": ParquetWriter}[kind](
            out, output
        )
    except OSError as error:
        where = out or "Standard output"
        raise UsageError(f"{where} cannot be written: {error.strerror or error}.") from None


class Writer:
    """Text to a file (UTF-8) or standard output, flushed when the writer is left."""

    for_programs = True

    def __init__(self, out: Path | None, output: OutputFilter):
        self.output = output
        if out is None:
            use_utf8(sys.stdout, newline="\n")
            self.stream: IO[str] = exact(sys.stdout) if self.for_programs else sys.stdout
            self._ours = False
        else:
            self.stream = open(out, "w", encoding="utf-8", errors="backslashreplace", newline="\n")
            self._ours = True

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: Any) -> None:
        if self._ours:
            self.stream.close()
        else:
            self.stream.flush()

    def write(self, row: dict[str, Any]) -> None:
        raise NotImplementedError


class JsonlWriter(Writer):
    def write(self, row: dict[str, Any]) -> None:
        print(_UNSEEN.sub(_escaped, json.dumps(row, ensure_ascii=False)), file=self.stream)


class CsvWriter(Writer):
    """`probabilities` and `detections` as JSON in one column: there may be many, and labels may be named like another
    column."""

    def __init__(self, out: Path | None, output: OutputFilter):
        super().__init__(out, output)
        self._csv = csv.DictWriter(self.stream, output.columns, lineterminator="\n")
        self._csv.writeheader()

    def write(self, row: dict[str, Any]) -> None:
        if "known" in row:
            row = row | {"known": str(row["known"]).lower()}
        nested = {"probabilities", "detections"} & row.keys()
        self._csv.writerow(row | {name: json.dumps(row[name], ensure_ascii=False) for name in nested})


class TableWriter(Writer):
    """A line an image; the first column grows with the longest name so far."""

    width = 24
    for_programs = False

    def write(self, row: dict[str, Any]) -> None:
        file = row["file"]
        self.width = max(self.width, min(len(file), 60))
        if "error" in row:
            text = f"error: {sentence(row['error'])}"
        elif "detections" in row:
            found = [
                (printable(one["label"]), percent(one["score"], 1), Box(**one["box"])) for one in row["detections"]
            ]
            text = "   ".join(f"{label} {score} {box}" for label, score, box in found) or NOTHING
        else:
            ranked = sorted(row["probabilities"].items(), key=lambda item: -item[1])
            text = "   ".join(f"{printable(label)} {percent(p, 1)}" for label, p in ranked)
            text += "" if row["known"] else f"   ({UNKNOWN})"
        print(f"{printable(file):<{self.width}}  {text}", file=self.stream)


class ParquetWriter(Writer):
    """One row an image, written in groups; `probabilities` is a map from label to probability, `detections` a list of
    records as in jsonl."""

    def __init__(self, out: Path | None, output: OutputFilter):
        if out is None:
            raise UsageError("Parquet is not for the screen: add --out FILE.parquet.")
        import pyarrow
        import pyarrow.parquet

        self.output, self._pyarrow = output, pyarrow
        self._rows: list[dict[str, Any]] = []
        box = pyarrow.struct([(side, pyarrow.int32()) for side in ("xmin", "ymin", "xmax", "ymax")])
        detection = pyarrow.struct([("score", pyarrow.float64()), ("label", pyarrow.string()), ("box", box)])
        kinds = dict.fromkeys(("file", "label", "error", "taken"), pyarrow.string()) | {
            **dict.fromkeys(("probability", "latitude", "longitude"), pyarrow.float64()),
            "known": pyarrow.bool_(),
            "probabilities": pyarrow.map_(pyarrow.string(), pyarrow.float64()),
            "detections": pyarrow.list_(detection),
        }
        self._schema = pyarrow.schema([(name, kinds[name]) for name in output.columns])
        self._stream = open(out, "wb")
        self._file = pyarrow.parquet.ParquetWriter(self._stream, self._schema)

    def __exit__(self, *_: Any) -> None:
        self._flush()
        self._file.close()
        self._stream.close()

    def write(self, row: dict[str, Any]) -> None:
        row = dict.fromkeys(self.output.columns) | row
        row["file"] = row["file"].encode(errors="backslashreplace").decode()
        if row["error"]:
            row["error"] = row["error"].encode(errors="backslashreplace").decode()
        elif "probabilities" in row:
            row["probabilities"] = list(row["probabilities"].items())
        self._rows.append(row)
        if len(self._rows) >= ROWS_A_GROUP:
            self._flush()

    def _flush(self) -> None:
        if self._rows:
            self._file.write_table(self._pyarrow.Table.from_pylist(self._rows, schema=self._schema))
            self._rows = []


def _escaped(found: re.Match[str]) -> str:
    """A character as JSON may write it, which stands for the same."""
    return f"\\u{ord(found[0]):04x}"
