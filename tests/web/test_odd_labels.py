"""Labels of any length, script and kind fit the page at every size, in its answer, its bars and its tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path

import pytest

from mirror.model_folder import read_model_folder
from mirror.model_note import note
from mirror.report_page import report_page
from mirror.templates import data_url
from mirror.web.studio.actions import RELABEL, perform
from mirror.web.studio.gallery import View
from mirror.web.studio.render import render_gallery
from mirror.web.studio.state import StudioState
from tests.support.visits import visiting
from tests.web.asking import ask
from tests.web.serving import Served, serve
from tests.web.studio.folders import photo_folder
from tests.web.tiny import BLUE, YELLOW, photo, tiny_model

KINDS = {
    "long": ("w" * 100, "Donaudampfschifffahrtsgesellschaftskapitän", "a label of many words " * 4 + "that goes on"),
    "scripts": ("بطة صغيرة", "小鸭子", "🦆👩‍👩‍👧‍👦", "утёнок"),
    "values": ("None", "01", "nan", "true", "🦆", "$5_$10", "بطة", "小鸭"),
    "odd": ("$5_$10", "None", "01", "<b>bold</b>", "a&b", "${value}", "{{value}}", "`x`"),
}
BARS = "n => document.querySelectorAll('#probabilities li').length === n"


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    models: Path = tmp_path_factory.mktemp("models")
    for name, labels in KINDS.items():
        tiny_model(models, name, labels)
    with serve("--models", str(models), uploads=tmp_path_factory.mktemp("uploads")) as page:
        yield page


@pytest.mark.browser
@pytest.mark.parametrize("size", [(1280, 860), (390, 664), (320, 256)], ids=lambda size: "{} × {}".format(*size))
def test_labels_of_every_kind_fit(chromium, odd, size) -> None:
    with visiting(chromium, odd.url, viewport={"width": size[0], "height": size[1]}) as visit:
        page = visit.page
        for name, labels in ((name, labels) for name, labels in KINDS.items() if name != "values"):
            page.get_by_label("Model").click()
            page.get_by_role("option", name=name).first.click()
            page.wait_for_function("name => new URL(location).searchParams.get('model') === name", arg=name)
            if page.locator("#photo img").count():  # which the model that was chosen answers first
                page.wait_for_function(BARS, arg=len(labels))
            visit.rest()
            for colour in (YELLOW, BLUE):
                visit.pick("a.jpg", photo(colour))
                page.wait_for_function(BARS, arg=len(labels))
                page.wait_for_function(
                    "grey => !!document.querySelector('#probabilities summary') === grey", arg=colour == BLUE
                )
                assert set(visit.bars()) == {" ".join(label.replace("_", " ").split()) for label in labels}
                if colour == BLUE:
                    page.locator("#probabilities summary").click()
                visit.shot(f"labels-{name}-{size[0]}-{'neither' if colour == BLUE else 'known'}")
                assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
            visit.open_tab("About this mirror")
            page.locator(".note table").locator("visible=true").first.wait_for()
            assert page.evaluate("document.documentElement.scrollWidth") <= size[0]
            visit.open_tab("The mirror")


VALUES = KINDS["values"]


def test_labels_that_look_like_values_are_words_for_programs(odd) -> None:
    sent = {"url": data_url(photo(YELLOW, format="PNG"), "png")}
    _, [predicted] = ask(odd.url, "predict", sent, "values")
    _, [verdict] = ask(odd.url, "verdict", sent, "values")
    assert {each["label"] for each in predicted["confidences"]} == set(verdict["probabilities"]) == set(VALUES)
    assert predicted["label"] == verdict["label"] in VALUES
    for label in VALUES:
        event, _ = ask(odd.url, "explain", sent, label, "values")
        assert event == "complete", label


def test_labels_that_look_like_values_are_words_in_the_studio(tmp_path: Path) -> None:
    photos = photo_folder(tmp_path / "birds", each=2, labels=VALUES)
    state = StudioState(tmp_path / "birds", tmp_path / "models")
    assert set(state.snapshot().labels) == set(VALUES)
    for photo_, label in zip(photos, VALUES[::-1], strict=False):
        perform(state.folder, state.snapshot(), RELABEL, [photo_.file_name], label)
    snapshot = StudioState(tmp_path / "birds", tmp_path / "models").snapshot()
    corrected = [snapshot.folder_state.current_label(photo_).label for photo_ in photos[: len(VALUES)]]
    assert corrected == list(VALUES[::-1])
    shown = unescape(render_gallery(snapshot, View()))
    assert all(label in shown for label in VALUES)


def test_labels_that_look_like_values_are_words_in_the_note_and_the_report(tmp_path: Path) -> None:
    model = read_model_folder(tiny_model(tmp_path, "values", VALUES))
    for page in (report_page(model.info), note(model.info, from_pickle=False)):
        cells = set(re.findall(r"<t[hd][^>]*>([^<]*)<", page))
        assert {" ".join(label.replace("_", " ").split()) for label in VALUES} <= {unescape(cell) for cell in cells}
