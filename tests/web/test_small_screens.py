"""The answer is in sight on a phone, however a photo is shown and in whichever tab, by day and by night.

The class: every way of showing a photo × every tab that answers one × the sizes that phones leave to a page, and the
320 × 256 pixels that a screen of 1280 × 1024 has at 400 % zoom (WCAG 2.2, 1.4.10).
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.visits import CONTRAST, OVERLAPS, Visit, visiting
from tests.web.tiny import RED, YELLOW, photo

pytestmark = pytest.mark.browser

SIZES = [(390, 664), (375, 553), (360, 640), (320, 256)]
TABS = {"The mirror": "photo", "What is this?": "general-photo", "What is where?": "objects-photo",
        "Your own words": "words-photo", "Faces": "faces-photo"}  # fmt: skip
IN_SIGHT = """() => {
    const answer = [...document.querySelectorAll('#answer, .answer')].find(each => each.offsetParent);
    const card = answer.querySelector('.verdict');
    if (card.matches('.waiting') || !answer.closest('.tabitem').querySelector(".glass img[src^='data:']")) return false;
    const box = card.getBoundingClientRect();
    return box.top >= 0 && (box.bottom <= innerHeight || box.height > innerHeight);
}"""


def ways(address: str) -> dict[str, Callable[[Visit, str], None]]:
    """How a photo is shown, but for the camera; each takes the visit and the id of the photo's frame."""

    def look_at(visit: Visit, frame: str) -> None:
        visit.page.locator("input[placeholder^=https]").locator("visible=true").fill(address)
        visit.page.get_by_role("button", name="Look", exact=True).locator("visible=true").click()

    return {
        "choose": lambda visit, frame: visit.pick("a.jpg", photo(RED), frame=frame),
        "drop": lambda visit, frame: visit.drop("a.jpg", photo(YELLOW), frame=frame),
        "paste": lambda visit, frame: visit.paste("image.png", photo(RED, format="PNG")),
        "address": look_at,
    }


def fits(visit: Visit, size: tuple[int, int]) -> None:
    assert visit.page.evaluate("document.documentElement.scrollWidth") <= size[0]
    assert visit.page.evaluate(OVERLAPS) == []


@pytest.mark.parametrize(("size", "dark"), list(zip(SIZES, (False, True, True, False), strict=True)))
def test_the_answer_is_in_sight_after_every_way_of_showing_a_photo(chromium, all_tabs, world, size, dark) -> None:
    address = world.direct_host().body("/photo.jpg", photo(YELLOW))
    phone = {"viewport": {"width": size[0], "height": size[1]}, "has_touch": True, "is_mobile": True}
    with visiting(chromium, all_tabs.url, dark=dark, permissions=["camera"], **phone) as visit:
        page = visit.page
        page.get_by_text("Tap to choose a photo").first.wait_for()
        for tab, frame in TABS.items():
            visit.open_tab(tab)
            if tab == "Your own words":
                page.locator("#words-labels textarea").fill("a cat, a dog")
            if tab == "What is this?":  # by the name of the model's folder, and not where that lies
                page.get_by_text("Answered by vit, which knows").wait_for()
            for name, show in list(ways(address).items())[: 1 if dark else None]:  # which is the same by night
                fits(visit, size)
                page.evaluate("scrollTo(0, 0)")
                show(visit, frame)
                page.wait_for_function(IN_SIGHT)
                assert page.evaluate("document.activeElement?.closest('#answer, .answer')") is None
                visit.shot(f"phone-{size[0]}-{'dark' if dark else 'light'}-{frame}-{name}", whole=False)
                fits(visit, size)
                assert page.evaluate(CONTRAST) == []
                page.get_by_role("button", name="Remove Image").locator("visible=true").click()
                page.locator(f"#{frame} button.upload-container").wait_for()
        visit.open_tab("The mirror")
        page.locator("#examples .example").first.click()
        page.wait_for_function(IN_SIGHT)
        page.get_by_role("button", name="Remove Image").locator("visible=true").click()
        page.locator("#photo").get_by_role("button", name="Capture from camera").click()
        page.get_by_text("Tap to use the camera").click()
        page.wait_for_function("document.querySelector('#photo video')?.readyState === 4")
        page.get_by_role("button", name="capture photo").click()
        page.wait_for_function(IN_SIGHT)
        visit.open_tab("About this mirror")
        page.locator(".note table").locator("visible=true").first.wait_for()
        fits(visit, size)
        visit.open_tab("Live")
        start = page.get_by_role("button", name="Start the camera").locator("visible=true")
        start.wait_for()
        page.evaluate("scrollTo(0, 0)")
        assert size[1] < 500 or start.bounding_box()["y"] + 46 <= size[1]
        fits(visit, size)


def test_the_same_answer_to_another_photo_is_in_sight_too(chromium, all_tabs) -> None:
    phone = {"viewport": {"width": 390, "height": 664}, "has_touch": True, "reduced_motion": "reduce"}
    with visiting(chromium, all_tabs.url, **phone) as visit:
        for size in ((100, 90), (90, 100)):
            visit.pick("a.jpg", photo(YELLOW, size))
            visit.page.wait_for_function(f"document.querySelector('#photo img')?.naturalWidth === {size[0]}")
            visit.page.wait_for_function(IN_SIGHT)
            visit.page.evaluate("scrollTo(0, 0)")
