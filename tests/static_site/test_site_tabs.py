"""Further tabs of the page without a server: 1,000 things, garments and faces, as Python sees them."""

from __future__ import annotations

import argparse
import base64
import dataclasses
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mirror.cli.publish import tabs
from mirror.errors import UsageError
from mirror.export.hub_export import export
from mirror.inference.classifier import Classifier
from mirror.model_folder import ModelFolder, read_model_folder
from mirror.publish.publication import Publication
from mirror.publish.published_files import megabytes
from mirror.publish.space_static import space_static
from mirror.static_site.site_files import site_files
from mirror.static_site.site_tabs import FACES, READY, TABS, THINGS, TITLES, WORDS, tab_model
from mirror.tasks.detections import SHOWN_FROM
from mirror.tasks.face_detection import open_faces
from mirror.tasks.hub_models import locate
from mirror.tasks.registry import open_label_predictor
from mirror.tasks.request import FACE_DETECTION, ZERO_SHOT, TaskRequest
from mirror.web.tabs.image_classification_tab import SHOWN_LABELS, answer_card
from tests.pictures import shot
from tests.static_site.conftest import ROOT, Visit
from tests.static_site.formats import EXAMPLES, encoded
from tests.static_site.hosting import Host, hosted, write
from tests.static_site.showing import DUCKLING
from tests.support.tiny_clip import tiny_clip

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
CLOSE = 1e-3
LEAST = 0.52  # a score from which a face is shown in Python and in the browser alike
PREDICT = """async ([tab, coded]) => {
  const file = new Blob([Uint8Array.from(atob(coded), letter => letter.charCodeAt(0))]);
  return window.mirror.predict(file, {tab}).catch(String);
}"""


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> TaskRequest:
    """Words that compete, by a tiny CLIP."""
    place = tmp_path_factory.mktemp("words")
    export(locate(str(tiny_clip(place / "torch"))), ZERO_SHOT, place / "clip")
    return TaskRequest(ZERO_SHOT, str(place / "clip"), ("a cat", "a dog, asleep", "no animal", "חתול <b>", "1"))


@pytest.fixture(scope="module")
def files(words: TaskRequest) -> dict[str, bytes]:
    return space_static(read_model_folder(ROOT / "models" / "mirror"), tabs=TABS, words=words)


@pytest.fixture(scope="module")
def place(files: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with hosted(write(tmp_path_factory.mktemp("tabs"), files)) as host:
        yield host


@pytest.fixture
def phone(chromium: Any) -> Iterator[Any]:
    with chromium.new_context(viewport={"width": 390, "height": 664}, permissions=["camera"]) as context:
        yield context


@pytest.fixture(scope="module")
def people() -> dict[str, bytes]:
    """A portrait in several sizes: near, far, turned about, wider than the network takes, and of nobody."""
    data = pytest.importorskip("skimage", reason="scikit-image ships the photo").__path__[0]
    portrait = Image.open(Path(data, "data", "astronaut.png")).convert("RGB")
    crowd = Image.new("RGB", (1703, 1301), (90, 120, 90))
    for number, side in enumerate((400, 240, 120, 80)):
        crowd.paste(portrait.resize((side, side)), (60 + 410 * number, 100 + 250 * number))
    return {
        "portrait": encoded(portrait, "PNG"),
        "small": encoded(portrait.resize((131, 97)), "PNG"),
        "crowd": encoded(crowd, "PNG"),
        "large": encoded(portrait.resize((3001, 2203)), "JPEG", quality=90),
        "turned": encoded(portrait.resize((700, 500)).transpose(Image.Transpose.ROTATE_90), "WEBP", lossless=True),
        "nobody": DUCKLING.read_bytes(),
    }


def site(files: dict[str, bytes]) -> dict[str, Any]:
    found = re.search(rb'id="site">(.*?)</script>', files["index.html"])
    assert found
    return json.loads(found[1])


def test_each_tab_is_told_by_a_file_of_its_own_and_brings_its_network_and_licence(files: dict[str, bytes]) -> None:
    tabs = site(files)["tabs"]
    assert [tab["name"] for tab in tabs] == list(TABS)
    for tab in tabs:
        page = json.loads(files[tab["page"].split("?")[0]])
        assert len(files[page["network"].split("?")[0]]) == page["loads"]
        assert page["note"].split("?")[0] in files
    assert {name for name in files if name.startswith("tabs/") and "LICENSE" in name} == {
        "tabs/things/efficientnet_lite0.LICENSE",
        "tabs/faces/centerface.LICENSE",
    }


def test_a_site_without_further_tabs_has_nothing_of_them(files: dict[str, bytes]) -> None:
    alone = space_static(read_model_folder(ROOT / "models" / "mirror"))
    assert not [name for name in alone if "tabs/" in name or name.endswith("faces.js")]
    assert sum(map(len, files.values())) - sum(map(len, alone.values())) < 26_000_000
    shared = site_files([read_model_folder(ROOT / "models" / "mirror")], tabs={THINGS: tab_model(THINGS)})
    assert not [name for name in shared if name.endswith("faces.js")]


@pytest.mark.parametrize("name", ["imagenet", "things", "tabs"])
def test_a_model_of_any_name_keeps_its_files(name: str) -> None:
    mirror = read_model_folder(ROOT / "models" / "mirror")
    model = ModelFolder(mirror.path, dataclasses.replace(mirror.info, name=name))
    picture = {"duckling.jpg": DUCKLING.read_bytes()}
    alone, beside = (
        site_files([model], tabs=tabs, examples=lambda _: picture) for tabs in ({}, {THINGS: tab_model(THINGS)})
    )
    own = {path: body for path, body in alone.items() if path.startswith(("models/", "examples/"))}
    assert own and own.items() <= beside.items()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"way": "gradio"}, "Further tabs are for a static page: add --as static, or leave out --tabs."),
        ({"parts": ("model",)}, "Further tabs are for a static page"),
        ({"model": "fashion"}, "The page shows garments already: leave the tab garments out of --tabs."),
    ],
)
def test_tabs_that_cannot_be_are_refused_at_once(settings: dict[str, Any], says: str) -> None:
    settings = dict(settings)
    model = read_model_folder(ROOT / "models" / settings.pop("model", "mirror"))
    with pytest.raises(UsageError, match=re.escape(says)):
        Publication(model, tabs=READY, **settings)


