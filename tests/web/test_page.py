"""The page as a person sees it, in a real Chromium."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mirror.templates import data_url
from mirror.web.uploads import MAX_UPLOAD_BYTES
from tests.support.photo_kinds import heic, sideways
from tests.support.visits import CONTRAST, DESKTOP, PHONE, SHIPPED, choose, realistic, spoken, visiting
from tests.web.asking import ask, ask_by_number
from tests.web.serving import REPOSITORY, Served, serve
from tests.web.tiny import BLUE, GREY, RED, YELLOW, photo, tiny_model

pytestmark = pytest.mark.browser
PNG = data_url(photo(YELLOW, format="PNG"), "png")


def test_a_dropped_photo_is_answered(chromium, served):
    with visiting(chromium, served.url) as visit:
        assert (visit.page.title(), visit.page.locator("h1").inner_text()) == (SHIPPED, SHIPPED)
        visit.says("Show me a photo.")
        visit.shot("page-empty")
        visit.drop("duckling.jpg", photo(YELLOW))
        visit.says("^This is a duckling.$")
        assert spoken(visit.page.locator("#answer .sure").inner_text()) == "I am more than 99 % sure."
        assert visit.bars() == {"duckling": "more than 99 %", "cygnet": "less than 1 %"}


def test_a_picked_photo_is_answered_and_shown_upright_from_memory(chromium, served):
    with visiting(chromium, served.url) as visit:
        visit.pick("sideways.jpg", sideways())  # 160 × 120 pixels as stored
        visit.says("duckling")
        picture = visit.page.locator("#photo img")
        visit.page.wait_for_function("document.querySelector('#photo img').src.startsWith('data:image/jpeg')")
        assert picture.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [120, 160]
        assert picture.get_attribute("alt") == "The photo you showed"


def test_what_is_neither_is_called_neither_with_its_probabilities(chromium, served):
    with visiting(chromium, served.url) as visit:
        visit.pick("sea.jpg", photo(BLUE))
        visit.says("^Neither: this looks like nothing I was trained on.$")
        assert visit.bars() == {"cygnet": "more than 99 %", "duckling": "less than 1 %"}
        bars, summary = visit.page.locator("#probabilities .bars"), visit.page.locator("#probabilities summary")
        assert summary.inner_text() == "Nearest of what I know: cygnet" and not bars.is_visible()
        visit.shot("page-neither")
        summary.click()
        assert bars.is_visible()
        colours = "all => all.map(each => getComputedStyle(each).backgroundColor)"
        [grey] = set(bars.locator("i").evaluate_all(colours))
        visit.pick("duckling.jpg", photo(YELLOW))
        visit.says("duckling")
        assert grey not in bars.locator("i").evaluate_all(colours) and not summary.is_visible()


def test_a_removed_photo_is_forgotten(chromium, served):
    with visiting(chromium, served.url) as visit:
        visit.pick("a.jpg", photo(YELLOW))
        visit.says("duckling")
        visit.page.get_by_role("button", name="Remove Image").click()
        visit.says("Show me a photo.")
        assert visit.bars() == {}


def test_a_removed_photo_is_forgotten_without_the_server(chromium, served):
    """The page says so too before a photo is pasted or taken: that must never come after the photo's own answer."""
    with visiting(chromium, served.url) as visit:
        visit.pick("a.jpg", photo(YELLOW))
        visit.says("duckling")
        held: list[Any] = []
        visit.page.route("**/queue/join*", lambda route: held.append(route))
        visit.page.get_by_role("button", name="Remove Image").click()
        visit.says("Show me a photo.")
        assert visit.bars() == {}
        for route in held:
            route.continue_()
        visit.page.unroute("**/queue/join*")


def test_the_browser_alone_shows_that_a_photo_is_removed(served):
    config = httpx.get(f"{served.url}/config").json()
    removals = [each for each in config["dependencies"] if "clear" in (event for _, event in each["targets"])]
    shown = [each for each in removals if not each["backend_fn"]]
    assert len(shown) >= 5
    for each in removals:
        if each["backend_fn"]:  # it only tells that the answer which is on its way is not wanted any more
            _, answer = ask_by_number(served.url, each["id"], [])
            assert not [part for part in answer["data"] if part.get("__type__") != "update" or "value" in part]


