"""The studio's processes end with it, however it ends, and only then."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys

from mirror.web.workshop import child_process
from tests.support.limits import LIMIT, read_line
from tests.world import wait_until

STUDIO = """
import sys, threading
from mirror.web.workshop import child_process
started = []
thread = threading.Thread(target=lambda: started.append(child_process.start("import time; time.sleep(600)")))
thread.start()
thread.join()  # gradio's threads come and go
print(started[0].pid, flush=True)
sys.stdin.read()
"""


def is_alive(pid: int) -> bool:
    with contextlib.suppress(OSError):
        with open(f"/proc/{pid}/stat", encoding="utf-8") as stat:
            return stat.read().rpartition(")")[2].split()[0] != "Z"
    return False


def test_a_studio_that_is_killed_leaves_no_process_behind() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", STUDIO], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as studio:
        assert studio.stdout is not None
        pid = int(read_line(studio))
        assert is_alive(pid)
        studio.kill()
    wait_until(lambda: not is_alive(pid))


def test_a_process_can_be_stopped_though_the_studio_was_started_in_the_background() -> None:
    """A shell starts what is in the background with SIGINT ignored, and children inherit that."""
    heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = child_process.start("import time; print('ready'); time.sleep(600)")
    finally:
        signal.signal(signal.SIGINT, heard)
    assert process.stdin is not None and process.stdout is not None
    with process.stdin, process.stdout:
        assert read_line(process) == "ready\n"
        process.send_signal(signal.SIGINT)
        assert process.wait(LIMIT) != 0


def test_a_process_is_told_its_arguments_and_tells_what_it_says() -> None:
    process = child_process.start("import sys; print(sys.argv[1:], 'é'); print('wrong', file=sys.stderr)", ["a b", "ü"])
    assert process.stdin is not None and process.stdout is not None
    with process.stdin, process.stdout as said:
        assert said.read() == "['a b', 'ü'] é\nwrong\n"
    assert process.wait(LIMIT) == 0
