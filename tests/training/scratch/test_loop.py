"""The plan's parts: the rate, what an epoch sees, and how it is shown."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mirror.training.scratch.loop import Plan, augment, chosen, rate_at


def test_the_rate_rises_and_falls_as_one_cycle_does_in_torch() -> None:
    network = torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    theirs = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, 1.0, total_steps=401, pct_start=101 / 401, div_factor=10, final_div_factor=1000
    )
    for step in range(401):
        assert rate_at(step / 400) == pytest.approx(theirs.get_last_lr()[0], abs=1e-9), step
        optimizer.step()
        if step < 400:
            theirs.step()


def test_what_is_known_well_is_seen_half_as_often_and_counts_twice() -> None:
    losses = torch.cat([torch.full((8000,), 0.1), torch.full((1900,), 2.0), torch.full((100,), torch.inf)])
    places, weights = chosen(losses, False, torch.Generator().manual_seed(0))
    assert len(set(places.tolist())) == len(places) and not torch.equal(places, places.sort().values)
    hard = places >= 8000
    assert set(places[hard].tolist()) == set(range(8000, 10000))  # the unseen ones among them
    assert (weights[hard] == 1).all() and (weights[~hard] == 2).all()
    assert abs(int((~hard).sum()) - 4000) < 4 * 45  # four standard deviations of 8,000 coins
    others, _ = chosen(losses, False, torch.Generator().manual_seed(1))
    assert set(others.tolist()) != set(places.tolist())


@pytest.mark.parametrize("whole", [True, False], ids=["the last epochs", "none seen yet"])
def test_all_are_seen(whole: bool) -> None:
    losses = torch.arange(100.0) if whole else torch.full((100,), torch.inf)
    places, weights = chosen(losses, whole, torch.Generator().manual_seed(0))
    assert sorted(places.tolist()) == list(range(100)) and (weights == 1).all()


def test_images_are_flipped_and_shifted_as_a_slow_loop_does() -> None:
    images = torch.from_numpy(np.random.default_rng(0).integers(1, 256, (40, 28, 28), dtype=np.uint8))
    plan = Plan((28,))  # shifted by up to 2 px
    for image, shown in zip(images, augment(images, plan, torch.Generator().manual_seed(0)), strict=True):
        padded = torch.nn.functional.pad(image, [2] * 4)
        every = {
            (flip, y, x): (padded.flip(1) if flip else padded)[y : y + 28, x : x + 28]
            for flip in (False, True) for y in range(5) for x in range(5)
        }  # fmt: skip
        assert sum(torch.equal(shown, one) for one in every.values()) == 1
