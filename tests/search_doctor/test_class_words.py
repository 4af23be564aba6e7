"""The network's 1,000 classes as words a person would say, and other words made of them."""

from __future__ import annotations

import numpy as np
import pytest

from mirror.model_folder import read_model_folder
from mirror.search_doctor.class_words import KINDS, group_word, kind_word, other_words
from mirror.tasks.imagenet import FOLDER


@pytest.fixture(scope="module")
def classes() -> tuple[str, ...]:
    return read_model_folder(FOLDER).info.labels


@pytest.mark.parametrize(
    ("shares", "word", "kind"),
    [
        pytest.param({99: 0.8}, "goose", "bird", id="sure of a class"),
        pytest.param({97: 0.3, 99: 0.35}, "waterfowl", "bird", id="wavers within a kind"),
        pytest.param({99: 0.3, 8: 0.3}, "bird", "bird", id="wavers within a wider kind"),
        pytest.param({911: 0.3, 99: 0.1}, "wool", "wool", id="a thing of no kind"),
        pytest.param({309: 0.4, 308: 0.2}, "insect", "insect", id="bee or fly"),
    ],
)
def test_a_group_is_called_by_the_narrowest_word_that_holds_most_of_it(
    classes: tuple[str, ...], shares: dict[int, float], word: str, kind: str
) -> None:
    probabilities = np.full(1000, 1e-5)
    probabilities[list(shares)] = list(shares.values())
    assert (group_word(probabilities, classes), kind_word(probabilities, classes)) == (word, kind)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("great white shark", "fish"), ("hen", "bird"), ("axolotl", "frog"), ("terrapin", "turtle"),
        ("Komodo", "lizard"), ("king snake", "snake"), ("tarantula", "spider"), ("peacock", "bird"),
        ("black swan", "bird"),         ("jellyfish", "sea animal"), ("flamingo", "bird"),
        ("killer whale", "sea animal"), ("Chihuahua", "dog"),
        ("timber wolf", "dog"), ("red fox", "fox"), ("tabby", "cat"), ("lion", "big cat"), ("brown bear", "bear"),
        ("ladybug", "insect"), ("starfish", "sea animal"), ("hamster", "rodent"), ("zebra", "hoofed animal"),
        ("badger", "weasel"), ("orangutan", "monkey"), ("African elephant", "elephant or panda"), ("eel", "fish"),
        ("pizza", "food"), ("volcano", "landscape"), ("scuba diver", "person"), ("daisy", "plant"),
    ],
)  # fmt: skip
def test_the_runs_are_where_imagenet_has_them(classes: tuple[str, ...], name: str, kind: str) -> None:
    number = next(i for i, label in enumerate(classes) if label.startswith(name))
    probabilities = np.zeros(1000)
    probabilities[number] = 1
    assert kind_word(probabilities, classes) == kind
    runs = sorted(KINDS)
    assert all(last < first for (_, last), (first, _) in zip(runs, runs[1:], strict=False))


@pytest.mark.parametrize(
    ("label", "queries", "likeness", "expected"),
    [
        pytest.param("cygnet", ["baby swan"], [], ["cygnet"], id="the label itself"),
        pytest.param("cygnet", ["cygnet"], ["bird"], ["cygnet bird"], id="with what it is like"),
        pytest.param("cygnet", ["Cygnet "], [], [], id="nothing twice"),
        pytest.param(
            "cygnet", ["baby swan"], ["bird", "wool"],
            ["cygnet", "cygnet bird", "baby swan bird", "cygnet wool", "baby swan wool"], id="each in turn",
        ),
        pytest.param("sea_bird", ["sea birds"], ["bird"], ["sea bird"], id="what the words say already is not added"),
    ],
)  # fmt: skip
def test_other_words(label: str, queries: list[str], likeness: list[str], expected: list[str]) -> None:
    assert other_words(label, queries, likeness) == expected