def test_an_address_is_looked_at_with_the_button_and_with_the_enter_key(chromium, served, world):
    host = world.direct_host()
    yellow, grey = host.body("/a%20b.jpg", photo(YELLOW)), host.body("/c.jpg", photo((110, 100, 100)))
    with visiting(chromium, served.url) as visit:
        box = visit.page.get_by_label("Or the address of a photo")
        box.fill(yellow)
        visit.page.get_by_role("button", name="Look", exact=True).click()
        visit.says("This is a duckling")
        box.fill(f"  {grey} ")
        box.press("Enter")
        visit.says("cygnet|duckling.*Hard|Hard to say")
        assert world.count(yellow) == world.count(grey) == 1  # by the server, and never by the browser


@pytest.mark.parametrize(
    ("address", "says"),
    [("", "paste the address"), ("hello", "http"), ("gopher://<img src=x onerror=alert(1)>", "<img src=x")],
    ids=["nothing", "no address", "hostile"],
)
def test_a_wrong_address_is_told_in_the_answer(chromium, served, address, says):
    with visiting(chromium, served.url) as visit:
        visit.page.get_by_label("Or the address of a photo").fill(address)
        visit.page.get_by_role("button", name="Look", exact=True).click()
        visit.page.locator("#answer .trouble").wait_for()
        visit.says(re.escape(says))
        assert visit.page.locator("#answer img").count() == 0


def test_a_broken_file_is_told_in_one_sentence_and_the_next_photo_works(chromium, served):
    with visiting(chromium, served.url) as visit:
        visit.drop("broken.jpg", photo(YELLOW)[:300])
        visit.page.locator("#answer .trouble").wait_for()
        visit.says("^The .*damaged")
        visit.shot("page-broken-file")
        visit.drop("duckling.jpg", photo(YELLOW))
        visit.says("duckling")


def test_text_that_claims_to_be_a_photo_is_told_in_one_sentence(chromium, served):
    with visiting(chromium, served.url) as visit:
        visit.pick("notes.jpg", b"shopping: milk, eggs")
        visit.page.locator("#answer .trouble").wait_for()
        visit.says("not an image")


TOO_LARGE_JS = """([kinds, size]) => {
    const data = new DataTransfer(), settings = {bubbles: true, cancelable: true};
    data.items.add(new File([new Uint8Array(size)], "large.jpg", {type: "image/jpeg"}));
    for (const kind of kinds)
        document.querySelector("#photo button.upload-container, #photo").dispatchEvent(
            kind === "paste" ? new ClipboardEvent(kind, {clipboardData: data, ...settings})
                             : new DragEvent(kind, {dataTransfer: data, ...settings}));
}"""


def test_more_than_twenty_megabytes_are_refused_in_the_answer_however_they_come(chromium, served, tmp_path):
    large, size = tmp_path / "large.jpg", MAX_UPLOAD_BYTES + 1
    large.write_bytes(b"\xff\xd8".ljust(size))
    drag = ["dragenter", "dragover", "drop"]
    with visiting(chromium, served.url) as visit:
        page = visit.page
        for show, onto_another in (
            (lambda: page.set_input_files("#photo input[type=file]", large), False),
            (lambda: page.evaluate(TOO_LARGE_JS, [drag, size]), False),
            (lambda: page.evaluate(TOO_LARGE_JS, [drag, size]), True),
            (lambda: page.evaluate(TOO_LARGE_JS, [["paste"], size]), True),
        ):
            if onto_another:
                visit.pick("yellow.jpg", photo(YELLOW))
                visit.says("This is a duckling")  # also after a refusal and the same answer
                page.wait_for_function("document.querySelector('#photo img')?.src.startsWith('data:')")
            show()
            visit.says("^The photo is larger than 20\u00a0MB: please send a smaller one.$")
            assert page.locator("#photo img").count() == page.locator(".toast-body").count() == 0
            assert page.locator("#probabilities").is_hidden() and page.locator("#why-button").is_hidden()
            page.locator("#photo button.upload-container").wait_for()
        visit.shot("page-oversize")


