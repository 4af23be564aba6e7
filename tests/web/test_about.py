from __future__ import annotations

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from mirror.metrics_schema import Calibration, CalibrationScores, Estimate, LabelMetrics, Metrics, Validation
from mirror.model_folder import read_model_folder
from mirror.model_note import MAX_PICTURE_BYTES
from mirror.model_schema import DataInfo, Novelty
from mirror.web import about
from mirror.web.served_models import ServedModel
from tests.web.tiny import tiny_model

VOID = {"img", "br"}


class Outline(HTMLParser):
    """Text without tags, and the tags that were left open."""

    def __init__(self, source: str):
        super().__init__()
        self.open, self.texts, self.tags = [], [], []
        self.feed(source)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))


def mirror(tmp_path, changes=None, **model) -> ServedModel:
    folder = read_model_folder(tiny_model(tmp_path, **model))
    return ServedModel("mirror", replace(folder, info=replace(folder.info, **(changes or {}))))


def read(source: str) -> Outline:
    outline = Outline(source)
    assert outline.open == []
    return outline


def test_the_note_tells_all_that_the_model_tells(tmp_path):
    text = read(about.note(mirror(tmp_path))).text
    for told in (
        "It tells 2 labels apart: cygnet and duckling. It was made from 50 photos.",
        "found by DuckDuckGo image search",
        "“cygnet photo” for cygnet and “duckling photo” for duckling",
        "Licence filter: cc-by.",
        "Retrieved 2026-11-18 to 2026-11-19.",
        "Left out: 10 photos",
        "nearly the same as another photo",
        "the server answered 404",
        "Error 10.0 % (95 % interval 1.8–40.4 %) on 10 photos that it had not learned from.",
        "What 10 photos cannot say",
        "tf_efficientnet_lite0",
        "32×32 pixels, the whole photo, squeezed to fit",
        "2026-11-20",
        "12 s",
        "42",
        "torch 2.15.0",
        "is answered with “neither”",
    ):
        assert told in text


def test_the_note_says_what_it_does_not_know(tmp_path):
    text = read(about.note(mirror(tmp_path, told=False, strangers=False))).text
    for told in (
        "The model does not say where its photos came from.",
        "The model does not say how many photos it learned from.",
        "It has not been judged on photos it was not trained on.",
        "The model does not say which labels it mixes up.",
        "Not recorded: network, starting weights, recipe, epochs, seed, training time, made on and versions.",
        "It has no way of noticing that a photo shows something else",
    ):
        assert told in text
    assert "None" not in text


def test_how_often_it_is_wrong_to_say_neither_is_told_where_it_was_measured(tmp_path):
    measured = Novelty(threshold=0.6, photos=40, real_refused=0.025)
    text = read(about.note(mirror(tmp_path, {"novelty": measured}))).text
    assert "Held out, 2 % of the labels' own 40 photos are taken for none of them." in text and "errs both ways" in text
    assert "Too few photos to measure how many" in read(about.note(mirror(tmp_path))).text


def test_a_bare_pickle_is_named_as_such(tmp_path):
    one = mirror(tmp_path, told=False)
    one.from_pickle = True
    assert "It came as a bare learner pickle" in read(about.note(one)).text


def test_a_model_that_cannot_be_opened_has_its_reason_for_a_note():
    text = read(about.note(ServedModel("x", problem="x/model.json is <odd>."))).text
    assert "This model cannot be opened" in text and "x/model.json is <odd>." in text


def test_labels_names_and_addresses_are_text(tmp_path):
    nasty = "<script>alert('1')</script>"
    one = mirror(tmp_path, labels=(nasty, 'b"><img src=x>'))
    outline = read(about.note(one))
    assert nasty in outline.text
    assert {tag for tag, _ in outline.tags} & {"script", "img"} == set()


def test_only_web_addresses_become_links(tmp_path):
    one = mirror(tmp_path)
    losses = one.info.metrics.top_losses
    bad = replace(losses[0], url="javascript:alert(1)")
    one = mirror(tmp_path, {"metrics": replace(one.info.metrics, top_losses=(losses[0], bad))})
    links = [attributes["href"] for tag, attributes in read(about.note(one)).tags if tag == "a"]
    assert links == ["https://example.org/a.jpg"]


def test_the_confusion_matrix_is_a_table_with_heads_on_both_sides(tmp_path):
    source = about.note(mirror(tmp_path))
    table = source[source.index('<table class="confusion">') :]
    table = table[: table.index("</table>")]
    assert re.findall(r"<th scope=\"(\w+)\">([^<]*)", table) == [
        ("col", "cygnet"),
        ("col", "duckling"),
        ("row", "cygnet"),
        ("row", "duckling"),
    ]
    assert re.findall(r'<td class="(\w+)" style="--share:([\d.]+)">(\d+)', table) == [
        ("right", "1.00", "5"),
        ("none", "0.00", "0"),
        ("wrong", "0.20", "1"),
        ("right", "0.80", "4"),
    ]


