"""The tasks' models: opened when first asked for, by whoever asks first, and then kept."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from mirror.errors import MirrorError, ModelFolderError, ModelUnavailable, NotInstalled
from mirror.tasks.predictor import Detector
from mirror.tasks.registry import open_detector
from mirror.tasks.request import TaskRequest
from mirror.terminal import say, sentence
from mirror.web.fair_scheduling import on_thread

T = TypeVar("T")
NOT_NOW = "My eyes for that cannot be opened now: please try again later, or ask who runs this page."
NOT_OFFERED = "This page does not offer that: it was set up for the other tabs."


@contextmanager
def excused() -> Iterator[None]:
    """Where a model fails in here, a visitor reads that it does (ModelUnavailable), and the terminal why, once."""
    try:
        yield
    except (ModelFolderError, ModelUnavailable) as error:
        _say_once(sentence(error))
        raise ModelUnavailable(NOT_NOW) from None


_say_once = lru_cache(maxsize=64)(say)


class TaskModels:
    """`models`: which model answers a task, where it is not the task's default; never a visitor's choice.

    example: a picture to click in the tab of everyday things, where there is one.
    """

    def __init__(self, models: Mapping[str, str] | None = None, example: Path | None = None):
        self.models, self.example = dict(models or {}), example
        self._opened: dict[str, Any] = {}
        self._logged_tasks: set[str] = set()  # the tasks of which the log says what is not installed
        self._opening: dict[str, asyncio.Future[Any]] = {}

    async def wait_for_detector(self, task: str) -> Detector:
        return await self.wait_for_model(task, lambda model: open_detector(TaskRequest(task, model)))

    async def wait_for_model(self, task: str, opener: Callable[[str | None], T]) -> T:
        """What `opener` makes of the task's configured model (None: its default), for a handler.

        The first call opens it, others wait for that one: however many visitors wait, they keep one thread busy. One
        that failed is tried again. Raises MirrorError.
        """
        if task in self._opened:
            return self._opened[task]
        if task not in self._opening:
            self._opening[task] = asyncio.ensure_future(on_thread(self._open, task, opener))
            self._opening[task].add_done_callback(lambda _: self._opening.pop(task))
        return await asyncio.shield(self._opening[task])  # one visitor who leaves does not end it for the others

    def _open(self, task: str, opener: Callable[[str | None], T]) -> T:
        try:
            self._opened[task] = opener(self.models.get(task))
        except MirrorError as error:  # a matter between the program and who runs it
            if task not in self._logged_tasks:
                self._logged_tasks.add(task)
                say(error)
            raise ModelUnavailable(NOT_OFFERED if isinstance(error, NotInstalled) else NOT_NOW) from None
        return self._opened[task]
