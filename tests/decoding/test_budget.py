"""The budget: nobody gets more than there is, small ones do not wait behind large ones, and nothing is lost."""

from __future__ import annotations

import gc
import threading
import time

import pytest
from PIL import Image

from mirror.decoding.budget import Budget, Busy


def budget() -> Budget:
    return Budget(total=1_000, reserved=300, small=100)


def in_thread(work) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    return thread


def test_bytes_are_taken_and_given_back_also_after_an_error() -> None:
    shared = budget()
    with shared.decoding(400):
        assert shared.used == 400
    with pytest.raises(ValueError), shared.decoding(700):
        raise ValueError
    assert shared.used == 0


def test_many_threads_never_take_more_than_there_is() -> None:
    shared, most, lock = budget(), 0, threading.Lock()

    def work(size: int) -> None:
        nonlocal most
        for _ in range(20):
            with shared.decoding(size):
                with lock:
                    most = max(most, shared.used)
                time.sleep(0.0005)

    threads = [in_thread(lambda size=size: work(size)) for size in (600, 500, 350, 120, 90, 60, 30, 100)]
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert 600 <= most <= 1_000 and shared.used == 0


def test_small_ones_go_past_large_ones_that_wait() -> None:
    shared, got, done = budget(), threading.Event(), threading.Event()

    def large() -> None:
        with shared.decoding(650):
            got.set()
            done.wait(10)

    with shared.decoding(690):
        waiting = in_thread(large)
        time.sleep(0.05)
        with shared.decoding(100, wait=0.5), shared.decoding(90, wait=0.5):
            assert not got.is_set()
    assert got.wait(5)
    done.set()
    waiting.join(5)


def test_large_ones_come_in_their_order() -> None:
    shared, order = budget(), []
    with shared.decoding(700):
        threads, large = [], 0
        for number, size in enumerate((600, 200, 700)):

            def work(number: int = number, size: int = size) -> None:
                with shared.decoding(size):
                    order.append(number)
                    time.sleep(0.02)

            threads.append(in_thread(work))
            large += size > shared.small
            while len(shared._large) < large:  # the next one comes when this one waits
                time.sleep(0.01)
    for thread in threads:
        thread.join(5)
    assert order[0] == 0 and sorted(order) == [0, 1, 2]


def test_waiting_ends_in_time() -> None:
    shared = budget()
    with shared.decoding(690):
        failed = []

        def work() -> None:
            begun = time.monotonic()
            try:
                with shared.decoding(500, wait=0.2):
                    pass
            except Busy:
                failed.append(time.monotonic() - begun)

        in_thread(work).join(5)
        assert failed and failed[0] < 2
    assert shared.used == 0
    with shared.decoding(690, wait=0.1):  # nothing of the one that gave up is in the way
        pass


def test_an_image_keeps_its_bytes_until_it_is_gone() -> None:
    shared = budget()
    image = Image.new("RGB", (4, 4))
    with shared.decoding(500) as grant:
        grant.keep(image, 64)
    assert shared.used == 64
    del image
    gc.collect()
    with shared.decoding(1):
        assert shared.used == 1


def test_a_thread_that_holds_an_image_does_not_wait_for_itself() -> None:
    shared = budget()
    with shared.decoding(650) as grant:
        first = Image.new("RGB", (4, 4))
        grant.keep(first, 640)
    with shared.decoding(650, wait=0.1):
        pass
    failed = []

    def other() -> None:
        try:
            with shared.decoding(650, wait=0.1):
                pass
        except Busy:
            failed.append(True)

    in_thread(other).join(5)
    assert failed
    del first
    gc.collect()
    in_thread(other).join(5)
    assert len(failed) == 1


def test_an_image_given_back_while_the_lock_is_held_is_not_lost() -> None:
    """Python may collect garbage anywhere, in this module too."""
    shared = budget()
    image = Image.new("RGB", (4, 4))
    with shared.decoding(500) as grant:
        grant.keep(image, 400)
    shared._changed.acquire()
    thread = in_thread(lambda: images.clear()) if (images := [image]) else None
    del image
    thread.join(5)
    shared._changed.release()
    assert not thread.is_alive()
    with shared.decoding(690, wait=1):
        assert shared.used == 690
