"""What a detector says of an image: where it found what, and how sure it is."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

SHOWN_FROM = 0.5  # the score from which a detection is shown, as in Hugging Face's pipeline


@dataclass(frozen=True)
class Box:
    """Whole pixels of the upright photo at its full size, its top left corner being (0, 0)."""

    xmin: int
    ymin: int
    xmax: int
    ymax: int

    def __str__(self) -> str:
        return f"({self.xmin}, {self.ymin})–({self.xmax}, {self.ymax})"


@dataclass(frozen=True)
class Detection:
    """One object: its label, how sure the detector is (0 to 1), and where it is."""

    score: float
    label: str
    box: Box

    def to_json(self) -> dict[str, Any]:
        """As Hugging Face's object-detection pipeline gives it."""
        return {"score": self.score, "label": self.label, "box": asdict(self.box)}


@dataclass(frozen=True)
class Detections:
    """All that was found in one image, in the detector's own order."""

    found: tuple[Detection, ...]

    def above(self, threshold: float) -> Detections:
        """Those with a score above `threshold`, as Hugging Face's detectors count it."""
        return Detections(tuple(detection for detection in self.found if detection.score > threshold))

    def to_json(self) -> dict[str, Any]:
        """The fields of a jsonl line, without its "file"."""
        return {"detections": [detection.to_json() for detection in self.found]}
