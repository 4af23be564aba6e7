"""No test, and nothing that tests use, waits for ever: a whole run once stood still at its last file.

Looked for are the calls by which a process, a thread, a queue, a lock or a connection is waited for, without a limit.
"""

from __future__ import annotations

import ast
import threading
from pathlib import Path

import pytest

from tests.support import limits, ports

TESTS = Path(__file__).parent
GIVEN = Path("/proc/sys/net/ipv4/ip_local_port_range")  # the ports that the system gives to connections
PROCESSES = ("run", "call", "check_call", "check_output")  # of subprocess: they take `timeout`
WAITS = ("wait", "join", "communicate", "result", "get", "acquire", "accept", "recv", "readline")
BOUNDED = ("wait_for", "timeout")  # of asyncio: what is inside has a limit
MEANT = {
    "decoding/test_budget.py": "shared._changed.acquire()",  # held for a moment by one other thread
    "hostile/measured.py": "process.stdout.readline()",  # once select has said that there is one
    "net/test_proxy.py": "server.accept()",  # after settimeout
    "support/limits.py": "process.stdout.readline()",  # in a thread that is waited for with a limit
    "web/tabs/test_face_detection_tab.py": "each.result()",  # of what is done
    "web/test_gradio_queue.py": "messages.get()",  # waited for by asyncio.wait
    "world/__main__.py": "threading.Event().wait()",  # a server for people, ended by Ctrl+C
}


def waits_for_ever(source: str) -> list[str]:
    """The calls in this Python program that wait without a limit."""
    tree = ast.parse(source)
    bounded = {
        inner
        for call in ast.walk(tree)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in BOUNDED
        for inner in ast.walk(call)
    }
    found = []
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call) or not isinstance(call.func, ast.Attribute) or call in bounded:
            continue
        names, called = [keyword.arg for keyword in call.keywords], ast.unparse(call.func)
        if called in [f"subprocess.{name}" for name in PROCESSES] or called == "socket.create_connection":
            if "timeout" not in names:
                found.append(ast.unparse(call))
        elif call.func.attr in WAITS and not call.args and not names:
            found.append(ast.unparse(call))
    return found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("subprocess.run(['true'])", 1),
        ("subprocess.run(['true'], timeout=5)", 0),
        ("subprocess.check_output(['true'], text=True)", 1),
        ("process.communicate()", 1),
        ("process.communicate(timeout=5)", 0),
        ("process.wait(5), event.wait(LIMIT), thread.join(LIMIT)", 0),
        ("event.wait(); thread.join(); queue.get(); future.result(); lock.acquire()", 5),
        ("', '.join(names), rows.get('a')", 0),
        ("socket.create_connection(address)", 1),
        ("asyncio.wait_for(event.wait(), 5)", 0),
        ("process.stdout.readline(); connection.recv()", 2),
    ],
)
def test_what_waits_for_ever_is_found(source: str, expected: int) -> None:
    assert len(waits_for_ever(source)) == expected


def test_every_wait_has_a_limit() -> None:
    found = {
        f"{path.relative_to(TESTS).as_posix()}: {call}"
        for path in TESTS.rglob("*.py")
        for call in waits_for_ever(path.read_text(encoding="utf-8"))
    }
    assert found == {f"{path}: {call}" for path, call in MEANT.items()}


def test_what_does_not_come_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "LIMIT", 0.05)
    over = threading.Event()
    thread = threading.Thread(target=over.wait, args=(60,), name="the reader")
    thread.start()
    with pytest.raises(AssertionError, match="the reader was still running after 0.05 s"):
        limits.join(thread)
    over.set()
    thread.join(60)


@pytest.mark.skipif(not GIVEN.exists(), reason="only Linux tells which ports it gives")
def test_no_connection_that_another_test_opens_takes_the_port_of_a_server_to_be() -> None:
    lowest = int(GIVEN.read_text().split()[0])
    assert max(ports.free_port() for _ in range(50)) < lowest