def test_garments_need_their_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mirror.tasks.registry.PROJECT", tmp_path)
    with pytest.raises(UsageError, match="The tab garments needs models/fashion, which is not here: make it with"):
        tab_model("garments")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("all", READY),
        ("faces, things", (THINGS, FACES)),
        ("garments", ("garments",)),
        ("faces,all", READY),
        ("words,all", TABS),
    ],
)
def test_tabs_are_named_with_commas_between_them(text: str, found: tuple[str, ...]) -> None:
    assert tabs(text) == found


@pytest.mark.parametrize("text", ["", "face", "things;faces", "things,"])
def test_other_names_of_tabs_are_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="is not made of things, garments, faces, words, with commas"):
        tabs(text)


def test_the_size_is_said(tmp_path: Path) -> None:
    said: list[str] = []
    model = read_model_folder(ROOT / "models" / "mirror")
    Publication(model, parts=("space",), tabs=(THINGS,)).write(tmp_path, None, said.append)
    line = said[-1]
    written = sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file())
    assert line.endswith(f" files, {megabytes(written)}")


@pytest.mark.browser
def test_every_tab_answers_as_python_does(
    chromium: Any, place: Host, people: dict[str, bytes], words: TaskRequest
) -> None:
    visit = Visit(chromium.new_page(), place).open()

    def said(tab: str, body: bytes) -> Any:
        return visit.page.evaluate(PREDICT, [tab, base64.b64encode(body).decode()])

    assert visit.page.evaluate("window.mirror.tabs") == list(TABS)
    pictures = {path.name: path.read_bytes() for path in sorted(EXAMPLES.rglob("*.jpg"))}
    different = []
    for tab in (THINGS, "garments"):
        folder = tab_model(tab)
        assert folder
        classifier = Classifier.load(folder)
        for name, body in pictures.items():
            found, expected = said(tab, body), classifier.predict(body)
            apart = max(abs(found["probabilities"][label] - p) for label, p in expected.probabilities.items())
            if apart > CLOSE or (found["label"], found["known"]) != (expected.label, expected.known):
                different.append((tab, name, apart))
    compared = open_label_predictor(words)
    for name, body in (pictures | people).items():
        found, expected = said(WORDS, body), compared.classify(compared.decode(body))
        apart = max(abs(found["probabilities"][label] - p) for label, p in expected.probabilities.items())
        if apart > CLOSE or found["label"] != expected.label:
            different.append((WORDS, name, apart))
    detector = open_faces(TaskRequest(FACE_DETECTION))
    for name, body in people.items():
        answer = said(FACES, body)["detections"]
        expected = detector.detect(detector.decode(body)).above(SHOWN_FROM).to_json()["detections"]
        sure = [[face for face in faces if face["score"] > LEAST] for faces in (answer, expected)]
        same = len(sure[0]) == len(sure[1]) and all(
            abs(one["score"] - other["score"]) <= CLOSE
            and max(abs(one["box"][side] - other["box"][side]) for side in one["box"]) <= 1
            for one, other in zip(*sure, strict=True)
        )
        if not same or (len(sure[1]) == 0) != (name == "nobody"):
            different.append((FACES, name, answer, expected))
    assert different == []
    assert said("wings", b"") == "Error: This page has no tab wings: see window.mirror.tabs."
    assert visit.errors == [] and visit.foreign == []


