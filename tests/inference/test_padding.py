"""A photo padded to a frame and resized without the frame has the pixels that it would have had with it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mirror.inference import preprocess as room
from mirror.inference.padding import FILTERS, NUMPY_PAD_MODES, pad_and_resize
from mirror.inference.preprocess import crop_pad, preprocess
from mirror.model_schema import Preprocessing

SIZES = [(900, 101), (101, 900), (3_000, 7), (7, 3_000), (1, 1_000), (1_000, 1), (640, 480), (481, 639), (50, 50)]
ROOT = Path(__file__).resolve().parents[2]


def noise(width: int, height: int) -> Image.Image:
    random = np.random.default_rng(width * 7919 + height)
    return Image.fromarray(random.integers(0, 256, (height, width, 3), dtype=np.uint8))


@pytest.mark.parametrize("resample", [*FILTERS, Image.Resampling.NEAREST], ids=lambda each: each.name)
@pytest.mark.parametrize("pad_mode", NUMPY_PAD_MODES)
def test_the_pixels_are_those_of_the_whole_frame_to_the_last_bit(
    pad_mode: str, resample: Image.Resampling, monkeypatch: pytest.MonkeyPatch
) -> None:
    for target in ((64, 64), (71, 40)):
        how = Preprocessing("pad", target, (0, 0, 0), (1, 1, 1), resample=resample.name.lower(), pad_mode=pad_mode)
        for width, height in SIZES:
            image = noise(width, height)
            monkeypatch.setattr(room, "MAX_FRAME_PIXELS", 10**12)
            whole = preprocess(image, how)
            monkeypatch.setattr(room, "MAX_FRAME_PIXELS", 0)
            assert np.array_equal(preprocess(image, how), whole), (width, height)


def test_a_frame_that_cuts_off_and_pads_is_the_same() -> None:
    image = noise(40, 30)
    for corner in ((-5, 7), (3, -9), (-4, -4), (5, 2)):
        framed = crop_pad(image, (45, 28), corner, "reflection").resize((9, 11), Image.Resampling.BILINEAR)
        found = pad_and_resize(image, (45, 28), corner, "reflection", (9, 11), Image.Resampling.BILINEAR)
        assert np.array_equal(np.asarray(found), np.asarray(framed)), corner


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="Linux's way of counting memory")
@pytest.mark.parametrize(("width", "height"), [(65_500, 8), (8, 65_500), (49_000, 1_000), (1_000, 49_000)])
def test_a_panorama_takes_little_more_than_itself(width: int, height: int) -> None:
    code = (
        "import resource\n"
        "from PIL import Image\n"
        "from mirror.inference.preprocess import preprocess\n"
        "from mirror.model_schema import Preprocessing\n"
        "resource.setrlimit(resource.RLIMIT_AS, (4_000_000_000,) * 2)\n"
        "how = Preprocessing('pad', (224, 224), (0, 0, 0), (1, 1, 1))\n"
        "preprocess(Image.new('RGB', (64, 48)), how)\n"
        f"photo = Image.new('RGB', ({width}, {height}))\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "preprocess(photo, how)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-500:]
    assert int(done.stdout) * 1024 < 300_000_000  # kilobytes on Linux; the frame would take 7 to 17 GB
