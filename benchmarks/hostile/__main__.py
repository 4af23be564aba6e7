"""The table of SECURITY.md: hostile files, hostile visitors, and processes killed at any moment.

    python -m benchmarks.hostile                     # all three, about two hours on 2 cores
    python -m benchmarks.hostile files visitors      # some of them
    python -m benchmarks.hostile --quick             # a small share of each, some ten minutes
    python -m benchmarks.hostile visitors --against DIR   # and the same visitors on another checkout, in turn

Each part is a script of its own with settings of its own: files.py, visitors.py and kills.py beside this one. Every
hostile file is opened in a process with a limit on its memory, and every server listens on 127.0.0.1 alone.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path

from benchmarks.hostile import files, kills, visitors

Row = tuple[str, str]  # what was measured, and the figure
QUICK_FILES, QUICK_KILLS = 280, 0.03  # mutations, ten of each format; share of the kills


def parts(options: argparse.Namespace) -> dict[str, Callable[[], Iterable[Row]]]:
    return {
        "files": lambda: files.measure(QUICK_FILES if options.quick else 10_000),
        "visitors": lambda: visitors.measure(options.quick, options.against),
        "kills": lambda: kills.measure(QUICK_KILLS if options.quick else 1.0),
    }


def main() -> None:
    names = list(parts(argparse.Namespace()))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", default=names, metavar="PART", help=f"of {', '.join(names)}")
    parser.add_argument("--quick", action="store_true", help="a small share of each")
    parser.add_argument("--against", type=Path, metavar="DIR", help="another checkout, for the visitors' figures")
    options = parser.parse_args()
    if unknown := set(options.parts) - set(names):
        parser.error(f"there is no part {', '.join(sorted(unknown))}: choose of {', '.join(names)}")
    print("| what | measured |\n| --- | --- |")
    for name, measure in parts(options).items():
        if name in options.parts:
            for what, figure in measure():
                print(f"| {what} | {figure} |", flush=True)


if __name__ == "__main__":
    main()
