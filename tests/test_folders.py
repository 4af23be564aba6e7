"""Folders that processes share: who holds one, what is left of the killed, what takes another's place."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror.folders import LOCK, holder_of, locked


def test_a_lock_of_a_stranger_says_no_more_than_a_number(tmp_path: Path) -> None:
    pytest.importorskip("fcntl", reason="this system has no such locks")
    import fcntl

    (tmp_path / LOCK).write_text("pid \x1b[2Jgone")
    with open(tmp_path / LOCK, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert holder_of(tmp_path) == "unknown"


def test_one_process_at_a_time_and_the_other_is_told_who(tmp_path: Path) -> None:
    pytest.importorskip("fcntl", reason="this system has no such locks")
    import os

    assert holder_of(tmp_path) is None and not (tmp_path / LOCK).exists()
    with locked(tmp_path):
        assert holder_of(tmp_path) == f"pid {os.getpid()}"
        with pytest.raises(BlockingIOError, match=f"pid {os.getpid()}"), locked(tmp_path, patience=0.03):
            pass
    assert holder_of(tmp_path) is None
    with locked(tmp_path):
        pass
