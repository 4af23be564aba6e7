"""Labelled pictures that networks are tuned on, most of them of kinds that ImageNet does not have.

    garments    Fashion-MNIST, 10 kinds, 28 px enlarged to 96 (Debian's dataset-fashion-mnist)
    digits      scikit-learn's handwritten digits, 8 px enlarged to 96, one channel as three
    arrows      drawn: left or right, any colour, turned by up to 20 degrees: pooled features hardly see a direction
    stripes     drawn: four directions of stripes of any width and colour, in noise
    bikes_bins  photos of one's own, 2 kinds; waterfowl: the same; both few
    ants_bees   PyTorch's tutorial: both are ImageNet classes, which the network has been taught

`draw_set(name, place, photos, seed)` writes them as PNG files and says which are learned from and which test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from benchmarks import DATA

SIDE = 96  # px
TESTED = 500  # pictures, where a set has as many
TAUGHT = {"ants_bees": "ant and bee are 2 of its network's 1,000 ImageNet classes"}
FASHION = Path("/usr/share/datasets/fashion-mnist")


@dataclass(frozen=True)
class PictureSet:
    """name: of the set; data: its TrainingData, tests being its "validation" pictures; folder: where they lie."""

    name: str
    data: object
    folder: Path
    size: int


def draw_set(name: str, place: Path, photos: int, seed: int) -> PictureSet:
    """photos: to learn from, of each label, fewer where a set has fewer."""
    learned, tested, size = MAKERS[name](photos, np.random.default_rng([seed, photos]))
    return PictureSet(name, _training_data(place / name, learned, tested), place / name, size)


Pictures = list[tuple[str, Image.Image | Path]]


def _garments(photos: int, random: np.random.Generator) -> tuple[Pictures, Pictures, int]:
    from mirror.fashion_mnist.dataset import LABELS, read_split

    halves = []
    for half, each in (("train", photos), ("test", TESTED // 10)):
        split = read_split(FASHION, half)
        rows = [i for label in range(10) for i in random.permutation(np.flatnonzero(split.labels == label))[:each]]
        halves.append([(LABELS[split.labels[i]], _enlarged(split.pixels[i])) for i in rows])
    return halves[0], halves[1], SIDE


def _digits(photos: int, random: np.random.Generator) -> tuple[Pictures, Pictures, int]:
    from sklearn.datasets import load_digits

    found = load_digits()
    half = len(found.target) // 2  # the recipe's settings were chosen on the first one
    pictures = [
        (str(label), _enlarged(np.uint8(15 * image)))
        for label, image in zip(found.target[half:], found.images[half:], strict=True)
    ]
    return _parted(pictures, photos, TESTED // 10, random) + (SIDE,)


def _arrows(photos: int, random: np.random.Generator) -> tuple[Pictures, Pictures, int]:
    def draw(label: str) -> Image.Image:
        image, scale = _ground(random), random.uniform(0.5, 0.9)
        points = np.array([(-40, -8), (5, -8), (5, -25), (42, 0), (5, 25), (5, 8), (-40, 8)]) * scale
        if label == "left":
            points[:, 0] *= -1
        angle = np.radians(random.uniform(-20, 20))
        turned = points @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        turned += SIDE / 2 + random.uniform(-8, 8, 2)
        ImageDraw.Draw(image).polygon([tuple(point) for point in turned], fill=_colour(random))
        return image

    return _drawn(("left", "right"), draw, photos)


def _stripes(photos: int, random: np.random.Generator) -> tuple[Pictures, Pictures, int]:
    angles = {"across": 0, "rising": 45, "upright": 90, "falling": 135}

    def draw(label: str) -> Image.Image:
        angle = np.radians(angles[label] + random.uniform(-15, 15))
        y, x = np.mgrid[:SIDE, :SIDE]
        wave = np.sin(
            (x * np.sin(angle) + y * np.cos(angle)) * 2 * np.pi / random.uniform(6, 30) + random.uniform(0, 6)
        )
        shade = np.clip(0.5 + random.uniform(0.1, 0.5) * wave, 0, 1)[..., None]
        pixels = shade * _colour(random) + (1 - shade) * np.array(_colour(random))
        return Image.fromarray(np.clip(pixels + random.normal(0, 60, (SIDE, SIDE, 1)), 0, 255).astype(np.uint8))

    return _drawn(tuple(angles), draw, photos)


def _own_photos(folder: str) -> Callable[[int, np.random.Generator], tuple[Pictures, Pictures, int]]:
    def make(photos: int, random: np.random.Generator) -> tuple[Pictures, Pictures, int]:
        found = [(file.parent.name, file) for file in sorted((DATA / folder).rglob("*.*")) if file.suffix != ".csv"]
        fewest = min(sum(label == one for one, _ in found) for label in {label for label, _ in found})
        return _parted(found, min(photos, fewest * 2 // 3), TESTED, random) + (128,)

    return make


def _ants_bees(photos: int, random: np.random.Generator) -> tuple[Pictures, Pictures, int]:
    sides = [
        [(file.parent.name, file) for file in sorted((DATA / "ants_bees" / side).rglob("*.jpg"))]
        for side in ("train", "val")
    ]
    return _parted(sides[0], photos, 0, random)[0], sides[1], 128


MAKERS = {
    "garments": _garments, "digits": _digits, "arrows": _arrows, "stripes": _stripes,
    "bikes_bins": _own_photos("bikes_bins"), "waterfowl": _own_photos("waterfowl"), "ants_bees": _ants_bees,
}  # fmt: skip


def _parted(pictures: Pictures, learned: int, tested: int, random: np.random.Generator) -> tuple[Pictures, Pictures]:
    """Of each label so many to learn from, and at most so many of the rest to test by."""
    sides: tuple[Pictures, Pictures] = ([], [])
    for label in sorted({label for label, _ in pictures}):
        own = [pictures[i] for i in random.permutation([i for i, (one, _) in enumerate(pictures) if one == label])]
        sides[0].extend(own[:learned])
        sides[1].extend(own[learned : learned + tested])
    return sides


def _drawn(labels: tuple[str, ...], draw: Callable[[str], Image.Image], photos: int) -> tuple[Pictures, Pictures, int]:
    sides = [
        [(label, draw(label)) for label in labels for _ in range(each)] for each in (photos, TESTED // len(labels))
    ]
    return sides[0], sides[1], SIDE


def _ground(random: np.random.Generator) -> Image.Image:
    coarse = Image.fromarray(random.integers(0, 256, (4, 4, 3), dtype=np.uint8)).resize((SIDE, SIDE))
    return Image.fromarray(np.clip(np.asarray(coarse) + random.normal(0, 20, (SIDE, SIDE, 3)), 0, 255).astype(np.uint8))


def _colour(random: np.random.Generator) -> tuple[int, ...]:
    return tuple(int(value) for value in random.integers(0, 256, 3))


def _enlarged(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image).convert("RGB").resize((SIDE, SIDE), Image.Resampling.BILINEAR)


def _training_data(folder: Path, learned: Pictures, tested: Pictures) -> object:
    from mirror.collect.photo_records import TRAIN, VALIDATION, Photo
    from mirror.training.training_data import TrainingData

    rows = []
    for split, pictures in ((TRAIN, learned), (VALIDATION, tested)):
        for number, (label, picture) in enumerate(pictures):
            file = folder / split / label / f"{number:05}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            image = picture if isinstance(picture, Image.Image) else Image.open(picture).convert("RGB")
            image.save(file)
            name = file.relative_to(folder).as_posix()
            rows.append(
                Photo(
                    name,
                    label,
                    file_name=name,
                    sha256=name,
                    width=image.width,
                    height=image.height,
                    phash="",
                    split=split,
                    split_given=True,
                )
            )
    rows.sort(key=lambda photo: (photo.label, photo.sha256))
    return TrainingData(rows, tuple(sorted({label for label, _ in learned})), np.arange(len(rows)))
