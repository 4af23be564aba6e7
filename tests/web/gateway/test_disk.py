"""How much of the disk visitors' files may take: all of them together, and each client.

The kind: what strangers fill faster than the sweeper empties it. Files are removed as the sweeper does it, or by hand.
"""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from mirror.web.gateway import disk
from mirror.web.gateway.disk import Disk, NewFile
from mirror.web.gateway.refusal import Refusal

Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """8,000 bytes and 80 files for all, a quarter of them for a client; nothing is protected, every look is fresh."""
    for name, value in {
        "MAX_DISK_BYTES": 8_000,
        "MAX_DISK_FILES": 80,
        "PROTECTED_SECONDS": 1e9,
        "LOOK_SECONDS": -1.0,
    }.items():
        monkeypatch.setattr(disk, name, value)
    return Disk(tmp_path)


def send(here: Disk, client: str, size: int) -> NewFile:
    file = NewFile(here, "a.jpg", client)
    try:
        file.write(b"x" * size)
    except Refusal:
        file.remove()
        raise
    finally:
        file.close()
    return file


def fill(here: Disk, client: str, size: int) -> int:
    """How many files of that size one client gets in."""
    taken = 0
    with pytest.raises(Refusal) as refused:
        for _ in range(1_000):
            send(here, client, size)
            taken += 1
    assert refused.value.status == 503 and "Retry-After" in refused.value.headers
    return taken


def test_one_client_has_a_share_and_others_are_let_in(here: Disk) -> None:
    assert fill(here, "1.1.1.1", 100) == 20
    assert fill(here, "1.1.1.2", 0) == 20
    assert send(here, "1.1.1.3", 900).path.stat().st_size == 900


def test_all_together_have_a_limit_and_the_later_always_find_some_room(here: Disk, tmp_path: Path) -> None:
    taken = [fill(here, f"1.1.1.{number}", 50) for number in range(40)]
    assert min(taken[:3]) == 20 and sum(taken) <= 80
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.jpg")) <= 8_000


def test_what_is_deleted_is_room_again(here: Disk) -> None:
    files = [send(here, "1.1.1.1", 1_000) for _ in range(2)]
    with pytest.raises(Refusal):
        send(here, "1.1.1.1", 500)
    shutil.rmtree(files[0].path.parent)
    send(here, "1.1.1.1", 500)


def test_a_client_s_own_files_give_way_to_its_share(here: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "PROTECTED_SECONDS", 0.0)
    other = send(here, "1.1.1.2", 100)
    files = [send(here, "1.1.1.1", 1_000) for _ in range(10)]
    assert other.path.exists() and [file.path.exists() for file in files] == [False] * 8 + [True] * 2


def test_no_more_than_half_of_what_is_free_is_taken(here: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: Usage(0, 0, 800))
    with pytest.raises(Refusal):
        send(here, "", 500)
    send(here, "", 300)


def test_where_an_address_says_nothing_the_oldest_that_nobody_asks_about_gives_way(
    here: Disk, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = [send(here, "", 1_000) for _ in range(8)]
    with pytest.raises(Refusal):
        send(here, "", 1_000)  # all are young
    monkeypatch.setattr(disk, "PROTECTED_SECONDS", 0.0)
    here._named = lambda: {str(files[0].path)}
    send(here, "", 1_000)
    assert [file.path.exists() for file in files[:3]] == [True, False, True]


def test_what_is_still_being_written_does_not_give_way(here: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow upload may be older than any whole file; it is young when it ends."""
    slow = NewFile(here, "slow.jpg", "")
    slow.write(b"x" * 1_000)
    monkeypatch.setattr(disk, "PROTECTED_SECONDS", -1.0)
    whole = [send(here, "", 1_000) for _ in range(7)]
    send(here, "", 1_000)
    assert slow.path.exists() and [file.path.exists() for file in whole] == [False] + [True] * 6
    slow.write(b"x" * 1_000)
    slow.close()
    assert slow.path.stat().st_size == 2_000
    send(here, "", 1_000)
    assert slow.path.exists() and [file.path.exists() for file in whole] == [False] * 3 + [True] * 4
