"""How far long work has come: a bar on a terminal, a few plain lines where nobody watches."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

from mirror.terminal import say

LINES = 4  # plain lines for a whole piece of work


def progress_bar(what: str, unit: str, log: Callable[[str], None] = say) -> Callable[[int, int], None]:
    """A function to call with (done, total) as the work goes on. What takes no more than one call prints nothing."""
    state: dict[str, Any] = {"bar": None, "done": 0}

    def update(done: int, total: int) -> None:
        if sys.stderr.isatty():
            from tqdm import tqdm

            state["bar"] = state["bar"] or tqdm(total=total, desc=what, unit=unit, file=sys.stderr)
            state["bar"].update(done - state["bar"].n)
            if done >= total:
                state["bar"].close()
        elif done < total and done * LINES // total > state["done"] * LINES // total:
            log(f"{what}: {done} of {total} {unit}s")
        state["done"] = done

    return update
