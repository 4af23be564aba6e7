"""Which perceptual hash, and how near is a near-duplicate? Measured on real photos, not assumed.

    python -m benchmarks.training.near_duplicates [--data ../shared/data] [--limit N] [--out FILE.md]

Every photo is altered the ways the web alters photos (ALTERED: re-encoded, resized, cropped, brightened, watermarked)
and hashed. Printed, for each of imagehash's hashes: how far the altered copies lie from their originals; how near the
nearest pairs of different photos lie; and, at each distance, the share of copies that would be found and the number of
pairs of different photos that would be taken for copies. Two more tables: how well a mirrored photo's phash can be
predicted, and how phash fails on faded photos. The constants of mirror/collect/near_duplicates.py are read off these
tables. 90 seconds on one core.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

import imagehash
import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageOps

from benchmarks import DATA
from mirror.collect.near_duplicates import MIN_CONTRAST, contrast
from mirror.collect.screening import LONG_SIDE
from mirror.errors import ImageError
from mirror.images import encode_jpeg, load_image, shrink

HASHES: dict[str, Callable[[Image.Image], imagehash.ImageHash]] = {
    "phash 64 bits": imagehash.phash,
    "phash 256 bits": lambda image: imagehash.phash(image, hash_size=16),
    "dhash 64 bits": imagehash.dhash,
    "dhash 256 bits": lambda image: imagehash.dhash(image, hash_size=16),
    "whash 64 bits": imagehash.whash,
    "ahash 64 bits": imagehash.average_hash,
}


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    return load_image(encode_jpeg(image, None, quality))


def _crop(image: Image.Image, share: float, corner: bool = False) -> Image.Image:
    width, height = image.size
    dx, dy = round(width * share), round(height * share)
    left, top = (0, 0) if corner else (dx // 2, dy // 2)
    return image.crop((left, top, left + width - dx, top + height - dy))


def _faded(image: Image.Image, target: float) -> Image.Image:
    """The photo in grey with its contrast (standard deviation of the grey levels at 32 x 32 px) brought to `target`."""
    grey = np.asarray(image.convert("L"), dtype=np.float64)
    levels = 128 + (grey - grey.mean()) * target / contrast(image)
    return Image.fromarray(levels.clip(0, 255).round().astype(np.uint8))


def _watermark(image: Image.Image) -> Image.Image:
    marked = image.copy()
    width, height = image.size
    box = (round(width * 0.7), round(height * 0.9), width, height)
    ImageDraw.Draw(marked).rectangle(box, fill=(235, 235, 235))
    return marked


ALTERED: dict[str, Callable[[Image.Image], Image.Image]] = {
    "JPEG quality 90": lambda image: _jpeg(image, 90),
    "JPEG quality 60": lambda image: _jpeg(image, 60),
    "JPEG quality 30": lambda image: _jpeg(image, 30),
    "half size": lambda image: shrink(image, max(image.size) // 2),
    "quarter size, quality 60": lambda image: _jpeg(shrink(image, max(image.size) // 4), 60),
    "cropped 2 %": lambda image: _crop(image, 0.02),
    "cropped 5 %": lambda image: _crop(image, 0.05),
    "cropped 5 %, one corner": lambda image: _crop(image, 0.05, corner=True),
    "brightness + 20 %": lambda image: ImageEnhance.Brightness(image).enhance(1.2),
    "contrast + 20 %": lambda image: ImageEnhance.Contrast(image).enhance(1.2),
    "grey": lambda image: image.convert("L").convert("RGB"),
    "watermark (3 % of the area)": _watermark,
    "squeezed 5 %": lambda image: image.resize((round(image.width * 0.95), image.height)),
}
# Not a duplicate: a mirrored photo is rarely reposted and no copy. It is kept on the original's side of a split, though
NOT_COPIES: dict[str, Callable[[Image.Image], Image.Image]] = {"mirrored": ImageOps.mirror}


def read_photos(data: Path, limit: int | None) -> dict[str, Image.Image]:
    photos = {}
    for folder in ("ants_bees", "bikes_bins", "waterfowl", "scenes"):
        for path in sorted((data / folder).rglob("*.*"))[:limit]:
            try:
                image = shrink(load_image(path, at_least=LONG_SIDE), LONG_SIDE)
            except ImageError:
                continue
            if contrast(image) >= MIN_CONTRAST:
                photos[path.relative_to(data).as_posix()] = image
    return photos


def packed(hashes: list[imagehash.ImageHash]) -> np.ndarray:
    """(photos, words) uint8, 8 bits of the hash a word."""
    return np.array([np.packbits(value.hash.ravel()) for value in hashes])


def between(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Hamming distances, row by row."""
    return np.bitwise_count(one ^ other).sum(axis=-1)


