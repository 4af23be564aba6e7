"""What page.js adds to gradio's page: photos judged by content and pasted anywhere, keys, one language."""

from __future__ import annotations

import pytest

from mirror.web.gradio_patches import HEAD
from tests.support.photo_kinds import heic
from tests.support.visits import choose, visiting
from tests.web.serving import Served, serve
from tests.web.tiny import BLUE, RED, YELLOW, photo, tiny_model

pytestmark = pytest.mark.browser

# Of these names browsers know no type
UNTYPED = {"IMG_0001.HEIC": heic(), "photo.jpg?w=600": photo(YELLOW), "photo": photo(YELLOW), "a.mpo": photo(YELLOW)}


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> Served:
    models = tmp_path_factory.mktemp("models")
    tiny_model(models)
    tiny_model(models, "fruit", ("apple", "pear", "plum"))
    with serve("--models", str(models), "--allow-private-hosts", uploads=tmp_path_factory.mktemp("uploads")) as page:
        yield page


@pytest.mark.parametrize("name", UNTYPED)
def test_a_file_is_taken_by_its_content_whatever_the_browser_makes_of_its_name(chromium, served, name):
    with visiting(chromium, served.url) as visit:
        for show in (visit.drop, visit.pick, visit.paste):
            show(name, UNTYPED[name], "")
            visit.says("duckling")
            visit.page.wait_for_function("document.querySelector('#photo img')?.src.startsWith('data:')")
            visit.page.get_by_role("button", name="Remove Image").click()
            visit.says("Show me a photo")


def test_a_file_that_is_no_picture_is_told_in_one_sentence(chromium, served):
    with visiting(chromium, served.url) as visit:
        visit.drop("notes.txt", b"shopping: milk, eggs", "text/plain")
        visit.says("^The file is not an image")


def test_a_second_photo_is_dropped_or_pasted_where_the_first_is_shown(chromium, served):
    with visiting(chromium, served.url) as visit:
        visit.pick("a.jpg", photo(YELLOW))
        visit.says("duckling")
        visit.hand_over("#photo img", ["dragenter", "dragover", "drop"], "b.jpg", photo(BLUE), "image/jpeg")
        visit.says("^Neither")
        visit.paste("c.png", photo(YELLOW, format="PNG"))
        visit.says("duckling")
        visit.hand_over("h1", ["dragenter", "dragover", "drop"], "b.jpg", photo(BLUE), "image/jpeg")
        visit.says("^Neither")


def test_a_photo_is_pasted_where_the_camera_was_to_be_used(chromium, served):
    with visiting(chromium, served.url, permissions=["camera"]) as visit:
        visit.page.get_by_role("button", name="Capture from camera").click()
        visit.page.get_by_text("Click to Access Webcam").wait_for()
        visit.paste("a.png", photo(YELLOW, format="PNG"))
        visit.says("duckling")


def test_the_keys_that_paste_are_heard_by_the_page(chromium, served):
    with visiting(chromium, served.url, permissions=["clipboard-read", "clipboard-write"]) as visit:
        visit.page.evaluate(
            """async bytes => navigator.clipboard.write(
                [new ClipboardItem({"image/png": new Blob([new Uint8Array(bytes)], {type: "image/png"})})])""",
            list(photo(YELLOW, format="PNG")),
        )
        visit.page.keyboard.press("Control+v")
        visit.says("duckling")


def test_an_address_is_pasted_anywhere_and_text_into_a_field(chromium, served, world):
    address = world.direct_host().body("/a.jpg", photo(YELLOW))
    clipboard = ["clipboard-read", "clipboard-write"]
    with visiting(chromium, served.url, permissions=clipboard) as visit:
        visit.page.evaluate("text => navigator.clipboard.writeText(text)", address)
        visit.page.keyboard.press("Control+v")
        visit.says("duckling")
        field = visit.page.get_by_label("Or the address of a photo")
        field.fill("")
        visit.page.evaluate("navigator.clipboard.writeText('some words')")
        field.press("Control+v")
        assert field.input_value() == "some words"
        visit.page.locator("h1").click()
        visit.page.keyboard.press("Control+v")  # words are no photo: nothing happens
        assert field.input_value() == "some words"
        visit.says("duckling")


