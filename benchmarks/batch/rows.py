"""What a folder's answers take but for the network: bytes a row in each format, and processor time a row and a photo.

    python -m benchmarks.batch.rows                  # 20,000 made-up answers of each kind; a minute
    python -m benchmarks.batch.rows --rows 100000

Runs the job of `predict DIR --out` (listing the folder, writing rows down, making the file) on empty files and answers
that are made up beforehand, so what is left is what the process that gives the command does for each image. File names
have 36 characters, 25 of them random, and probabilities and scores are as long as a network's: nothing is easier to
compress than in earnest.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from itertools import cycle
from pathlib import Path

import numpy as np

from benchmarks import ROOT
from mirror.batch.checkpoint import list_sources
from mirror.batch.job import Job, run_job
from mirror.batch.writers import OutputFilter
from mirror.image_sources import ImageSource, find_sources
from mirror.inference.classifier import Prediction
from mirror.tasks.detections import Box, Detection, Detections
from mirror.tasks.request import DETECTION_TASKS, IMAGE_CLASSIFICATION, OBJECT_DETECTION

FORMATS = ("parquet", "csv", "jsonl")
MADE_UP = 2000  # answers, in turn
OBJECTS = ("bicycle", "person", "car", "traffic light")

Answers = list[Prediction] | list[Detections]


def predictions(labels: int, random: np.random.Generator) -> Answers:
    """As a network of so many labels gives them."""
    names = [f"label {number}" for number in range(labels)]
    rows = random.dirichlet(np.full(labels, 0.3), MADE_UP).astype(np.float32)
    return [Prediction(dict(zip(names, row.tolist(), strict=True))) for row in rows]


def detections(random: np.random.Generator) -> Answers:
    def found() -> Detection:
        x, y, width, height = random.integers(0, 320, 4).tolist()
        return Detection(float(random.uniform(0.5, 1)), str(random.choice(OBJECTS)), Box(x, y, x + width, y + height))

    return [Detections(tuple(found() for _ in range(4))) for _ in range(MADE_UP)]


def measure(answers: Answers, kind: str, task: str, rows: int) -> tuple[float, float]:
    """Bytes a row, and microseconds of processor time a row, of a job over photos/."""
    out = Path(f"answers.{kind}")
    job = Job.of(
        ["photos"], "made up", out, task=task, format=kind, output=OutputFilter(detections=task in DETECTION_TASKS)
    )

    def answer(sources: Iterator[ImageSource]) -> Iterator[tuple[ImageSource, Prediction | Detections]]:
        return zip(sources, cycle(answers), strict=False)

    start = time.process_time()
    done = run_job(job, out, answer, restart=True)
    assert done.images == rows
    return out.stat().st_size / rows, 1e6 * (time.process_time() - start) / rows


def listing(rows: int) -> tuple[float, float]:
    """Bytes and microseconds of processor time a photo, of a listing alone."""
    written: list[int] = []
    start = time.process_time()
    list_sources(find_sources(["photos"]), lambda line: written.append(len(line)))
    return sum(written) / rows, 1e6 * (time.process_time() - start) / rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=20_000, help="of each kind (default: %(default)s)")
    options = parser.parse_args()
    random = np.random.default_rng(0)
    kinds: dict[str, tuple[str, Callable[[], Answers]]] = {
        "two labels": (IMAGE_CLASSIFICATION, lambda: predictions(2, random)),
        "1,000 labels, top 5": (IMAGE_CLASSIFICATION, lambda: predictions(1000, random)),
        "detections, four an image": (OBJECT_DETECTION, lambda: detections(random)),
    }
    with tempfile.TemporaryDirectory(prefix="rows-") as scratch:
        os.chdir(scratch)  # names as they are given there
        Path("photos").mkdir()
        for number in range(options.rows):
            Path("photos", f"{hashlib.sha1(str(number).encode()).hexdigest()[:25]}.jpg").touch()
        size, each = listing(options.rows)
        print(f"{options.rows:,} photos. The listing: {size:.0f} bytes and {each:.1f} µs of processor time a photo.\n")
        print(f"| a row | {' | '.join(f'{kind}, bytes' for kind in FORMATS)} | processor time, µs |")
        print("| --- | ---: | ---: | ---: | ---: |")
        for name, (task, make) in kinds.items():
            answers = make()
            sizes, times = zip(*(measure(answers, kind, task, options.rows) for kind in FORMATS), strict=True)
            spent = f"{min(times):.0f}–{max(times):.0f}"
            print(f"| {name} | {' | '.join(f'{each:.0f}' for each in sizes)} | {spent} |", flush=True)
        os.chdir(ROOT)


if __name__ == "__main__":
    main()
