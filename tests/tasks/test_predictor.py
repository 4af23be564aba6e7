"""Photos decoded ahead come in order, and no more of them wait than the limit says."""

from __future__ import annotations

import threading
import time

import pytest
from PIL import Image

from mirror.errors import NotAnImage
from mirror.tasks.predictor import bytes_of, decoded_ahead


@pytest.mark.parametrize("workers", [1, 2, 7])
@pytest.mark.parametrize("max_bytes", [1, 400, 4_000, 10**9])
def test_every_photo_comes_in_its_order_whatever_the_limit(workers: int, max_bytes: int) -> None:
    def decode(number: int) -> Image.Image | NotAnImage:
        time.sleep(0.002 * (number % 3))
        return NotAnImage("no.") if number % 5 == 4 else Image.new("RGB", (10, 10))

    found = list(decoded_ahead(iter(range(40)), decode, workers=workers, count=12, max_bytes=max_bytes))
    assert [number for number, _ in found] == list(range(40))
    assert all(isinstance(decoded, NotAnImage) == (number % 5 == 4) for number, decoded in found)


def test_large_photos_wait_until_those_before_them_are_taken() -> None:
    alive, most, lock = 0, 0, threading.Lock()

    def decode(_: int) -> Image.Image:
        nonlocal alive, most
        with lock:
            alive += 1
            most = max(most, alive)
        return Image.new("RGB", (100, 100))

    for _ in decoded_ahead(iter(range(30)), decode, workers=2, count=24, max_bytes=2 * 40_000):
        time.sleep(0.003)
        with lock:
            alive -= 1
    assert most <= 2 + 2  # those that wait, and one on each thread; 24 without the limit


def test_a_consumer_that_leaves_early_leaves_no_thread_behind() -> None:
    before = threading.active_count()
    photos = decoded_ahead(iter(range(1_000)), lambda _: Image.new("RGB", (9, 9)), workers=3, count=20, max_bytes=300)
    next(photos)
    photos.close()
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


def test_an_error_takes_no_bytes() -> None:
    assert bytes_of(NotAnImage("no.")) == 0 and bytes_of(Image.new("RGB", (10, 5))) == 200
