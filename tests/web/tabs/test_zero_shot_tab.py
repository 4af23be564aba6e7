"""The tab "Your own words" as a person sees it and as programs call it, with a real CLIP of tiny size.

It has been taught five photos that scikit-image ships, so that the screenshots make sense.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from mirror.tasks.zero_shot import ZeroShot
from mirror.web.tabs.task_models import NOT_NOW
from mirror.web.tabs.zero_shot_tab import EXAMPLES
from tests.pictures import for_the_readme
from tests.support.tiny_clip import CARS, picture, saved, taught_clip, tiny_siglip
from tests.support.visits import CONTRAST, DESKTOP, PHONE, Visit, visiting
from tests.web.serving import PATIENCE, Served, serve
from tests.web.tiny import tiny_model

TASK = "zero-shot-image-classification"
ENDPOINT = f"/{TASK}"
LABELS = ("a cat", "a dog", "a red car")
TAUGHT = {
    "a cat": "chelsea.png",
    "an astronaut": "astronaut.png",
    "a cup of coffee": "coffee.png",
    "a motorcycle": "motorcycle_left.png",
    "a rocket": "rocket.jpg",
}


def shipped(name: str) -> Image.Image:
    data = pytest.importorskip("skimage", reason="scikit-image ships the photos").__path__[0]
    photo = Image.open(Path(data, "data", name)).convert("RGB")
    photo.thumbnail((640, 640))
    return photo


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    photos = {label: shipped(name) for label, name in TAUGHT.items()}
    return taught_clip(tmp_path_factory.mktemp("tasks") / "clip", photos)


@pytest.fixture(scope="module")
def model(clip: Path) -> ZeroShot:
    return ZeroShot.load(str(clip))


@pytest.fixture(scope="module")
def served(clip: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    models = tmp_path_factory.mktemp("models")
    tiny_model(models)
    arguments = ("--models", str(models), "--allow-private-hosts", "--task-model", f"{TASK}={clip}")
    with serve(*arguments, uploads=tmp_path_factory.mktemp("uploads"), HF_HUB_OFFLINE="1") as page:
        yield page


def encoded(image: Image.Image, format: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format)
    return buffer.getvalue()


# ---- programs -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client(served: Served) -> Client:
    return Client(served.url, verbose=False)


def given(answer: dict) -> dict[str, float]:
    return {item["label"]: item["confidence"] for item in answer["confidences"]}


@pytest.mark.parametrize(
    ("text", "labels", "template"),
    [
        ("\n".join(LABELS), LABELS, "{}"),
        ("a cat, a dog,a red car", LABELS, "a photo of {}"),
        ("\r\n".join(CARS), CARS, "{}"),
    ],
    ids=["lines", "commas and a template", "196 labels"],
)
def test_the_endpoint_answers_as_the_model_does(
    client: Client, model: ZeroShot, tmp_path: Path, text: str, labels: tuple[str, ...], template: str
) -> None:
    photo = handle_file(saved(picture(0), tmp_path / "photo.png"))
    answer = client.predict(photo, text, template, api_name=ENDPOINT)
    [expected] = model.bound(labels, template).predict([picture(0)])
    assert answer["label"] == expected.label
    assert given(answer) == pytest.approx(expected.probabilities, abs=1e-6)


def test_the_endpoint_is_described_for_programs(client: Client) -> None:
    endpoint = client.view_api(return_format="dict", print_info=False)["named_endpoints"][ENDPOINT]
    described = [(p["parameter_name"], p["parameter_has_default"]) for p in endpoint["parameters"]]
    assert described == [("image", False), ("labels", False), ("template", True)]
    assert [returned["component"] for returned in endpoint["returns"]] == ["Label"]


@pytest.mark.parametrize(
    ("labels", "template", "says"),
    [
        ("", "{}", "There is no label to choose from: write some"),
        (" ,\n", "{}", "There is no label to choose from: write some"),
        ("cat", "{}", "With cat as the only label, the answer would be that, at 100 %"),
        ("cat,dog", "a photo", "The sentence must hold {} once"),
        ("cat,dog", "{}" + "x" * 200, "The sentence has 202 letters: use at most 200"),
        (",".join(map(str, range(1001))), "{}", "These are 1,001 labels, and I compare at most 1,000"),
        (f"cat,{'d' * 201}", "{}", "has 201 letters: use at most 200 for a label"),
        (
            f"dog,{'cat ' * 49}",
            "{} cat {} cat".replace(" {} cat", " cat" * 30),
            "is too long: the model reads 77 tokens",
        ),
    ],
    ids=["none", "separators", "one", "no place", "long sentence", "too many", "long label", "too many tokens"],
)
def test_what_cannot_be_meant_is_told_in_one_sentence(
    client: Client, tmp_path: Path, labels: str, template: str, says: str
) -> None:
    with pytest.raises(AppError, match=re.escape(says)) as told:
        client.predict(handle_file(saved(picture(0), tmp_path / "photo.png")), labels, template, api_name=ENDPOINT)
    assert "Traceback" not in str(told.value) and str(told.value).count("\n") == 0


def test_a_broken_photo_is_told_in_one_sentence(client: Client, tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"no photo")
    with pytest.raises(AppError, match="not an image"):
        client.predict(handle_file(tmp_path / "photo.jpg"), "cat,dog", api_name=ENDPOINT)


# ---- people ---------------------------------------------------------------------------------------------------------


class Words(Visit):
    """The tab, opened."""

    def __init__(self, visit: Visit):
        super().__init__(visit.page, visit.complaints)
        self.page.set_default_timeout(1000 * PATIENCE)  # the first answer waits until torch is imported
        self.open_tab("Your own words")
        self.page.locator("#words-labels textarea").wait_for()

    def write(self, text: str) -> None:
        self.page.get_by_label("Your words").fill(text)

    def pick(self, body: bytes, name: str = "photo.png") -> None:
        self.page.set_input_files("#words-photo input[type=file]", {"name": name, "mimeType": "", "buffer": body})

    def compare(self) -> None:
        self.page.get_by_role("button", name="Compare").click()

    def says(self, pattern: str) -> None:
        self.page.locator("#words-answer .says").filter(has_text=re.compile(pattern)).wait_for()

    def bars(self) -> list[str]:
        self.page.locator("#words-probabilities .bars li").first.wait_for()
        return [
            row.locator("span").first.inner_text() for row in self.page.locator("#words-probabilities .bars li").all()
        ]


pytestmark = pytest.mark.browser


@pytest.mark.parametrize(("viewport", "dark"), [(DESKTOP, False), (DESKTOP, True), (PHONE, False), (PHONE, True)])
def test_a_photo_and_words_are_compared(chromium, served: Served, model: ZeroShot, viewport: dict, dark: bool) -> None:
    labels, photo = (*TAUGHT, "an empty street"), shipped("chelsea.png")
    [expected] = model.bound(labels).predict([photo])
    ranked = sorted(expected.probabilities, key=lambda label: -expected.probabilities[label])
    with visiting(chromium, served.url, viewport=viewport, dark=dark) as visit:
        tab = Words(visit)
        tab.says("Show me a photo, and tell me your words.")
        tab.write("\n".join(labels))
        tab.pick(encoded(photo))
        tab.says("^“a cat” fits best.$")
        assert tab.bars() == ranked[:5]
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        assert tab.page.evaluate(CONTRAST) == []
        tab.page.evaluate("document.activeElement.blur()")
        tab.shot(f"words-{viewport['width']}-{'dark' if dark else 'light'}")
        if (viewport, dark) == (DESKTOP, False):
            for_the_readme("zero-shot", tab.page)


def test_other_words_are_compared_with_the_photo_that_is_there(chromium, served: Served) -> None:
    with visiting(chromium, served.url) as visit:
        tab = Words(visit)
        tab.pick(encoded(picture(1)))
        tab.says("Now tell me your words.")
        tab.write("a cat, a dog")
        tab.compare()
        tab.says("^“a (cat|dog)” fits best.$")
        assert sorted(tab.bars()) == ["a cat", "a dog"]
        tab.write("red")
        tab.compare()
        tab.says("With red as the only label")
        tab.page.get_by_role("button", name="Cars", exact=True).click()
        tab.page.wait_for_function("document.querySelectorAll('#words-probabilities .bars li').length === 5")
        assert set(tab.bars()) <= set(EXAMPLES["Cars"])
        tab.page.get_by_label("In a sentence").fill("a photo")
        tab.page.get_by_label("In a sentence").press("Enter")
        tab.says("The sentence must hold {} once")
        assert tab.page.locator("#words-photo img").count() == 1  # the photo is still there


def test_labels_come_from_a_file_too(chromium, served: Served) -> None:
    with visiting(chromium, served.url) as visit:
        tab = Words(visit)
        tab.pick(encoded(picture(1)))
        tab.says("Now tell me your words.")
        files = tab.page.locator("#words-lists input[type=file]")
        text = "\ufeff" + "\r\n".join(CARS)
        files.set_input_files({"name": "cars.txt", "mimeType": "text/plain", "buffer": text.encode()})
        tab.says("fits best")
        assert tab.page.get_by_label("Your words").input_value() == "\n".join(CARS)
        files.set_input_files({"name": "none.txt", "mimeType": "text/plain", "buffer": b"\n"})
        tab.says("There is no label to choose from")
        files.set_input_files({"name": "odd.txt", "mimeType": "text/plain", "buffer": "cat\ndog".encode("utf-16")})
        tab.says("The file is no text in UTF-8")


def test_a_photo_by_its_address(chromium, served: Served, world) -> None:
    address = world.direct_host().body("/photo.png", encoded(picture(2)))
    with visiting(chromium, served.url) as visit:
        tab = Words(visit)
        tab.write("a cat, a dog")
        box = tab.page.locator("#own-words").get_by_label("Or the address of a photo")
        box.fill(address)
        box.press("Enter")
        tab.says("fits best")
        assert world.count(address) == 1


def test_labels_are_text_whatever_they_hold(chromium, served: Served) -> None:
    with visiting(chromium, served.url) as visit:
        tab = Words(visit)
        tab.write("<b>bold</b>\n<img src=x onerror=alert(1)>\n" + "cat " * 49 + "cat")
        tab.pick(encoded(picture(3)))
        tab.says("fits best")
        assert len(tab.bars()) == 3
        assert tab.page.locator("#words-answer b, #words-answer img, #words-probabilities b").count() == 0
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= DESKTOP["width"]


def test_where_labels_do_not_compete_it_is_said(chromium, tmp_path: Path) -> None:
    siglip = tiny_siglip(tmp_path / "siglip")
    (tmp_path / "models").mkdir()
    with serve("--models", str(tmp_path / "models"), "--task-model", f"{TASK}={siglip}") as page:
        with visiting(chromium, page.url) as visit:
            tab = Words(visit)
            tab.write("a cat")
            tab.pick(encoded(picture(0)))
            tab.says("^“a cat” fits best.$")
            assert "Each label is judged by itself" in tab.page.locator("#words-answer .sure").inner_text()


def test_where_the_model_is_not_to_be_had_the_tab_says_so_and_the_mirror_works(chromium, tmp_path: Path) -> None:
    tiny_model(tmp_path / "models")
    cache = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "cache")}
    with serve("--models", str(tmp_path / "models"), **cache) as page, visiting(chromium, page.url) as visit:
        tab = Words(visit)
        tab.write("a cat, a dog")
        tab.pick(encoded(picture(0)))
        tab.says(f"^{re.escape(NOT_NOW)}$")  # and who runs the page reads why
        assert "openai/clip-vit-base-patch32 is not on this machine" in page.log()
        tab.shot("words-unavailable")
        tab.page.get_by_role("tab", name="The mirror").click()
        visit.pick("photo.png", encoded(picture(0)), "image/png")
        visit.says("duckling|cygnet|Neither")
