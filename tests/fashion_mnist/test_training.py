"""The training from scratch: the same pixels as in serving, the same weights when it goes on after a stop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mirror.errors import DatasetError
from mirror.fashion_mnist.dataset import FashionSet
from mirror.fashion_mnist.loop import Plan, to_pixels
from mirror.fashion_mnist.training import (
    FashionSettings,
    TrainedNetwork,
    accuracy,
    enlarged,
    new_network,
    train_network,
)
from mirror.folders import locked
from mirror.images import load_image
from mirror.inference.preprocess import preprocess
from mirror.model_schema import Preprocessing
from tests.fashion_mnist.conftest import RECIPE


class Stopped(Exception):
    pass


def test_training_sees_the_pixels_that_serving_sees() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (4, 28, 28), dtype=np.uint8)
    plan, side = FashionSettings().plan, FashionSettings().size
    theirs = to_pixels(enlarged(pixels, side), plan).numpy()
    how = Preprocessing("squish", (side, side), mean=(plan.mean,) * 3, std=(plan.std,) * 3)
    ours = np.stack([preprocess(load_image(Image.fromarray(one)), how) for one in pixels])
    assert ours.shape == theirs.shape == (4, 3, side, side)
    assert np.abs(ours - theirs).max() < 1e-6


def test_the_images_grow() -> None:
    assert FashionSettings().plan == Plan(sizes=(32,) * 12 + (56,) * 12 + (112,) * 6, again=6, seed=42)
    sizes = [FashionSettings(epochs=count).plan.sizes for count in (1, 2, 3, 5)]
    assert sizes == [(112,), (56, 112), (32, 56, 112), (32, 32, 56, 56, 112)]
    assert [FashionSettings(epochs=count).plan.again for count in (1, 2, 5, 9, 10)] == [1, 1, 1, 1, 2]
    sizes = [FashionSettings(size=side, epochs=3).plan.sizes for side in (224, 40, 20)]
    assert sizes == [(64, 112, 224), (28, 28, 40), (20, 20, 20)]
    plan = FashionSettings(epochs=4).plan
    small, middle, large = (side * side + 784 for side in (32, 56, 112))
    done = (0, small, small + middle / 2, small + 2 * middle + large)  # 1 of 3 in the first cycle, its last two whole
    assert plan.sizes == (32, 56, 56, 112)
    assert [plan.work(0), plan.work(1), plan.work(1, 0.5), plan.work(4)] == [
        (round(work), round(done[-1])) for work in done
    ]  # fmt: skip
    plan = FashionSettings(epochs=6).plan  # the others see some 60 % of the images
    assert plan.work(6)[0] == round(small + 0.6 * small + 0.6 * middle + 2 * middle + large)


def test_what_the_card_says_is_what_was_done() -> None:
    said = FashionSettings().sentence()
    assert "30 epochs (12 at 32 px, then 12 at 56 px, then 6 at 112 px)" in said
    assert "another 0.3 times as high, in which 50 % of the images have a rectangle erased" in said
    assert "another" not in FashionSettings(epochs=1).sentence()


def test_it_learns_and_holds_out(grown: TrainedNetwork, shapes: FashionSet) -> None:
    assert (len(grown.learned), len(grown.held)) == (780, 120)
    assert not set(grown.learned) & set(grown.held)
    assert grown.accuracy > 0.3  # chance: 0.1, and the running means have only begun to settle
    pixels = enlarged(shapes.train.pixels[grown.held], RECIPE.size)
    held = torch.from_numpy(shapes.train.labels[grown.held])
    assert accuracy(grown.network, pixels, held, RECIPE.plan) == grown.accuracy


def test_stopped_between_epochs_it_goes_on_to_the_same_weights(
    grown: TrainedNetwork, shapes: FashionSet, tmp_path: Path
) -> None:
    said: list[str] = []

    def stop(line: str) -> None:
        said.append(line)
        if line.startswith("epoch 8"):
            raise Stopped

    with pytest.raises(Stopped):
        train_network(shapes, tmp_path, RECIPE, log=stop)
    again = train_network(shapes, tmp_path, RECIPE, log=said.append)
    assert said[8].startswith("8 of 9 epochs were done before")
    assert [line.split(":")[0] for line in said[9:]] == ["epoch 9 of 9, at 32 px"]
    ours, theirs = again.network.state_dict(), grown.network.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert again.accuracy == grown.accuracy
    assert again.seconds is None and grown.seconds > 0


def test_another_training_does_not_go_on_from_it(shapes: FashionSet, tmp_path: Path) -> None:
    train_network(shapes, tmp_path, FashionSettings(size=28, epochs=2, seed=1, held_out=12), log=lambda line: None)
    said: list[str] = []
    train_network(shapes, tmp_path, FashionSettings(size=28, epochs=2, seed=2, held_out=12), log=said.append)
    assert [line.split(",")[0] for line in said] == ["epoch 1 of 2", "epoch 2 of 2"]


def test_a_kept_file_that_is_none_is_said_in_a_sentence(shapes: FashionSet, tmp_path: Path) -> None:
    (tmp_path / "training-32px.pt").write_bytes(b"not a training")
    with pytest.raises(DatasetError, match=r"training-32px\.pt is not what a training keeps: remove it"):
        train_network(shapes, tmp_path, RECIPE, log=lambda line: None)


def test_two_trainings_do_not_share_a_folder(shapes: FashionSet, tmp_path: Path) -> None:
    with locked(tmp_path), pytest.raises(DatasetError, match="in use by another training"):
        train_network(shapes, tmp_path, RECIPE, log=lambda line: None)


def test_the_first_weights_are_the_seeds() -> None:
    ours, theirs, others = (new_network(seed).conv1.weight for seed in (1, 1, 2))
    assert torch.equal(ours, theirs) and not torch.equal(ours, others)
