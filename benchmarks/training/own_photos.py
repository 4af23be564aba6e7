"""How many photos of one's own folder are left out that are no copy to the byte: by the rule for searches, and by ours.

    python -m benchmarks.training.own_photos                # about a minute

No network is involved. Frames: 80 of one fixed camera, half of them with a mug in the picture (here a bike), shaken by
up to 11 pixels, lighter or darker by 15 %, with noise. Digits: scikit-learn's at 96 pixels. Garments: those of Debian's
dataset-fashion-mnist, where it is installed.
"""

from __future__ import annotations

import gzip
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import DATA
from benchmarks.training.material import quiet
from mirror.images import load_image, shrink

GARMENTS = Path("/usr/share/datasets/fashion-mnist")
EACH = 100  # of each digit and garment


def frames() -> Iterator[tuple[str, Image.Image]]:
    random = np.random.default_rng(0)
    scene = shrink(load_image(sorted((DATA / "scenes" / "other").rglob("*.*"))[0], at_least=640), 640)
    with_mug = scene.copy()
    with_mug.paste(shrink(load_image(sorted((DATA / "bikes_bins" / "bike").rglob("*.*"))[0]), 90), (250, 150))
    for label, image in (("no mug", scene), ("mug", with_mug)):
        for _ in range(40):
            x, y = random.integers(0, 12, 2)
            width, height = image.width - 11, image.height - 11
            pixels = np.asarray(image.crop((x, y, x + width, y + height)), float) * random.uniform(0.85, 1.15)
            pixels += random.normal(0, 8, pixels.shape)
            yield label, Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def digits() -> Iterator[tuple[str, Image.Image]]:
    from sklearn.datasets import load_digits

    found = load_digits()
    for label in range(10):
        for image in found.images[found.target == label][:EACH]:
            yield str(label), Image.fromarray((image * 15.9).astype(np.uint8)).resize((96, 96))


def garments(side: int) -> Iterator[tuple[str, Image.Image]]:
    def read(kind: str, skipped: int) -> np.ndarray:
        return np.frombuffer(gzip.open(next(GARMENTS.glob(f"train-{kind}*"))).read(), np.uint8, offset=skipped)

    images, labels = read("images", 16).reshape(-1, 28, 28), read("labels", 8)
    for label in range(10):
        for image in images[labels == label][:EACH]:
            yield str(label), Image.fromarray(image).resize((side, side))


def main() -> None:
    from mirror.collect import collect_from_folder
    from mirror.collect.copies import EXACT_DUPLICATE, LABELLED, SEARCHED

    sets = {"frames of one camera": frames(), "digits": digits()}
    if GARMENTS.is_dir():
        sets["garments"] = garments(96)
    print("| photos | of them | left out by the rule for searches | by ours |\n| --- | ---: | ---: | ---: |")
    for name, images in sets.items():
        with tempfile.TemporaryDirectory() as place:
            source, total = Path(place) / "in", 0
            for label, image in images:
                (source / label).mkdir(parents=True, exist_ok=True)
                image.save(source / label / f"{total}.png")
                total += 1
            lost = []
            for rule in (SEARCHED, LABELLED):
                with collect_from_folder(Path(place) / "out", source, copies=rule, log=quiet) as folder:
                    lost.append(sum(row.reason != EXACT_DUPLICATE for row in folder.rejected))
        print(f"| {name} | {total} | {lost[0]} | {lost[1]} |", flush=True)


if __name__ == "__main__":
    main()
