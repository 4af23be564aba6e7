"""Workers: started when needed, kept, ended when idle, too slow or dead, and replaced; they know no secrets."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from mirror.decoding import pool as room
from mirror.decoding.decode import decode
from mirror.decoding.pixels import upright_rgb
from mirror.decoding.pool import DEMOTED_NICE, Pool, WorkerFailed, environment
from mirror.decoding.worker import NICE
from mirror.errors import ImageError, ImageTooLarge
from mirror.images import load_image
from tests.support.limits import LIMIT

ROOT = Path(__file__).resolve().parents[2]
TASK = {"name": "the file", "max_pixels": 50_000_000, "min_side": None, "at_least": None}

linux = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks into Linux's /proc")


def gif(colour: int = 3, size: tuple[int, int] = (40, 30)) -> bytes:
    file = io.BytesIO()
    Image.new("P", size, colour).save(file, "GIF")
    return file.getvalue()


def slow(rows: int = 4_000) -> bytes:
    """Text that Pillow reads number by number."""
    return b"P2\n1000 %d\n255\n" % rows + b"7 " * (1_000 * rows)


@pytest.fixture
def workers() -> Iterator[Pool]:
    pool = Pool(most=3)
    yield pool
    pool.close()


def test_a_worker_is_kept_for_the_next_task(workers: Pool) -> None:
    assert workers.workers == []
    for _ in range(3):
        assert workers.decode(TASK, gif()).size == (40, 30)
    (worker,) = workers.workers
    assert worker.process.poll() is None


def test_several_threads_get_a_worker_each_but_no_more_than_allowed(workers: Pool) -> None:
    found: list[tuple[int, int]] = []
    threads = [
        threading.Thread(target=lambda side=side: found.append(workers.decode(TASK, gif(size=(side, 9))).size))
        for side in range(10, 22)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(found) == [(side, 9) for side in range(10, 22)]
    assert 1 <= len(workers.workers) <= 3


def test_one_that_is_killed_costs_its_photo_and_is_replaced(workers: Pool) -> None:
    workers.decode(TASK, gif())
    (worker,) = workers.workers
    failed: list[WorkerFailed] = []

    def work() -> None:
        try:
            workers.decode(TASK, slow())
        except WorkerFailed as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.2)
    worker.process.send_signal(signal.SIGKILL)
    thread.join(30)
    assert [error.kind for error in failed] == ["crashed"]
    assert workers.decode(TASK, gif()).size == (40, 30)
    assert worker not in workers.workers


def test_one_that_died_while_idle_is_not_asked(workers: Pool) -> None:
    workers.decode(TASK, gif())
    workers.workers[0].process.kill()
    workers.workers[0].process.wait(LIMIT)
    assert workers.decode(TASK, gif()).size == (40, 30)


def test_what_takes_too_long_is_ended(workers: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "MAX_SECONDS", 0.3)
    begun = time.monotonic()
    with pytest.raises(WorkerFailed) as caught:
        workers.decode(TASK, slow(20_000))
    assert caught.value.kind == "too-slow" and time.monotonic() - begun < 10
    assert workers.workers == []


def test_idle_ones_are_ended(workers: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "IDLE_SECONDS", 0.2)
    monkeypatch.setattr(Pool, "_pause", lambda _: 0.1)
    workers.decode(TASK, gif())
    process = workers.workers[0].process
    deadline = time.monotonic() + 20
    while workers.workers and time.monotonic() < deadline:
        time.sleep(0.05)
    assert workers.workers == [] and process.wait(5) is not None


def test_where_all_are_taken_the_longest_task_ends_sooner(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "CROWDED_SECONDS", 0.5)
    workers = Pool(most=1)
    failed: list[str] = []

    def work() -> None:
        try:
            workers.decode(TASK, slow(20_000))
        except WorkerFailed as error:
            failed.append(error.kind)

    thread = threading.Thread(target=work)
    try:
        workers.decode(TASK, gif())
        thread.start()
        time.sleep(0.1)
        begun = time.monotonic()
        assert workers.decode(TASK, gif()).size == (40, 30)
        assert time.monotonic() - begun < 8
    finally:
        thread.join(30)
        workers.close()
    assert failed == ["too-slow"]


@linux
def test_a_long_task_goes_behind_everything_else(workers: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    own = os.getpriority(os.PRIO_PROCESS, 0)
    workers.decode(TASK, gif())
    worker = workers.workers[0]
    monkeypatch.setattr(room, "DEMOTED_AFTER", 0.1)
    assert os.getpriority(os.PRIO_PROCESS, worker.process.pid) == min(own + NICE, 19)

    def decode() -> None:
        with contextlib.suppress(WorkerFailed):  # behind a loaded machine's other work it may take too long
            workers.decode(TASK, slow(1_500))

    thread = threading.Thread(target=decode)
    thread.start()
    found = set()
    while thread.is_alive() and DEMOTED_NICE not in found:
        found.add(os.getpriority(os.PRIO_PROCESS, worker.process.pid))
        time.sleep(0.02)
    thread.join(60)
    assert DEMOTED_NICE in found
    assert worker not in workers.workers  # it cannot be put before again


@linux
def test_a_worker_has_no_secrets_and_its_limits(workers: Pool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    workers.decode(TASK, gif())
    place = Path(f"/proc/{workers.workers[0].process.pid}")
    names = {each.partition(b"=")[0].decode() for each in (place / "environ").read_bytes().split(b"\0") if each}
    assert names <= set(environment()) and "HF_TOKEN" not in names
    assert b"secret" not in (place / "environ").read_bytes()
    limits = (place / "limits").read_text().splitlines()
    line = {line[:26].strip(): line[26:].split() for line in limits}
    assert line["Max file size"][:2] == ["0", "0"] and line["Max core file size"][:2] == ["0", "0"]
    assert int(line["Max address space"][0]) < 4_000_000_000 and line["Max cpu time"][0] != "unlimited"


def test_workers_end_with_the_process_that_started_them() -> None:
    code = (
        "import os, sys\n"
        "from mirror.decoding.pool import shared\n"
        f"shared().decode({TASK!r}, {gif()!r})\n"
        "print(shared().workers[0].process.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    pid = int(done.stdout)
    deadline = time.monotonic() + 20
    while alive(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(pid)


def alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        try:
            os.kill(pid, 0)
        except OSError:
            return False
        return not Path("/proc").exists()
    return status != "Z"


@linux
def test_a_forked_child_starts_workers_of_its_own() -> None:
    code = (
        "import os\n"
        "from mirror.images import load_image\n"
        f"data = {gif()!r}\n"
        "load_image(data)\n"
        "child = os.fork()\n"
        "assert load_image(data).size == (40, 30)\n"
        "if child:\n"
        "    assert os.waitpid(child, 0)[1] == 0\n"
        "    assert load_image(data).size == (40, 30)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-800:]


def test_where_no_worker_can_be_started_a_sentence_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "_pool", Pool())
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    with pytest.raises(ImageError, match="cannot be started") as caught:
        load_image(gif())
    assert caught.value.reason == "no-worker" and str(caught.value).endswith("use a JPEG, PNG or WebP file.")
    file = io.BytesIO()
    Image.new("RGB", (9, 9)).save(file, "JPEG")
    assert load_image(file.getvalue()).size == (9, 9)


def test_where_memory_cannot_be_limited_it_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    room._say_unlimited.cache_clear()
    room._say_unlimited()
    room._say_unlimited()
    assert [record.getMessage() for record in caplog.records] == [
        "This system cannot limit the memory of a process: a hostile photo may take much of it for 8 seconds."
    ]


def test_a_worker_that_lies_is_not_believed() -> None:
    """It has met the file: its answer is as hostile as that."""

    class Liar:
        def read_into(self, view: memoryview) -> None:
            view[:] = bytes(len(view))

    assert room._received(Liar(), {"size": [4, 3]}, 100).size == (4, 3)
    for size in ([65_000, 65_000], [0, 3], [-4, 3], [-4, -3], [11, 10]):
        with pytest.raises(WorkerFailed):
            room._received(Liar(), {"size": size}, 100)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("format", ["AVIF", "TIFF"])
def test_a_workers_pixels_are_those_that_are_decoded_here(format: str, orientation: int) -> None:
    """What it gives back is an image like any other: it can be changed, saved and copied."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.effect_mandelbrot((37, 21), (-3, -2.5, 2, 2.5), 100).convert("RGB").save(file, format, exif=exif)
    data = file.getvalue()
    image = load_image(data)
    assert image.mode == "RGB" and image.tobytes() == upright_rgb(decode(data, "it", lambda size: None)).tobytes()
    image.putpixel((0, 0), (1, 2, 3))
    assert image.copy().getpixel((0, 0)) == (1, 2, 3) and image.resize((9, 9)).mode == "RGB"


def test_a_worker_out_of_memory_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    from mirror.decoding import limits
    from tests.hostile.files import deflated_tiff

    monkeypatch.setattr("mirror.images.MAX_DECODE_BYTES", 10 * limits.MAX_DECODE_BYTES)
    with pytest.raises(ImageTooLarge) as caught:
        load_image(deflated_tiff(10_000, 5_000, 8, t258=16, t277=4, t262=2, t338=2))
    assert caught.value.reason == "too-much-memory"