def test_what_gradio_tells_in_a_toast_alone_is_said_in_the_answer(chromium, several, own_page):
    tiny_model(own_page / "models", "removed", ("cat", "dog"))
    with visiting(chromium, f"{several.url}/?model=removed", viewport=PHONE) as visit:
        assert visit.page.evaluate("document.documentElement.dataset.model") == "removed"
        shutil.rmtree(own_page / "models" / "removed")
        assert ask(several.url, "predict", {"url": PNG}, "another")[0] == "error"  # the page reads its folder anew
        visit.pick("yellow.jpg", photo(YELLOW))
        visit.says("There is no model named “removed”: choose one of ants_bees, ")
        visit.pick("y" * 300 + ".jpg", photo(YELLOW))
        visit.says("^The file's name is too long: at most 255 characters.$")
        assert visit.page.locator(".toast-body:visible").count() == 0
        visit.page.context.set_offline(True)
        choose(visit, "fruit")
        toast = visit.page.get_by_text("Connection to the server was lost")
        toast.wait_for()  # this one stays a toast, below what the page is operated by
        assert toast.bounding_box()["y"] > PHONE["height"] / 2
        visit.page.context.set_offline(False)
        toast.wait_for(state="detached")
        visit.is_ready()
        visit.complaints.clear()  # of the browser: 400 to the name, and the lost connection


def test_an_iphone_photo_is_answered_and_shown(chromium, served):
    with visiting(chromium, served.url) as visit:
        visit.drop("IMG_0001.HEIC", heic(), "image/heic")
        visit.says("duckling")
        visit.page.wait_for_function("document.querySelector('#photo img')?.naturalWidth === 90")


def test_a_photo_from_the_clipboard_is_answered(chromium, served):
    with visiting(chromium, served.url, permissions=["clipboard-read", "clipboard-write"]) as visit:
        visit.page.evaluate(
            """async bytes => navigator.clipboard.write(
                [new ClipboardItem({"image/png": new Blob([new Uint8Array(bytes)], {type: "image/png"})})])""",
            list(photo(YELLOW, format="PNG")),
        )
        visit.page.get_by_role("button", name="Paste from clipboard").click()
        visit.says("duckling")


def test_a_photo_from_the_camera_is_answered(chromium, served):
    with visiting(chromium, served.url, permissions=["camera"]) as visit:
        visit.page.get_by_role("button", name="Capture from camera").click()
        visit.page.get_by_text("Click to Access Webcam").click()
        visit.page.wait_for_function("document.querySelector('#photo video')?.readyState === 4")
        visit.page.get_by_role("button", name="capture photo").click()
        visit.page.locator("#answer .sure").filter(has_text=re.compile("sure|little")).wait_for()
        assert set(visit.bars()) == {"cygnet", "duckling"}


def test_everything_is_within_reach_of_the_keyboard(chromium, served, tmp_path):
    expected = ["The mirror", "Drop a photo here or click to choose one", "Capture from camera", "Paste from clipboard",
                "Or the address of a photo", "Look"]  # fmt: skip
    with visiting(chromium, served.url) as visit:
        visit.page.get_by_role("button", name="Look").wait_for()
        reached: list[str] = []
        while reached.count(expected[0]) < 2 and len(reached) < 60:  # once around, wherever the focus begins
            visit.page.keyboard.press("Tab")
            reached.append(visit.page.evaluate(
                "(e => e.getAttribute('aria-label') || e.labels?.[0]?.innerText || e.innerText)(document.activeElement)"
            ).strip())  # fmt: skip
        around = reached[reached.index(expected[0]) :][:-1]
        assert [name for name in around if name in expected] == expected, reached
        assert not {"Live", "Faces", "About this mirror"} & set(around)  # arrow keys move to these


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_page_fits_its_screen_by_day_and_by_night(chromium, served, viewport, dark):
    name = f"page-{'phone' if viewport is PHONE else 'desktop'}-{'dark' if dark else 'light'}"
    with visiting(chromium, served.url, viewport=viewport, dark=dark, has_touch=viewport is PHONE) as visit:
        visit.pick("duckling.jpg", realistic())
        visit.page.locator("#answer .sure").filter(has_text=re.compile("sure|little")).wait_for()
        visit.page.wait_for_function("document.querySelector('#photo img').src.startsWith('data:')")
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        answer = visit.page.locator("#answer").bounding_box()
        assert answer["y"] + answer["height"] <= viewport["height"]  # the answer is seen without scrolling
        paper = visit.page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", paper)[:3])) < 200) is dark
        visit.shot(name)
        visit.open_tab("About this mirror")
        visit.page.locator(".note figure img").first.wait_for()
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        visit.shot(f"{name}-about")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_all_text_stands_out_from_its_ground(chromium, served, dark):
    """WCAG 2.2 AA: a contrast of at least 4.5, measured on the rendered page."""
    with visiting(chromium, served.url, dark=dark) as visit:
        visit.pick("duckling.jpg", photo(YELLOW))
        visit.says("duckling")
        visit.page.locator("#probabilities .bars li").first.wait_for()
        assert visit.page.evaluate(CONTRAST) == []
        visit.page.get_by_label("Or the address of a photo").fill("hello")
        visit.page.get_by_role("button", name="Look", exact=True).click()
        visit.page.locator("#answer .trouble").wait_for()
        assert visit.page.evaluate(CONTRAST) == []
        visit.open_tab("About this mirror")
        visit.page.locator(".note figure img").first.wait_for()
        assert visit.page.evaluate(CONTRAST) == []


