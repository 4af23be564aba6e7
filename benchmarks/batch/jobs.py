"""Folders of any size: the rate of `mirror predict DIR --out x.parquet`, and its memory from 1,000 to 100,000 images.

    python -m benchmarks.batch.jobs  # both tables; the second takes half an hour on 2 cores
    python -m benchmarks.batch.jobs --rows memory --images 1000,10000
    python -m benchmarks.batch.jobs --rows rate --photos 2000 --keep kept

rate: a ResNet-18 of 256 px, int8, against a loop over fastai's `learn.predict` on the same pickle (of
benchmarks/serving/material.py), over photos of 640 px. Theirs is asked for a part before ours and one after; ours is
the whole command, from the start of the process to the finished file. memory: the shipped model over hard links to a
few photos, all in one folder; the peak of the process's resident memory, and the seconds that listing them takes.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path

from benchmarks import ROOT
from benchmarks.serving.material import PHOTOS, gather
from benchmarks.serving.sides import Side
from mirror.batch.checkpoint import JobStore
from mirror.image_sources import find_sources
from mirror.images import encode_jpeg, load_image

ROWS = ("rate", "memory")
ASKED = 60  # photos that fastai is asked each time; its rate does not depend on how many
SIDE = 320  # pixels of a photo's long side where memory is measured
FILES = 40  # photos that the hard links share; a file may have some tens of thousands of them


@dataclass(frozen=True)
class Run:
    seconds: float
    megabytes: float  # peak resident


def predict(folder: Path, model: Path, out: Path) -> Run:
    """The command, in a process of its own."""
    command = [sys.executable, "-m", "mirror", "predict", str(folder), "--model", str(model), "--out", str(out)]
    start = time.perf_counter()
    process = subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)})
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {process.returncode}.")
    unit = 1024 if sys.platform != "darwin" else 1024**2
    return Run(time.perf_counter() - start, used.ru_maxrss / unit)


def linked(files: list[Path], folder: Path, count: int) -> Path:
    folder.mkdir()
    for number, file in enumerate(islice(cycle(files), count)):
        os.link(file, folder / f"{number:07d}.jpg")
    return folder


def rate(place: Path, keep: Path, photos: int) -> None:
    made = gather(keep)
    folder = linked(made.many, place / "photos", photos)
    with Side("theirs", made.pickle) as theirs:
        theirs.predict(made.many[0])
        loop = [theirs.predict(file)[0] for file in made.many[:ASKED]]
        ours = predict(folder, made.folder(made.precision), place / "rate.parquet")
        loop += [theirs.predict(file)[0] for file in made.many[:ASKED]]
    a, b = len(loop) / sum(loop), photos / ours.seconds
    print(f"\n| {photos:,} photos of 640 px | images per second | ratio |\n| --- | ---: | ---: |")
    print(f"| a loop over learn.predict | {a:.1f} | 1 |")
    print(f"| predict DIR --out x.parquet, start and end included | {b:.1f} | {b / a:.1f} x |", flush=True)


def memory(place: Path, model: Path, counts: list[int]) -> None:
    sources = sorted(PHOTOS.rglob("*.jpg"))[:FILES] or sorted((ROOT / "examples").glob("*.jpg"))
    files = [place / f"source {number}.jpg" for number in range(len(sources))]
    for source, file in zip(sources, files, strict=True):
        file.write_bytes(encode_jpeg(load_image(source), SIDE))
    print("\n| images | peak memory, MB | images per second | listing them, s |\n| ---: | ---: | ---: | ---: |")
    for count in counts:
        folder = linked(files, place / str(count), count)
        with JobStore(place / "listing") as work:
            start = time.perf_counter()
            work.begin({}, find_sources([str(folder)]))
            listing = time.perf_counter() - start
        run = predict(folder, model, place / f"{count}.parquet")
        told = f"| {count:,} | {run.megabytes:.0f} | {count / run.seconds:.1f} | {listing:.2f} |"
        print(told, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", default=",".join(ROWS), help="some of rate, memory (default: both)")
    parser.add_argument("--photos", type=int, default=500, help="of the rate (default: %(default)s)")
    parser.add_argument("--images", default="1000,10000,100000", help="counts for memory (default: %(default)s)")
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "mirror", help="for memory")
    parser.add_argument("--keep", type=Path, help="keep learner, models and photos of the rate here")
    options = parser.parse_args()
    busy = os.getloadavg()[0]
    print(f"{os.cpu_count()} CPUs, load average at the start {busy:.1f}")
    with tempfile.TemporaryDirectory(prefix="batch-") as scratch:
        place = Path(scratch)
        if "rate" in options.rows.split(","):
            rate(place, options.keep or place / "made", options.photos)
        if "memory" in options.rows.split(","):
            memory(place, options.model, [int(count) for count in options.images.split(",")])


if __name__ == "__main__":
    main()
