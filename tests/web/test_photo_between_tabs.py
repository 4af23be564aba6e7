"""A photo goes along from tab to tab, and an error takes none away."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.visits import visiting
from tests.web.tiny import BLUE, YELLOW, photo

pytestmark = pytest.mark.browser


def test_the_photo_of_the_tab_that_is_left_is_shown_to_the_one_that_is_opened(chromium, served):
    with visiting(chromium, served.url) as visit:
        visit.pick("yellow.jpg", photo(YELLOW, (400, 300)))
        visit.says("duckling")
        visit.page.wait_for_function("document.querySelector('#photo img')?.src.startsWith('data:')")
        visit.open_tab("About this mirror")
        visit.open_tab("Faces")
        visit.page.locator("#faces-found .found").wait_for()  # answered, and not only shown
        visit.page.wait_for_function("document.querySelector('#faces-photo img')?.naturalWidth === 400")
        asked: list[str] = []
        visit.page.on("request", lambda request: asked.append(request.url) if "upload" in request.url else None)
        visit.open_tab("The mirror")
        visit.says("duckling")
        visit.page.wait_for_timeout(500)
        assert asked == []  # it has that photo already
        visit.page.get_by_role("button", name="Remove Image").locator("visible=true").click()
        visit.pick("sea.jpg", photo(BLUE, (300, 300)))
        visit.says("Neither")
        visit.page.wait_for_function("document.querySelector('#photo img')?.src.startsWith('data:')")
        visit.open_tab("Faces")
        visit.page.wait_for_function("document.querySelector('#faces-photo img')?.naturalWidth === 300")


def test_a_removed_photo_goes_nowhere(chromium, served):
    with visiting(chromium, served.url) as visit:
        visit.pick("yellow.jpg", photo(YELLOW))
        visit.says("duckling")
        visit.page.get_by_role("button", name="Remove Image").click()
        visit.says("Show me a photo.")
        visit.open_tab("Faces")
        visit.page.locator("#faces-answer .says", has_text="Show me people.").wait_for()
        visit.page.wait_for_timeout(500)
        assert visit.page.locator("#faces-photo img").count() == 0


def test_a_photo_that_is_still_on_its_way_goes_along_and_a_removed_one_does_not(chromium, served):
    with visiting(chromium, served.url) as visit:
        held: list[Any] = []
        visit.page.route("**/upload?*", lambda route: held.append(route) if not held else route.continue_())
        visit.pick("yellow.jpg", photo(YELLOW, (400, 300)))
        visit.page.get_by_text("Uploading").first.wait_for()
        visit.open_tab("Faces")
        visit.page.wait_for_function("document.querySelector('#faces-photo img')?.naturalWidth === 400")
        held[0].continue_()
        visit.page.wait_for_function("document.querySelector('#photo img')?.src.startsWith('data:')")
        visit.page.get_by_role("button", name="Remove Image").locator("visible=true").click()
        visit.page.locator("#faces-answer .says", has_text="Show me people.").wait_for()
        visit.open_tab("About this mirror")
        visit.open_tab("Faces")
        visit.page.locator("#faces-photo button.upload-container").wait_for()
        assert visit.page.locator("#faces-photo img").count() == 0


def test_an_answer_that_was_sent_before_its_photo_was_taken_away_does_not_bring_it_back(chromium, served):
    with visiting(chromium, served.url) as visit:
        held: list[Any] = []
        visit.page.route("**/queue/data?*", lambda route: held.append(route))
        visit.pick("yellow.jpg", photo(YELLOW))
        visit.page.wait_for_timeout(2000)  # the server has answered by now; where it has not, it answers no more
        visit.page.get_by_role("button", name="Remove Image").click()
        for route in held:
            route.continue_()
        visit.page.unroute("**/queue/data?*")
        visit.page.wait_for_timeout(1500)
        visit.says("Show me a photo.")
        assert visit.page.locator("#photo img").count() == 0
