"""The set itself (Xiao et al. 2017, arXiv 1708.07747; MIT licence): found on this machine, or downloaded.

It is looked for in the photo folder, then where Debian's package dataset-fashion-mnist puts it; else torchvision
downloads it into the photo folder. Both read the same four IDX files.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mirror.errors import DatasetError
from mirror.terminal import say

NAME = "fashion-mnist"
LABELS = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
SIDE = 28  # px
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
FILES = {"train": ("train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
         "test": ("t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz")}  # fmt: skip
IMAGES = {"train": 60_000, "test": 10_000}
HELD_OUT = 300  # training images of each label that are not learned from
BYTES = 8  # IDX: the type "unsigned byte"


@dataclass(frozen=True)
class ImageSplit:
    """The training or the test images: pixels [N, 28, 28] uint8, black around a light garment, and labels [N] int64 as
    places in LABELS. sha256: of the pixels and the labels, as bytes."""

    pixels: np.ndarray
    labels: np.ndarray

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.pixels.tobytes() + self.labels.astype(np.uint8).tobytes()).hexdigest()


@dataclass(frozen=True)
class FashionSet:
    """source: where it was found, for people."""

    train: ImageSplit
    test: ImageSplit
    source: str


def open_set(folder: Path, log: Callable[[str], None] = say) -> FashionSet:
    """The set, from `folder` or Debian's, or downloaded into `folder`. Raises DatasetError."""
    for place, source in ((folder, f"the files in {folder}"), (DEBIAN, "Debian's dataset-fashion-mnist")):
        if all((place / name).is_file() for names in FILES.values() for name in names):
            return FashionSet(read_split(place, "train"), read_split(place, "test"), source)
    return _by_torchvision(folder, log)


def read_split(folder: Path, split: str) -> ImageSplit:
    """The "train" or "test" images from the IDX files in `folder`. Raises DatasetError."""
    images, labels = read_idx(folder / FILES[split][0]), read_idx(folder / FILES[split][1])
    if images.shape != (IMAGES[split], SIDE, SIDE) or labels.shape != (IMAGES[split],) or labels.max() >= len(LABELS):
        raise DatasetError(
            f"{folder} does not hold Fashion-MNIST's {IMAGES[split]:,} {split} images: get the set again."
        )
    return ImageSplit(images, labels.astype(np.int64))


def read_idx(file: Path) -> np.ndarray:
    """The array of bytes in a gzipped IDX file (http://yann.lecun.com/exdb/mnist: two zero bytes, the type, how many
    dimensions, each of them as four bytes, the values). Raises DatasetError."""
    try:
        body = gzip.decompress(file.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise DatasetError(f"{file} cannot be read ({error}): get the set again.") from None
    dimensions = body[3] if len(body) > 3 else 0
    shape = np.frombuffer(body[: 4 + 4 * dimensions], ">u4", offset=4) if len(body) >= 4 + 4 * dimensions > 4 else ()
    values = np.frombuffer(body, np.uint8, offset=4 + 4 * len(shape)) if len(shape) else np.empty(0, np.uint8)
    if body[:2] != b"\0\0" or body[2] != BYTES or not len(shape) or len(values) != np.prod(shape, dtype=np.int64):
        raise DatasetError(f"{file} is no IDX file of bytes, or cut short: get the set again.")
    return values.reshape(shape)


def hold_out(labels: np.ndarray, seed: int, per_label: int = HELD_OUT) -> tuple[np.ndarray, np.ndarray]:
    """Places of the images to learn from, and of the `per_label` of every label that are not, both ascending."""
    random = np.random.default_rng(seed)
    by_label = [random.permutation(np.flatnonzero(labels == label))[:per_label] for label in range(len(LABELS))]
    held = np.sort(np.concatenate(by_label))
    return np.setdiff1d(np.arange(len(labels)), held), held


def _by_torchvision(folder: Path, log: Callable[[str], None]) -> FashionSet:
    from torchvision.datasets import FashionMNIST

    log(f"Fashion-MNIST is not on this machine: downloading 30 MB into {folder}, unless it is there already.")
    try:
        splits = [FashionMNIST(str(folder), train=train, download=True) for train in (True, False)]
    except (OSError, RuntimeError, ValueError, EOFError) as error:
        raise DatasetError(
            f"Fashion-MNIST cannot be downloaded ({_brief(error)}): install Debian's package dataset-fashion-mnist, "
            f"or put the set's four files ({FILES['train'][0]} and so on) into {folder}."
        ) from None
    train, test = (ImageSplit(split.data.numpy(), split.targets.numpy()) for split in splits)
    return FashionSet(train, test, "torchvision's FashionMNIST")


def _brief(error: BaseException) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[-1][:120].strip("<>.:")  # torchvision's reason
