"""How images are shown differently each time: as many draws, whatever comes of them, so that a training can go on."""

from __future__ import annotations

import torch
from torch.nn.functional import pad


def shift_and_flip(images: torch.Tensor, most: float, random: torch.Generator) -> torch.Tensor:
    """[B, H, W] uint8 → the same: half of them flipped, all shifted by `most` of the side or less, black coming in."""
    count, height, width = images.shape
    shift = round(most * width)

    def draw(high: int) -> torch.Tensor:
        return torch.randint(0, high, (count, 1), generator=random)

    flipped, top, left = draw(2).bool(), draw(2 * shift + 1), draw(2 * shift + 1)
    rows, columns = torch.arange(height)[None] + top, torch.arange(width)[None]
    columns = torch.where(flipped, width - 1 - columns, columns) + left
    device = images.device
    padded = pad(images, [shift] * 4)
    place = torch.arange(count, device=device)[:, None, None]
    return padded[place, rows.to(device)[:, :, None], columns.to(device)[:, None, :]]


def erase(images: torch.Tensor, share: float, random: torch.Generator) -> torch.Tensor:
    """[B, H, W] uint8, square → the same: in that share of them a rectangle, of an eighth to half of the side either
    way, is one grey (Zhong et al. 2020, arXiv 1708.04896)."""
    count, _, side = images.shape
    device, place = images.device, torch.arange(side)[None]

    def span() -> torch.Tensor:
        long = torch.randint(side // 8, side // 2 + 1, (count, 1), generator=random)
        begin = (torch.rand((count, 1), generator=random) * (side + 1 - long)).long()
        return (place >= begin) & (place < begin + long)

    rows, columns = span(), span()
    some = torch.rand((count, 1, 1), generator=random) < share
    grey = torch.randint(0, 256, (count, 1, 1), generator=random).to(torch.uint8)
    return torch.where((some & rows[:, :, None] & columns[:, None, :]).to(device), grey.to(device), images)
