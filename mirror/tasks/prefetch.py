"""Photos decoded before they are needed: in order, on several threads, within a number and within bytes.

A dozen photos of 50 megapixels ahead would be 2.4 GB. Each waits for its turn until what is decoded and not yet taken
is below the limit; since turns come in the order of the photos, what is waited for is always taken first.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import islice
from typing import Any

MAX_BYTES = 200_000_000  # of decoded photos that wait: one of 50 megapixels


def bytes_of(decoded: Any) -> int:
    """What a decoded photo takes; 0 for an error in its place."""
    width, height = getattr(decoded, "size", (0, 0))
    return 4 * width * height


def decoded_ahead(
    sources: Iterator[Any], decode: Callable[[Any], Any], *, workers: int, count: int, max_bytes: int = MAX_BYTES
) -> Iterator[tuple[Any, Any]]:
    """(source, what `decode` makes of it) in their order, at most `count` of them ahead."""
    gate, numbers = _Gate(max_bytes), iter(range(1 << 62))

    def in_turn(number: int, source: Any) -> Any:
        gate.wait_for_turn(number)
        decoded = decode(source)
        gate.add(bytes_of(decoded))
        return decoded

    with ThreadPoolExecutor(workers, "decode") as pool:
        ahead: deque[tuple[Any, Future[Any]]] = deque()
        try:
            while True:
                for source in islice(sources, count - len(ahead)):
                    ahead.append((source, pool.submit(in_turn, next(numbers), source)))
                if not ahead:
                    return
                source, future = ahead.popleft()
                decoded = future.result()
                gate.add(-bytes_of(decoded))
                del future
                yield source, decoded
        finally:
            gate.open()
            pool.shutdown(wait=False, cancel_futures=True)


class _Gate:
    def __init__(self, limit: int):
        self._limit, self._held, self._turn = limit, 0, 0
        self._changed = threading.Condition()

    def wait_for_turn(self, number: int) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._turn == number and self._held < self._limit or self._turn < 0)
            if self._turn >= 0:
                self._turn += 1
            self._changed.notify_all()

    def add(self, size: int) -> None:
        with self._changed:
            self._held += size
            self._changed.notify_all()

    def open(self) -> None:
        """Nobody waits any more."""
        with self._changed:
            self._turn = -1
            self._changed.notify_all()
