"""The tab "What is this?" as a person sees it and as programs call it, with the packaged ImageNet model."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from mirror.inference.classifier import Classifier, Prediction
from mirror.net.fetch import NetworkSettings
from mirror.tasks import imagenet
from mirror.tasks.predictor import LabelPredictor
from mirror.tasks.registry import open_label_predictor
from mirror.tasks.request import IMAGE_CLASSIFICATION, IMAGENET, TaskRequest
from mirror.templates import render
from mirror.web.photo_fields import ExamplePhoto
from mirror.web.tabs.handlers import PhotoEvents, TaskHandler
from mirror.web.tabs.image_classification_tab import SHOWN_LABELS, _answer, _decode, _failed, answer_card
from mirror.web.tabs.task_models import NOT_NOW
from tests.pictures import for_the_readme
from tests.support.tiny_vit import tiny_vit
from tests.support.visits import CONTRAST, DESKTOP, PHONE, Visit, visiting
from tests.web.serving import PATIENCE, REPOSITORY, Served, serve
from tests.web.tiny import tiny_model

ENDPOINT = "/image-classification"


@pytest.fixture(scope="module")
def coffee() -> Path:
    data = pytest.importorskip("skimage", reason="scikit-image ships the photo").__path__[0]
    return Path(data, "data", "coffee.png")


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    models = tmp_path_factory.mktemp("models")
    tiny_model(models)
    places = {"HF_HOME": str(tmp_path_factory.mktemp("hub")), "HF_HUB_OFFLINE": "1"}
    uploads = tmp_path_factory.mktemp("uploads")
    with serve("--models", str(models), "--allow-private-hosts", uploads=uploads, **places) as page:
        yield page


@pytest.fixture(scope="module")
def client(served: Served) -> Client:
    return Client(served.url, verbose=False)


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    """The same model as the page's."""
    return Classifier.load(imagenet.packaged_folder(), threads=1)


def test_who_would_have_answered_is_told_where_a_photo_fails(tmp_path: Path):
    """Of two events the later one writes: the opening of the tab no more, where a photo came meanwhile."""
    (tmp_path / "broken.jpg").write_bytes(b"no photo")
    predictor = open_label_predictor(TaskRequest(IMAGE_CLASSIFICATION, IMAGENET))

    async def shown() -> list[tuple]:
        async def opened() -> LabelPredictor:
            return predictor

        events = PhotoEvents(NetworkSettings(), TaskHandler(opened, _answer, _decode), ("", "", ""), _failed)
        return [values async for values in events.show(ExamplePhoto(tmp_path / "broken.jpg"))]

    *_, (picture, says, chances, note) = asyncio.run(shown())
    assert picture is None and "is not an image" in says and chances == ""
    assert note == render("answered_by.html", name=predictor.name, labels=1000)


# ---- programs -------------------------------------------------------------------------------------------------------


def test_the_endpoint_gives_the_models_best_labels(client: Client, classifier: Classifier, coffee: Path):
    expected = classifier.predict(coffee)
    for top in (SHOWN_LABELS, 2, 1000):
        answer = client.predict(handle_file(coffee), top, api_name=ENDPOINT)
        given = {item["label"]: item["confidence"] for item in answer["confidences"]}
        assert answer["label"] == "espresso" and len(given) == top
        assert given == pytest.approx({label: expected.probabilities[label] for label in given}, abs=1e-6)
    assert len(client.predict(handle_file(coffee), api_name=ENDPOINT)["confidences"]) == SHOWN_LABELS


def test_a_broken_photo_is_told_in_one_sentence(client: Client, tmp_path: Path):
    (tmp_path / "photo.jpg").write_bytes(b"no photo")
    with pytest.raises(AppError, match="not an image") as told:
        client.predict(handle_file(tmp_path / "photo.jpg"), api_name=ENDPOINT)
    assert "Traceback" not in str(told.value)


@pytest.mark.parametrize(
    ("label", "probability", "known", "says"),
    [
        ("pineapple, ananas", 0.93, True, "This is a pineapple."),
        ("tabby, tabby cat", 0.75, True, "Most likely a tabby."),
        ("Egyptian cat", 0.4, True, "Hard to say, perhaps an Egyptian cat."),
        ("<b>", 0.95, True, "This is: &lt;b&gt;."),
        ("pineapple, ananas", 0.93, False, "this looks like nothing I was trained on"),
    ],
)
def test_of_many_names_for_a_thing_the_first_is_said(label: str, probability: float, known: bool, says: str):
    assert says in answer_card(Prediction({label: probability, "others": 0.0}, known=known))


