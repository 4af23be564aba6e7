"""Of two events that write the same part of the page, the one asked last has it, whichever is answered first.

The class: every pair of a photo (chosen, by its address, an example), another model, a photo taken away, and the heat
map. Asked as a browser asks, through the queue; the pairs that the browser itself decides are walked in Chromium.
"""

from __future__ import annotations

import contextlib
import json
import secrets
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from PIL import Image

from mirror import answer_sentences
from mirror.images import encoded
from mirror.templates import data_url
from mirror.web.uploads import MAX_UPLOAD_BYTES, SHOWN
from tests.support.visits import choose, visiting
from tests.web.asking import API, CLIENT, JSON, as_json
from tests.web.serving import Served, serve
from tests.web.tiny import BLUE, RED, YELLOW, photo, tiny_model

SKIPPED = {"__type__": "update"}


GIVE_JS = """([name, size]) => {
    const data = new DataTransfer(), input = document.querySelector("#photo input[type=file]");
    data.items.add(new File([new Uint8Array(size + 1)], name, {type: "image/jpeg"}));
    input.files = data.files;
    input.dispatchEvent(new Event("change", {bubbles: true}));
}"""
# page.js does not hear of a question, so many times
UNASKED_JS = """times => addEventListener("asked", event => {
    if (times-- > 0) event.stopImmediatePropagation();
}, true)"""


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    models = tmp_path_factory.mktemp("models")
    for name, labels in (("mirror", ("cygnet", "duckling")), ("fruit", ("apple", "pear", "plum"))):
        examples = tiny_model(models, name, labels) / "examples"
        examples.mkdir()
        (examples / "a-blue-sea.png").write_bytes(photo(BLUE, format="PNG"))
    options = ("--models", str(models), "--default", "mirror", "--allow-private-hosts")
    with serve(*options, uploads=tmp_path_factory.mktemp("uploads")) as served:
        yield served


@dataclass
class Browser:
    """What a browser's queue does, and what its page would show: a component's element id → its last value."""

    url: str
    session: str = field(default_factory=lambda: secrets.token_hex(6))
    shown: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, list[int]] = field(default_factory=dict)  # event → the components that it writes

    def __post_init__(self) -> None:
        config = CLIENT.get(f"{self.url}/config").json()
        self.ids = {each["id"]: each["props"].get("elem_id") or each["id"] for each in config["components"]}
        self.events = {
            (self.ids.get(component), name): each
            for each in config["dependencies"]
            if each["backend_fn"]
            for component, name in each["targets"]
        }

    def ask(self, component: str, event: str, data: list[Any], about: Any = None) -> str:
        fn = self.events[component, event]
        body = {"data": data, "fn_index": fn["id"], "session_hash": self.session, "event_data": about}
        joined = CLIENT.post(f"{self.url}{API}/queue/join", content=as_json(body), headers=JSON)
        assert joined.status_code == 200, joined.text
        self.asked[joined.json()["event_id"]] = fn["outputs"]
        return joined.json()["event_id"]

    @contextlib.contextmanager
    def listening(self) -> Iterator[Iterator[str]]:
        """The events that end, one after the other."""
        with CLIENT.stream("GET", f"{self.url}{API}/queue/data", params={"session_hash": self.session}) as stream:
            yield (told for line in stream.iter_lines() if (told := self._read(line)))

    def _read(self, line: str) -> str | None:
        message = json.loads(line[6:]) if line.startswith("data: ") else {}
        if message.get("msg") != "process_completed":
            return None
        assert message["success"], message
        for component, value in zip(self.asked[message["event_id"]], message["output"]["data"], strict=True):
            if value != SKIPPED:
                self.shown[self.ids[component]] = value
        return message["event_id"]


UPLOAD = {"url": data_url(photo(BLUE, format="PNG"), "png")}
ASKS = {  # what a visitor does → how a browser asks, and what stays
    "an upload": (("photo", "change", [UPLOAD, "mirror"]), "Neither"),
    "an example": (("examples", "choose", ["mirror"], {"name": "a-blue-sea.png"}), "Neither"),
    "another model": (("picker", "change", [UPLOAD, "fruit"]), "None of these"),
    "another model without a photo": (("picker", "change", [None, "fruit"]), "Show me a photo"),
    "taken away": (("photo", "clear", []), None),
}


