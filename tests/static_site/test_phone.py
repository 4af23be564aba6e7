"""The page without a server on a phone: the answer in sight, one story beside it, and what is kept or sent of it."""

from __future__ import annotations

import base64
import dataclasses
import io
import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mirror.errors import ImageError
from mirror.inference.classifier import Classifier
from mirror.model_folder import ModelFolder, read_model_folder
from mirror.page_pictures import PREVIEW_PIXELS
from mirror.static_site.site_files import PREVIEW, site_files
from mirror.wording import plain
from tests.static_site.conftest import ROOT, Visit
from tests.static_site.formats import EXAMPLES, encoded
from tests.static_site.hosting import Host, hosted, write
from tests.static_site.showing import CYGNET, DUCKLING, show
from tests.web.tiny import tiny_model

pytestmark = pytest.mark.browser
PHONES = ((390, 664), (375, 553), (360, 640), (320, 256))  # the last one as at 400 % zoom
WAYS = ("choose", "drop", "paste", "data:", "address", "example", "live", "camera")
IN_SIGHT = """(() => {
  const said = document.querySelector("#answer").getBoundingClientRect();
  return said.height > 0 && said.top >= 0 && said.bottom <= innerHeight
    && document.documentElement.scrollWidth <= innerWidth;
})()"""


@pytest.fixture
def phone(chromium: Any, host: Host, request: pytest.FixtureRequest) -> Any:
    width, height = getattr(request, "param", PHONES[0])
    size = {"width": width, "height": height}
    context = chromium.new_context(viewport=size, has_touch=True, is_mobile=True, permissions=["camera"])
    yield Visit(context.new_page(), host)
    context.close()


def hand_over(visit: Visit, how: str) -> None:
    page = visit.page
    if how == "choose":
        page.set_input_files("#file", CYGNET)
    elif how == "data:":  # with line breaks, and letters for addresses
        coded = base64.urlsafe_b64encode(CYGNET.read_bytes()).decode()
        show(visit, "paste", None, f"data:image/jpeg;base64,{coded[:76]}\n{coded[76:]}")
    elif how == "address":
        page.evaluate("scrollTo(0, 0)")
        show(visit, "drop", None, f"{visit.host.address}examples/mirror/cygnet.jpg")
    elif how == "example":
        page.locator(".example").first.tap()
    elif how in ("live", "camera"):
        page.locator("#camera").tap()
        visit.until("/looks? a second/.test(document.querySelector('#rate').textContent)")
        if how == "camera":
            page.locator("#take").tap()
    else:
        show(visit, how, CYGNET.read_bytes())


@pytest.mark.parametrize("phone", PHONES, indirect=True)
def test_the_answer_is_in_sight_after_every_way_of_showing_a_photo(phone: Visit) -> None:
    phone.open()
    for how in WAYS:
        hand_over(phone, how)
        answer = phone.answered()
        assert how in ("live", "camera") or answer == "This is a cygnet.", how
        phone.until(IN_SIGHT)
        phone.page.locator("#remove").tap()
        phone.page.evaluate("scrollTo(0, 0)")
    assert phone.errors == [] and phone.foreign == []


def test_a_finger_is_told_to_tap_and_a_mouse_to_click(phone: Visit, visit: Visit) -> None:
    assert phone.open().page.inner_text("#drop") == "Tap to choose a photo\nor to take one"
    assert visit.open().page.inner_text("#drop") == "Drop a photo here\nor click to choose one"


def test_an_address_of_another_site_is_not_asked(phone: Visit) -> None:
    show(phone.open(), "paste", None, "https://example.org/cygnet.jpg")
    assert phone.answered().startswith("I look at no addresses elsewhere") and phone.foreign == []


def test_beside_neither_stands_no_full_bar(phone: Visit) -> None:
    page = phone.open().page
    page.set_input_files("#file", EXAMPLES / "pineapple.jpg")
    assert phone.answered().startswith("Neither") and not page.is_visible("#probabilities li")
    page.locator("#probabilities summary").tap()
    assert re.match("Nearest of what I know: (cygnet|duckling)$", page.inner_text("#probabilities summary"))
    assert page.is_visible("#probabilities li")
    colour = "getComputedStyle(document.querySelector('#probabilities i')).backgroundColor"
    grey = page.evaluate(colour)
    page.locator("#remove").tap()
    page.set_input_files("#file", DUCKLING)
    phone.until("document.querySelector('#answer .says').textContent === 'This is a duckling.'")
    assert page.is_visible("#probabilities li") and not page.locator("#probabilities summary").count()
    assert page.evaluate(colour) != grey


def test_bars_that_were_opened_of_a_live_picture_stay_open(phone: Visit) -> None:
    page = phone.open().page
    hand_over(phone, "live")
    assert phone.answered().startswith("Neither")
    page.evaluate(
        "document.querySelector('#probabilities details').open = true; document.querySelector('#rate').textContent = ''"
    )
    phone.until("document.querySelector('#rate').textContent !== ''")  # further frames were answered
    assert page.is_visible("#probabilities li")
    page.locator("#remove").tap()
    assert page.evaluate("document.querySelector('#video').srcObject === null")


