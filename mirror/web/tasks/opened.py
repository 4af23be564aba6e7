"""The tasks' models: opened when first asked for, by whoever asks first, and then kept."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping

from mirror.tasks.asked import Asked
from mirror.tasks.opening import open_predictor
from mirror.tasks.predictor import Predictor

TASK = "task"  # the concurrency group of all that these models do
AT_ONCE = 2  # predictions: each keeps all CPUs busy by itself


class Opened:
    """`models`: which model answers a task, where it is not the task's default; never a visitor's choice."""

    def __init__(self, models: Mapping[str, str] | None = None):
        self.models = dict(models or {})
        self._predictors: dict[str, Predictor] = {}
        self._locks: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)

    def get(self, task: str, default: str | None = None) -> Predictor:
        """The task's predictor. The first call opens it, others wait for that one; one that failed is tried again.

        default: the model where none is configured. Raises MirrorError.
        """
        with self._locks[task]:
            if task not in self._predictors:
                self._predictors[task] = open_predictor(Asked(task, self.models.get(task, default)))
            return self._predictors[task]
