"""Hostile photos at once: all decoders of a process share one budget, and an ordinary photo is not kept waiting.

The class: a limit for each photo that holds, times the visitors who send one at the same moment.
"""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from tests.hostile.files import BOMBS

ROOT = Path(__file__).resolve().parents[2]
TOTAL = 1_300_000_000
pytestmark = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from Linux's /proc")

TOGETHER = """
import json, os, resource, sys, threading, time
from mirror.decoding import budget
from mirror.errors import MirrorError
from mirror.images import load_image
from tests.hostile.measured import Peak, family, resident

total, threads, *files = sys.argv[1:]
resource.setrlimit(resource.RLIMIT_AS, (8_000_000_000, 8_000_000_000))
budget._budget = budget.Budget(int(total))
ordinary, *hostile = (open(file, "rb").read() for file in files)
load_image(ordinary)
said, waits, left = [], [], threading.Event()

def stranger(number):
    try:
        said.append(str(load_image(hostile[number % len(hostile)]).size))
    except MirrorError as error:
        said.append(type(error).__name__ + ": " + str(error))

idle = sum(map(resident, family()))
with Peak() as peak:
    strangers = [threading.Thread(target=stranger, args=(number,)) for number in range(int(threads))]
    for each in strangers:
        each.start()
    while any(each.is_alive() for each in strangers):
        begun = time.monotonic()
        load_image(ordinary)
        waits.append(time.monotonic() - begun)
        time.sleep(0.02)
print(json.dumps({"said": said, "megabytes": (peak.most - idle) / 1e6, "longest": max(waits), "answers": len(waits)}))
"""


def together(tmp_path: Path, names: list[str], threads: int = 8) -> dict:
    file = io.BytesIO()
    Image.effect_mandelbrot((640, 480), (-3, -2.5, 2, 2.5), 100).convert("RGB").save(file, "JPEG")
    paths = []
    for number, data in enumerate([file.getvalue(), *(BOMBS[name]() for name in names)]):
        paths.append(tmp_path / str(number))
        paths[-1].write_bytes(data)
    done = subprocess.run(
        [sys.executable, "-c", TOGETHER, str(TOTAL), str(threads), *map(str, paths)], cwd=ROOT, capture_output=True,
        text=True, timeout=180, env={"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "PATH": "/usr/bin:/bin"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-1000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "names",
    [
        ["webp: 41 megapixels in 34 bytes"],
        ["png: 50 megapixels with alpha", "png: 50 megapixels with alpha, to be turned", "tiff: 49 megapixels of LAB"],
    ],
)
def test_eight_strangers_share_one_budget_and_others_are_answered(names: list[str], tmp_path: Path) -> None:
    found = together(tmp_path, names)
    assert len(found["said"]) == 8
    assert found["megabytes"] < (TOTAL + 8 * 60_000_000) / 1e6  # and what eight workers are without a photo
    assert found["answers"] > 3 and found["longest"] < 20  # a bound for "does not hang", on a loaded machine
