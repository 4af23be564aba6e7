"""Photo hosts on this machine, for tests of the one way that bytes come in."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.world import PhotoHost, World


@pytest.fixture
def host(world: World) -> PhotoHost:
    return world.direct_host()


@pytest.fixture
def public_world() -> Iterator[World]:
    """A second server at 127.0.0.2, which tests of the guard declare to be the one public address."""
    with World("127.0.0.2") as world:
        yield world
