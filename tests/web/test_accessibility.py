"""What WCAG 2.2 AA asks for where axe cannot tell: targets of 24 px, and text that may be spaced out."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.visits import DESKTOP, OVERLAPS, PHONE, visiting
from tests.web.tiny import BLUE, photo

pytestmark = pytest.mark.browser

# WCAG 2.2, 1.4.12: what a reader may set without losing anything
SPACED = "* { line-height: 1.5 !important; letter-spacing: 0.12em !important; word-spacing: 0.16em !important; }"


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
