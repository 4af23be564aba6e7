"""How are the labels distributed over the folders? Counts and mean scores, kept while the rows stream by; as a table,
and as a picture: a row a folder, a column a label, bars as long as their counts, mean scores beside.

Of a classified image the label with the highest probability counts, and scores that probability. An image that shows
none of the labels counts for none of them. Of detections, each object counts for its label.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mirror.charts import BAR, INK, QUIET, drawable, drawing
from mirror.errors import MirrorError, UsageError
from mirror.image_sources import is_url
from mirror.storage import replacing
from mirror.terminal import printable
from mirror.wording import count

LABELS = 8  # with a column of their own, the most frequent first; the others share one
LONGEST_LABEL = 24  # characters, as a column's title
NARROWER = ((LABELS, LONGEST_LABEL), (LABELS, 12), (4, 12), (2, 12), (1, 12))  # labels and their length, on a screen
MIN_NAME = 12  # characters of a folder's name that stay on a screen
OTHERS, STRANGE, EMPTY, FAILED = "other labels", "none of these", "nothing found", "not answered"
FOLDERS = 40  # drawn, those with most images; the table has all
LONGEST_NAME = 40  # characters of a folder's name; its end tells more than its beginning


@dataclass
class Score:
    """How often something was counted, and the sum of the scores it had (0 where it has none)."""

    count: int = 0
    total: float = 0.0

    def add(self, other: Score) -> None:
        self.count, self.total = self.count + other.count, self.total + other.total

    def __str__(self) -> str:
        """`12 (0.87)`: the count and the mean score."""
        return f"{self.count} ({self.total / self.count:.2f})" if self.total else str(self.count)


@dataclass
class FolderCounts:
    """A folder's images: all of them, those that are none of the labels (or show no object), those not answered; and
    for each label the images that were given it (or the objects found), with their scores."""

    images: int = 0
    without: int = 0
    failed: int = 0
    labels: dict[str, Score] = field(default_factory=dict)

    def add(self, row: dict[str, Any]) -> None:
        self.images += 1
        if "error" in row:
            self.failed += 1
            return
        if "detections" in row:
            answers = [(detection["label"], detection["score"]) for detection in row["detections"]]
        else:
            answers = [(row["label"], row["probability"])] if row["known"] else []
        self.without += not answers
        for label, score in answers:
            self.labels.setdefault(label, Score()).add(Score(1, score))


@dataclass(frozen=True)
class SummaryRow:
    """A folder's line of the table, with a Score for each of its columns."""

    folder: str
    images: int
    cells: list[Score]


@dataclass
class Summary:
    """Places by folder, in the order of the rows, and all of them together; `objects`: labels count objects."""

    places: dict[str, FolderCounts] = field(default_factory=dict)
    whole: FolderCounts = field(default_factory=FolderCounts)
    objects: bool = False

    def add(self, row: dict[str, Any]) -> None:
        """A row as a jsonl line has it; `probabilities` is not needed."""
        self.objects |= "detections" in row
        self.whole.add(row)
        self.places.setdefault(folder_of(row["file"]), FolderCounts()).add(row)

    def table(self, most: int = LABELS) -> tuple[list[str], list[SummaryRow]]:
        """The names of the columns, and a line a folder. most: labels with a column of their own.

        Columns: the most frequent labels (equals by name), all others together, the images without a label, and, where
        there are any, those not answered.
        """
        ranked = sorted(self.whole.labels, key=lambda label: (-self.whole.labels[label].count, label))
        labels, others = ranked[:most], ranked[most:]
        columns = labels + [OTHERS] * bool(others) + [EMPTY if self.objects else STRANGE]
        columns += [FAILED] * bool(self.whole.failed)

        def line(folder: str, place: FolderCounts) -> SummaryRow:
            cells = [place.labels.get(label, Score()) for label in labels]
            if others:
                rest = Score()
                for label in others:
                    rest.add(place.labels.get(label, Score()))
                cells.append(rest)
            cells.append(Score(place.without))
            return SummaryRow(folder, place.images, cells + [Score(place.failed)] * bool(self.whole.failed))

        lines = [line(folder, place) for folder, place in self.places.items()]
        return columns, lines + ([line("all", self.whole)] if len(lines) > 1 else [])

    def __str__(self) -> str:
        """The table in full width."""
        return self._text(LABELS, LONGEST_LABEL)

    def within(self, width: int) -> str:
        """The table for a screen of so many columns: titles are cut shorter, then the rarest labels share a column,
        then folders lose their beginnings, and at last each count has a line of its own."""
        for labels, longest in NARROWER:
            text = self._text(labels, longest)
            widest = max(map(len, text.splitlines()))
            if widest <= width:
                return text
        names = max(len(printable(folder)) for folder in ("folder", *self.places))
        text = self._text(labels, longest, max(MIN_NAME, names - (widest - width)))
        return text if max(map(len, text.splitlines())) <= width else "\n".join(self._counts(width))

    def _counts(self, width: int) -> Iterator[str]:
        columns, lines = self.table(len(self.whole.labels))
        for line in lines:
            images = f": {count(line.images, 'image')}"
            yield cut_start(printable(line.folder), max(MIN_NAME, width - len(images))) + images
            cells = {
                printable(column): str(cell) for column, cell in zip(columns, line.cells, strict=True) if cell.count
            }
            right = max(map(len, cells.values()), default=0)
            left = min(max(map(len, cells), default=0), max(MIN_NAME, width - right - 4))
            for column, cell in cells.items():
                yield f"  {title(column, left).ljust(left)}  {cell.rjust(right)}"

    def write_csv(self, path: Path) -> None:
        """A line a folder, for spreadsheets: its images, the count of every label, and then their mean scores. Raises
        MirrorError where the disk refuses."""
        columns, lines = self.table(len(self.whole.labels))
        scored = [number for number, column in enumerate(columns) if column in self.whole.labels]
        try:
            with replacing(path) as beside, open(beside, "w", encoding="utf-8-sig", newline="") as file:
                rows = csv.writer(file, lineterminator="\n")
                rows.writerow(["folder", "images", *columns, *(f"{columns[number]}: mean score" for number in scored)])
                for line in lines[: len(self.places)]:  # a sum would be counted twice in a spreadsheet
                    means = [
                        f"{cell.total / cell.count:.4f}" if cell.count else ""
                        for cell in (line.cells[number] for number in scored)
                    ]
                    counts = [str(cell.count) for cell in line.cells]
                    rows.writerow([escaped(line.folder), line.images, *counts, *means])
        except OSError as error:
            raise MirrorError(f"The summary {path} cannot be written: {error.strerror or error}.") from None

    def _text(self, labels: int, longest: int, longest_name: int = 10_000) -> str:
        columns, lines = self.table(labels)
        rows = [["folder", "images", *(title(column, longest) for column in columns)]]
        rows += [[line.folder, str(line.images), *map(str, line.cells)] for line in lines]
        rows = [[printable(cell) for cell in row] for row in rows]
        rows = [[cut_start(name, longest_name), *row] for name, *row in rows]
        first, *others = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join(
            "  ".join([row[0].ljust(first), *(cell.rjust(width) for cell, width in zip(row[1:], others, strict=True))])
            for row in rows
        )


