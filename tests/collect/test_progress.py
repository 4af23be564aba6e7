"""A bar for people, lines for logs."""

from __future__ import annotations

import pytest

from mirror.collect.progress import Progress


def fill(progress: Progress, count: int) -> None:
    with progress:
        progress.begin("cygnet", 0, count)
        for have in range(1, count + 1):
            progress.update(have, rejected=have // 4)
        progress.log("duckduckgo_search waits.")
        progress.end(rejected=count // 4)


def test_a_log_gets_a_line_a_fifth(capsys: pytest.CaptureFixture) -> None:
    said: list[str] = []
    fill(Progress(said.append, terminal=False), 10)
    assert said == [
        "cygnet: 0 of 10 photos, collecting more.",
        "cygnet: 2 of 10 photos, 0 rejected.",
        "cygnet: 4 of 10 photos, 1 rejected.",
        "cygnet: 6 of 10 photos, 1 rejected.",
        "cygnet: 8 of 10 photos, 2 rejected.",
        "duckduckgo_search waits.",
        "cygnet: 10 of 10 photos, 2 rejected.",
    ]
    assert capsys.readouterr().err == ""


def test_a_terminal_gets_a_bar_that_log_lines_do_not_tear(capsys: pytest.CaptureFixture) -> None:
    said: list[str] = []
    fill(Progress(said.append, terminal=True), 10)
    assert said == ["duckduckgo_search waits.", "cygnet: 10 of 10 photos, 2 rejected."]
    bar = capsys.readouterr().err
    assert "cygnet: 100%" in bar and "10/10" in bar and "rejected=2" in bar


def test_an_interrupted_bar_is_closed(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(KeyboardInterrupt), Progress(print, terminal=True) as progress:
        progress.begin("cygnet", 0, 10)
        raise KeyboardInterrupt
    assert capsys.readouterr().err.endswith("\n")
