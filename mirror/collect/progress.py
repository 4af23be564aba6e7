"""How far collecting has come: a bar on a terminal, plain lines where nobody watches."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from mirror.terminal import sentence


class Progress:
    """One label at a time. `log` prints a line without tearing the bar; use in a `with` statement."""

    def __init__(self, log: Callable[[str], None], terminal: bool | None = None):
        self._print = log
        self._terminal = sys.stderr.isatty() if terminal is None else terminal
        self._bar: Any = None
        self._label = ""
        self._have = self._count = 0

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_: object) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def begin(self, label: str, have: int, count: int) -> None:
        self._label, self._have, self._count = label, have, count
        if self._terminal:
            from tqdm import tqdm

            self._bar = tqdm(total=count, initial=have, desc=label, unit="photo", file=sys.stderr)
        else:
            self.log(f"{label}: {have} of {count} photos, collecting more.")

    def update(self, have: int, rejected: int) -> None:
        step = max(1, self._count // 5)
        if self._bar is not None:
            self._bar.n = have
            self._bar.set_postfix(rejected=rejected)
        elif have // step > self._have // step and have < self._count:
            self.log(f"{self._label}: {have} of {self._count} photos, {rejected} rejected.")
        self._have = have

    def end(self, rejected: int) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None
        self.log(f"{self._label}: {self._have} of {self._count} photos, {rejected} rejected.")

    def log(self, line: str) -> None:
        if self._bar is None:
            self._print(sentence(line))
            return
        from tqdm import tqdm

        with tqdm.external_write_mode(file=sys.stderr):
            self._print(sentence(line))
