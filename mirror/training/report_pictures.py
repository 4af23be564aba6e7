"""The report's pictures: the confusion matrix, how far the probabilities can be trusted, and the worst misses."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from mirror.charts import BAR, INK, WRONG, drawable, drawing
from mirror.describe import WORST_PHOTOS
from mirror.images import load_image, small_jpeg
from mirror.metric_sentences import is_few, photos_judged
from mirror.metrics_schema import Calibration, Metrics, TopLoss, Validation
from mirror.model_schema import ModelInfo
from mirror.report_page import REPORT_PAGE, HardPhoto, report_page
from mirror.wording import percent

COLUMNS = 4
MATRIX = 40  # labels; of more, a matrix is too large to read, and the pairs that are confused most are drawn
PAIRS = 30
PHOTO_PIXELS, PHOTO_QUALITY = 320, 85  # of a photo in report.html, long side: 40 mm at 200 dots an inch


Picture = Callable[[str], Path | Image.Image]  # of a photo, by its file name


def draw_report(info: ModelInfo, picture: Picture | None, folder: Path) -> None:
    """What there is to draw, and report.html, into `folder`. picture: None where no photo may be shown."""
    metrics = info.metrics
    hardest = [_hard_photo(picture, loss) for loss in metrics.top_losses] if picture and metrics else []
    folder.mkdir(parents=True, exist_ok=True)
    (folder / Path(REPORT_PAGE).name).write_text(report_page(info, hardest), encoding="utf-8")
    if metrics is None:
        return
    if info.judged:
        draw_confusion(metrics, info.labels, folder / "confusion.png")
        if picture and metrics.top_losses:
            draw_top_losses(metrics, picture, folder / Path(WORST_PHOTOS).name)
    if metrics.calibration:
        draw_reliability(metrics.calibration, metrics.validation, info.temperature, folder / "reliability.png")


def _hard_photo(picture: Picture, loss: TopLoss) -> HardPhoto:
    return HardPhoto(small_jpeg(load_image(picture(loss.file_name)), PHOTO_PIXELS, PHOTO_QUALITY), loss)


def draw_reliability(calibration: Calibration, judged: Validation, temperature: float, path: Path) -> None:
    """reliability.png: how often it is right, over how sure it is, with the number of photos at each dot."""
    sure, right, photos = np.array([(b.confidence, b.accuracy, b.photos) for b in calibration.bins]).T
    with drawing(path, 4.6, 4.6) as (_, ((axes,),)):
        axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=(0, (4, 3)), zorder=1)
        axes.vlines(sure, right, sure, color=WRONG, linewidth=1.2, zorder=2)
        axes.scatter(sure, right, s=12 + 400 * photos / photos.sum(), color=BAR, alpha=0.85, linewidth=0, zorder=3)
        for bin_ in calibration.bins:
            above = bin_.accuracy >= bin_.confidence  # away from the line to the diagonal
            axes.annotate(
                str(bin_.photos), (bin_.confidence, bin_.accuracy), (0, 10 if above else -10),
                textcoords="offset points", ha="center", va="bottom" if above else "top", fontsize=8, color=INK,
            )  # fmt: skip
        axes.set_xlim(min(0.5, sure.min()) - 0.03, 1.03)
        axes.set_ylim(-0.1, 1.12)
        axes.set_yticks(np.linspace(0, 1, 6))
        axes.set_xlabel("how sure it was")
        axes.set_ylabel("how often it was right")
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
        few = "\ntoo few to tell a fault from chance" if is_few(calibration.photos) else ""
        gap = 100 * calibration.after.ece.value
        axes.set_title(
            f"{photos_judged(calibration.photos, judged)}{few}\n"
            f"mean gap {gap:.1f} points, temperature {temperature:.2f}",
            fontsize=10,
        )


def draw_confusion(metrics: Metrics, labels: tuple[str, ...], path: Path) -> None:
    """confusion.png: actual labels down, predicted ones across, counts of the photos judged; of many labels, the pairs
    that are confused most."""
    if len(labels) > MATRIX:
        return _draw_pairs(metrics, labels, path)
    matrix = np.array(metrics.confusion_matrix)
    names = [drawable(label, 30) for label in labels]
    side = max(3.2, 0.55 * len(labels) + 1.8)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    with drawing(path, side + 0.6, side) as (_, ((axes,),)):
        axes.imshow(share, cmap=_colours(), vmin=0, vmax=1)
        slanted = {"rotation": 45, "ha": "right"} if len(labels) > 3 else {}
        axes.set_xticks(range(len(labels)), names, **slanted)
        axes.set_yticks(range(len(labels)), names)
        axes.set_xlabel("the model said")
        axes.set_ylabel("it was")
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        if len(labels) <= 30:
            for i, j in zip(*matrix.nonzero(), strict=True):
                axes.text(j, i, matrix[i, j], ha="center", va="center", color="white" if share[i, j] > 0.5 else INK)
        axes.set_title(photos_judged(metrics.validation.photos, metrics.validation), fontsize=10)


def most_confused(matrix: np.ndarray, most: int) -> list[tuple[int, int, int]]:
    """(photos, actual, predicted), `most` at most, the pair with most photos first. matrix [L, L]: counts."""
    wrong = np.array(matrix)
    np.fill_diagonal(wrong, 0)
    pairs = sorted((-wrong[i, j], i, j) for i, j in zip(*wrong.nonzero(), strict=True))
    return [(int(-photos), int(i), int(j)) for photos, i, j in pairs[:most]]


def _draw_pairs(metrics: Metrics, labels: tuple[str, ...], path: Path) -> None:
    matrix = np.array(metrics.confusion_matrix)
    pairs = most_confused(matrix, PAIRS)
    with drawing(path, 7.5, 1.4 + 0.28 * max(len(pairs), 1)) as (_, ((axes,),)):
        axes.barh(range(len(pairs)), [photos for photos, _, _ in pairs], color=BAR, height=0.7)
        for place, (photos, actual, _) in enumerate(pairs):
            axes.text(photos, place, f" {photos} of {matrix[actual].sum()}", va="center", fontsize=8, color=INK)
        names = [f"{drawable(labels[i], 30)} → {drawable(labels[j], 30)}" for _, i, j in pairs]
        axes.set_yticks(range(len(pairs)), names, fontsize=8)
        axes.set_ylim(max(len(pairs), 1) - 0.5, -0.5)
        axes.set_xlim(0, 1.2 * max((photos for photos, _, _ in pairs), default=1))
        axes.set_xticks([])
        axes.tick_params(length=0)
        for side in ("top", "right", "bottom"):
            axes.spines[side].set_visible(False)
        what = f"most confused of {len(labels)} labels" if pairs else f"none of {len(labels)} labels confused"
        axes.set_title(f"{what}; {photos_judged(metrics.validation.photos, metrics.validation)}", fontsize=10)


def draw_top_losses(metrics: Metrics, picture: Picture, path: Path) -> None:
    """top_losses.png: the photos with the largest loss, what they were and what the model said."""
    worst = metrics.top_losses
    rows = -(-len(worst) // COLUMNS)
    with drawing(path, 2.4 * COLUMNS, 2.75 * rows, rows, COLUMNS) as (_, axes):
        for number, axis in enumerate(axes.flat):
            axis.axis("off")
            if number < len(worst):
                loss = worst[number]
                axis.imshow(load_image(picture(loss.file_name)))
                answer = f"{drawable(loss.predicted, 22)} {percent(loss.probability)}"
                color = INK if loss.label == loss.predicted else WRONG
                axis.set_title(f"{drawable(loss.label, 28)}\nsaid {answer}", fontsize=9, color=color)


def _colours():
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("mirror", ["#f3f5f2", BAR])
