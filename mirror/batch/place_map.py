"""Where which label was found: the photos that know their place, as a picture of dots, north up; `predict --map`.

Nothing is drawn beneath them, for a map's tiles would tell their server where one's photos are.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mirror.batch.summary import EMPTY, OTHERS, STRANGE, title
from mirror.charts import INK, QUIET, drawable, drawing
from mirror.errors import MirrorError
from mirror.storage import replacing

MOST = 200_000  # photos that are drawn
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9")  # Okabe and Ito 2008, colour-blind safe
METRES = 111_320.0  # of a degree of latitude
WIDTH, HEIGHT = 8.0, (4.0, 10.0)  # inches; the least and the largest height


@dataclass
class PlaceMap:
    """Rows as jsonl lines have them, with their coordinates."""

    dots: list[tuple[float, float, str]] = field(default_factory=list)  # longitude, latitude, label
    placed: int = 0
    images: int = 0

    def add(self, row: dict[str, Any]) -> None:
        self.images += 1
        if row.get("latitude") is None or "error" in row:
            return
        self.placed += 1
        if "detections" in row:
            labels = list(dict.fromkeys(found["label"] for found in row["detections"])) or [EMPTY]
        else:
            labels = [row["label"] if row["known"] else STRANGE]
        self.dots += [(row["longitude"], row["latitude"], label) for label in labels if len(self.dots) < MOST]

    def __str__(self) -> str:
        return f"{self.placed:,} of {self.images:,} images know where they were taken"


def draw_map(places: PlaceMap, path: Path) -> None:
    """Writes the picture, a PNG; the same bytes for the same rows. Raises MirrorError where there is nothing to draw or
    the disk refuses."""
    if not places.dots:
        raise MirrorError(f"No map was drawn: {places}, as their EXIF says.")
    counts = Counter(label for *_, label in places.dots)
    ranked = sorted((label for label in counts if label not in (STRANGE, EMPTY)), key=lambda one: (-counts[one], one))
    colours = dict(zip(ranked, COLOURS, strict=False))
    longitudes, latitudes = [dot[0] for dot in places.dots], [dot[1] for dot in places.dots]
    shrink = math.cos(math.radians((min(latitudes) + max(latitudes)) / 2)) or 1e-6
    wide = max((max(longitudes) - min(longitudes)) * shrink, max(latitudes) - min(latitudes), 1e-4)
    height = min(max(HEIGHT[0], WIDTH * (max(latitudes) - min(latitudes)) / wide + 1), HEIGHT[1])
    try:
        with replacing(path) as beside, drawing(beside, WIDTH, height) as (_, axes):
            axis = axes[0][0]
            for name in (*colours, OTHERS, STRANGE, EMPTY):
                shown = [
                    dot
                    for dot in places.dots
                    if dot[2] == name or (name == OTHERS and dot[2] not in colours and dot[2] not in (STRANGE, EMPTY))
                ]
                if shown:
                    axis.scatter(
                        [dot[0] for dot in shown], [dot[1] for dot in shown], s=18, alpha=0.75, linewidths=0,
                        color=colours.get(name, QUIET), marker={OTHERS: "s", STRANGE: "x", EMPTY: "x"}.get(name, "o"),
                        label=f"{drawable(title(name))} ({len(shown):,})",
                    )  # fmt: skip
            axis.set_aspect(1 / shrink, adjustable="datalim")
            axis.margins(0.06)
            axis.ticklabel_format(useOffset=False)
            axis.tick_params(labelsize=8, colors=INK)
            axis.set_title(f"{places}; {_scale(wide)} across, north is up", fontsize=10, color=INK)
            axis.legend(fontsize=8, loc="center left", bbox_to_anchor=(1, 0.5), frameon=False)
    except OSError as error:
        raise MirrorError(f"The map {path} cannot be written: {error.strerror or error}.") from None


def _scale(degrees: float) -> str:
    metres = degrees * METRES
    return f"{metres / 1000:,.0f} km" if metres >= 10_000 else f"{metres:,.0f} m"
