"""The report's pictures: the confusion matrix, and the photos that were judged worst."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from mirror.images import load_image
from mirror.model_info import Metrics

INK, ACCENT, WRONG = "#22303a", "#2f6f6a", "#a8412f"
COLUMNS = 4


def draw_confusion(metrics: Metrics, labels: tuple[str, ...], path: Path) -> None:
    """confusion.png: actual labels down, predicted ones across, counts of validation photos."""
    matrix = np.array(metrics.confusion_matrix)
    side = max(3.2, 0.55 * len(labels) + 1.8)
    figure, axes = _figure(side + 0.6, side)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    axes.imshow(share, cmap=_colours(), vmin=0, vmax=1)
    slanted = {"rotation": 45, "ha": "right"} if len(labels) > 3 else {}
    axes.set_xticks(range(len(labels)), labels, **slanted)
    axes.set_yticks(range(len(labels)), labels)
    axes.set_xlabel("the model said")
    axes.set_ylabel("it was")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)
    if len(labels) <= 30:
        for i, j in np.ndindex(*matrix.shape):
            if matrix[i, j]:
                axes.text(j, i, matrix[i, j], ha="center", va="center", color="white" if share[i, j] > 0.5 else INK)
    axes.set_title(f"{metrics.validation.photos} photos it was not trained on", fontsize=10)
    _save(figure, path)


def draw_top_losses(metrics: Metrics, photo_path: Callable[[str], Path], path: Path) -> None:
    """top_losses.png: the photos with the largest loss, what they were and what the model said."""
    worst = metrics.top_losses
    rows = -(-len(worst) // COLUMNS)
    figure, axes = _figure(2.4 * COLUMNS, 2.75 * rows, rows, COLUMNS)
    for place, axis in enumerate(np.atleast_1d(axes).flat):
        axis.axis("off")
        if place < len(worst):
            found = worst[place]
            axis.imshow(load_image(photo_path(found.file_name)))
            right = found.label == found.predicted
            said = f"{found.predicted} {100 * found.probability:.0f} %"
            axis.set_title(f"{found.label}\nsaid {said}", fontsize=9, color=INK if right else WRONG)
    _save(figure, path)


def _figure(width: float, height: float, rows: int = 1, columns: int = 1):
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    return pyplot.subplots(rows, columns, figsize=(width, height), layout="constrained")


def _colours():
    from matplotlib.colors import LinearSegmentedColormap

    return LinearSegmentedColormap.from_list("mirror", ["#f3f5f2", ACCENT])


def _save(figure, path: Path) -> None:
    from matplotlib import pyplot

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    pyplot.close(figure)
