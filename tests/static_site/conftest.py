"""The site of the shipped models, built once, on a static host, in a real Chromium."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mirror.model_folder import read_model_folder
from mirror.publish.space_gradio import example_pictures
from mirror.static_site.site_files import site_files
from tests.static_site.hosting import Host, hosted, write
from tests.support.visits import spoken

MOST_LOOKS = 2000  # at what is waited for
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def files() -> dict[str, bytes]:
    """The site of both shipped models."""
    models = [read_model_folder(ROOT / "models" / name) for name in ("mirror", "fashion")]
    return site_files(
        models, examples=lambda model: {Path(name).name: body for name, body in example_pictures(model).items()}
    )


@pytest.fixture(scope="session")
def site(files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("site"), files)


@pytest.fixture
def host(site: Path) -> Iterator[Host]:
    with hosted(site) as host:
        yield host


class Visit:
    """A page, and what went wrong in it: errors: of its scripts and its console; foreign: requests to other origins."""

    def __init__(self, page: Any, host: Host):
        self.page, self.host = page, host
        self.errors: list[str] = []
        self.foreign: list[str] = []
        origin = host.address.split("/somebody", 1)[0]
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", lambda line: self.errors.append(line.text) if line.type == "error" else None)

        def asked(request: Any) -> None:
            if not request.url.startswith((origin, "blob:", "data:")):
                self.foreign.append(request.url)

        page.context.on("request", asked)

    def open(self, query: str = "") -> Visit:
        self.page.goto(self.host.address + query)
        self.page.evaluate("window.mirror.ready")
        return self

    def until(self, expression: str) -> None:
        """Waits until it is true. (Playwright's own way needs `eval`, which the page's policy forbids.)"""
        for _ in range(MOST_LOOKS):
            if self.page.evaluate(expression):
                return
            self.page.wait_for_timeout(20)
        raise AssertionError(f"never true: {expression}")

    def answered(self) -> str:
        """The verdict, once there is one."""
        self.page.wait_for_selector("#answer :is(.known, .stranger, .trouble)")
        return spoken(self.page.inner_text("#answer .says"))


@pytest.fixture
def visit(chromium: Any, host: Host) -> Iterator[Visit]:
    context = chromium.new_context(viewport={"width": 390, "height": 664}, permissions=["clipboard-read", "camera"])
    visit = Visit(context.new_page(), host)
    yield visit
    context.close()


@pytest.fixture(scope="module")
def lasting(chromium: Any, site: Path) -> Iterator[Visit]:
    """One page for the tests of a file that leave nothing behind but a photo: to open it costs more than to answer."""
    with hosted(site) as host:
        context = chromium.new_context(viewport={"width": 390, "height": 664}, permissions=["clipboard-read", "camera"])
        yield Visit(context.new_page(), host).open()
        context.close()


@pytest.fixture
def opened(lasting: Visit) -> Visit:
    """A page that shows no photo yet."""
    page = lasting.page
    page.set_viewport_size({"width": 390, "height": 664})
    page.emulate_media(color_scheme="light")
    page.click("#mirror-tab")
    if page.is_hidden("#remove") and page.is_visible("#answer .trouble"):
        page.locator(".example").first.click()
        page.wait_for_selector("#answer .known")
    if page.is_visible("#remove"):
        page.click("#remove")
    lasting.errors.clear()
    lasting.foreign.clear()
    return lasting
