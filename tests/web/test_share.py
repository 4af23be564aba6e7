"""What goes from the page to others: an answer as a picture, and what a chat shows of a link to the page."""

from __future__ import annotations

import io
import re
from html.parser import HTMLParser
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.support.visits import SHIPPED, visiting
from tests.web.serving import Served, serve
from tests.web.tiny import BLUE, YELLOW, photo, tiny_model

LONG = "a_very_long_label_" * 6


class Tags(HTMLParser):
    """The <meta> of a page: their names and contents, each as often as it is there."""

    def __init__(self, html: str):
        super().__init__()
        self.found: list[tuple[str, str]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("property") or given.get("name") or ""
        if tag == "meta" and name.startswith(("og:", "twitter:", "description")):
            self.found.append((name, given.get("content") or ""))


def test_a_link_is_shown_with_the_question_and_a_picture_that_is_there(served: Served) -> None:
    found = Tags(httpx.get(served.url).text).found
    told = dict(found)
    assert len(told) == len(found)  # none of gradio's beside them
    assert told["og:title"] == told["twitter:title"] == SHIPPED
    assert told["og:description"] == told["description"] != ""
    assert told["og:url"] == f"{served.url}/" and told["twitter:card"] == "summary_large_image"
    assert not [text for text in told.values() if "radio" in text]
    picture = httpx.get(told["og:image"])
    assert picture.headers["content-type"] == "image/jpeg" and told["og:image"] == told["twitter:image"]
    with Image.open(io.BytesIO(picture.content)) as image:
        assert image.size == (int(told["og:image:width"]), int(told["og:image:height"]))


def test_a_link_names_the_address_that_it_was_asked_by(tmp_path: Path) -> None:
    tiny_model(tmp_path, "odd", ('"><script>alert(1)</script>', "b"))
    with serve("--models", str(tmp_path), SYSTEM="spaces", SPACE_ID="ana/mirror") as page:
        asked = {"host": "ana-mirror.hf.space", "x-forwarded-proto": "https"}
        html = httpx.get(page.url, headers=asked).text
        told = dict(Tags(html).found)
        assert told["og:image"] == "https://ana-mirror.hf.space/link-preview.jpg"
        assert "<script>alert" not in html and "<script>alert(1)</script>" in told["og:title"]


def test_a_link_to_a_model_is_shown_with_that_models_question_and_pictures(tmp_path: Path) -> None:
    tiny_model(tmp_path, "mirror")
    examples = tiny_model(tmp_path, "our fruit", ("apple", "pear", "plum")) / "examples"
    examples.mkdir()
    (examples / "sea.png").write_bytes(photo(BLUE, (330, 330), "PNG"))
    with serve("--models", str(tmp_path), "--default", "mirror") as page:
        told, first, unknown = (dict(Tags(httpx.get(page.url, params=asked).text).found)
                                for asked in ({"model": "our fruit"}, {}, {"model": "nobody's"}))  # fmt: skip
        assert told["og:title"] == "Mirror, mirror on the wall, am I an apple, a pear or a plum after all?"
        assert told["og:url"] == f"{page.url}/?model=our+fruit"
        assert first == unknown and first["og:title"] == SHIPPED
        pictures = [httpx.get(each["og:image"]).content for each in (told, first)]
        assert pictures[0] != pictures[1]
        with Image.open(io.BytesIO(pictures[0])) as image:
            red, _, blue = np.asarray(image.convert("RGB")).astype(int).transpose(2, 0, 1)
        assert ((red < 60) & (blue > 200)).sum() > 50_000  # the sea


@pytest.mark.browser
def test_an_answer_is_saved_as_a_picture_by_the_browser_alone(chromium, served: Served) -> None:
    with visiting(chromium, served.url) as visit:
        button = visit.page.get_by_role("button", name="Save as a picture")
        visit.page.locator("#answer .waiting").wait_for()
        assert not button.is_visible()
        visit.pick("duckling.jpg", photo(YELLOW, (1600, 1200)))
        visit.says("duckling")
        visit.page.wait_for_function("document.querySelector('#photo img')?.src.startsWith('data:')")
        sizes = []
        for why in (False, True):
            if why:
                visit.page.get_by_role("button", name="Why do you say so?").click()
                visit.page.locator("#why figure img").wait_for()
            visit.rest(quiet=500)  # of what it asks for each picture that it is given, its own as well
            asked: list[str] = []
            visit.page.on("request", lambda request, asked=asked: asked.append(request.url))
            with visit.page.expect_download() as saved:
                button.click()
            assert saved.value.suggested_filename == "mirror-answer.png"
            assert not [url for url in asked if url.startswith("http")]
            with Image.open(saved.value.path()) as image:
                sizes.append(image.size)
                pixels = np.asarray(image.convert("RGB")).astype(int)
            assert (np.abs(pixels - YELLOW).max(axis=2) < 12).mean() > 0.2  # the photo
            assert (pixels[-300:].max(axis=2) < 120).mean() > 0.003  # ink below it
        assert sizes[0][0] == sizes[1][0] == 1080 and min(high for _, high in sizes) > 700


@pytest.mark.browser
def test_the_longest_labels_fit_into_the_picture(chromium, tmp_path: Path) -> None:
    tiny_model(tmp_path, "odd", ("short", LONG.replace("_", "x")))
    with serve("--models", str(tmp_path)) as page, visiting(chromium, page.url) as visit:
        visit.pick("yellow.jpg", photo(YELLOW, (400, 300)))
        visit.says(re.escape("This is"))
        visit.page.wait_for_function("document.querySelector('#photo img')?.naturalWidth === 400")
        with visit.page.expect_download() as saved:
            visit.page.get_by_role("button", name="Save as a picture").click()
        with Image.open(saved.value.path()) as image:
            pixels = np.asarray(image.convert("L")).astype(int)
        paper = pixels[0, 0]
        assert image.width == 1080
        assert (np.abs(pixels[:, :40] - paper) < 8).all() and (np.abs(pixels[:, -40:] - paper) < 8).all()
