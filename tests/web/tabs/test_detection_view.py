"""What the page says and shows of detections, before any browser."""

from __future__ import annotations

import html
import json
import re

import pytest
from PIL import Image

from mirror.tasks.detection import Box, Detection, Detections
from mirror.web.tabs.detection_view import NOTHING_SO_SURE, answer, count_labels, several


def found(*labels: str, score: float = 0.9) -> list[Detection]:
    return [Detection(score, label, Box(10, 10, 20, 20)) for label in labels]


@pytest.mark.parametrize(
    ("labels", "says"),
    [
        ((), NOTHING_SO_SURE),
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
    assert says == [NOTHING_SO_SURE, "1 cat.", "1 cat and 1 dog."]


def test_a_score_that_is_the_threshold_is_not_above_it():
    _, picture, table = answer(Image.new("RGB", (100, 50)), Detections(tuple(found("dog", score=0.5))), 0.5)
    assert "<table hidden>" in table and 'data-score="0.5" hidden' in picture


def test_nothing_at_all_is_said_too():
    card, picture, table = answer(Image.new("RGB", (100, 50)), Detections(()), 0.5)
    assert NOTHING_SO_SURE in card and "<img" in picture and "<table hidden>" in table


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
