"""The table of SECURITY.md: hostile files, hostile visitors, and processes killed at any moment.

    python benchmarks/hostile.py                     # all three, about two hours on 2 cores
    python benchmarks/hostile.py files visitors      # some of them
    python benchmarks/hostile.py --quick             # a small share of each, some ten minutes
    python benchmarks/hostile.py visitors --against DIR   # and the same visitors on another checkout, in turn

Each part is a script of its own with settings of its own: benchmarks/hostile_files.py, benchmarks/hostile_visitors.py
and benchmarks/hostile_kills.py. Every hostile file is opened in a process with a limit on its memory, and every server
listens on 127.0.0.1 alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import hostile_files
import hostile_kills
import hostile_visitors

Row = tuple[str, str]  # what was measured, and the figure


def parts(options: argparse.Namespace) -> dict[str, Callable[[], list[Row]]]:
    return {
        "files": lambda: hostile_files.measure(quick=options.quick),
        "visitors": lambda: hostile_visitors.measure(quick=options.quick, against=options.against),
        "kills": lambda: hostile_kills.measure(quick=options.quick),
    }


def main() -> None:
    names = list(parts(argparse.Namespace()))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="*", choices=[*names, []], metavar="PART", help=f"of {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="a small share of each")
    parser.add_argument("--against", type=Path, metavar="DIR", help="another checkout, for the visitors' figures")
    options = parser.parse_args()
    print("| what | measured |\n| --- | --- |")
    for name, measure in parts(options).items():
        if not options.part or name in options.part:
            for what, figure in measure():
                print(f"| {what} | {figure} |", flush=True)


if __name__ == "__main__":
    main()