@pytest.mark.parametrize(
    ("happens", "says"),
    [
        ("performance.now = () => 1e12", "The camera is off: it runs for 120 seconds at a time."),
        ("Object.defineProperty(document, 'hidden', {get: () => true})", "The camera is off."),
    ],
)
def test_the_camera_goes_off_by_itself(phone: Visit, happens: str, says: str) -> None:
    """After a time, and where another page is looked at."""
    page = phone.open().page
    hand_over(phone, "live")
    page.evaluate(happens)
    phone.until("document.querySelector('#video').srcObject === null")
    assert page.inner_text("#answer .says") == says and page.is_hidden("#probabilities") and page.is_visible("#drop")


def test_an_answer_is_kept_as_a_picture_with_photo_words_and_heat(phone: Visit, tmp_path: Path) -> None:
    page = phone.open().page
    page.set_input_files("#file", DUCKLING)
    phone.answered()
    heights = []
    for name in ("plain.png", "heat.png"):
        with page.expect_download() as download:
            page.locator("#save").tap()
        assert download.value.suggested_filename == "mirror-answer.png"
        download.value.save_as(tmp_path / name)
        picture = Image.open(tmp_path / name).convert("RGB")
        heights.append(picture.height)
        if name == "plain.png":
            page.locator("#why-button").tap()
            page.wait_for_selector("#why figure")
        yellow = sum(r > 150 and g > 120 and b < 90 for r, g, b in picture.resize((108, 160)).get_flattened_data())
        assert picture.width == 1080 and yellow > 200  # the duckling is in it
    assert heights[1] > heights[0] + 500
    assert phone.errors == []


@pytest.mark.parametrize("label", ["Küken", "بطة صغيرة", "long" * 25, "🦆🦆", "a <b> & “c”", "$5_$10"])
def test_labels_of_any_kind_fit_the_smallest_phone(chromium: Any, label: str, tmp_path: Path) -> None:
    tiny = read_model_folder(tiny_model(tmp_path / "models"))
    named = dataclasses.replace(tiny.info, labels=(label, *tiny.info.labels[1:]))
    with hosted(write(tmp_path / "site", site_files([ModelFolder(tiny.path, named)]))) as host:
        context = chromium.new_context(viewport={"width": 320, "height": 568})
        visit = Visit(context.new_page(), host).open()
        for colour in ("red", "yellow", "blue"):
            visit.page.set_input_files(
                "#file", {"name": "a", "mimeType": "", "buffer": encoded(Image.new("RGB", (64, 64), colour), "PNG")}
            )
            visit.answered()
            assert visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert plain(label) in visit.page.inner_text("#probabilities")
        context.close()


def test_pictures_to_click_may_have_any_name(chromium: Any, tmp_path: Path) -> None:
    tiny, names = (
        read_model_folder(tiny_model(tmp_path / "models")),
        ("swan #1 50%.jpg", "what?.jpg", "ä & b.jpg", "<i>.jpg"),
    )
    pictures = {name: encoded(Image.new("RGB", (64, 64), "red"), "JPEG") for name in names}
    with hosted(write(tmp_path / "site", site_files([tiny], examples=lambda _: pictures))) as host:
        visit = Visit(chromium.new_page(), host).open()
        for number in range(len(names)):
            visit.page.locator(".example").nth(number).click()
            visit.until("document.querySelector('#answer .verdict').className !== 'verdict waiting'")
            assert visit.page.is_visible("#probabilities"), visit.answered()
            visit.page.click("#remove")
        assert visit.page.evaluate("[...document.images].every(image => !image.src || image.naturalWidth > 0)")
        assert visit.errors == []
        visit.page.close()


def test_a_link_has_a_preview(files: dict[str, bytes], tmp_path: Path) -> None:
    page = files["index.html"].decode()
    told = dict(re.findall(r'<meta property="og:(\w+)" content="([^"]*)">', page))
    assert told["title"] == "Mirror, mirror on the wall, am I a duckling or a cygnet after all?"
    assert told["description"].startswith("Show me a photo.") and told["image"] == PREVIEW
    assert Image.open(io.BytesIO(files[PREVIEW])).size == PREVIEW_PIXELS
    tiny = read_model_folder(tiny_model(tmp_path / "models"))
    assert (
        b'content="https://example.org/a/preview.jpg"'
        in site_files([tiny], address="https://example.org/a/")["index.html"]
    )
    assert '<html lang="en">' in page


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("size", [(320, 256), (1500, 1200)])
def test_a_jpeg_without_its_end_marker_is_answered_as_python_answers_it(
    visit: Visit, size: tuple[int, int], progressive: bool
) -> None:
    """One that lacks pixels too is refused, here as there."""
    whole = encoded(Image.open(DUCKLING).convert("RGB").resize(size), "JPEG", progressive=progressive)
    classifier, page = Classifier.load(ROOT / "models" / "mirror"), visit.open().page
    ask = """coded => window.mirror.predict(new Blob([Uint8Array.from(atob(coded), l => l.charCodeAt(0))])).then(
      ({probability}) => probability, String)"""
    for cut in (whole, whole[:-1], whole[:-2], whole[:-2] + bytes(20), whole[:-40], whole[: len(whole) // 2]):
        said = page.evaluate(ask, base64.b64encode(cut).decode())
        try:
            assert said == pytest.approx(classifier.predict(cut).probability, abs=1e-3)
        except ImageError:
            assert "damaged or cut off" in said
