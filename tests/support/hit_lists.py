"""Searches of the test world whose hits have thumbnails, some of them of something else."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from PIL import Image

from mirror.search_doctor import PreviewSettings
from tests.support.searches import QUICK
from tests.world import World, draw_photo, encode

PATIENT = PreviewSettings(pause=0.0, search=QUICK)
CHECKS = "checks"  # what is off topic


def picture(kind: str, seed: int) -> bytes:
    """A drawn photo of a kind, or a chessboard in two colours, which the network takes for something else."""
    if kind != CHECKS:
        return encode(draw_photo(kind, seed))
    random = np.random.default_rng(seed)
    squares = np.indices(random.integers(6, 12, size=2)).sum(axis=0) % 2
    colours = np.array([random.integers(0, 60, 3), random.integers(200, 255, 3)], np.uint8)
    board = Image.fromarray(colours[squares]).resize((360, 360), Image.Resampling.NEAREST)
    return encode(board.rotate(random.uniform(0, 90)).crop((60, 60, 300, 300)))  # so that none is a copy of another


def find(world: World, query: str, hits: Iterable[tuple[str, int]]) -> list[str]:
    """What every engine finds for `query`: photos of (kind, seed), with thumbnails of the engine's own; the URLs of
    the photos."""
    photos, thumbnails = world.photo_host("photos.example"), world.photo_host("tse1.mm.bing.net")
    urls = []
    for kind, seed in hits:
        name, body = f"{kind.replace(' ', '-')}-{seed}", picture(kind, seed)
        urls.append(photos.body(f"/{name}.jpg", body, content_type="image/jpeg"))
        world.engines.thumbnails[urls[-1]] = thumbnails.body(f"/th?id={name}", body, content_type="image/jpeg")
    world.results(query, urls)
    return urls
