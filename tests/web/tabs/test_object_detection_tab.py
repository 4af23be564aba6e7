"""The tab "What is where?" as a person sees it and as programs call it, with a real DETR of tiny size."""

from __future__ import annotations

import html
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from PIL import Image

from mirror.images import load_image
from mirror.tasks.detections import Box, Detection, Detections
from mirror.tasks.drawing import colours
from mirror.tasks.registry import open_predictor
from mirror.tasks.request import OBJECT_DETECTION, TaskRequest
from mirror.web.tabs.object_detection_tab import NOTHING_FOUND, answer, count_labels, several
from mirror.web.tabs.task_models import NOT_NOW
from tests.pictures import for_the_readme
from tests.support.tiny_detector import FOUND, scene, tiny_detector
from tests.support.visits import CONTRAST, DESKTOP, PHONE, Visit, spoken, visiting
from tests.web.serving import Served, serve
from tests.web.tiny import tiny_model

ENDPOINT, PICTURE = f"/{OBJECT_DETECTION}", f"/{OBJECT_DETECTION}-picture"
SUREST_FIRST = sorted(FOUND, key=lambda each: -each.score)
HALF = "2 bicycles and 1 person."  # what scores more than 0.5


@pytest.fixture(scope="module")
def detr(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_detector(tmp_path_factory.mktemp("detr"))


@pytest.fixture(scope="module")
def served(detr: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    models = tmp_path_factory.mktemp("models")
    tiny_model(models)
    arguments = ("--models", str(models), "--allow-private-hosts", "--task-model", f"{OBJECT_DETECTION}={detr}")
    with serve(*arguments, uploads=tmp_path_factory.mktemp("uploads"), HF_HUB_OFFLINE="1") as page:
        yield page


def encoded(image: Image.Image, kind: str = "PNG", **settings) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **settings)
    return buffer.getvalue()


def sideways() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return encoded(scene().transpose(Image.Transpose.ROTATE_90), "JPEG", exif=exif, quality=95)


def heic() -> bytes:
    from pillow_heif import from_pillow

    buffer = io.BytesIO()
    from_pillow(scene()).save(buffer, quality=95)
    return buffer.getvalue()


# ---- programs -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client(served: Served) -> Client:
    return Client(served.url, verbose=False)


@pytest.mark.parametrize(
    ("name", "body"),
    [("a.png", encoded(scene())), ("b.jpg", sideways()), ("c.heic", heic()), ("d.webp", encoded(scene(), "WEBP"))],
    ids=["PNG", "sideways", "HEIC", "WebP"],
)
def test_the_endpoint_gives_the_articles_json(client, detr, tmp_path, name, body):
    (tmp_path / name).write_bytes(body)
    [expected] = open_predictor(TaskRequest(OBJECT_DETECTION, str(detr))).predict([load_image(body)])
    for threshold in (0.5, 0.9, 0.1):
        answer = client.predict(handle_file(tmp_path / name), threshold, api_name=ENDPOINT)
        assert answer == expected.above(threshold).to_json()["detections"]
        assert len(answer) == sum(each.score > threshold for each in FOUND)


def test_the_picture_is_the_upright_photo_with_boxes(client, tmp_path):
    (tmp_path / "a.jpg").write_bytes(sideways())
    picture = Image.open(client.predict(handle_file(tmp_path / "a.jpg"), 0.9, api_name=PICTURE)).convert("RGB")
    assert picture.size == (320, 240)
    assert colours(["bicycle"]) == {"bicycle": "#0072B2"}  # blue, as nothing else is at this height
    pixels = [picture.getpixel((x, 194)) for x in range(320)]
    lines = [x for x, (red, _, blue) in enumerate(pixels) if blue - red > 70]
    for side in (18, 118, 130, 226):  # of both bicycles' boxes
        assert min(abs(x - side) for x in lines) <= 3


def test_the_endpoints_are_described_for_programs(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    for name, gives in ((ENDPOINT, "Json"), (PICTURE, "Image")):
        parameters = [(each["parameter_name"], each["parameter_has_default"]) for each in endpoints[name]["parameters"]]
        assert parameters == [("image", False), ("threshold", True)]
        assert [each["component"] for each in endpoints[name]["returns"]] == [gives]


@pytest.mark.parametrize(
    ("body", "says"),
    [(b"no photo", "not an image"), (encoded(Image.new("RGB", (3000, 1))), "too narrow for this model")],
    ids=["no photo", "a strip"],
)
def test_what_cannot_be_answered_is_one_sentence(client, tmp_path, body, says):
    (tmp_path / "photo.png").write_bytes(body)
    with pytest.raises(AppError, match=says) as told:
        client.predict(handle_file(tmp_path / "photo.png"), api_name=ENDPOINT)
    assert "\n" not in str(told.value)


# ---- people ---------------------------------------------------------------------------------------------------------


class Street(Visit):
    """The tab, opened."""

    def __init__(self, visit: Visit):
        super().__init__(visit.page, visit.complaints)
        self.page.set_default_timeout(120_000)  # the first answer waits for torch and transformers
        self.open_tab("What is where?")
        self.page.locator("#objects-answer .says").wait_for()

    def pick(self, body: bytes, name: str = "photo.png") -> None:
        self.page.set_input_files("#objects-photo input[type=file]", {"name": name, "mimeType": "", "buffer": body})

    def says(self, pattern: str) -> None:
        self.page.locator("#objects-answer .says").filter(has_text=re.compile(pattern)).wait_for()

    def score(self, value: str) -> None:
        box = self.page.locator("#objects-score input[type=number]")
        box.fill(value)
        box.press("Enter")

    def rows(self) -> list[list[str]]:
        rows = self.page.locator("#objects-table tbody tr").locator("visible=true")
        return [spoken(row.inner_text()).split("\t") for row in rows.all()]

    def boxes(self) -> list[tuple[str, list[float]]]:
        """The labels of the boxes that are shown, and where they lie on the photo, in its pixels."""
        return self.page.evaluate(
            """() => { const photo = document.querySelector('#objects-found img').getBoundingClientRect();
                return [...document.querySelectorAll('#objects-found .box')].filter(e => e.offsetParent).map(e => {
                    const b = e.getBoundingClientRect();
                    const sides = [b.left - photo.left, b.top - photo.top, b.right - photo.left, b.bottom - photo.top];
                    return [e.innerText, sides.map((v, i) => v * (i % 2 ? 240 / photo.height : 320 / photo.width))];
                }); }"""
        )


browser = pytest.mark.browser


@browser
@pytest.mark.parametrize(("viewport", "dark"), [(DESKTOP, False), (PHONE, True)], ids=["wide", "phone, dark"])
def test_boxes_lie_where_things_are_and_a_table_lists_them(chromium, served, viewport, dark):
    with visiting(chromium, served.url, viewport=viewport, dark=dark) as visit:
        tab = Street(visit)
        assert not tab.page.locator("#objects-score").is_visible()
        tab.pick(encoded(scene().resize((1280, 960), Image.Resampling.NEAREST)))
        tab.says(f"^{HALF}$")
        shown = sorted(tab.boxes())
        wanted = [(each.label, each.box) for each in FOUND if each.score > 0.5]
        wanted.sort(key=lambda pair: (pair[0], pair[1].xmin))
        assert [label for label, _ in shown] == [label for label, _ in wanted]
        for (_, sides), (_, box) in zip(shown, wanted, strict=True):
            assert sides == pytest.approx([box.xmin, box.ymin, box.xmax, box.ymax], abs=4)  # 4 of 320 pixels
        assert [row[0] for row in tab.rows()] == ["bicycle", "bicycle", "person"]
        assert [float(row[1].removesuffix(" %")) for row in tab.rows()] == pytest.approx([99.5, 92.7, 61.8], abs=3)
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        assert tab.page.evaluate(CONTRAST) == []
        tab.shot(f"objects-{viewport['width']}-{'dark' if dark else 'light'}")
        if not dark:
            for_the_readme("object-detection", tab.page)


@browser
def test_the_slider_shows_and_hides_without_the_server(chromium, served):
    with visiting(chromium, served.url) as visit:
        tab, asked = Street(visit), []
        tab.page.on("request", lambda request: asked.append(request.url) if "queue/join" in request.url else None)
        tab.pick(encoded(scene()))
        tab.says(f"^{HALF}$")
        while len(asked) < 2:  # the photo, and its own picture, which comes to nothing
            tab.page.wait_for_timeout(100)
        visit.rest()
        asked.clear()
        for score, sentence, labels in (
            ("0.9", "^2 bicycles.$", ["bicycle", "bicycle"]),
            ("0.05", "^2 bicycles, 1 car, 1 person and 1 traffic light.$", [each.label for each in SUREST_FIRST]),
            ("0.99", "^1 bicycle.$", ["bicycle"]),
        ):
            tab.score(score)
            tab.says(sentence)
            assert [row[0] for row in tab.rows()] == labels
            assert sorted(label for label, _ in tab.boxes()) == sorted(labels)
        slider = tab.page.locator("#objects-score input[type=range]")
        slider.focus()
        for _ in range(10):
            slider.press("ArrowLeft")  # a hundredth each
        tab.says("^2 bicycles.$")
        assert asked == []


@browser
def test_the_next_photo_is_shown_as_the_slider_stands(chromium, served):
    with visiting(chromium, served.url) as visit:
        tab = Street(visit)
        tab.pick(encoded(scene()))
        tab.says(f"^{HALF}$")
        tab.score("0.9")
        tab.says("^2 bicycles.$")
        tab.page.get_by_role("button", name="Remove Image").click()
        tab.says("^Show me a street")
        tab.pick(sideways(), "other.jpg")
        tab.says("^2 bicycles.$")
        assert len(tab.rows()) == 2


@browser
def test_a_removed_photo_takes_its_boxes_along(chromium, served):
    with visiting(chromium, served.url) as visit:
        tab = Street(visit)
        tab.pick(encoded(scene()))
        tab.says(f"^{HALF}$")
        tab.page.get_by_role("button", name="Remove Image").click()
        tab.says("^Show me a street")
        assert tab.page.locator("#objects-found .box, #objects-table tr").count() == 0


@browser
def test_a_photo_by_its_address_and_what_is_none(chromium, served, world):
    address = world.direct_host().body("/street.png", encoded(scene()))
    with visiting(chromium, served.url) as visit:
        tab = Street(visit)
        box = tab.page.get_by_label("Or the address of a photo").locator("visible=true")
        box.fill(address)
        box.press("Enter")
        tab.says(f"^{HALF}$")
        assert world.count(address) == 1
        box.fill("")
        tab.page.get_by_role("button", name="Look", exact=True).locator("visible=true").click()
        tab.says("^Please paste the address of a photo first")
        assert tab.page.locator("#objects-found .box").count() == 0
        tab.pick(b"no image")
        tab.says("not an image")


@browser
def test_the_answer_is_announced_and_the_picture_has_words(chromium, served):
    with visiting(chromium, served.url) as visit:
        tab = Street(visit)
        tab.page.wait_for_function("document.querySelector('#objects-answer').getAttribute('aria-live') === 'polite'")
        tab.pick(encoded(scene()))
        tab.says(f"^{HALF}$")
        assert tab.page.locator("#objects-found img").get_attribute("alt").startswith("Your photo, with a box around")
        assert tab.page.get_by_role("table", name="What was found").is_visible()
        assert tab.page.locator("#objects-found .box").first.get_attribute("aria-hidden") == "true"


@browser
def test_labels_are_text_whatever_they_hold(chromium, tmp_path):
    labels = ("<img src=x onerror=alert(1)>", "bi'cy\"cle", "car", "traffic_light")
    found = [type(each)(each.score, labels[number % 4], each.box) for number, each in enumerate(FOUND)]
    detector = tiny_detector(tmp_path / "detector", found=found, labels=labels)
    (tmp_path / "models").mkdir()
    with serve("--models", str(tmp_path / "models"), "--task-model", f"{OBJECT_DETECTION}={detector}") as page:
        with visiting(chromium, page.url) as visit:
            tab = Street(visit)
            tab.pick(encoded(scene()))
            tab.says("<img src=x onerror=alert")
            assert tab.page.locator("#objects-table img, #objects-answer img").count() == 0
            assert {row[0] for row in tab.rows()} == {labels[0], labels[1], "car"}
            tab.score("0.2")
            tab.says("1 traffic light")


@browser
def test_where_the_model_is_not_to_be_had_the_tab_says_so_and_the_mirror_works(chromium, tmp_path):
    tiny_model(tmp_path / "models")
    cache = {"HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "cache")}
    with serve("--models", str(tmp_path / "models"), **cache) as page, visiting(chromium, page.url) as visit:
        tab = Street(visit)
        tab.pick(encoded(scene()))
        tab.says(f"^{re.escape(NOT_NOW)}$")
        tab.page.locator("#objects-photo img[src^='data:']").wait_for()  # the photo stays
        assert "facebook/detr-resnet-50 is not on this machine" in page.log()
        tab.page.get_by_role("tab", name="The mirror").click()
        visit.pick("photo.png", encoded(scene()), "image/png")
        visit.says("duckling|cygnet|Neither")
        assert "Traceback" not in page.log()


def found(*labels: str, score: float = 0.9) -> list[Detection]:
    return [Detection(score, label, Box(10, 10, 20, 20)) for label in labels]


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ((), NOTHING_FOUND),
        (("bicycle",), "1 bicycle."),
        (("person", "bicycle", "bicycle", "bicycle", "bicycle"), "4 bicycles and 1 person."),
        (("dog", "cat", "bus", "bus"), "2 buses, 1 cat and 1 dog."),
        (("traffic_light",) * 2, "2 traffic lights."),
    ],
    ids=["nothing", "one", "the article's street", "equals by name", "underscores"],
)
def test_things_are_counted_in_a_sentence(labels, says):
    assert count_labels(found(*labels)) == says


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("bicycle", "bicycles"), ("person", "people"), ("bus", "buses"), ("bench", "benches"),
        ("wine glass", "wine glasses"), ("sandwich", "sandwiches"),
        ("mouse", "mice"), ("sheep", "sheep"), ("knife", "knives"), ("toothbrush", "toothbrushes"),
        ("scissors", "scissors"), ("skis", "skis"), ("teddy bear", "teddy bears"), ("parking meter", "parking meters"),
        ("puppy", "puppies"), ("donkey", "donkeys"), ("face", "faces"), ("box", "boxes"), ("tv", "tvs"),
    ],
)  # fmt: skip
def test_labels_have_plurals(one, many):
    assert several(one) == many


