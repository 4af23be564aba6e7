"""The training from scratch: the same pixels as in serving, the same weights when it goes on after a stop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from mirror.errors import DatasetError
from mirror.fashion_mnist.dataset import FashionSet
from mirror.fashion_mnist.fashion_settings import FashionSettings
from mirror.fashion_mnist.from_scratch import (
    TrainedNetwork,
    accuracy,
    enlarged,
    erase,
    new_network,
    select_images,
    shift_and_flip,
    to_pixels,
    train_network,
)
from mirror.folders import locked
from mirror.images import load_image
from mirror.inference.preprocess import preprocess
from mirror.model_schema import Preprocessing
from tests.support.garments import RECIPE


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


def test_what_the_card_says_is_what_was_done() -> None:
    said = FashionSettings().sentence()
    assert "30 epochs (12 at 32 px, then 12 at 56 px, then 6 at 112 px)" in said
    assert "another 0.3 times as high, in which 50 % of the images have a rectangle erased" in said
    assert "another" not in FashionSettings(epochs=1).sentence()


def test_it_learns_and_holds_out(grown: TrainedNetwork, shapes: FashionSet) -> None:
    assert (len(grown.learned), len(grown.held)) == (240, 120)
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
    train_network(shapes, tmp_path, FashionSettings(size=28, epochs=1, seed=1, held_out=12), log=lambda line: None)
    said: list[str] = []
    train_network(shapes, tmp_path, FashionSettings(size=28, epochs=1, seed=2, held_out=12), log=said.append)
    assert [line.split(",")[0] for line in said] == ["epoch 1 of 1"]


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


def test_what_is_known_well_is_seen_half_as_often_and_counts_twice() -> None:
    losses = torch.cat([torch.full((8000,), 0.1), torch.full((1900,), 2.0), torch.full((100,), torch.inf)])
    places, weights = select_images(losses, False, torch.Generator().manual_seed(0))
    assert len(set(places.tolist())) == len(places) and not torch.equal(places, places.sort().values)
    hard = places >= 8000
    assert set(places[hard].tolist()) == set(range(8000, 10000))  # the unseen ones among them
    assert (weights[hard] == 1).all() and (weights[~hard] == 2).all()
    assert abs(int((~hard).sum()) - 4000) < 4 * 45  # four standard deviations of 8,000 coins
    others, _ = select_images(losses, False, torch.Generator().manual_seed(1))
    assert set(others.tolist()) != set(places.tolist())


@pytest.mark.parametrize("whole", [True, False], ids=["the last epochs", "none seen yet"])
def test_all_are_seen(whole: bool) -> None:
    losses = torch.arange(100.0) if whole else torch.full((100,), torch.inf)
    places, weights = select_images(losses, whole, torch.Generator().manual_seed(0))
    assert sorted(places.tolist()) == list(range(100)) and (weights == 1).all()


def test_images_are_flipped_and_shifted_as_a_slow_loop_does() -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(1, 256, (40, 28, 28), dtype=np.uint8))
    moved = shift_and_flip(images, 2 / 28, torch.Generator().manual_seed(0))
    for image, shown in zip(images, moved, strict=True):
        padded = torch.nn.functional.pad(image, [2] * 4)
        every = {
            (flip, y, x): (padded.flip(1) if flip else padded)[y : y + 28, x : x + 28]
            for flip in (False, True) for y in range(5) for x in range(5)
        }  # fmt: skip
        assert sum(torch.equal(shown, one) for one in every.values()) == 1


def test_half_of_them_have_one_grey_rectangle_and_are_as_they_were_beside_it() -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (2000, 56, 56), dtype=np.uint8))
    shown = erase(images, 0.5, torch.Generator().manual_seed(0))
    sides = []
    for image, erased in zip(images, shown, strict=True):
        rows, columns = (image != erased).nonzero(as_tuple=True)
        if len(rows):  # a grey that happens to be the pixel's own may hide a row or column, which is rare
            hole = erased[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
            assert (hole == hole[0, 0]).all()
            sides += hole.shape
    assert abs(len(sides) / 2 - 1000) < 4 * 23  # four standard deviations of 2,000 coins
    assert (min(sides), max(sides)) == (7, 28) and shown.dtype == torch.uint8
