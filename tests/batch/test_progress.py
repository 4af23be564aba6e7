"""How far a job has come, in numbers that are right."""

from __future__ import annotations

import io

import pytest

from mirror.batch.progress import JobProgress, duration, line


@pytest.mark.parametrize(
    "seconds, text",
    [
        (0.4, "0 s"), (42, "42 s"), (89, "89 s"), (90, "2 min"), (600, "10 min"), (3599, "1 h 00 min"),
        (11_130, "3 h 06 min"), (360_000, "100 h 00 min"),
    ],
)  # fmt: skip
def test_durations_read_easily(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_the_rate_is_of_this_run_alone() -> None:
    assert line(12_000, 100_000, 6_000, 60) == "12,000 of 100,000 images, 100.0 images/s, 15 min left"


def test_lines_come_now_and_then_and_none_for_the_last_image(capsys: pytest.CaptureFixture) -> None:
    with JobProgress(5, 2, terminal=False, every=0) as pace:
        for _ in range(3):
            pace.update()
    told = capsys.readouterr()
    assert told.out == "" and [each.split(",")[0] for each in told.err.splitlines()] == [
        "3 of 5 images", "4 of 5 images",
    ]  # fmt: skip
    with JobProgress(5, 0, terminal=False) as pace:
        for _ in range(5):
            pace.update()
    assert capsys.readouterr().err == ""


def test_a_terminal_has_a_bar_with_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr("sys.stderr", shown)
    with JobProgress(4, 1, terminal=True) as pace:
        for _ in range(3):
            pace.update()
    assert "1/4 [" in shown.getvalue() and "4/4 [" in shown.getvalue() and " images/s]" in shown.getvalue()
