"""`python -m mirror predict` as a process of its own: started, awaited or killed; and photos for it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from tests.support.limits import LIMIT
from tests.web.tiny import BLUE, GREY, RED, YELLOW, photo

ROOT = Path(__file__).parents[2]
COLOURS = (GREY, YELLOW, BLUE, RED)


def start(place: Path, *arguments: str, **options) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONWARNINGS": "error"} | options.pop("environment", {})
    command = [sys.executable, "-m", "mirror", "predict", *arguments]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=place, env=environment, text=True, encoding="utf-8", **pipes, **options)


def run(place: Path, *arguments: str, **options) -> subprocess.CompletedProcess:
    process = start(place, *arguments, **options)
    out, err = process.communicate(timeout=LIMIT)
    return subprocess.CompletedProcess(process.args, process.returncode, out, err)


def photos(folder: Path, count: int) -> None:
    """`count` names for four small pictures of one colour each, with names that no format takes for granted."""
    folder.mkdir(parents=True)
    for number, colour in enumerate(COLOURS):
        (folder / f".{number}").write_bytes(photo(colour, (8, 8), format="PNG"))
    for number in range(count):
        os.link(folder / f".{number % len(COLOURS)}", folder / f'{number:04d} "ü",\n.png')


def rows_written(place: Path, out: str) -> int:
    path = place / f".{out}.job" / "rows.jsonl"
    return path.read_bytes().count(b"\n") if path.exists() else 0


def until(condition, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.01)
