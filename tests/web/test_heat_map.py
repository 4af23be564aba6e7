"""Why the mirror says so: the endpoint, and the button in a real Chromium."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from mirror import answer_sentences
from mirror.inference.classifier import Classifier
from mirror.inference.grad_cam import explain, overlay
from tests.pictures import for_the_readme
from tests.support.photo_kinds import sideways
from tests.support.visits import CONTRAST, DESKTOP, PHONE, realistic, visiting
from tests.web.asking import CLIENT, ask
from tests.web.serving import Served, serve
from tests.web.tiny import BLUE, GREY, YELLOW, photo, tiny_model


def halves(left: tuple[int, int, int], right: tuple[int, int, int]) -> bytes:
    picture = Image.new("RGB", (160, 120), right)
    picture.paste(left, (0, 0, 80, 120))
    buffer = io.BytesIO()
    picture.save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def client(served: Served) -> Client:
    return Client(served.url, verbose=False)


def saved(tmp_path: Path, body: bytes):
    (tmp_path / "photo.png").write_bytes(body)
    return handle_file(tmp_path / "photo.png")


def test_explain_takes_a_photo_and_gives_a_picture(client, models, tmp_path):
    answer = client.predict(saved(tmp_path, halves(YELLOW, GREY)), api_name="/explain")
    with Image.open(answer) as picture:
        found = np.asarray(picture.convert("RGB")).astype(int)
    ours = overlay(explain(Classifier.load(models / "mirror"), tmp_path / "photo.png"))
    assert found.shape == (120, 160, 3) and np.abs(found - np.asarray(ours).astype(int)).mean() < 3
    assert found[60, 20, 0] - found[60, 20, 2] > 100, "yellow where it is hot"
    assert np.ptp(found[60, 140]) < 20, "grey where it is not"


def test_nobody_can_tell_whether_the_same_photo_was_shown(served):
    """The kind: a file's name that follows from a photo can be asked for by whoever has that photo too."""
    sent = {"url": "data:image/png;base64," + base64.b64encode(photo(YELLOW, format="PNG")).decode()}
    shown = [ask(served.url, "explain", sent)[1][0] for _ in range(2)]
    assert len({Path(each["path"]).relative_to(served.uploads.resolve()).parts[1] for each in shown}) == 2
    for each in shown:
        assert CLIENT.get(each["url"]).headers["content-type"] == "image/webp"


def test_a_label_may_be_asked_for(client, tmp_path):
    cold = client.predict(saved(tmp_path, photo(BLUE, format="PNG")), label="duckling", api_name="/explain")
    with Image.open(cold) as picture:
        assert np.ptp(np.asarray(picture.convert("RGB")).astype(int), axis=2).max() < 8, "grey all over"
    with pytest.raises(AppError, match="The model mirror knows no label goose: choose one of cygnet, duckling."):
        client.predict(saved(tmp_path, photo(BLUE, format="PNG")), label="goose", api_name="/explain")


@pytest.mark.parametrize(
    ("body", "says"),
    [(b"no photo", "is not an image"), (photo(GREY)[:300], "cut short|damaged")],
    ids=["text", "cut short"],
)
def test_what_is_no_photo_gets_a_sentence(client, tmp_path, body, says):
    with pytest.raises(AppError, match=says):
        client.predict(saved(tmp_path, body), api_name="/explain")