def test_all_that_is_found_is_there_and_what_scores_less_is_hidden():
    things = Detections((*found("dog", score=0.3), *found("cat", score=0.8), *found("bird", score=0.02)))
    card, picture, table = answer(Image.new("RGB", (100, 50)), things, 0.5)
    assert ">1 cat.<" in card
    scores = re.findall(r'data-score="([\d.]+)"( hidden)?', picture)
    assert scores == [("0.3", " hidden"), ("0.8", "")]  # the surest on top; below the floor not at all
    assert re.findall(r'<tr data-score="([\d.]+)"( hidden)?', table) == [("0.8", ""), ("0.3", " hidden")]
    says = json.loads(html.unescape(re.search(r'data-says="([^"]*)"', picture)[1]))
    assert says == [NOTHING_FOUND, "1 cat.", "1 cat and 1 dog."]


def test_a_score_that_is_the_threshold_is_not_above_it():
    _, picture, table = answer(Image.new("RGB", (100, 50)), Detections(tuple(found("dog", score=0.5))), 0.5)
    assert "<table hidden>" in table and 'data-score="0.5" hidden' in picture


def test_nothing_at_all_is_said_too():
    card, picture, table = answer(Image.new("RGB", (100, 50)), Detections(()), 0.5)
    assert NOTHING_FOUND in card and "<img" in picture and "<table hidden>" in table