@pytest.mark.parametrize("later", ASKS)
def test_an_answer_that_comes_too_late_is_not_shown(page, world, later):
    gate, browser = threading.Event(), Browser(page.url)
    slow = world.direct_host().waits(f"/{secrets.token_hex(4)}.png", gate, photo(YELLOW))
    look = next(each for each, event in browser.events if event == "submit" and "photo" in writes(browser, each, event))
    first = browser.ask(look, "submit", [slow, "mirror"])
    asked, stays = ASKS[later]
    second = browser.ask(*asked)
    with browser.listening() as ended:
        assert next(ended) == second
        gate.set()
        assert next(ended) == first
    assert "This is a duckling" not in str(browser.shown)
    assert stays is None or stays in browser.shown["answer"]


@pytest.mark.parametrize("size", [(90, 90), (1600, 1200)], ids=["small", "large"])  # a large one becomes a file
def test_the_picture_that_an_answer_brought_is_not_sent_again_with_another_models(page, size):
    """It would take the place of a photo that is given meanwhile."""
    browser = Browser(page.url)
    noise = np.random.default_rng(0).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    given = {"url": data_url(encoded(Image.fromarray(noise), "PNG"), "png"), "orig_name": "noise.png"}
    for photo_, model, brings in ((given, "mirror", True), (None, "fruit", False), (given, "mirror", True)):
        event = browser.ask("picker", "change", [photo_ or browser.shown.pop("photo"), model])
        with browser.listening() as ended:
            assert next(ended) == event
        assert ("photo" in browser.shown) is brings
        assert ("plum" in browser.shown["probabilities"]) is (model == "fruit")


def test_a_file_that_is_called_like_our_picture_is_a_photo_like_any(page):
    browser = Browser(page.url)
    event = browser.ask("photo", "change", [UPLOAD | {"orig_name": SHOWN}, "mirror"])
    with browser.listening() as ended:
        assert next(ended) == event
    assert browser.shown["photo"] and "Neither" in browser.shown["answer"]


def writes(browser: Browser, component: str, event: str) -> set[str]:
    return {browser.ids[output] for output in browser.events[component, event]["outputs"]}


def test_the_same_event_asked_twice_answers_the_later_one(page, world):
    gate, browser = threading.Event(), Browser(page.url)
    slow = world.direct_host().waits(f"/{secrets.token_hex(4)}.png", gate, photo(YELLOW))
    for component, event in [each for each in browser.events if each[1] == "submit"]:
        fn = browser.events[component, event]
        if not {"photo", "faces-photo"} & writes(browser, component, event):
            continue
        rest = [None] * (len(fn["inputs"]) - 1)
        browser.ask(component, event, [slow, *rest])
        browser.ask(component, event, ["no address", *rest])
    with browser.listening() as ended:
        early = [next(ended), next(ended)]
        gate.set()
        late = [next(ended), next(ended)]
    assert len({*early, *late}) == 4
    for answer in ("answer", "faces-answer"):
        assert "verdict trouble" in browser.shown[answer] and "duckling" not in browser.shown[answer]


def test_the_picture_that_our_answer_puts_into_the_frame_asks_for_nothing(page, world):
    gate, browser = threading.Event(), Browser(page.url)
    slow = world.direct_host().waits(f"/{secrets.token_hex(4)}.png", gate, photo(YELLOW))
    look = next(each for each, event in browser.events if event == "submit" and "photo" in writes(browser, each, event))
    browser.ask(look, "submit", [slow, "mirror"])
    browser.ask("photo", "change", [None, "mirror"])
    with browser.listening() as ended:
        next(ended)
        gate.set()
        next(ended)
    assert "duckling" in browser.shown["answer"]


def test_a_heat_map_is_of_the_photo_that_is_shown(page):
    browser = Browser(page.url)
    yellow = {"url": data_url(photo(YELLOW, format="PNG"), "png")}
    first = browser.ask("why-button", "click", [yellow, "mirror", answer_sentences.EXPLAIN])
    second = browser.ask("examples", "choose", ["mirror"], {"name": "a-blue-sea.png"})
    with browser.listening() as ended:
        assert {next(ended), next(ended)} == {first, second}
    assert browser.shown["why"] == "" and browser.shown["why-button"]["interactive"] is True


