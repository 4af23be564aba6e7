"""The plan's parts: the rate, and what an epoch sees."""

from __future__ import annotations

import pytest
import torch

from mirror.fashion_mnist.loop import Plan, chosen, rate_at


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


def test_the_second_cycle_is_a_lower_one_over_the_last_epochs() -> None:
    plan = Plan((28,) * 9, again=3, again_rate=0.5)
    assert [plan.rate_at(epoch) for epoch in (0, 1.5, 4)] == [rate_at(share) for share in (0, 0.25, 4 / 6)]
    assert [plan.rate_at(epoch) for epoch in (6, 6.75, 8)] == [rate_at(share) / 2 for share in (0, 0.25, 2 / 3)]
    assert [epoch for epoch in range(9) if plan.is_whole(epoch)] == [4, 5, 7, 8]
    alone = Plan((28,) * 9)
    assert [alone.rate_at(epoch) for epoch in range(9)] == [rate_at(epoch / 9) for epoch in range(9)]
    assert [epoch for epoch in range(9) if alone.is_whole(epoch)] == [7, 8]


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
