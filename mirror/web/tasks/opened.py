"""The tasks' models: opened when first asked for, by whoever asks first, and then kept."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from mirror.tasks.asked import Asked
from mirror.tasks.opening import open_predictor
from mirror.tasks.predictor import Predictor

TASK = "task"  # the concurrency group of all that these models do
AT_ONCE = 2  # predictions: each keeps all CPUs busy by itself
T = TypeVar("T")


class Opened:
    """`models`: which model answers a task, where it is not the task's default; never a visitor's choice."""

    def __init__(self, models: Mapping[str, str] | None = None):
        self.models = dict(models or {})
        self._opened: dict[str, Any] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def get(self, task: str, default: str | None = None) -> Predictor:
        """The task's predictor. default: the model where none is configured. Raises MirrorError."""
        return self.get_model(task, lambda model: open_predictor(Asked(task, model or default)))

    def get_model(self, task: str, opener: Callable[[str | None], T]) -> T:
        """What `opener` makes of the task's configured model (None: its default).

        The first call opens it, others wait for that one; one that failed is tried again. Raises MirrorError.
        """
        with self._locks[task]:
            if task not in self._opened:
                self._opened[task] = opener(self.models.get(task))
            return self._opened[task]
