"""What a second worker of `--engine ray` adds, beside the local engine with all CPUs: images per second, in one run.

    python -m benchmarks.batch.ray_workers                                # 2,000 photos of 640 px, three rounds
    python -m benchmarks.batch.ray_workers --photos 200 --rounds 1
    python -m benchmarks.batch.ray_workers --model models/mirror

Each round asks every side for the same photos (those of benchmarks/serving/material.py, hard-linked), one after the
other: the local engine, Ray with one worker, Ray with two. Start: from the start of the process to the first row
written, which for Ray is a cluster that starts, and workers that import and open the model. Rate: the images of the
rest, by the seconds from then to the last row. The model is the int8 ResNet-18 of 256 px that jobs.py asks.
All sides must make the same bytes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks import ROOT
from benchmarks.batch.jobs import linked
from benchmarks.serving.material import gather

SIDES = {
    "local, all CPUs": [],
    "ray, 1 worker": ["--engine", "ray", "--ray-workers", "1"],
    "ray, 2 workers": ["--engine", "ray", "--ray-workers", "2"],
}
POLL_SECONDS = 0.02


@dataclass(frozen=True)
class Run:
    start: float  # seconds to the first row
    seconds: float  # of the whole command
    rate: float  # images per second from the first row on


def ask(folder: Path, model: Path, out: Path, images: int, options: list[str]) -> Run:
    """The command, in a process of its own, watched by the rows it writes down."""
    command = [sys.executable, "-m", "mirror", "predict", str(folder), "--model", str(model), "--out", str(out)]
    rows = out.parent / f".{out.name}.job" / "rows.jsonl"
    begun = time.perf_counter()
    process = subprocess.Popen(command + options, env=os.environ | {"PYTHONPATH": str(ROOT)})
    first = last = before = None
    seen = size = 0
    while process.poll() is None:
        if rows.exists() and rows.stat().st_size > size:
            now = time.perf_counter()
            try:
                text = rows.read_bytes()
            except FileNotFoundError:  # the job has just finished
                continue
            size, seen = len(text), text.count(b"\n")
            if first is None and seen:
                first, before = now, seen
            last = now
        time.sleep(POLL_SECONDS)
    whole = time.perf_counter() - begun
    if process.returncode or first is None or last == first:
        raise SystemExit(f"{' '.join(command + options)} ended with {process.returncode}, or too soon to be measured.")
    return Run(first - begun, whole, (seen - before) / (last - first))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=2000, help="how many (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="each asks every side once (default: %(default)s)")
    parser.add_argument("--model", type=Path, help="default: the int8 ResNet-18 of benchmarks/batch/jobs.py")
    parser.add_argument("--keep", type=Path, help="keep learner, models and photos here")
    options = parser.parse_args()
    print(f"{os.cpu_count()} CPUs, load average at the start {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory(prefix="ray-workers-") as scratch:
        place = Path(scratch)
        made = gather(options.keep or place / "made")
        model = options.model or made.folder(made.precision)
        folder = linked(made.many, place / "photos", options.photos)
        runs: dict[str, list[Run]] = {side: [] for side in SIDES}
        answered = set()
        for number in range(options.rounds):
            for side, more in SIDES.items():
                out = place / f"{number}.jsonl"
                runs[side].append(ask(folder, model.resolve(), out, options.photos, more))
                answered.add(out.read_bytes())
                print(f"{side}: {runs[side][-1]}", file=sys.stderr, flush=True)
        if len(answered) > 1:
            raise SystemExit("The sides do not answer alike.")
    one = statistics.median(run.rate for run in runs["ray, 1 worker"])
    print(f"\n| {options.photos:,} photos of 640 px | first row, s | whole command, s | images/s | to ray, 1 worker |")
    print("| --- | ---: | ---: | ---: | ---: |")
    for side, each in runs.items():
        names = ("start", "seconds", "rate")
        start, whole, rate = (statistics.median(getattr(run, name) for run in each) for name in names)
        print(f"| {side} | {start:.1f} | {whole:.1f} | {rate:.1f} | {rate / one:.2f} x |")


if __name__ == "__main__":
    main()