def test_many_labels_get_their_mix_ups_instead_of_a_giant_table(tmp_path):
    labels = tuple(f"kind_{i}" for i in range(30))
    source = about.note(mirror(tmp_path, labels=labels))
    assert 'class="confusion"' not in source
    rows = re.search(r"How often</th></tr></thead><tbody>(.*?)</tbody>", source).group(1)
    assert re.sub("<[^>]+>", " ", rows).split() == ["kind", "1", "kind", "0", "1"]
    assert (
        "It tells 30 labels apart: kind 0, kind 1, kind 2, kind 3, kind 4, kind 5, kind 6 and kind 7 and 22 more."
        in read(source).text
    )


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (DataInfo("folder", {"a": 1}), "Its photos were taken from a folder of photos."),
        (DataInfo("search"), "Licence filter: none. So most of them belong to their makers."),
        (DataInfo("photo list", retrieved=("2026-11-19", "2026-11-19")), "Retrieved on 2026-11-19."),
        (DataInfo("moon"), "Source: moon."),
    ],
    ids=["folder", "search without a licence", "recipe of one day", "unknown"],
)
def test_the_note_says_where_the_photos_came_from(tmp_path, data, says):
    assert says in read(about.note(mirror(tmp_path, {"data": data}))).text


def test_counts_are_those_of_the_judging_where_the_data_is_not_told(tmp_path):
    metrics = Metrics(
        Validation(3, 0, 0.0, (0.0, 0.5615)), {"cygnet": LabelMetrics(7, 2), "duckling": LabelMetrics(5, 1)}
    )
    source = about.note(mirror(tmp_path, {"data": None, "metrics": metrics}))
    assert "<td class=number>9</td><td class=number>7</td><td class=number>2</td>" in source
    assert "<td class=number>–</td>" in source  # precision and recall are not known


def test_pictures_lie_in_the_page_itself(tmp_path):
    one = mirror(tmp_path, pictures=True)
    (one.folder.path / "report" / "huge.png").write_bytes(b"\0" * (MAX_PICTURE_BYTES + 1))
    outline = read(about.pictures(one))
    images = [attributes for tag, attributes in outline.tags if tag == "img"]
    assert [image["alt"] for image in images] == ["The confusion matrix, drawn", "The photos it was most wrong about"]
    assert all(image["src"].startswith("data:image/png;base64,") for image in images)


def test_no_pictures_make_no_heading_and_every_model_has_a_report_to_download(tmp_path):
    source = about.pictures(mirror(tmp_path, pictures=False))
    assert "Pictures from its training" not in source
    href, name = re.search(r'href="data:text/html;charset=utf-8;base64,([^"]+)" download="([^"]+)"', source).groups()
    assert name == "mirror-report.html"
    assert "How the model mirror learned" in base64.b64decode(href).decode()
    assert about.pictures(ServedModel("x", problem="broken")) == ""


def test_an_empty_folder_is_told_the_ways_to_a_model(tmp_path):
    text = read(about.how_to_train(tmp_path / "models")).text
    assert "models/" in text and str(tmp_path) not in text
    for way in (
        'python train.py --search "cygnet=baby swan"',
        "python train.py --data my_photos --name mine",
        "learn.export()",
    ):
        assert way in text


def test_an_error_that_was_cross_validated_is_told_as_one(tmp_path):
    metrics = mirror(tmp_path).info.metrics
    metrics = replace(metrics, validation=replace(metrics.validation, folds=5))
    text = read(about.note(mirror(tmp_path, {"metrics": metrics}))).text
    assert "cross-validated in 5 folds: each photo was left out once and judged by what had learned from" in text


@pytest.mark.parametrize(
    ("temperature", "photos", "says", "few"),
    [
        (1.0, 400, "could not be shown to be better than none", False),
        (
            1.7,
            400,
            "divided by a temperature of 1.70, fitted to 100 photos left out in turn: it makes the model less sure",
            False,
        ),
        (
            0.6,
            99,
            "divided by a temperature of 0.60, fitted to 100 photos left out in turn: it makes the model more sure",
            True,
        ),
    ],
)
def test_how_far_its_probabilities_can_be_trusted_is_told(tmp_path, temperature, photos, says, few):
    gap = Estimate(0.05, (0.02, 0.09))
    scores = CalibrationScores(gap, gap, gap)
    calibration = Calibration("out-of-fold", 100, temperature, gap, photos, scores, scores)
    metrics = replace(mirror(tmp_path).info.metrics, calibration=calibration)
    text = read(about.note(mirror(tmp_path, {"metrics": metrics, "temperature": temperature}))).text
    assert (
        says in text
        and f"5 % away, on average, from how often it was right (95 % interval 2 % to 9 %; {photos} photos" in text
    )
    assert ("So few photos say little of it" in text) == few