@pytest.mark.parametrize(
    ("box", "style", "place"),
    [
        ((25, 25, 75, 45), "left:25.00%;top:50.00%;width:50.00%;height:40.00%", "box"),
        ((-9, -5, 200, 90), "left:0.00%;top:0.00%;width:100.00%;height:100.00%", "box inside"),
        ((80, 25, 100, 50), "left:80.00%;top:50.00%;width:20.00%;height:50.00%", "box from-right"),
    ],
    ids=["within", "over every edge", "at the right"],
)
def test_boxes_are_shares_of_the_photo_and_stay_in_it(box, style, place):
    things = Detections((Detection(0.9, "dog", Box(*box)),))
    reduced = Image.new("RGB", (50, 25))
    reduced.info["full size"] = (100, 50)
    assert style in answer(reduced, things, 0.5)[1]
    _, picture, table = answer(Image.new("RGB", (100, 50)), things, 0.5)
    assert style in picture and f'class="{place}"' in picture
    assert f"{box[0]}, {box[1]}</td>" in table  # the table keeps the detector's own numbers


def test_texts_are_escaped():
    things = Detections(tuple(found('<b onclick="x">&')))
    for part in answer(Image.new("RGB", (100, 50)), things, 0.5):
        assert "<b " not in part and 'onclick="x"' not in part
