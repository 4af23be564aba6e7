"""A summary as a picture: a row a folder, a column a label, bars as long as their counts, mean scores beside."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

from mirror.batch.summary import Summary, title
from mirror.charts import BAR, INK, QUIET, drawable, drawing
from mirror.errors import MirrorError, UsageError
from mirror.storage import replacing

FOLDERS = 40  # drawn, those with most images; the table has all
LONGEST_NAME = 40  # characters of a folder's name; its end tells more than its beginning


def check_picture(path: Path) -> None:
    """Raises UsageError where no picture can be written to `path`: asked before the work, not after it."""
    if path.suffix.lower() != ".png":
        raise UsageError(f"The picture {path} must end in .png.")
    if not path.parent.is_dir():
        raise UsageError(f"{path} cannot be written: there is no folder {path.parent}.")
    if find_spec("matplotlib") is None:
        raise UsageError("The picture needs the package matplotlib: `pip install matplotlib`.")


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