def test_a_picture_is_dragged_from_another_page(chromium, served, world):
    host = world.direct_host()
    yellow, blue = host.body("/a.jpg", photo(YELLOW)), host.body("/b.jpg", photo(BLUE))
    with visiting(chromium, served.url) as visit:
        for parts, says in (
            ({"text/uri-list": f"# of a page\r\n{yellow}\r\n"}, "duckling"),
            (
                {"text/uri-list": "https://e.org/", "text/html": f'<a href="https://e.org/"><img src="{blue}"></a>'},
                "Neither",
            ),
        ):
            visit.page.evaluate(
                """parts => {
                    const data = new DataTransfer();
                    for (const [kind, text] of Object.entries(parts)) data.setData(kind, text);
                    document.querySelector("#photo").dispatchEvent(
                        new DragEvent("drop", {dataTransfer: data, bubbles: true, cancelable: true}));
                }""",
                parts,
            )
            visit.says(says)


def test_the_page_is_in_english_whatever_the_browser_speaks(chromium, served):
    with visiting(chromium, served.url, locale="de-DE") as visit:
        visit.page.locator("#photo button.upload-container").wait_for()
        assert visit.page.evaluate("document.documentElement.lang") == "en"
        assert visit.page.evaluate("navigator.languages") == ["en"]
        names = visit.page.locator("[aria-label]").evaluate_all("all => all.map(each => each.ariaLabel)")
        assert "Drop a photo here or click to choose one" in names and "Upload file" in names
        assert not any("Bild" in name or "hoch" in name for name in names)
    assert "navigator" in HEAD


def test_a_page_that_waits_comes_to_rest(chromium, served):
    """A clock that ran at every frame would take a phone's battery."""
    with visiting(chromium, served.url) as visit:
        visit.page.add_init_script("""
            const every = window.requestAnimationFrame;
            let asked = 0;
            window.requestAnimationFrame = next => { asked += 1; return every(next); };
            setInterval(() => { window.framesInASecond = asked; asked = 0; }, 1000);
        """)
        visit.reload()
        visit.page.wait_for_function("window.framesInASecond < 5", polling=500)


def test_arrow_keys_move_between_tabs_and_the_focus_is_seen_whole(chromium, two):
    with visiting(chromium, two.url) as visit:
        page = visit.page
        tabs = page.get_by_role("tab")
        tabs.first.wait_for()
        names = tabs.all_inner_texts()
        tabs.first.focus()
        for key, index in (
            ("ArrowRight", 1),
            ("ArrowLeft", 0),
            ("ArrowLeft", -1),
            ("ArrowRight", 0),
            ("End", -1),
            ("Home", 0),
        ):
            page.keyboard.press(key)
            page.wait_for_function(
                "name => document.activeElement.innerText === name && document.activeElement.ariaSelected === 'true'",
                arg=names[index],
            )
        offset = page.evaluate("getComputedStyle(document.activeElement).outlineOffset")
        assert offset == "-3px"  # within the tab, which clips it


@pytest.mark.parametrize("leave", ["Escape", "Tab", "elsewhere"])
def test_the_list_of_models_closes(chromium, two, leave):
    with visiting(chromium, two.url) as visit:
        visit.page.get_by_label("Model").click()
        visit.page.get_by_role("option").first.wait_for()
        if leave == "elsewhere":
            visit.page.mouse.click(5, 400)
        else:
            visit.page.keyboard.press(leave)
        visit.page.get_by_role("option").first.wait_for(state="detached")
        visit.page.wait_for_timeout(200)  # it came back a moment later
        assert visit.page.get_by_role("option").count() == 0
        choose(visit, "fruit")
        visit.pick("red.jpg", photo(RED))
        visit.says("plum|pear|apple")