@pytest.mark.browser
def test_a_visitor_walks_through_the_tabs_and_the_photo_comes_along(
    phone: Any, place: Host, people: dict[str, bytes], words: TaskRequest, tmp_path: Path
) -> None:
    visit = Visit(phone.new_page(), place).open()
    page = visit.page
    looks = "async () => window.axe ? (await axe.run()).violations.map(v => v.id + v.nodes.map(n => n.html)) : []"

    def says(sentence: str) -> None:
        page.locator("#answer .says").get_by_text(sentence, exact=True).wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
        assert page.evaluate(looks) == []

    if AXE.is_file():
        page.evaluate(AXE.read_text("utf-8"))
    asked = len(place.asked)
    page.set_input_files("#file", files={"name": "a.png", "mimeType": "image/png", "buffer": people["portrait"]})
    visit.answered()
    assert not [path for path in place.asked[asked:] if "tabs/" in path]  # nothing of them before they are opened

    edges = "[...document.querySelectorAll('[role=tab]')].map(e => e.getBoundingClientRect())"
    assert page.evaluate(f"{edges}.every(r => r.left >= 0 && r.right <= innerWidth)")  # each is seen
    page.focus("#mirror-tab")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "things-tab"
    assert page.url.endswith("/?tab=things")
    things = Classifier.load(tab_model(THINGS))  # type: ignore[arg-type]
    card = re.search('class="says">([^<]+)<', answer_card(things.predict(people["portrait"])))
    assert card
    says(card[1])
    assert page.locator("#probabilities li").count() == SHOWN_LABELS
    assert page.get_attribute("#mirror-panel", "aria-labelledby") == "things-tab"
    page.click("#about-tab")
    page.get_by_text("1,000", exact=False).first.wait_for()

    page.click("#words-tab")
    compared = open_label_predictor(words)
    found = compared.classify(compared.decode(people["portrait"]))
    says(f"“{found.label}” fits best.")
    assert page.inner_text("#answer .sure").endswith("one of them must win, even if none fits. Compared by clip.")
    assert set(page.locator("#probabilities li span[dir]").all_inner_texts()) == set(words.labels)
    assert page.is_hidden("#why-button")
    page.click("#about-tab")
    page.get_by_text("clip compares each photo with 5 labels:", exact=True).wait_for()

    page.click("#faces-tab")
    says("One face.")
    assert page.inner_text("#question h1").endswith("where are the faces after all?")
    assert page.evaluate("document.getElementById('boxes').getAttribute('viewBox')") == "0 0 512 512"
    detector = open_faces(TaskRequest(FACE_DETECTION))
    (face,) = detector.detect(detector.decode(people["portrait"])).above(SHOWN_FROM).found
    drawn = page.evaluate("['x', 'y', 'width'].map(s => +document.querySelector('#boxes rect').getAttribute(s))")
    wanted = (face.box.xmin, face.box.ymin, face.box.xmax - face.box.xmin)
    assert all(abs(one - other) <= 2 for one, other in zip(drawn, wanted, strict=True))
    shown, over = (page.locator(name).bounding_box() for name in ("#shown", "#boxes"))
    assert shown == over and page.is_hidden("#why-button")
    with page.expect_download() as saved:
        page.click("#save")
    saved.value.save_as(tmp_path / "answer.png")
    with Image.open(tmp_path / "answer.png") as picture:
        assert picture.width == 1080

    page.click("#remove")
    page.click("#camera")  # the device of the tests shows nobody
    says("No face.")
    page.click("#mirror-tab")
    page.wait_for_selector("#answer :is(.known, .stranger)")
    assert page.is_visible("#video") and page.locator("#boxes rect").count() == 0
    page.click("#camera")

    page.evaluate("navigator.serviceWorker.ready")
    phone.set_offline(True)
    page.click("#garments-tab")  # was never opened, so it is not here
    page.wait_for_selector("#answer .trouble")
    assert page.get_attribute("#mirror-tab", "aria-selected") == "true"
    assert "tab=" not in page.url
    page.click("#faces-tab")
    page.reload()
    page.wait_for_selector("#faces-tab[aria-selected=true]")  # as the address says
    page.set_input_files("#file", files={"name": "a.png", "mimeType": "image/png", "buffer": people["portrait"]})
    says("One face.")
    phone.set_offline(False)
    page.click("#garments-tab")
    page.wait_for_selector("#answer :is(.known, .stranger)")
    page.click("#remove")
    page.click(".example:has-text('bag')")
    says("This is: Bag.")
    shot(page, "tabs-garments-phone")
    page.goto(page.url.replace("tab=garments", "tab=nothing"))
    says("There is no tab named “nothing” here.")
    allowed = ("net::ERR_INTERNET_DISCONNECTED", "net::ERR_FAILED", "Failed to fetch")
    assert [error for error in visit.errors if not any(text in error for text in allowed)] == []
    assert visit.foreign == [] and set(TITLES) == set(TABS)