def test_the_note_tells_of_the_model(chromium, served):
    with visiting(chromium, served.url) as visit:
        visit.open_tab("About this mirror")
        text = spoken(visit.page.locator(".note").first.inner_text())
        for told in (
            "50 photos",
            "10.0 %",
            "1.8–40.4 %",
            "nearly the same as another photo",
            "cc-by",
            "torch 2.15.0",
        ):
            assert told in text
        table = visit.page.get_by_role("table", name="What each photo shows (rows), and what the mirror said (columns)")
        assert [row.inner_text().split() for row in table.locator("tbody tr").all()] == [
            ["cygnet", "5", "0"],
            ["duckling", "1", "4"],
        ]
        visit.page.locator(".note figure img").first.wait_for()
        assert visit.page.locator(".note figure figcaption").all_inner_texts() == [
            "The confusion matrix, drawn", "The photos it was most wrong about",
        ]  # fmt: skip


@pytest.fixture(scope="module")
def own_page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """app.py in a folder of its own, with examples/ and several models/ beside it."""
    folder = tmp_path_factory.mktemp("own")
    (folder / "app.py").write_text((REPOSITORY / "app.py").read_text(encoding="utf-8"), encoding="utf-8")
    (folder / "examples").mkdir()
    (folder / "examples" / "a-duckling.png").write_bytes(photo(YELLOW, (400, 300), "PNG"))
    (folder / "examples" / "a_blue_teapot.jpg").write_bytes(photo(BLUE, (300, 400)))
    (folder / "examples" / "draw.py").write_text("print('no picture')")
    models = folder / "models"
    tiny_model(models, "mirror")
    tiny_model(models, "ants_bees", ("ants", "bees"), told=False, strangers=False)
    tiny_model(models, "fruit", ("apple", "pear", "plum"))
    tiny_model(models, "pets", tuple(f"breed_{i}" for i in range(37)))
    tiny_model(models, "odd", ("<b>bold</b>", "a&b"))
    (models / "fruit" / "examples").mkdir()
    (models / "fruit" / "examples" / "our-pear.png").write_bytes(photo(YELLOW, (400, 300), "PNG"))
    (models / "fruit" / "examples" / "damaged.jpg").write_bytes(b"no picture")
    (models / "broken").mkdir()
    (models / "broken" / "model.json").write_text(json.dumps({"format_version": 1}))
    return folder


@pytest.fixture(scope="module")
def several(own_page: Path) -> Iterator[Served]:
    with serve("--default", "mirror", app=own_page / "app.py", PYTHONPATH=str(REPOSITORY)) as page:
        yield page


def test_an_example_is_answered_when_it_is_clicked(chromium, several):
    with visiting(chromium, several.url) as visit:
        tiles = visit.page.locator("#examples button.example")
        tiles.first.wait_for()
        assert [tile.inner_text().strip() for tile in tiles.all()] == ["a duckling", "a blue teapot"]
        left, right = (tile.bounding_box() for tile in tiles.all())
        assert right["x"] - left["x"] - left["width"] >= 8  # they do not touch
        tiles.nth(0).click()
        visit.says("This is a duckling")
        visit.page.wait_for_function("document.querySelector('#photo img').naturalWidth === 400")
        visit.page.get_by_role("button", name="a blue teapot").click()
        visit.says("Neither")
        visit.shot("page-examples")


