"""What a job is: everything that its rows depend on. A run that asks for the same goes on with it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirror.batch.writers import OutputFilter
from mirror.sources import is_url
from mirror.tasks.request import DETECTION_TASKS

# What to call a field in a sentence
NAMES = {
    "images": "the images asked for",
    "start": "the folder it is run in",
    "model": "the model, --labels or --template",
    "task": "--task",
    "top": "--top",
    "threshold": "--threshold",
    "format": "--format",
}


@dataclass(frozen=True)
class Job:
    """images: files, folders and URLs as given. start: where relative ones begin, seen from the folder of --out (so
    that both may be moved together); "" where none is relative. model: the predictor's identity. How images are fetched
    and by which engine they are answered is not part of it.
    """

    images: tuple[str, ...]
    start: str
    model: str
    task: str
    top: int
    threshold: float
    format: str

    @classmethod
    def of(
        cls, images: Sequence[str], model: str, out: Path, *, task: str, top: int, threshold: float, format: str
    ) -> Job:
        relative = any(not is_url(name) and not os.path.isabs(name) for name in images)
        start = os.path.relpath(os.getcwd(), out.parent) if relative else ""
        return cls(tuple(images), start, model, task, top, threshold, format)

    @property
    def shown(self) -> OutputFilter:
        """What of the answers its rows hold."""
        return OutputFilter(self.top, self.threshold, self.task in DETECTION_TASKS)

    def to_json(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"images": list(self.images)}

    def differences(self, recorded: dict[str, Any]) -> list[str]:
        """What a recorded job asked for differently, in words; empty where it is this one."""
        return [NAMES[name] for name, value in self.to_json().items() if recorded.get(name) != value]
