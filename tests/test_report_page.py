"""The report for pupils: self-contained, escaped, the same each time; on screens of any width and on A4."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mirror.describe import REPORT_PAGE
from mirror.metrics_schema import LabelMetrics, Metrics, TopLoss, Validation
from mirror.model_folder import read_model_folder
from mirror.model_schema import ModelInfo, Novelty
from mirror.report_page import HardPhoto, recorded_page, report_page
from mirror.wording import unbroken
from tests.web.tiny import BLUE, YELLOW, photo, tiny_model

ROOT = Path(__file__).parents[1]
AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
NASTY = ("</style><script>alert(1)</script>", "\"'><img src=https://example.org/a.png onerror=alert(1)>")
REQUESTS = re.compile(r"""(?:src|href|url|action|srcset|data)\s*[=(]\s*["']?(?!data:)[^"'\s>)]""")


def hard(labels: tuple[str, ...]) -> list[HardPhoto]:
    losses = (TopLoss("a.jpg", labels[1], labels[0], 0.83, 1.79), TopLoss("b.jpg", labels[0], labels[0], 0.61, 0.49))
    return [HardPhoto(photo(colour), loss) for colour, loss in zip((YELLOW, BLUE), losses, strict=True)]


def told(tmp_path: Path, *labels: str, name: str = "fruit") -> ModelInfo:
    return read_model_folder(tiny_model(tmp_path, name, labels or ("apple", "pear"))).info


def test_it_says_in_numbers_that_are_counted_how_it_learned_and_errs(tmp_path: Path) -> None:
    page = report_page(told(tmp_path))
    for sentence in (
        "How the model fruit learned", "It was shown 40 photos", "9 answers were right, and 1 wrong",
        "2 to 40 times in a hundred", "chance has a large part", "90 of 100 answers right, 10 wrong",
    ):  # fmt: skip
        assert sentence in page
    assert page.count("<i>") == 90 and page.count("<i class=wrong>") == 10
    assert "10 photos were left out: nearly the same as another photo" in page


@pytest.mark.parametrize(
    ("photos", "errors", "wrong"), [(10_000, 1, 1), (10_000, 0, 0), (3, 3, 100), (200, 3, 2), (1000, 14, 1)]
)
def test_a_hundred_answers_never_hide_a_mistake(tmp_path: Path, photos: int, errors: int, wrong: int) -> None:
    judged = Validation(photos, errors, errors / photos, (0.0, 1.0))
    page = report_page(replace(told(tmp_path), metrics=Metrics(judged, {}, (), ())))
    assert page.count("<i class=wrong>") == wrong and page.count("<i>") == 100 - wrong


def test_what_was_never_tested_and_what_refuses_nothing_say_so(tmp_path: Path) -> None:
    page = report_page(replace(told(tmp_path), metrics=None, novelty=None, data=None, training=None))
    assert "so nobody knows" in page and "it still answers with one of its labels" in page
    measured = Novelty(threshold=0.1, photos=40, real_refused=0.05, others=52, others_refused=0.98)
    page = report_page(replace(told(tmp_path), novelty=measured))
    assert unbroken("something else, it noticed 98 %.") in page and unbroken("5 % of photos") in page


def test_many_labels_are_a_list_that_ends(tmp_path: Path) -> None:
    page = report_page(told(tmp_path, *(f"breed_{number}" for number in range(300))))
    assert "breed 39" in page and "and 260 more labels" in page and "confusion" not in page.partition("<body>")[2]


def test_it_asks_nobody_for_anything_and_nothing_in_it_is_markup(tmp_path: Path) -> None:
    info = replace(told(tmp_path, *NASTY, name="x"), name=NASTY[1], arch=NASTY[0])
    page = report_page(info, hard(NASTY))
    assert report_page(info, hard(NASTY)) == page
    assert "<script" not in page and "<img src=https" not in page and page.count("</style>") == 1
    body = page.replace("&#34;", "").replace("&#39;", "")
    assert not [found for found in REQUESTS.findall(re.sub(r"&lt;.*?&gt;", "", body)) if found]
    assert "default-src 'none'" in page and page.count("data:image/jpeg") == 2


def test_a_model_of_before_has_a_report_without_photos(tmp_path: Path) -> None:
    folder = read_model_folder(tiny_model(tmp_path, "fruit", ("apple", "pear")))
    assert REPORT_PAGE not in folder.info.files
    assert recorded_page(folder) == report_page(folder.info)


@pytest.fixture
def page_file(tmp_path: Path) -> Path:
    labels = ("apple", "a pear whose name is so long that no column of any table could ever have been as wide as it is")
    info = told(tmp_path, *labels, "Küken", "بطة")
    labelled = {label: LabelMetrics(20, 5, 1.0, 0.8) for label in info.labels}
    metrics = replace(info.metrics, labels=labelled)
    file = tmp_path / "report.html"
    file.write_text(report_page(replace(info, metrics=metrics), hard(labels) * 6), encoding="utf-8")
    return file


@pytest.mark.browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_it_fits_a_phone(chromium: Any, page_file: Path, scheme: str) -> None:
    for width in (320, 1180):
        context = chromium.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme)
        page, asked = context.new_page(), []
        page.on("request", lambda request, asked=asked: asked.append(request.url))
        page.goto(page_file.as_uri())
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert [url for url in asked if not url.startswith("data:")] == [page_file.as_uri()]
        if AXE.is_file():
            page.evaluate(AXE.read_text("utf-8"))
            look = "async () => (await axe.run()).violations.map(v => v.id + ': ' + v.nodes.map(n => n.html).join())"
            assert page.evaluate(look) == []
        context.close()


@pytest.mark.browser
def test_it_prints_on_a4_dark_on_white(chromium: Any, page_file: Path) -> None:
    context = chromium.new_context(color_scheme="dark")
    page = context.new_page()
    page.goto(page_file.as_uri())
    page.emulate_media(media="print", color_scheme="dark")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.evaluate("getComputedStyle(document.querySelector('h2')).color") == "rgb(43, 34, 51)"
    printed = page.pdf(prefer_css_page_size=True, print_background=True)
    sizes = {tuple(map(float, box)) for box in re.findall(rb"/MediaBox\s*\[0 0 ([\d.]+) ([\d.]+)\]", printed)}
    assert {(round(width), round(height)) for width, height in sizes} == {(595, 842)}
    assert 2 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 5
    context.close()
