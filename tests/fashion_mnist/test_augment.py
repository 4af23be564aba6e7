"""Images as the network is shown them: against a slow loop, and what is erased."""

from __future__ import annotations

import numpy as np
import torch

from mirror.fashion_mnist.augment import erase, shift_and_flip


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
