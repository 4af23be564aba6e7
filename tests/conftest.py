"""Fixtures every room may use."""

from __future__ import annotations

import functools
import os
import random
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mirror  # noqa: F401  # before any library that would report to someone
from tests.support.authorities import trust_one
from tests.support.browser import CHROMIUM, CHROMIUM_FLAGS
from tests.support.light_python import HEAVY
from tests.world import World
from tests.world.photos import draw_photo

PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "DDGS_PROXY")


def pytest_configure(config: pytest.Config) -> None:
    """What tests and the programs they start keep in the user's cache, or leave among the temporary files, lies in a
    folder of this run and goes with it. pytest's own folders stay where they are, and pip's cache is shared."""
    if hasattr(config, "workerinput"):  # of xdist: its environment is that of the process that started it
        return
    os.environ.setdefault("PYTEST_DEBUG_TEMPROOT", tempfile.gettempdir())
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    os.environ.setdefault("PIP_CACHE_DIR", str(Path(base, "pip")))
    folder = tempfile.mkdtemp(prefix="mt-")  # short: Ray's sockets lie in it
    config.add_cleanup(lambda: shutil.rmtree(folder, ignore_errors=True))
    trust_one(Path(folder))
    os.environ |= {"TMPDIR": folder, "XDG_CACHE_HOME": str(Path(folder, "cache")), "MIRROR_TEST_FOLDER": folder}
    tempfile.tempdir = None
    config.option.loadscopereorder = False  # --dist loadfile hands the files out in the order below


@pytest.fixture(scope="session")
def search_without_pauses() -> Iterator[None]:
    """duckduckgo_search pauses 0.75 s between requests, to spare the real engine. The test world's needs no sparing."""
    with pytest.MonkeyPatch.context() as patch:
        if find_spec("duckduckgo_search"):
            patch.setattr("duckduckgo_search.DDGS._sleep", lambda self, sleeptime=0.0: None)
        yield


@pytest.fixture
def world(search_without_pauses: None) -> Iterator[World]:
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


# Files and folders whose tests train, compile, kill, start clusters, serve pages or run whole networks
SLOW = (
    "batch/test_job.py", "batch/test_ray.py", "batch/test_summary.py", "collect/test_from_search.py", "export",
    "fashion_mnist", "hostile", "inference/test_padding.py", "inference/test_pickle_cache.py",
    "inference/test_preprocess.py", "inference/test_sandbox.py", "publish/test_container.py",
    "publish/test_private_names.py", "publish/test_publication.py", "publish/test_refusals.py",
    "publish/test_requirement_check.py", "publish/test_serving_modules.py", "publish/test_space_folders.py",
    "publish/test_space_page.py", "search_doctor/test_exclusions.py", "static_site", "tasks/test_face_detection.py",
    "tasks/test_finite_numbers.py", "tasks/test_hub_models.py", "tasks/test_image_classification.py",
    "tasks/test_image_processors.py", "tasks/test_imagenet.py", "tasks/test_object_detection.py",
    "tasks/test_onnx_models.py", "tasks/test_zero_shot.py", "test_app.py", "test_cli.py", "test_fashion.py",
    "test_package.py", "test_requirements_alone.py", "test_telemetry.py", "test_storage.py", "test_terminal.py",
    "test_train.py", "test_train_collect.py", "test_train_preview.py", "training", "web",
)  # fmt: skip
# Files among them whose tests do none of that
QUICK = (
    "web/gateway/test_client_address.py", "web/gateway/test_disk.py", "web/gateway/test_response_cache.py",
    "web/studio/test_examples.py", "web/test_about.py", "web/test_arguments.py", "web/test_fair_scheduling.py",
    "web/test_photo_input.py", "web/test_served_models.py", "web/test_theme.py",
    "web/workshop/test_child_process.py", "web/workshop/test_collect_step.py", "web/workshop/test_collected.py",
    "web/workshop/test_preview_step.py", "web/workshop/test_projects.py", "web/workshop/test_retrain.py",
    "web/workshop/test_search_form.py", "web/workshop/test_workshop_page.py",
)  # fmt: skip
TESTS = Path(__file__).parent
assert not (gone := [name for name in (*SLOW, *QUICK) if not (TESTS / name).exists()]), f"{gone} is not there"


@functools.cache
def is_slow(path: Path) -> bool:
    """Of a folder: all that is in it."""
    name = os.path.relpath(path, TESTS)
    return name.startswith(SLOW) and not any(quick.startswith(name) for quick in QUICK)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What `-m "not slow …"` leaves out need not be imported either, which takes longer than many a quick test."""
    return True if "not slow" in config.option.markexpr and is_slow(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if " at 0x" in item.nodeid and re.search(r" at 0x[0-9a-f]+", item.nodeid):
            raise pytest.UsageError(f"{item.nodeid} is called otherwise in each run: give its parameters ids.")
        if is_slow(item.path) or "killed" in item.name:
            item.add_marker("slow")
    # What takes long begins first, so that no worker is left with a file of it while the others are done
    items.sort(key=lambda item: not (item.get_closest_marker("slow") or item.get_closest_marker("browser")))


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    """What a test draws at random is the same whatever has run before it in its process."""
    random.seed(0)
    np.random.seed(0)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(0)


def skip_where_lacking(report: Any, path: Path) -> None:
    """Where only requirements.txt is installed, as on the further versions of Python in CI, what fails for a package
    that training needs is skipped."""
    named = re.findall(r"(?:No module named '|needs (?:the package )?)([\w-]+)", str(report.longrepr))
    lacking = [name for name in HEAVY if name in {text.replace("-", "_") for text in named} and not find_spec(name)]
    if report.failed and lacking:
        report.outcome, report.longrepr = "skipped", (str(path), 0, f"{lacking[0]} is not installed")


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector: pytest.Collector) -> Any:
    report = yield
    skip_where_lacking(report, collector.path)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Any:
    """Where MIRROR_REQUIRE_BROWSER=1, as in CI, a browser test that is skipped has failed."""
    report = yield
    skip_where_lacking(report, item.path)
    if report.skipped and item.get_closest_marker("browser") and os.environ.get("MIRROR_REQUIRE_BROWSER") == "1":
        report.outcome = "failed"
        report.longrepr = f"a browser test was skipped where it must run: {report.longrepr[-1]}"
    return report


@pytest.fixture(scope="module")
def chromium(request: pytest.FixtureRequest) -> Iterator[Any]:
    """A browser for the tests of a file; a file's BROWSER_FLAGS are its own."""
    if CHROMIUM is None:
        pytest.skip("no Chromium here: install it, or name it in CHROMIUM")
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=CHROMIUM, args=list(getattr(request.module, "BROWSER_FLAGS", CHROMIUM_FLAGS))
        )
        yield browser
        browser.close()
