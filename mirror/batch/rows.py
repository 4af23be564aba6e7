"""A file of answers → its rows again, one at a time, as jsonl has them."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

AT_ONCE = 1000  # rows of a parquet file
LONGEST_FIELD = 1 << 30  # bytes of a csv field; csv's own limit of 128 KB is too few for thousands of labels


def read_rows(path: Path, kind: str) -> Iterator[dict[str, Any]]:
    """The rows of a jsonl, csv or parquet file that `answers.py` wrote, without their `probabilities`."""
    return {"jsonl": _jsonl, "csv": _csv, "parquet": _parquet}[kind](path)


def _jsonl(path: Path) -> Iterator[dict[str, Any]]:
    with open(path, "rb") as file:
        for line in file:
            row = json.loads(line)
            row.pop("probabilities", None)
            yield row


def _csv(path: Path) -> Iterator[dict[str, Any]]:
    csv.field_size_limit(LONGEST_FIELD)
    with open(path, encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["error"]:
                yield {"file": row["file"], "error": row["error"]}
            else:
                yield {
                    "file": row["file"],
                    "label": row["label"],
                    "probability": float(row["probability"]),
                    "known": row["known"] == "true",
                }


def _parquet(path: Path) -> Iterator[dict[str, Any]]:
    import pyarrow.parquet

    columns = ["file", "label", "probability", "known", "error"]
    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(AT_ONCE, columns=columns):
            for row in batch.to_pylist():
                yield {name: value for name, value in row.items() if value is not None}
