"""Labels of any length, script and kind fit the page at every size, in its answer, its bars and its tables."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.visits import visiting
from tests.web.serving import Served, serve
from tests.web.tiny import BLUE, YELLOW, photo, tiny_model

pytestmark = pytest.mark.browser

KINDS = {
    "long": ("w" * 100, "Donaudampfschifffahrtsgesellschaftskapitän", "a label of many words " * 4 + "that goes on"),
    "scripts": ("بطة صغيرة", "小鸭子", "🦆👩‍👩‍👧‍👦", "утёнок"),
    "odd": ("$5_$10", "None", "01", "<b>bold</b>", "a&b", "${value}", "{{value}}", "`x`"),
}


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    models: Path = tmp_path_factory.mktemp("models")
    for name, labels in KINDS.items():
        tiny_model(models, name, labels)
    with serve("--models", str(models), uploads=tmp_path_factory.mktemp("uploads")) as page:
        yield page


@pytest.mark.parametrize("size", [(1280, 860), (390, 664), (320, 256)], ids=lambda size: "{} × {}".format(*size))
def test_labels_of_every_kind_fit(chromium, odd, size) -> None:
    with visiting(chromium, odd.url, viewport={"width": size[0], "height": size[1]}) as visit:
        page = visit.page
        for name, labels in KINDS.items():
            page.get_by_label("Model").click()
            page.get_by_role("option", name=name).first.click()
            page.wait_for_function("name => new URL(location).searchParams.get('model') === name", arg=name)
            visit.rest()
            for colour in (YELLOW, BLUE):
                visit.pick("a.jpg", photo(colour))
                page.wait_for_function(
                    "n => document.querySelectorAll('#probabilities li').length === n", arg=len(labels)
                )
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