def all_pairs(hashes: np.ndarray) -> np.ndarray:
    """Hamming distances of every pair of rows, in itertools.combinations order."""
    return np.concatenate([between(hashes[row], hashes[row + 1 :]) for row in range(len(hashes))])


def quantiles(distances: np.ndarray) -> str:
    return " | ".join(str(int(np.quantile(distances, q, method="higher"))) for q in (0.5, 0.95, 0.99, 1.0))


def compare_hashes(photos: dict[str, Image.Image], out: Callable[[str], None]) -> None:
    pairs = list(combinations(photos, 2))
    altered = {name: [alter(image) for image in photos.values()] for name, alter in (ALTERED | NOT_COPIES).items()}
    for hash_name, hash_of in HASHES.items():
        originals = packed([hash_of(image) for image in photos.values()])
        bits = originals.shape[1] * 8
        out(f"\n## {hash_name}\n\n| altered | median | 95 % | 99 % | largest |\n| --- | --- | --- | --- | --- |")
        copies = []
        for name, images in altered.items():
            away = between(originals, packed([hash_of(image) for image in images]))
            if name in ALTERED:
                copies.append(away)
            out(f"| {name} | {quantiles(away)} |")
        found, apart = np.concatenate(copies), all_pairs(originals)
        nearest = np.argsort(apart, kind="stable")[:5]
        out(f"\nNearest different photos of {len(pairs):,} pairs: "
            + "; ".join(f"{apart[row]} ({pairs[row][0]}, {pairs[row][1]})" for row in nearest))  # fmt: skip
        out("\n| distance at most | copies found | different photos taken for copies | of a million pairs |")
        out("| --- | --- | --- | --- |")
        for distance in [round(bits * eighth / 64) for eighth in range(0, 21, 2)]:
            mistaken = int((apart <= distance).sum())
            out(f"| {distance} | {(found <= distance).mean():.1%} | {mistaken} | {mistaken / len(pairs) * 1e6:.1f} |")


def predict_mirrored(photos: dict[str, Image.Image], out: Callable[[str], None]) -> None:
    """phash of the mirror image against the photo's phash with its odd columns flipped."""
    flipped = packed([imagehash.phash(image) for image in photos.values()]) ^ np.uint8(0b01010101)
    truth = packed([imagehash.phash(ImageOps.mirror(image)) for image in photos.values()])
    out("\n## phash of a mirrored photo, predicted\n\n| | median | 95 % | 99 % | largest |\n" + "| --- " * 5 + "|")
    out(f"| prediction against truth | {quantiles(between(flipped, truth))} |")


def fade(photos: dict[str, Image.Image], out: Callable[[str], None]) -> None:
    """Every other photo, faded, against itself re-encoded at half size and against the other faded photos."""
    lowest = min(contrast(image) for image in photos.values())
    out(f"\n## phash of faded photos (the flattest photo of all has contrast {lowest:.1f})\n")
    out("| contrast | re-encoded: median | 95 % | 99 % | largest | nearest different photos |\n" + "| --- " * 6 + "|")
    for target in (0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0, 16.0):
        faded = [_faded(image, target) for image in list(photos.values())[::2]]
        again = [_jpeg(shrink(image, max(image.size) // 2), 60) for image in faded]
        hashes, others = (packed([imagehash.phash(image) for image in images]) for images in (faded, again))
        out(f"| {target:g} | {quantiles(between(hashes, others))} | {all_pairs(hashes).min()} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=DATA)
    parser.add_argument("--limit", type=int, help="photos a set (default: all)")
    parser.add_argument("--out", type=Path, help="also write the tables here")
    arguments = parser.parse_args()
    lines: list[str] = []

    def out(line: str) -> None:
        print(line, flush=True)
        lines.append(line)

    photos = read_photos(arguments.data, arguments.limit)
    if len(photos) < 2:
        sys.exit(f"{arguments.data} holds fewer than two photos; name a folder of photos with --data.")
    out(f"{len(photos)} photos")
    compare_hashes(photos, out)
    predict_mirrored(photos, out)
    fade(photos, out)
    if arguments.out:
        arguments.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
