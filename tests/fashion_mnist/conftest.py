"""A small set of the same form, ten drawn shapes in white on black, and a network that has just begun to learn it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from mirror.fashion_mnist.dataset import DEBIAN, LABELS, FashionSet, ImageSplit
from mirror.fashion_mnist.training import FashionSettings, TrainedNetwork, train_network

RECIPE = FashionSettings(size=32, epochs=9, seed=1, held_out=12)


def shape(label: int, random: np.random.Generator) -> np.ndarray:
    """28 x 28 px of a bar whose width and height tell the label."""
    image = Image.new("L", (28, 28))
    wide, high = 2 + 9 * (label % 2), 1 + 3 * (label // 2)
    ImageDraw.Draw(image).rectangle((14 - wide, 14 - high, 13 + wide, 13 + high), fill=int(random.integers(120, 256)))
    return np.asarray(image)


def half(each: int, seed: int) -> ImageSplit:
    random = np.random.default_rng(seed)
    labels = random.permutation(np.repeat(np.arange(len(LABELS)), each))
    return ImageSplit(np.stack([shape(int(label), random) for label in labels]), labels)


@pytest.fixture(scope="session")
def shapes() -> FashionSet:
    return FashionSet(half(90, 0), half(12, 1), "drawings")


@pytest.fixture(scope="session")
def grown(shapes: FashionSet, tmp_path_factory: pytest.TempPathFactory) -> TrainedNetwork:
    return train_network(shapes, tmp_path_factory.mktemp("data"), RECIPE, log=lambda line: None)


@pytest.fixture(scope="session")
def debian() -> Path:
    if not DEBIAN.is_dir():
        pytest.skip("Debian's package dataset-fashion-mnist is not installed")
    return DEBIAN
