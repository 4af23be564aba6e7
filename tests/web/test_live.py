"""The tab Live: the mirror answers what a camera sees, as it looks, in a real Chromium with a film for a camera."""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mirror.wording import unbroken
from tests.support.browser import CHROMIUM, CHROMIUM_FLAGS
from tests.support.visits import CONTRAST, DESKTOP, PHONE, Visit, visiting
from tests.web.serving import Served, serve
from tests.web.tiny import BLUE, YELLOW, tiny_model

pytestmark = pytest.mark.browser

Film = Any


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    models = tmp_path_factory.mktemp("models")
    tiny_model(models)
    tiny_model(models, "fruit", ("apple", "pear", "plum"))
    with serve("--models", str(models), "--default", "mirror", uploads=tmp_path_factory.mktemp("uploads")) as page:
        yield page


@pytest.fixture
def film(chromium: Any, tmp_path: Path) -> Film:
    """film(colour, …): a Chromium whose camera shows pictures of these colours in turn."""

    @contextlib.contextmanager
    def showing(*colours: tuple[int, int, int]) -> Iterator[Any]:
        frames = io.BytesIO()
        for colour in colours:
            Image.new("RGB", (640, 480), colour).save(frames, "JPEG")
        (tmp_path / "film.mjpeg").write_bytes(frames.getvalue())
        flags = [*CHROMIUM_FLAGS, f"--use-file-for-fake-video-capture={tmp_path / 'film.mjpeg'}"]
        browser = chromium.browser_type.launch(executable_path=CHROMIUM, args=flags)
        yield browser
        browser.close()

    return showing


def go(visit: Visit) -> None:
    visit.open_tab("Live")
    visit.page.get_by_role("button", name="Start the camera").click()


def says(visit: Visit, text: str) -> None:
    visit.page.locator(".camera .says").filter(has_text=re.compile(text)).wait_for()


def is_on(visit: Visit) -> bool:
    return visit.page.locator(".camera video").evaluate("video => video.srcObject !== null")


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE, {"width": 375, "height": 553}, {"width": 320, "height": 256}])
def test_it_says_what_it_sees_with_bars_until_it_is_stopped(film, two, viewport):
    with film(YELLOW) as browser, visiting(browser, two.url, viewport=viewport, permissions=["camera"]) as visit:
        visit.open_tab("Live")
        says(visit, "Shall I look")
        assert not is_on(visit)  # not before it is asked for
        go(visit)
        says(visit, "^This is a duckling.$")
        bars = visit.page.locator(".camera .bars li")
        assert bars.first.locator("span").all_text_contents() == ["duckling", unbroken("more than 99 %")]
        visit.page.locator(".camera .rate").filter(has_text=re.compile(r"looks? a second")).wait_for()
        visit.page.locator(".camera .heard").filter(has_text="This is a duckling.").wait_for(state="attached")
        card = visit.page.locator(".camera .verdict").bounding_box()
        assert card["y"] >= 0 and card["y"] + card["height"] <= viewport["height"]
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        assert visit.page.evaluate(CONTRAST) == []
        visit.shot(f"live-{viewport['width']}", whole=False)
        visit.page.get_by_role("button", name="Stop the camera").click()
        says(visit, "The camera is off.")
        assert not is_on(visit) and bars.count() == 0


def test_it_says_when_it_sees_none_of_its_labels_and_asks_the_model_that_is_chosen(film, two):
    with film(BLUE) as browser, visiting(browser, two.url, permissions=["camera"]) as visit:
        go(visit)
        says(visit, "^Neither: ")
        summary = visit.page.locator(".camera summary")
        summary.click()  # and it stays open, whatever is answered next
        visit.page.locator(".camera .bars.grey").wait_for()
        visit.page.get_by_role("button", name="Stop the camera").click()
        visit.page.get_by_label("Model").click()
        visit.page.get_by_role("option", name=re.compile("fruit")).click()
        visit.page.get_by_role("button", name="Start the camera").click()
        says(visit, "^None of these: ")


@pytest.mark.parametrize("why", ["hidden", "another tab", "still"])
def test_it_goes_off_by_itself(film, two, why):
    with film(YELLOW) as browser, visiting(browser, two.url, permissions=["camera"]) as visit:
        go(visit)
        says(visit, "duckling")
        if why == "still":
            visit.page.get_by_role("button", name="Stop the camera").click()
            visit.page.evaluate("document.querySelector('.camera').dataset.still = 0.5")
            visit.page.get_by_role("button", name="Start the camera").click()
            says(visit, "nothing has moved")
        elif why == "hidden":
            visit.page.evaluate("Object.defineProperty(document, 'hidden', {get: () => true})")
        else:
            visit.open_tab("The mirror")
        visit.page.wait_for_function("document.querySelector('.camera video').srcObject === null")


def test_it_stays_on_while_something_moves(film, two):
    colours = [(red, green, blue) for red in (0, 120, 250) for green in (0, 250) for blue in (0, 250)]
    with film(*colours) as browser, visiting(browser, two.url, permissions=["camera"]) as visit:
        visit.open_tab("Live")
        visit.page.evaluate("document.querySelector('.camera').dataset.still = 2")
        visit.page.get_by_role("button", name="Start the camera").click()
        says(visit, "duckling|cygnet|Neither")
        visit.page.wait_for_timeout(4000)
        assert is_on(visit)
        visit.page.get_by_role("button", name="Stop the camera").click()


def test_nothing_of_a_camera_is_kept_and_nonsense_is_told(film, two):
    with film(YELLOW) as browser, visiting(browser, two.url, permissions=["camera"]) as visit:
        before = {path for path in two.uploads.rglob("*") if path.is_file()}
        go(visit)
        says(visit, "duckling")
        assert {path for path in two.uploads.rglob("*") if path.is_file()} <= before
        visit.page.evaluate("document.documentElement.dataset.model = 'gone'")
        says(visit, "There is no model named gone")
