"""What axe finds on every tab and in the studio, and what WCAG 2.2 AA asks for beside it, by day and by night."""

from __future__ import annotations

import re
from typing import Any

import pytest

from mirror.web.studio.gallery import TABS as STUDIO_TABS
from tests.support.axe import AXE, LOOK
from tests.support.visits import DESKTOP, OVERLAPS, PHONE, Visit, visiting
from tests.web.serving import serve
from tests.web.studio.folders import photo_folder
from tests.web.tiny import BLUE, YELLOW, photo

pytestmark = pytest.mark.browser

TABS = {"What is this?": "general", "What is where?": "objects", "Your own words": "words", "Faces": "faces"}
# WCAG 2.2, 1.4.12: what a reader may set without losing anything
SPACED = "* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important; }"


@pytest.fixture
def axe() -> str:
    if not AXE.is_file():
        pytest.skip("axe-core is not installed: npm ci")
    return AXE.read_text("utf-8")


def answered(visit: Visit, name: str) -> None:
    visit.page.wait_for_function(
        "name => document.querySelector(name + ' .verdict:not(.waiting)')", arg=name, polling=100
    )


@pytest.mark.parametrize(("viewport", "dark"), [(DESKTOP, False), (PHONE, True)], ids=["desktop-light", "phone-dark"])
def test_axe_finds_nothing_on_any_tab(chromium: Any, all_tabs, axe: str, viewport: dict, dark: bool) -> None:
    with visiting(chromium, all_tabs.url, viewport=viewport, dark=dark, permissions=["camera"]) as visit:
        page = visit.page
        page.locator("#photo button.upload-container[aria-label*='choose']").wait_for()
        page.evaluate(axe)
        found = {"empty": page.evaluate(LOOK)}
        visit.pick("sea.jpg", photo(BLUE))
        visit.says("Neither")
        page.locator("#probabilities summary").click()
        found["neither"] = page.evaluate(LOOK)
        visit.pick("duck.jpg", photo(YELLOW))
        visit.says("duckling")
        page.locator("#why-button").click()
        page.locator("#why figure").wait_for()
        found["why"] = page.evaluate(LOOK)
        page.get_by_label("Model").click()
        page.get_by_role("option").first.wait_for()
        found["models"] = page.evaluate(LOOK)
        page.keyboard.press("Escape")
        for tab, name in TABS.items():
            visit.open_tab(tab)
            page.locator(f"#{name}-photo input[type=file]").wait_for(state="attached")
            if name == "words":
                page.locator("#words-labels textarea").fill("a cat, a dog")
            found[tab] = page.evaluate(LOOK)
            visit.pick("duck.jpg", photo(YELLOW), frame=f"{name}-photo")
            answered(visit, f"#{name}-answer")
            found[f"{tab} answered"] = page.evaluate(LOOK)
        page.get_by_role("tab", name="Camera").click()
        page.get_by_role("button", name="Start the camera").wait_for()
        found["camera"] = page.evaluate(LOOK)
        visit.open_tab("Live")
        page.locator("#live").get_by_role("button", name="Start the camera").click()
        page.locator("#live .bars").first.wait_for(state="attached")
        found["live"] = page.evaluate(LOOK)
        visit.open_tab("About this mirror")
        page.locator(".note table").locator("visible=true").first.wait_for()
        found["about"] = page.evaluate(LOOK)
    assert {place: faults for place, faults in found.items() if faults} == {}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_axe_finds_nothing_in_the_studio(chromium: Any, axe: str, tmp_path, dark: bool) -> None:
    photo_folder(tmp_path / "birds", each=4)
    (tmp_path / "models").mkdir()
    with serve("--studio", str(tmp_path / "birds"), "--models", str(tmp_path / "models")) as page:
        tab = chromium.new_context(color_scheme="dark" if dark else "light").new_page()
        tab.goto(page.address)
        tab.locator(".tile").first.wait_for()
        tab.evaluate(axe)
        found = {}
        for each in tab.locator("#steps > .tab-wrapper [role=tablist]:not(.visually-hidden) [role=tab]").all():
            each.click()
            tab.locator(
                f"#studio[data-step={each.get_attribute('id').removeprefix('step-').removesuffix('-button')}]"
            ).wait_for()
            found[each.inner_text()] = tab.evaluate(LOOK)
        tab.get_by_role("tab", name="Clean").click()
        for name, said in STUDIO_TABS.items():
            tab.get_by_role("tab", name=re.compile(f"^{said}")).click()
            tab.locator(f".board[data-tab={name}]").wait_for()
            found[said] = tab.evaluate(LOOK)
        tab.close()
    assert len(found) >= 11
    assert {place: faults for place, faults in found.items() if faults} == {}


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_text_may_be_spaced_out_and_every_target_is_large_enough(chromium: Any, all_tabs, viewport: dict) -> None:
    small = """() => [...document.querySelectorAll('button, a, input, summary, [role=tab]')].filter(each => {
        const box = each.getBoundingClientRect();
        const inLine = getComputedStyle(each).display === 'inline';
        return each.checkVisibility() && box.width > 1 && !inLine && (box.width < 24 || box.height < 24);
    }).map(each => each.outerHTML.slice(0, 120))"""
    with visiting(chromium, all_tabs.url, viewport=viewport) as visit:
        visit.pick("sea.jpg", photo(BLUE))
        visit.says("Neither")
        assert visit.page.evaluate(small) == []
        visit.page.add_style_tag(content=SPACED)
        assert visit.page.evaluate(OVERLAPS) == []
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        visit.shot(f"spaced-{viewport['width']}")