@pytest.fixture(scope="module")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A page with the model, and one that cannot tell why."""
    folder = tmp_path_factory.mktemp("mixed")
    tiny_model(folder)
    tiny_model(folder, "silent", ("apple", "pear"), heat=False)
    with serve("--models", str(folder), "--default", "mirror", MIRROR_ALLOW_PRIVATE_HOSTS="0") as page:
        yield page


def test_a_model_that_cannot_tell_why_says_so(mixed, tmp_path):
    client = Client(mixed.url, verbose=False)
    with pytest.raises(AppError, match="The model silent cannot show why: its network gives no heat map"):
        client.predict(saved(tmp_path, photo(YELLOW)), model="silent", api_name="/explain")
    with Image.open(client.predict(saved(tmp_path, photo(YELLOW)), model="mirror", api_name="/explain")) as picture:
        assert picture.size == (160, 120)


def why(visit):
    return visit.page.get_by_role("button", name=answer_sentences.EXPLAIN)


def enough(visit):
    return visit.page.get_by_role("button", name=answer_sentences.HIDE)


browser = pytest.mark.browser


@browser
def test_the_button_shows_where_the_mirror_looked_and_takes_it_away_again(chromium, served):
    with visiting(chromium, served.url) as visit:
        visit.says("Show me a photo.")
        assert not why(visit).is_visible()
        visit.pick("halves.png", halves(YELLOW, GREY), "image/png")
        visit.says("duckling")
        visit.page.wait_for_function("document.querySelector('#photo img')?.src.startsWith('data:')")
        original = visit.page.locator("#photo img").get_attribute("src")
        why(visit).click()
        picture = visit.page.locator("#why img")
        picture.wait_for()
        assert picture.get_attribute("alt") == "Your photo in grey, coloured where I looked: the left."
        assert picture.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [160, 120]
        assert visit.page.locator("#why figcaption").inner_text().split("\n\n") == [
            "I looked mostly at the left of the photo.",
            "The brighter the colour, the more a place speaks for a duckling.",
        ]
        assert visit.page.locator("#why").get_attribute("aria-live") == "polite"
        assert visit.page.locator("#photo img").get_attribute("src") == original  # beside it, as it was
        enough(visit).click()
        picture.wait_for(state="detached")
        why(visit).press("Enter")
        picture.wait_for()
        visit.pick("other.jpg", photo(GREY))
        visit.says("Hard to say")
        picture.wait_for(state="detached")
        assert why(visit).is_visible()
        visit.page.get_by_role("button", name=re.compile("^(Clear|Remove)", re.I)).click()
        visit.says("Show me a photo.")
        assert not why(visit).is_visible()


@browser
def test_a_photo_that_was_refused_is_explained_too(chromium, served):
    with visiting(chromium, served.url) as visit:
        visit.pick("sea.png", halves(BLUE, (0, 0, 60)), "image/png")
        visit.says("Neither")
        why(visit).click()
        looked = visit.page.locator("#why .looked")
        looked.wait_for()
        assert re.fullmatch(r"(If it were|Nothing in this photo) .*a (duckling|cygnet).*", looked.inner_text())


@browser
def test_the_picture_stands_upright(chromium, served):
    with visiting(chromium, served.url) as visit:
        visit.pick("sideways.jpg", sideways())
        visit.says("duckling")
        why(visit).click()
        size = visit.page.locator("#why img").evaluate("image => [image.naturalWidth, image.naturalHeight]")
        assert size == [120, 160]


@browser
def test_a_model_that_cannot_tell_why_has_no_button(chromium, mixed):
    with visiting(chromium, mixed.url) as visit:
        visit.pick("yellow.jpg", photo(YELLOW))
        visit.says("duckling")
        why(visit).click()
        visit.page.locator("#why img").wait_for()
        visit.page.get_by_label("Model").click()
        visit.page.get_by_role("option", name=re.compile("^.?silent")).click()
        visit.says("apple|pear")
        visit.page.locator("#why img").wait_for(state="detached")
        assert not visit.page.locator("#why-button").is_visible()


@browser
@pytest.mark.parametrize(("viewport", "dark"), [(DESKTOP, False), (PHONE, True)], ids=["desktop", "phone by night"])
def test_it_fits_its_screen_by_day_and_by_night(chromium, served, viewport, dark):
    with visiting(chromium, served.url, viewport=viewport, dark=dark, has_touch=viewport is PHONE) as visit:
        visit.pick("duckling.jpg", realistic())
        visit.page.locator("#answer .sure").filter(has_text=re.compile("sure|little")).wait_for()
        why(visit).click()
        visit.page.locator("#why img").wait_for()
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        assert visit.page.evaluate(CONTRAST) == []
        button = visit.page.locator("#why-button").bounding_box()
        assert button["height"] >= 44
        visit.shot(f"why-{'phone' if viewport is PHONE else 'desktop'}-{'dark' if dark else 'light'}")


@browser
def test_the_shipped_mirror_shows_where_it_looked_at_the_drawn_duckling(chromium):
    with serve() as page, visiting(chromium, page.url, viewport={"width": 1180, "height": 860}) as visit:
        visit.page.locator("#examples .example").filter(has_text="duckling").click()
        visit.says("^This is a duckling.$")
        why(visit).click()
        visit.page.locator("#why img").wait_for()
        visit.rest()
        for_the_readme("page", visit.page)
