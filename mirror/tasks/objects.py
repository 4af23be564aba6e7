"""To be built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mirror.errors import UsageError
from mirror.tasks.asked import Asked

if TYPE_CHECKING:
    from mirror.fetch import Network
    from mirror.tasks.predictor import Predictor


def open_objects(asked: Asked, *, network: Network | None = None) -> Predictor:
    raise UsageError(f"The task {asked.task} is not available yet: leave out --task to classify images.")
