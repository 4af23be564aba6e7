"""Killed at any moment: a share of what benchmarks/hostile/kills.py does in full.

The class: a `kill -9` between any two steps of anything that writes (collecting, models, decisions, batch jobs), at
random moments that a seed gives again. Nothing is lost or doubled, no reader ever meets half of something, nothing is
left behind, and the same command goes on to the same bytes.
"""

from __future__ import annotations

import itertools
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from mirror.collect.corrections import read_corrections
from tests.hostile import programs, scenes
from tests.hostile.killed_commands import OPERATIONS, done_in
from tests.hostile.kills import ForkServer, Tally, campaign, rounds
from tests.hostile.scenes import Result, Scene
from tests.world import World

SCENES: dict[str, tuple[Callable[[], Scene], int]] = {
    "folder": (scenes.folder_scene, 6),
    "model": (scenes.model_scene, 25),
    "decisions": (scenes.decisions_scene, 25),
    "jsonl": (lambda: scenes.batch_scene("jsonl"), 6),
    "parquet": (lambda: scenes.batch_scene("parquet"), 3),
}


def killed(scene: Scene, kills: int, place: Path) -> Tally:
    with ForkServer(scene.kind) as server:
        return campaign(scene, server, kills=kills, seed=2026, scratch=place)


@pytest.mark.parametrize("name", SCENES)
def test_a_killed_command_goes_on_and_loses_nothing(name: str, tmp_path: Path) -> None:
    scene, kills = SCENES[name][0](), SCENES[name][1]
    tally = killed(scene, kills, tmp_path)
    assert tally.faults == []
    assert tally.kills >= kills and tally.resumed > kills / 10


def test_a_killed_search_goes_on_and_loses_nothing(world: World, tmp_path: Path) -> None:
    assert killed(scenes.search_scene(world), 3, tmp_path).faults == []


def test_a_killed_studio_loses_no_decision(tmp_path: Path) -> None:
    """The whole program, and decisions that come over HTTP while it is killed."""
    tally = programs.kill_studio(1, 2026, tmp_path)
    assert (tally.faults, tally.kills) == ([], 1)


def test_what_was_decided_together_is_written_together(tmp_path: Path) -> None:
    """Killed at every single step of four decisions, half of what is being written on the disk: none is there in part,
    so that an undo takes back all of what was clicked or nothing."""
    scene = scenes.decisions_scene()
    (tmp_path / "start").mkdir()
    arguments = (*scene.lay(tmp_path / "start"), "4")
    with ForkServer("decisions") as server:
        for event in itertools.count(1):
            shutil.rmtree(tmp_path / "place", ignore_errors=True)
            shutil.copytree(tmp_path / "start", tmp_path / "place")
            ended = server.run(tmp_path / "place", arguments, tmp_path / "log", event=event, torn=True)
            assert scene.between(tmp_path / "place") == []
            folder = tmp_path / "place" / scenes.FOLDER
            done = [lines_of(number) for number in range(done_in(folder))]
            assert len(read_corrections(folder)) == sum(done), event
            if not ended.killed:
                break
    assert event > 20 and len(done) == 4


def lines_of(number: int) -> int:
    """How many lines of decisions.csv an operation takes."""
    action, places, _ = OPERATIONS[number]
    return len(OPERATIONS[number - 1][1]) if action == "undo" else len(places)


def test_a_campaign_that_kills_nothing_ends() -> None:
    tally = Tally("idle")
    with pytest.raises(RuntimeError, match="idle: 50 rounds in turn killed nothing"):
        for _ in rounds(tally, 1):
            pass
    for _ in rounds(tally, 3):
        tally.kills += tally.rounds % 2
    assert tally.kills == 3


def test_the_harness_sees_what_a_careless_program_loses(tmp_path: Path) -> None:
    """A program that appends where it is read and begins anew: doubled rows, half a file, something left behind."""

    def result(place: Path) -> Result:
        return Result(Counter((place / "answers.csv").read_text().splitlines()), scenes.files_below(place))

    def between(place: Path) -> list[str]:
        path = place / "answers.csv"
        return ["half a file"] if path.exists() and len(path.read_text().splitlines()) % 20 else []

    scene = Scene("careless", lambda place: (), between, result)
    tally = killed(scene, 12, tmp_path)
    assert tally.doubled and tally.half and tally.differ and tally.kills == 12
