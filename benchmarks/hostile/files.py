"""Hostile photos: 10,000 damaged files of 28 formats and every bomb, each decoded in a process with a limit.

    python -m benchmarks.hostile.files [--mutations 10000] [--seed 0] [--without-large]

Memory is that of the process and its worker together beyond the idle process, looked at every 3 ms; a crash is a
process that ended or an exception that is not one sentence, a hang a file that takes more than 60 s.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.hostile.files import BOMBS, LARGE
from tests.hostile.measured import Measured, Outcome
from tests.hostile.mutations import SEEDS, mutations

AT_LEAST = 448  # what a classifier of 224 px asks for


@dataclass
class Tally:
    """What became of some files."""

    outcomes: list[tuple[str, Outcome]] = field(default_factory=list)

    def add(self, name: str, outcome: Outcome) -> None:
        self.outcomes.append((name, outcome))
        if not (outcome.is_image or outcome.is_refusal):
            print(f"  {name}: {outcome.said}", file=sys.stderr)

    def count(self, wanted: Callable[[Outcome], bool]) -> int:
        return sum(wanted(outcome) for _, outcome in self.outcomes)

    def rows(self, what: str) -> list[tuple[str, str]]:
        hangs = self.count(lambda each: each.said == "hang")
        crashes = self.count(lambda each: not (each.is_image or each.is_refusal)) - hangs
        heavy = max(self.outcomes, key=lambda each: each[1].megabytes)
        slow = max(self.outcomes, key=lambda each: each[1].seconds)
        return [
            (f"{what}: files tried", f"{len(self.outcomes):,}"),
            (f"{what}: images", f"{self.count(lambda each: each.is_image):,}"),
            (f"{what}: refused in a sentence", f"{self.count(lambda each: each.is_refusal):,}"),
            (f"{what}: crashes", str(crashes)),
            (f"{what}: hangs", str(hangs)),
            (f"{what}: largest memory over idle", f"{heavy[1].megabytes:.0f} MB ({heavy[0]})"),
            (f"{what}: slowest", f"{slow[1].seconds:.2f} s ({slow[0]})"),
        ]


def bombs(large: bool) -> Iterator[tuple[str, bytes, int | None]]:
    for name, make in (BOMBS | (LARGE if large else {})).items():
        data = make()
        yield name, data, None
        if name.startswith("jpeg"):
            yield f"{name}, reduced", data, AT_LEAST


def measure(count: int = 10_000, seed: int = 0, large: bool = True) -> list[tuple[str, str]]:
    """(what, figure) of each row of the table."""
    damaged, bombed = Tally(), Tally()
    with Measured() as process:
        for number, (name, data) in enumerate(mutations(seed, count)):
            damaged.add(f"{name}, no. {number}", process.decode(data, AT_LEAST if number % 2 else None))
    with Measured() as process:
        for name, data, at_least in bombs(large):
            bombed.add(name, process.decode(data, at_least))
    return [("formats that are damaged", str(len(SEEDS))), *damaged.rows("damaged"), *bombed.rows("bombs")]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mutations", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--without-large", action="store_true", help="leave out the bombs that take seconds to make")
    options = parser.parse_args()
    begun = time.monotonic()
    print("| what | figure |\n| --- | --- |")
    for what, figure in measure(options.mutations, options.seed, not options.without_large):
        print(f"| {what} | {figure} |")
    print(f"\nTook {time.monotonic() - begun:.0f} s.")


if __name__ == "__main__":
    main()
