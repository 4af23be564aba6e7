"""The schedule of the training from scratch: the images' sides, the rate, and what is said of them."""

from __future__ import annotations

import pytest
import torch

from mirror.fashion_mnist.fashion_settings import FashionSettings, Plan, rate_at


def test_the_images_grow() -> None:
    assert FashionSettings().plan == Plan(sizes=(32,) * 12 + (56,) * 12 + (112,) * 6, second_cycle=6, seed=42)
    sizes = [FashionSettings(epochs=count).plan.sizes for count in (1, 2, 3, 5)]
    assert sizes == [(112,), (56, 112), (32, 56, 112), (32, 32, 56, 56, 112)]
    assert [FashionSettings(epochs=count).plan.second_cycle for count in (1, 2, 5, 9, 10)] == [1, 1, 1, 1, 2]
    sizes = [FashionSettings(size=side, epochs=3).plan.sizes for side in (224, 40, 20)]
    assert sizes == [(64, 112, 224), (28, 28, 40), (20, 20, 20)]
    plan = FashionSettings(epochs=4).plan
    small, middle, large = (side * side + 784 for side in (32, 56, 112))
    done = (0, small, small + middle / 2, small + 2 * middle + large)  # 1 of 3 in the first cycle, its last two whole
    assert plan.sizes == (32, 56, 56, 112)
    assert [plan.work(0), plan.work(1), plan.work(1, 0.5), plan.work(4)] == [
        (round(work), round(done[-1])) for work in done
    ]
    plan = FashionSettings(epochs=6).plan  # the others see some 60 % of the images
    assert plan.work(6)[0] == round(small + 0.6 * small + 0.6 * middle + 2 * middle + large)


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
    plan = Plan((28,) * 9, second_cycle=3, second_rate=0.5)
    assert [plan.rate_at(epoch) for epoch in (0, 1.5, 4)] == [rate_at(share) for share in (0, 0.25, 4 / 6)]
    assert [plan.rate_at(epoch) for epoch in (6, 6.75, 8)] == [rate_at(share) / 2 for share in (0, 0.25, 2 / 3)]
    assert [epoch for epoch in range(9) if plan.is_full(epoch)] == [4, 5, 7, 8]
    alone = Plan((28,) * 9)
    assert [alone.rate_at(epoch) for epoch in range(9)] == [rate_at(epoch / 9) for epoch in range(9)]
    assert [epoch for epoch in range(9) if alone.is_full(epoch)] == [7, 8]