# ---- people ---------------------------------------------------------------------------------------------------------


class General(Visit):
    """The tab, opened."""

    def __init__(self, visit: Visit):
        super().__init__(visit.page, visit.complaints)
        self.page.set_default_timeout(PATIENCE * 1000)
        self.open_tab("What is this?")
        self.page.locator("#general-photo").wait_for()

    def pick(self, photo: Path) -> None:
        self.page.set_input_files("#general-photo input[type=file]", photo)

    def says(self, pattern: str) -> None:
        self.page.locator("#general-answer .says").filter(has_text=re.compile(pattern)).wait_for()

    def bars(self) -> list[str]:
        rows = self.page.locator("#general-probabilities .bars li")
        rows.first.wait_for()
        return [row.locator("span").first.inner_text() for row in rows.all()]


@pytest.mark.browser
@pytest.mark.parametrize(("viewport", "dark"), [(DESKTOP, False), (DESKTOP, True), (PHONE, False), (PHONE, True)])
def test_a_photo_is_named(chromium, served: Served, classifier: Classifier, coffee: Path, viewport: dict, dark: bool):
    probabilities = classifier.predict(coffee).probabilities
    with visiting(chromium, served.url, viewport=viewport, dark=dark) as visit:
        tab = General(visit)
        tab.says("Show me anything.")
        tab.page.get_by_text("Answered by tf_efficientnet_lite0, which knows 1,000 labels.").wait_for()
        tab.pick(coffee)
        tab.says("^Most likely an espresso|^This is an espresso")
        assert tab.bars() == sorted(probabilities, key=lambda label: -probabilities[label])[:SHOWN_LABELS]
        assert tab.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        assert tab.page.evaluate(CONTRAST) == []
        tab.shot(f"general-{viewport['width']}-{'dark' if dark else 'light'}")
        if (viewport, dark) == (DESKTOP, False):
            tab.page.locator("#general-probabilities .bars").first.wait_for()
            for_the_readme("image-classification", tab.page, whole=False)


@pytest.mark.browser
def test_the_example_a_long_name_and_an_address(chromium, served: Served, world):
    address = world.direct_host().body("/photo.jpg", (REPOSITORY / "examples" / "pineapple.jpg").read_bytes())
    with visiting(chromium, served.url) as visit:
        tab = General(visit)
        tab.page.locator("#general-examples .example").click()
        tab.says("^This is a pineapple.$")
        tab.page.wait_for_function("document.querySelector('#general-photo img').src.startsWith('data:image/jpeg')")
        assert tab.bars()[0] == "pineapple, ananas"
        tab.page.get_by_label("Remove Image").locator("visible=true").click()
        tab.says("^Show me anything.$")
        box = tab.page.get_by_label("Or the address of a photo").locator("visible=true")
        box.fill(address)
        box.press("Enter")
        tab.says("^This is a pineapple.$")
        assert world.count(address) == 1


@pytest.mark.browser
def test_a_transformers_folder_answers_where_it_is_named(chromium, coffee: Path, tmp_path: Path):
    vit = tiny_vit(tmp_path / "vit", labels=("a cup, mug", "<i>a saucer</i>"))
    (tmp_path / "models").mkdir()
    arguments = ("--models", str(tmp_path / "models"), "--task-model", f"image-classification={vit}")
    with serve(*arguments) as page, visiting(chromium, page.url) as visit:
        tab = General(visit)
        tab.pick(coffee)
        tab.says("(a cup|<i>a saucer</i>)")
        assert sorted(tab.bars()) == ["<i>a saucer</i>", "a cup, mug"]
        tab.page.get_by_text("which knows 2 labels.").wait_for()


@pytest.mark.browser
def test_where_the_model_is_not_to_be_had_the_tab_says_so_and_the_mirror_works(chromium, coffee: Path, tmp_path: Path):
    tiny_model(tmp_path / "models")
    given = {"MIRROR_TASK_MODELS": "image-classification=hf:no/model", "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path)}
    with serve("--models", str(tmp_path / "models"), **given) as page, visiting(chromium, page.url) as visit:
        tab = General(visit)
        tab.page.locator("#general-model .problem").filter(has_text=NOT_NOW).wait_for()
        tab.pick(coffee)
        tab.says(f"^{re.escape(NOT_NOW)}$")
        assert "no/model is not on this machine" in page.log()
        tab.page.get_by_role("tab", name="The mirror").click()
        tab.page.set_input_files("#photo input[type=file]", coffee)
        tab.page.locator("#answer .verdict:not(.waiting)").wait_for()
