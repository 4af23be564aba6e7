"""A small set of the same form, ten drawn shapes in white on black, and a network that has just begun to learn it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror.fashion_mnist.dataset import DEBIAN, FashionSet
from mirror.fashion_mnist.from_scratch import TrainedNetwork, train_network
from tests.support.garments import RECIPE, half


@pytest.fixture(scope="session")
def shapes() -> FashionSet:
    return FashionSet(half(36, 0), half(12, 1), "drawings")


@pytest.fixture(scope="session")
def grown(shapes: FashionSet, tmp_path_factory: pytest.TempPathFactory) -> TrainedNetwork:
    return train_network(shapes, tmp_path_factory.mktemp("data"), RECIPE, log=lambda line: None)


@pytest.fixture(scope="session")
def debian() -> Path:
    if not DEBIAN.is_dir():
        pytest.skip("Debian's package dataset-fashion-mnist is not installed")
    return DEBIAN
