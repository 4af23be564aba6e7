"""Killed at any moment: 1,000 `kill -9` in all, a line a kind.

    python -m benchmarks.hostile.kills                 # 1,000 kills; half an hour on two cores
    python -m benchmarks.hostile.kills --kills 100     # a tenth of each kind

Collecting (from a search in a small internet of its own, from a folder, from a model's photo list), training,
compiling, the studio's decisions, batch jobs and the writing of models are killed at random moments that the seed gives
again; see tests/hostile/kills.py. A share is killed as whole programs started anew (`python app.py --studio`, `python
train.py`, the compile child of the page, Ray's workers): tests/hostile/programs.py.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.hostile import programs, scenes
from tests.hostile.kills import ForkServer, Tally, campaign
from tests.world import World

SEED = 2026
HEAD = ("kills", "rounds", "resumed", "lost", "doubled", "half", "leftovers", "differ", "survivors", "failed")
FORKED = {
    "decisions": 300, "model": 250, "jsonl": 100, "csv": 80, "parquet": 80, "folder": 70, "search": 40, "recipe": 30,
    "training": 10, "compile": 10,
}  # fmt: skip
PROGRAMS = {"studio": 12, "train again": 4, "train.py": 6, "compile child": 6, "ray": 2}


def tallies(share: float = 1.0) -> Iterator[Tally]:
    """Each kind's sums, with at least one kill a kind. share: of the 1,000."""
    with tempfile.TemporaryDirectory() as scratch, World() as world:
        makers: dict[str, Callable[[Path], scenes.Scene]] = {
            "search": lambda _: scenes.search_scene(world),
            "folder": lambda _: scenes.folder_scene(),
            "recipe": lambda _: scenes.recipe_scene(world),
            "model": lambda _: scenes.model_scene(),
            "decisions": lambda _: scenes.decisions_scene(),
            "training": scenes.training_scene,
            "compile": scenes.compile_scene,
        } | {kind: lambda _, kind=kind: scenes.batch_scene(kind) for kind in ("jsonl", "csv", "parquet")}
        for name, number in FORKED.items():
            place = Path(scratch, name)
            place.mkdir()
            scene = makers[name](place)
            with ForkServer(scene.kind) as server:
                kills = max(1, round(number * share))
                tally = campaign(scene, server, kills=kills, seed=SEED, scratch=place / "rounds")
            tally.kind = name
            yield tally
        for name, number in PROGRAMS.items():
            place = Path(scratch, name)
            place.mkdir()
            yield programs.KINDS[name](max(1, round(number * share)), SEED, place)


def measure(share: float = 1.0) -> list[tuple[str, str]]:
    """(what, figure) for the table of benchmarks.hostile."""
    return _rows(list(tallies(share)))


def _rows(found: list[Tally]) -> list[tuple[str, str]]:
    total = {name: sum(getattr(tally, name) for tally in found) for name in HEAD}
    kinds = ", ".join(f"{tally.kind} {tally.kills:,}" for tally in found)
    broken = total["half"] + total["leftovers"] + total["differ"] + total["survivors"] + total["failed"]
    return [
        ("kills", f"{total['kills']:,} ({kinds})"),
        ("lost or doubled", f"{total['lost'] + total['doubled']:,}"),
        ("half models or files, leftovers, other bytes, survivors, failures", f"{broken:,}"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000, metavar="N", help="in all, about (default: 1,000)")
    share, begun, found = parser.parse_args().kills / 1000, time.monotonic(), []
    print(f"{'kind':<14}" + "".join(f"{name:>11}" for name in HEAD))
    for tally in tallies(share):
        found.append(tally)
        print(f"{tally.kind:<14}" + "".join(f"{getattr(tally, name):>11,}" for name in HEAD), flush=True)
        for note in tally.notes[:5]:
            print(f"  {note}")
    for what, figure in _rows(found):
        print(f"{what}: {figure}")
    print(f"{time.monotonic() - begun:.0f} s")


if __name__ == "__main__":
    main()