def test_a_model_shows_the_pictures_of_its_own_folder(chromium, several, own_page):
    with visiting(chromium, several.url) as visit:
        tiles = visit.page.locator("#examples button.example")
        tiles.nth(1).wait_for()
        choose(visit, "fruit")
        tiles.filter(has_text="our pear").wait_for()
        assert tiles.count() == 1
        tiles.click()
        visit.page.wait_for_function("document.querySelector('#photo img')?.naturalWidth === 400")
    assert "damaged.jpg is no example to click: " in several.log()
    assert f"{own_page}/models/broken/model.json is not valid: name is missing" in several.log()


def test_another_model_changes_all_that_speaks_of_it(chromium, several):
    with visiting(chromium, several.url) as visit:
        visit.pick("red.jpg", photo(RED))
        visit.says("duckling|cygnet")
        choose(visit, "fruit")
        visit.says("plum")  # the photo that is still there is shown to the new model
        assert set(visit.bars()) == {"apple", "pear", "plum"}
        title = "Mirror, mirror on the wall, am I an apple, a pear or a plum after all?"
        visit.page.wait_for_function("title => document.title === title", arg=title)
        assert visit.page.locator("h1").inner_text() == title
        visit.page.locator("#examples .example", has_text="a duckling").wait_for(state="hidden")
        visit.open_tab("About this mirror")
        assert "apple, pear and plum" in visit.page.locator(".note").first.inner_text()
        visit.page.get_by_role("tab", name="The mirror").click()
        visit.shot("page-several")
        choose(visit, "mirror")
        visit.page.locator("#examples .example", has_text="a duckling").wait_for()
        assert visit.page.locator("h1").inner_text() == SHIPPED


def test_a_stranger_among_many_labels_is_none_of_these(chromium, several):
    with visiting(chromium, several.url) as visit:
        choose(visit, "pets")
        visit.page.locator("h1", has_text="what am I after all?").wait_for()
        visit.pick("sea.jpg", photo(BLUE))
        visit.says("^None of these: this looks like nothing I was trained on.$")
        assert len(visit.bars()) == 10


def test_a_model_that_cannot_be_opened_says_why_and_the_others_work(chromium, several, own_page):
    with visiting(chromium, several.url) as visit:
        choose(visit, "broken")
        visit.says("The model broken cannot answer: whoever runs this page finds the reason in its terminal.")
        visit.shot("page-broken-model")
        visit.pick("grey.jpg", photo(GREY, (400, 300)))
        visit.page.wait_for_function("document.querySelector('#photo img')?.src.startsWith('data:')")  # it stays
        visit.says("The model broken cannot answer: whoever runs this page finds the reason in its terminal.")
        assert str(own_page) not in visit.page.content()
        choose(visit, "ants_bees")
        visit.says("Hard to say, perhaps ants.")
        visit.open_tab("About this mirror")
        text = spoken(visit.page.locator(".note").first.inner_text())
        assert "It has not been judged on photos it was not trained on" in text


def test_labels_are_text_whatever_they_hold(chromium, several):
    with visiting(chromium, several.url) as visit:
        choose(visit, "odd")
        visit.page.locator("h1", has_text="<b>bold</b>").wait_for()
        visit.pick("yellow.jpg", photo(YELLOW))
        visit.says("a&b")
        assert visit.page.locator("#question b, #answer b, #probabilities b").count() == 0


@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_without_a_model_the_page_says_how_to_train_one_and_then_answers(chromium, tmp_path, viewport):
    with serve("--models", str(tmp_path)) as page, visiting(chromium, page.url, viewport=viewport) as visit:
        assert visit.page.locator(".note h2").inner_text() == "There is no model yet"
        assert "python train.py --data my_photos --name mine" in visit.page.locator(".note").inner_text()
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        visit.shot(f"page-no-model-{viewport['width']}")
        assert visit.page.get_by_role("tab", name="Live").count() == 0
        tiny_model(tmp_path)
        visit.reload()  # no restart
        visit.page.locator("h1", has_text=SHIPPED).wait_for()
        visit.page.locator(".note", has_text="There is no model yet").wait_for(state="detached")
        visit.pick("duckling.jpg", photo(YELLOW))
        visit.says("This is a duckling")
        visit.open_tab("About this mirror")
        visit.page.locator(".note h2", has_text="In short").wait_for()
        assert visit.page.get_by_role("tab", name="Live").is_visible()
