"""Fixtures every room may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import mirror  # noqa: F401  # before any library that would report to someone
from tests.world import World
from tests.world.photos import draw_photo

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "DDGS_PROXY")


@pytest.fixture
def world() -> Iterator[World]:
    """A small internet of its own for this test: search engines and photo hosts behind `world.proxy_url`."""
    with World() as world:
        yield world


@pytest.fixture(autouse=True)
def no_proxy_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine's own proxy settings do not reach the tests."""
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture(scope="session")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """12 ducklings and 10 cygnets of a sort, as PNG, of one size."""
    folder = tmp_path_factory.mktemp("drawings")
    for label, count in (("duckling", 12), ("cygnet", 10)):
        (folder / label).mkdir()
        for seed in range(count):
            draw_photo(label, seed, (160, 128)).save(folder / label / f"{seed:02}.png")
    return folder


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Where MIRROR_REQUIRE_BROWSER=1, as in CI, a browser test that is skipped has failed."""
    report = yield
    if report.skipped and item.get_closest_marker("browser") and os.environ.get("MIRROR_REQUIRE_BROWSER") == "1":
        report.outcome = "failed"
        report.longrepr = f"a browser test was skipped where it must run: {report.longrepr[-1]}"
    return report
