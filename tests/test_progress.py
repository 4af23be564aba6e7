"""A bar for people, lines for logs, in numbers that are right."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable

import pytest

from mirror import progress
from mirror.progress import ProgressBar, duration, rate, working
from tests.world import wait_until


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def fill(bar: ProgressBar, count: int, note: Callable[[int], str] = lambda done: "") -> None:
    with bar:
        for done in range(1, count + 1):
            bar(done, count, note(done))
            if done == count // 2:
                bar.log("duckduckgo_search waits.")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.4, "0 s"),
        (42, "42 s"),
        (89, "89 s"),
        (90, "2 min"),
        (600, "10 min"),
        (3599, "1 h 00 min"),
        (11_130, "3 h 06 min"),
        (360_000, "100 h 00 min"),
    ],
)
def test_durations_read_easily(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_rate_is_of_this_run_alone() -> None:
    assert rate(6_000, 88_000, "image", 60) == "100.0 images/s, 15 min left"
    assert rate(0, 10, "image", 60) == "0.0 images/s"


def test_a_log_gets_a_few_lines_and_none_for_the_last(capsys: pytest.CaptureFixture) -> None:
    lines: list[str] = []
    fill(ProgressBar("cygnet", "photo", lines.append, lines=5), 10, lambda done: f"{done // 4} rejected")
    assert lines == [
        "cygnet: 2 of 10 photos, 0 rejected",
        "cygnet: 4 of 10 photos, 1 rejected",
        "duckduckgo_search waits.",
        "cygnet: 6 of 10 photos, 1 rejected",
        "cygnet: 8 of 10 photos, 2 rejected",
    ]
    lines.clear()
    ProgressBar("cygnet", "photo", lines.append)(1, 1)
    assert lines == [] and capsys.readouterr().err == ""


def test_the_next_piece_of_work_is_counted_from_its_own_start() -> None:
    lines: list[str] = []
    bar = ProgressBar("", "photo", lines.append, lines=2)
    for label, done in (("cygnet", 0), ("duckling", 5)):
        bar.begin(label, done)
        for have in range(done + 1, 11):
            bar(have, 10)
    assert lines == ["cygnet: 5 of 10 photos"]


def test_long_work_gets_a_line_now_and_then_with_its_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    lines: list[str] = []
    bar = ProgressBar("", "image", lines.append, done=20, lines=0)
    bar(21, 1000)
    assert lines == []
    monkeypatch.setattr(progress, "EVERY_SECONDS", 0)
    bar(22, 1000)
    monkeypatch.setattr(progress, "RATE_AFTER_SECONDS", 0)
    bar(23, 1000)
    assert lines[0] == "22 of 1,000 images"
    assert lines[1].startswith("23 of 1,000 images, ") and " images/s, " in lines[1] and lines[1].endswith(" left")


def test_a_terminal_gets_a_bar_that_other_lines_do_not_tear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    lines: list[str] = []
    fill(ProgressBar("cygnet", "photo", lines.append, done=1), 4, lambda done: f"{done} rejected")
    shown = terminal.getvalue()
    assert lines == ["duckduckgo_search waits."]
    assert "cygnet:  25%" in shown and "1/4 [" in shown and "4/4 [" in shown and "4 rejected]" in shown
    assert " photos/s" in shown and shown.endswith("\n")


def test_an_interrupted_bar_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", terminal := Terminal())
    with pytest.raises(KeyboardInterrupt), ProgressBar("cygnet", "photo") as bar:
        bar(1, 10)
        raise KeyboardInterrupt
    assert terminal.getvalue().endswith("\n")


def test_work_that_counts_nothing_is_a_line_or_a_running_clock(capsys, monkeypatch) -> None:
    lines: list[str] = []
    with working("Compiling", lines.append) as say:
        say("half of it")
    with working("Opening", None):
        pass
    assert lines == ["Compiling …", "half of it"] and capsys.readouterr() == ("", "")
    terminal = Terminal()
    monkeypatch.setattr(progress, "TICK_SECONDS", 0.01)
    monkeypatch.setattr("sys.stderr", terminal)
    with pytest.raises(KeyboardInterrupt), working("Compiling", lines.append) as say:
        before = terminal.getvalue().count("Compiling … 00:0")
        wait_until(lambda: terminal.getvalue().count("Compiling … 00:0") > before + 2)
        say("a line\x1b[2J")
        raise KeyboardInterrupt
    assert lines[2:] == ["a line\N{REPLACEMENT CHARACTER}[2J"]
    assert "progress" not in {thread.name for thread in threading.enumerate()}
