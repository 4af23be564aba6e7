"""The repository as a newcomer starts it: the shipped model, the shipped pictures, a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from gradio_client import Client, handle_file

from tests.support.visits import PHONE, SHIPPED, visiting
from tests.web.serving import REPOSITORY, Served, serve

WATERFOWL = REPOSITORY.parent / "shared" / "data" / "waterfowl"
SAYS = {"duckling": r"^This is a duckling\.$", "cygnet": r"cygnet", "pineapple": r"^Neither: "}


@pytest.fixture(scope="module")
def shipped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve(uploads=tmp_path_factory.mktemp("uploads")) as page:
        yield page


@pytest.mark.browser
def test_every_example_is_answered_rightly_at_a_click(chromium, shipped) -> None:
    with visiting(chromium, shipped.url) as visit:
        assert visit.page.title() == SHIPPED
        for name in ("duckling", "pineapple", "cygnet"):
            visit.page.locator("#examples .example").filter(has_text=name).click()
            visit.says(SAYS[name])
            visit.page.locator("#probabilities .bars li").first.wait_for(state="attached")
            visit.shot(f"shipped-{name}")


@pytest.mark.browser
def test_it_shows_where_it_looked(chromium, shipped) -> None:
    with visiting(chromium, shipped.url) as visit:
        visit.page.locator("#examples .example").filter(has_text="duckling").click()
        visit.says(SAYS["duckling"])
        visit.page.locator("#why-button").click()
        visit.page.locator("#why figure img").wait_for()
        assert visit.page.locator("#why .looked").inner_text()
        visit.shot("shipped-why")


@pytest.mark.browser
def test_the_pages_own_pictures_do_not_lie_among_the_uploads_that_are_deleted(chromium, shipped) -> None:
    with visiting(chromium, shipped.url) as visit:
        visit.page.locator("#examples .example img").nth(2).wait_for()
        visit.open_tab("About this mirror")
        visit.page.get_by_text("What it learned from").wait_for()
        sources = visit.page.locator("img").evaluate_all("images => images.map(image => image.src)")
    assert len(sources) >= 3
    assert [source for source in sources if str(shipped.uploads) in source] == []


@pytest.mark.browser
def test_it_fits_a_phone_by_night_and_tells_about_itself(chromium, shipped) -> None:
    with visiting(chromium, shipped.url, viewport=PHONE, dark=True) as visit:
        visit.page.locator("#examples .example").filter(has_text="cygnet").click()
        visit.says(SAYS["cygnet"])
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
        visit.shot("shipped-phone")
        visit.open_tab("About this mirror")
        about = visit.page.get_by_text("What it learned from")
        about.wait_for()
        visit.shot("shipped-about")


@pytest.mark.skipif(not WATERFOWL.is_dir(), reason="needs ../shared/data/waterfowl")
def test_real_photos_are_told_apart_through_the_api(shipped) -> None:
    client = Client(shipped.url, verbose=False)
    photos = sorted(WATERFOWL.glob("*/web_*.jpg"))
    said = [client.predict(handle_file(str(photo)), api_name="/predict")["label"] for photo in photos]
    client.close()
    wrong = [photo.name for photo, label in zip(photos, said, strict=True) if label != photo.parent.name]
    assert len(photos) == 23 and len(wrong) <= 1, wrong
