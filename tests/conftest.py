"""Fixtures every room may use."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

import mirror  # noqa: F401  # before any library that would report to someone
from tests.support.lacking import HEAVY
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


# Files and folders whose tests train, compile, kill, start clusters or serve pages
SLOW = (
    "batch/test_ray.py", "export", "fashion_mnist", "hostile", "training", "web", "tasks/test_imagenet.py",
    "inference/test_sandbox.py", "inference/test_pickle_cache.py", "test_app.py", "test_cli.py", "test_light.py",
    "test_privacy.py", "test_train.py",
)  # fmt: skip


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    slow = [Path(__file__).parent / name for name in SLOW]
    for item in items:
        if any(item.path.is_relative_to(path) for path in slow):
            item.add_marker("slow")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Any:
    """Where only requirements.txt is installed, as on the further versions of Python in CI, a file of tests that
    imports what training needs is skipped."""
    report = yield
    lacking = re.search(r"No module named '(\w+)", str(report.longrepr)) if report.failed else None
    if lacking and lacking[1] in HEAVY:
        report.outcome, report.longrepr = "skipped", (str(collector.path), 0, f"{lacking[1]} is not installed")
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """The same for a test; and where MIRROR_REQUIRE_BROWSER=1, as in CI, a browser test that is skipped has failed."""
    report = yield
    error = call.excinfo.value if call.excinfo else None
    name = error.name if isinstance(error, ImportError) else getattr(error, "package", None)
    if report.failed and name in HEAVY and find_spec(name) is None:
        report.outcome, report.longrepr = "skipped", (str(item.path), 0, f"{name} is not installed")
    if report.skipped and item.get_closest_marker("browser") and os.environ.get("MIRROR_REQUIRE_BROWSER") == "1":
        report.outcome = "failed"
        report.longrepr = f"a browser test was skipped where it must run: {report.longrepr[-1]}"
    return report
