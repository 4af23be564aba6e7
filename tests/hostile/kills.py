"""Commands that are killed (`kill -9`) again and again at random moments, and the sums that show what was lost.

    with ForkServer("folder") as server:
        tally = campaign(folder_scene(), server, kills=100, seed=1, scratch=Path("scratch"))
    assert tally.faults == []

A round lays a fresh working folder, runs the command and kills it up to five times, each time going on with the same
command, then lets it end; what is there then must be what an undisturbed run leaves. When: fork_server.py.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.hostile.scenes import Result, Scene
from tests.support.limits import read_line

ROOT = Path(__file__).resolve().parents[2]
MAX_KILLS_A_ROUND = 5
BY_STEP = 0.7  # share of the kills that come at a step that matters to a disk; the others come at any time
TORN = 0.3  # of those, share that leaves half of what is being written
FRUITLESS = 50  # rounds in turn without a kill, after which a campaign gives up
SURVIVORS_SECONDS = 5.0  # for what a killed process had started to notice, and end


@dataclass(frozen=True)
class Ended:
    """How a run ended: killed by us, else with an exit code. steps: that matter to a disk; seconds: it took."""

    killed: bool
    code: int
    steps: int
    seconds: float
    session: int


@dataclass
class Tally:
    """A kind's sums. resumed: runs that went on after a kill. lost, doubled: rows that an undisturbed run leaves and
    these did not, or left twice. half: broken states that a reader could have met between the kills. leftovers: files
    that no undisturbed run leaves. differ: files with other bytes. survivors: processes that outlived their parent."""

    kind: str
    kills: int = 0
    rounds: int = 0
    resumed: int = 0
    lost: int = 0
    doubled: int = 0
    half: int = 0
    leftovers: int = 0
    differ: int = 0
    survivors: int = 0
    failed: int = 0
    notes: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        return self.notes

    def note(self, name: str, number: int, what: str) -> None:
        if number:
            setattr(self, name, getattr(self, name) + number)
            self.notes.append(f"{self.kind}, round {self.rounds}: {what}")


class ForkServer:
    """The process that forks the commands of one kind."""

    def __init__(self, kind: str):
        environment = os.environ | {
            "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "GRADIO_ANALYTICS_ENABLED": "False", "PYTHONHASHSEED": "0",
        }  # fmt: skip
        command = [sys.executable, "-m", "tests.hostile.fork_server", kind]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self._process = subprocess.Popen(command, cwd=ROOT, env=environment, text=True, **pipes)
        if read_line(self._process) != "ready\n":
            raise RuntimeError(f"the commands of {kind} could not be imported")

    def run(self, place: Path, arguments: Any, log: Path, **moment: Any) -> Ended:
        told = {"place": str(place), "arguments": list(arguments), "log": str(log), **moment}
        print(json.dumps(told), file=self._process.stdin, flush=True)
        return Ended(**json.loads(read_line(self._process)))

    def __enter__(self) -> ForkServer:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait(30)
        self._process.stdout.close()


def campaign(scene: Scene, server: ForkServer, *, kills: int, seed: int, scratch: Path) -> Tally:
    """At least so many kills of one kind, the same moments for the same seed (but for those that a clock gives)."""
    chance, tally, log = random.Random(f"{scene.kind} {seed}"), Tally(scene.kind), scratch / "log.txt"
    scratch.mkdir(parents=True, exist_ok=True)
    start, place = scratch / "start", scratch / "place"
    start.mkdir()
    arguments = scene.lay(start)
    shutil.copytree(start, place, symlinks=True)
    whole = server.run(place, arguments, log)
    if whole.code != 0 and scene.kind != "batch":
        raise RuntimeError(f"{scene.kind} ends with {whole.code} undisturbed: {log.read_text()[-2000:]}")
    expected = scene.result(place)
    for _ in rounds(tally, kills):
        shutil.rmtree(place)
        shutil.copytree(start, place, symlinks=True)
        before = tally.kills
        for _ in range(chance.randint(1, min(MAX_KILLS_A_ROUND, kills - tally.kills))):
            ended = server.run(place, arguments, log, **_moment(chance, whole))
            if not ended.killed:
                break
            tally.kills += 1
            for wrong in scene.between(place):
                tally.note("half", 1, wrong)
            tally.note("survivors", _survivors(ended.session), "a process outlived its parent")
        tally.resumed += tally.kills > before
        if ended.killed:
            ended = server.run(place, arguments, log)
        if ended.code != whole.code:
            tally.note("failed", 1, f"the same command ended with {ended.code}: {log.read_text()[-600:]}")
            continue
        compare(tally, expected, scene.result(place))
    return tally


def rounds(tally: Tally, kills: int) -> Iterator[None]:
    """Round after round, counted, until there were so many kills. Raises RuntimeError where there will never be."""
    fruitless = 0
    while tally.kills < kills:
        before, tally.rounds = tally.kills, tally.rounds + 1
        yield
        fruitless = 0 if tally.kills > before else fruitless + 1
        if fruitless == FRUITLESS:
            raise RuntimeError(f"{tally.kind}: {FRUITLESS} rounds in turn killed nothing")


def _moment(chance: random.Random, whole: Ended) -> dict[str, Any]:
    if chance.random() < BY_STEP:
        return {"event": chance.randint(1, whole.steps), "torn": chance.random() < TORN}
    return {"seconds": chance.uniform(0.0, whole.seconds)}


def compare(tally: Tally, expected: Result, found: Result) -> None:
    """Counts what differs from an undisturbed run."""
    lost, more = expected.rows - found.rows, found.rows - expected.rows
    doubled = Counter({row: number for row, number in more.items() if row in expected.rows})
    tally.note("lost", lost.total(), f"lost {list(lost)[:2]}")
    tally.note("doubled", doubled.total(), f"doubled {list(doubled)[:2]}")
    tally.note("differ", (more - doubled).total(), f"not of an undisturbed run: {list(more - doubled)[:2]}")
    left = found.files.keys() - expected.files.keys()
    tally.note("leftovers", len(left), f"left {sorted(left)[:5]}")
    gone = expected.files.keys() - found.files.keys()
    tally.note("lost", len(gone), f"gone {sorted(gone)[:5]}")
    differ = [name for name in expected.files.keys() & found.files.keys() if expected.files[name] != found.files[name]]
    tally.note("differ", len(differ), f"other bytes {sorted(differ)[:5]}")


def _survivors(session: int) -> int:
    """How many processes of a killed run's session are left after SURVIVORS_SECONDS; they are ended."""
    deadline = time.monotonic() + SURVIVORS_SECONDS
    while (left := list(of_session(session))) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in left:
        with _gone():
            os.kill(pid, signal.SIGKILL)
    return len(left)


def of_session(session: int) -> Iterator[int]:
    """The living processes of a session, where /proc tells."""
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, own = entry.read_text().rpartition(")")[2].split()[:4]
        except (OSError, ValueError):
            continue
        if int(own) == session and state != "Z":
            yield int(entry.parent.name)


@contextmanager
def _gone() -> Iterator[None]:
    try:
        yield
    except ProcessLookupError:
        pass