def title(label: str, longest: int = LONGEST_LABEL) -> str:
    """The label, cut short where it would make its column wide: ImageNet's have up to 121 characters."""
    return label if len(label) <= longest else label[: longest - 1] + "…"


def cut_start(name: str, longest: int) -> str:
    """A folder's name, whose end tells more than its beginning."""
    return name if len(name) <= longest else "…" + name[1 - longest :]


def escaped(name: str) -> str:
    """A name that is not UTF-8, as it is written into files."""
    return name.encode("utf-8", "backslashreplace").decode()


def folder_of(file: str) -> str:
    """The folder an image lies in, as it was given; `.` for a bare name, and a URL's without its query."""
    if is_url(file):
        file = re.split("[?#]", file, maxsplit=1)[0]
    folder, slash, _ = file.rpartition("/")
    if is_url(file) and folder.endswith(":/"):  # a host and nothing more
        return file
    return folder or ("/" if slash else ".")


def check_picture(path: Path) -> None:
    """Raises UsageError where no picture can be written to `path`: asked before the work, not after it."""
    if path.suffix.lower() != ".png":
        raise UsageError(f"The picture {path} must end in .png.")
    check_place(path)
    if find_spec("matplotlib") is None:
        raise UsageError("The picture needs the package matplotlib: `pip install matplotlib`.")


def check_place(path: Path) -> None:
    """Raises UsageError where no file can be written to `path`. A device or a pipe is written to as it is."""
    if path.exists() and not (path.is_file() or path.is_dir()):
        return
    if not path.parent.is_dir():
        raise UsageError(f"{path} cannot be written: there is no folder {path.parent}.")
    if path.is_dir() or not os.access(path.parent, os.W_OK):
        raise UsageError(
            f"{path} cannot be written: {'it is a folder' if path.is_dir() else 'its folder is read-only'}."
        )


def draw_summary(summary: Summary, path: Path) -> None:
    """Writes the picture, a PNG; the same bytes for the same summary. Raises MirrorError where the disk refuses."""
    columns, lines = summary.table()
    lines = lines[: len(summary.places)]  # without that of all folders
    chosen = {line.folder for line in sorted(lines, key=lambda line: -line.images)[:FOLDERS]}
    drawn = [line for line in lines if line.folder in chosen]
    size = (2.4 + 1.7 * len(columns), 1.1 + 0.32 * len(drawn))
    largest = max((cell.count for line in drawn for cell in line.cells), default=0) or 1
    try:
        with (
            replacing(path) as beside,
            drawing(beside, *size, 1, len(columns), sharex=True, sharey=True) as (figure, axes),
        ):
            for number, (axis, column) in enumerate(zip(axes[0], columns, strict=True)):
                cells = [line.cells[number] for line in drawn]
                scored = any(cell.total for cell in cells)
                axis.barh(range(len(cells)), [cell.count for cell in cells], color=BAR if scored else QUIET, height=0.7)
                for place, cell in enumerate(cells):
                    text = str(cell) if cell.count else ""
                    axis.text(cell.count + 0.03 * largest, place, text, va="center", fontsize=8, color=INK)
                axis.set_title(drawable(title(column)), fontsize=9, color=INK)
                axis.set_xticks([])
                axis.tick_params(length=0, labelsize=8, colors=INK)
                for side in ("top", "right", "bottom"):
                    axis.spines[side].set_visible(False)
                axis.spines["left"].set_color(QUIET)
            names = [drawable(line.folder, LONGEST_NAME, keep_end=True) for line in drawn]
            axes[0][0].set_xlim(0, 1.6 * largest)  # room for the numbers
            axes[0][0].set_yticks(range(len(drawn)), names)
            axes[0][0].set_ylim(len(drawn) - 0.5, -0.5)  # the first folder on top
            what = "objects" if summary.objects else "images"
            few = f" (the {len(drawn)} folders with most images of {len(lines)})" if len(drawn) < len(lines) else ""
            figure.suptitle(f"{what} a label, and their mean score{few}", fontsize=10, color=INK)
    except OSError as error:
        raise MirrorError(f"The picture {path} cannot be written: {error.strerror or error}.") from None