def test_every_part_of_an_answer_is_left_to_whoever_was_asked_last(page):
    """No event that writes an answer waits for another one, or is dropped for it, in the browser."""
    browser = Browser(page.url)
    answers = [each for each in browser.events if any("answer" in str(part) for part in writes(browser, *each))]
    assert len(answers) >= 8
    assert {browser.events[each]["trigger_mode"] for each in answers} == {"multiple"}


@pytest.mark.browser
def test_what_a_visitor_asked_last_stays_on_the_page(chromium, page, world):
    gate = threading.Event()
    slow = world.direct_host().waits("/slow.png", gate, photo(YELLOW))
    with visiting(chromium, page.url) as visit:
        address = visit.page.get_by_label("Or the address of a photo").locator("visible=true")

        def ask_slowly() -> None:
            """An answer that would say something else, and is still on its way."""
            with visit.page.expect_response(lambda response: "/queue/join" in response.url):
                address.fill(slow)
                address.press("Enter")

        ask_slowly()
        visit.pick("sea.png", photo(BLUE, format="PNG"), "image/png")
        visit.says("Neither")
        ask_slowly()
        visit.page.get_by_role("button", name="a blue sea").click()
        choose(visit, "fruit")
        visit.says("None of these")
        ask_slowly()
        visit.page.get_by_role("button", name="Remove Image").locator("visible=true").click()
        visit.says("Show me a photo")
        ask_slowly()
        visit.paste("sea.png", photo(BLUE, format="PNG"))
        visit.paste("red.png", photo(RED, (90, 90), "PNG"))
        choose(visit, "mirror")  # at once: the picture that is asked about is the new one
        visit.says("duckling")
        gate.set()
        visit.rest()
        assert visit.page.locator("#photo img").evaluate("image => image.naturalWidth") == 90
        assert set(visit.bars()) == {"cygnet", "duckling"}


@pytest.mark.browser
@pytest.mark.parametrize("refused", ["by the server", "by the browser"])
def test_a_photo_that_is_refused_stays_so_when_the_answer_to_the_one_before_comes(chromium, page, world, refused):
    name, size, says = {
        "by the server": ("y" * 300 + ".jpg", 0, "^The file's name is too long"),
        "by the browser": ("large.jpg", MAX_UPLOAD_BYTES, "^The photo is larger than"),
    }[refused]
    with visiting(chromium, page.url) as visit:
        held: list[Any] = []
        visit.page.route("**/queue/data?*", lambda route: held.append(route))
        visit.pick("yellow.jpg", photo(YELLOW))
        visit.page.wait_for_timeout(2000)  # the server has answered by now
        visit.page.evaluate(GIVE_JS, [name, size])
        visit.says(says)
        for route in held:
            route.continue_()
        visit.page.unroute("**/queue/data?*")
        visit.rest(1500)
        visit.says(says)
        assert visit.page.locator("#photo img").count() == 0 and visit.page.locator("#probabilities").is_hidden()
        address = visit.page.get_by_label("Or the address of a photo").locator("visible=true")
        address.fill(world.direct_host().body("/sea.jpg", photo(BLUE)))
        address.press("Enter")
        visit.says("Neither")
        visit.rest(1500)
        visit.says("Neither")  # what was refused is not given again
        visit.complaints.clear()  # of the browser: 400 to the name


@pytest.mark.browser
@pytest.mark.parametrize("times", [1, 5])
def test_a_photo_that_nothing_was_asked_of_is_given_once_more(chromium, page, times):
    """The picture of an earlier answer has taken its place, as on a busy machine where two are given at once."""
    with visiting(chromium, page.url) as visit:
        uploads: list[str] = []
        visit.page.on("request", lambda request: uploads.append(request.url) if "/upload?" in request.url else None)
        visit.page.evaluate(UNASKED_JS, times)
        visit.pick("sea.png", photo(BLUE, (120, 80), "PNG"), "image/png")
        visit.says("Neither")
        visit.rest(2500)
        assert len(uploads) == 2  # not again and again
        assert visit.page.locator("#photo img").evaluate("image => image.naturalWidth") == 120
        visit.pick("yellow.jpg", photo(YELLOW))
        visit.says("duckling")
        visit.rest(1500)
        assert len(uploads) == (3 if times == 1 else 4)
