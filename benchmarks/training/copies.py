"""How many altered copies of photos land on the other side of a split: by hashes alone, and with the body's features.

    python -m benchmarks.training.copies                    # about 10 minutes on one core

Every photo of waterfowl and of ants_bees/val (whose classes the packaged tf_efficientnet_lite0 was taught) lies beside
one altered copy of each kind; groups are made as the recipe makes them (mirror/training/groups.py). A copy "passes"
where it is in another group than its photo. Beside that: the different photos that are taken for one, in each set by
itself as well.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from benchmarks import DATA
from benchmarks.training.material import ARCH, SEED, seen_photos
from benchmarks.training.near_duplicates import _crop
from mirror.collect.screening import LONG_SIDE
from mirror.images import load_image, shrink


def turned(image: Image.Image, crop: float = 0.0) -> Image.Image:
    """Turned by 5°, without the corners that this leaves empty, then cropped by a share of each side."""
    rotated = image.rotate(5, Image.Resampling.BICUBIC)
    return _crop(_crop(rotated, 0.16), crop)


def corner(image: Image.Image, share: float = 0.75) -> Image.Image:
    width, height = image.size
    return image.crop((width - round(width * share), height - round(height * share), width, height))


ALTERED: dict[str, Callable[[Image.Image], Image.Image]] = {
    "turned by 5°": turned,
    "turned by 5°, cropped by 15 %": lambda image: turned(image, 0.15),
    "cropped by 20 %": lambda image: _crop(image, 0.2),
    "cropped by 30 %": lambda image: _crop(image, 0.3),
    "cropped by 30 %, mirrored": lambda image: ImageOps.mirror(_crop(image, 0.3)),
    "a corner, 75 % of each side": corner,
}


SETS = (DATA / "waterfowl", DATA / "ants_bees" / "val")


def write_pairs(place: Path, alter: Callable[[Image.Image], Image.Image], every: int) -> None:
    """place/<label>/<n>.png and <n>-copy.png of every so many photos, the copies of all of them."""
    for folder in SETS:
        for label in sorted(path for path in folder.iterdir() if path.is_dir()):
            (place / label.name).mkdir(parents=True)
            for number, file in enumerate(sorted(label.iterdir())[::every]):
                image = shrink(load_image(file, at_least=LONG_SIDE), LONG_SIDE)
                image.save(place / label.name / f"{number}.png")
                alter(image).save(place / label.name / f"{number}-copy.png")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", type=int, default=1, help="only every so many photos (default: all)")
    options = parser.parse_args()
    from mirror.training.groups import group_alike

    for folder in SETS:
        views, _, data = seen_photos(folder)
        alone, photos = len(set(group_alike(data, views)[0].groups)), len(data.photos)
        print(f"{folder.relative_to(DATA)} without copies: {photos} photos, {photos - alone} joined to others")
    print(f"{ARCH}, seed {SEED}\n\n| copies | photos | pass hashes | pass both | ratio | different photos joined |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name, alter in ALTERED.items():
        with tempfile.TemporaryDirectory() as place:
            write_pairs(Path(place), alter, options.every)
            views, _, data = seen_photos(Path(place))
        joined, _ = group_alike(data, views)
        where = {photo.url: row for row, photo in enumerate(data.photos)}
        copies = [(row, where[url.replace("-copy", "")]) for url, row in where.items() if "-copy" in url]
        by_hash, by_both = (
            np.mean([groups[copy] != groups[own] for copy, own in copies]) for groups in (data.groups, joined.groups)
        )
        sources = [photo.url.replace("-copy", "") for photo in data.photos]
        mixed = sum(
            len({sources[row] for row in np.flatnonzero(joined.groups == group)}) - 1 for group in set(joined.groups)
        )
        ratio = by_both / by_hash if by_hash else float("nan")
        print(
            f"| {name} | {len(copies)} | {100 * by_hash:.0f} % | {100 * by_both:.1f} % | {ratio:.2f} | {mixed} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
