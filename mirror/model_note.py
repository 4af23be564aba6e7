"""The note on a model, as templates/about.html lays out what mirror.describe says, and the pictures of its report.

Everything comes from model.json and the report/*.png that it records; the note says what a model does not tell.
"""

from __future__ import annotations

from base64 import b64encode
from pathlib import PurePosixPath

from mirror.describe import ModelDescription
from mirror.errors import ModelFolderError
from mirror.model_folder import ModelFolder, published_name
from mirror.model_schema import ModelInfo
from mirror.report_page import recorded_page
from mirror.templates import data_url, render
from mirror.wording import plain

SHOWN_MATRIX = 20  # beyond this many labels a table says less than its list of most frequent mix-ups
SHOWN_LOSSES = 10
SHOWN_MIX_UPS = 12
SHOWN_LABELS = 60
MAX_PICTURE_BYTES = 4 * 1024 * 1024
MAX_FILES = 1000
PNG = b"\x89PNG\r\n\x1a\n"  # how each begins
PICTURES = {
    "confusion": "The confusion matrix, drawn",
    "top_losses": "The photos it was most wrong about",
    "reliability": "How far its probabilities can be trusted",
    "training": "How training went",
}


def note(info: ModelInfo, *, from_pickle: bool = False) -> str:
    """The note as HTML. from_pickle: the model came as a bare learner pickle."""
    model, metrics = ModelDescription(info), info.metrics
    rows = model.label_rows[:SHOWN_LABELS]
    losses = sorted(metrics.top_losses if metrics else (), key=lambda loss: loss.predicted == loss.label)[:SHOWN_LOSSES]
    shown = metrics is not None and len(info.labels) <= SHOWN_MATRIX
    return render(
        "about.html",
        model=model,
        from_pickle=from_pickle,
        photo_rows=[row[:4] for row in rows],
        share_rows=[(label, recall, precision) for label, *_, precision, recall in rows]
        if metrics and metrics.labels
        else [],
        matrix=metrics.confusion_matrix if metrics and shown else (),
        mix_up_rows=_mix_ups(info),
        losses=losses,
        losses_title="Its hardest photos"
        if any(loss.predicted == loss.label for loss in losses)
        else "The photos it was most wrong about",
    )


def pictures(folder: ModelFolder) -> str:
    """The pictures of report/ that model.json records and the report for pupils, inside the HTML itself: nothing of the
    model folder is served as a file, and what is no PNG is not shown."""
    shown = []
    for name in sorted(folder.info.files)[:MAX_FILES]:
        path = PurePosixPath(name)
        if path.parent != PurePosixPath("report") or path.suffix != ".png":
            continue
        try:
            picture = folder.read(name, MAX_PICTURE_BYTES)
        except ModelFolderError:  # too large, or not what was recorded
            continue
        if picture.startswith(PNG):
            key = next((key for key in PICTURES if path.stem.startswith(key)), None)
            caption = PICTURES[key] if key else plain(path.stem).replace("-", " ").capitalize()
            shown.append((caption, data_url(picture, "png")))
    return render("pictures.html", pictures=shown, **report(folder))


def report(folder: ModelFolder) -> dict[str, str]:
    """The report for pupils as an address that holds all of it, and the name of its file, to download."""
    address = "data:text/html;charset=utf-8;base64," + b64encode(recorded_page(folder).encode()).decode("ascii")
    return {"report": address, "name": f"{published_name(folder.info)}-report.html"}


def _mix_ups(info: ModelInfo) -> list[tuple[str, str, int]]:
    """(label, what it was taken for, how often), the most frequent first."""
    matrix, names = info.metrics.confusion_matrix if info.metrics else (), [plain(label) for label in info.labels]
    mixed = [
        (names[i], names[j], times) for i, row in enumerate(matrix) for j, times in enumerate(row) if i != j and times
    ]
    return sorted(mixed, key=lambda row: (-row[2], row[:2]))[:SHOWN_MIX_UPS]
