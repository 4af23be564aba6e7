"""Labels as people write them: on a command line, in a file, in a box of the page."""

from __future__ import annotations

import ast
import contextlib
import csv
import os
from pathlib import Path

from mirror.errors import UsageError
from mirror.storage import parse_json

FILES = (".txt", ".csv", ".json", ".py")  # of labels; a name like that is never meant as a label itself
HEADS = ("label", "labels", "class", "class_name", "category", "name")  # what a column of labels is called in a table
MAX_FILE_BYTES = 1_000_000


def split_labels(text: str) -> tuple[str, ...]:
    """A label a line, or in a single line with commas between them; each once, without the space around it."""
    lines = [line.strip() for line in text.removeprefix("\N{ZERO WIDTH NO-BREAK SPACE}").splitlines()]
    lines = [line for line in lines if line]
    if len(lines) == 1:
        lines = [part.strip() for part in lines[0].split(",")]
    return tuple(dict.fromkeys(line for line in lines if line))


def labels_in(given: str) -> tuple[str, ...]:
    """`cat,dog`, or those of a file. Raises UsageError for a file that is not there or holds none."""
    path = Path(given)
    if os.path.isfile(given):
        return _labels_of(path)
    if path.suffix.lower() in FILES or (os.sep in given and "," not in given):
        raise UsageError(f"There is no file of labels {given}: check the path, or write the labels as cat,dog.")
    return split_labels(given)


def _labels_of(path: Path) -> tuple[str, ...]:
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise UsageError(f"{path} is larger than a list of labels would be: give a text file with a label a line.")
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror or error}): check the file.") from None
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no text file of labels: write a label a line, in UTF-8.") from None
    readers = {".py": _listed_in, ".csv": _column_of, ".json": _list_of}
    labels = readers.get(path.suffix.lower(), lambda text, path: split_labels(text))(text, path)
    if not labels:
        raise UsageError(f"{path} holds no label: write a label a line.")
    return labels


def _column_of(text: str, path: Path) -> tuple[str, ...]:
    """Those of a table that a spreadsheet wrote: its column of labels, or its only one; else as of any text."""
    rows = [[cell.strip() for cell in row] for row in csv.reader(text.splitlines(), skipinitialspace=True) if any(row)]
    head = [cell.lower() for cell in rows[0]] if len(rows) > 1 else []
    column = next((head.index(name) for name in HEADS if name in head), None)
    if column is not None:
        rows = [row[column : column + 1] for row in rows[1:]]
    elif len(rows) < 2 or any(len(row) > 1 for row in rows):
        return split_labels(text)
    return tuple(dict.fromkeys(cell for row in rows for cell in row if cell))


def _list_of(text: str, path: Path) -> tuple[str, ...]:
    with contextlib.suppress(ValueError):
        labels = parse_json(text)
        if isinstance(labels, list) and all(isinstance(label, str) for label in labels):
            return tuple(dict.fromkeys(label.strip() for label in labels if label.strip()))
    raise UsageError(f'{path} is no JSON list of texts: write ["cat", "dog"], or a text file with a label a line.')


def _listed_in(source: str, path: Path) -> tuple[str, ...]:
    """The longest list of texts that a Python file assigns to a name; the file is read, never run."""
    try:
        assigned = [node.value for node in ast.parse(source).body if isinstance(node, ast.Assign)]
    except (SyntaxError, ValueError, RecursionError):
        raise UsageError(f"{path} is no Python file: write the labels into a text file, a label a line.") from None
    lists = [
        [item.value for item in value.elts if isinstance(item, ast.Constant) and isinstance(item.value, str)]
        for value in assigned
        if isinstance(value, ast.List | ast.Tuple)
    ]
    return tuple(dict.fromkeys(label.strip() for label in max(lists, key=len, default=()) if label.strip()))
