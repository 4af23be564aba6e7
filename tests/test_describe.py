"""One telling: the card, the page's note, the studio and the command line state the same facts of the same model."""

from __future__ import annotations

import html
import re
from dataclasses import replace
from pathlib import Path

import pytest

from mirror.describe import WORST_PHOTOS, ModelDescription
from mirror.metric_sentences import FEW, error_sentence
from mirror.metrics_schema import Validation
from mirror.model_card import model_card
from mirror.model_folder import read_model_folder
from mirror.model_schema import ModelInfo, Novelty
from mirror.templates import render
from mirror.web.about import note
from mirror.web.served_models import ServedModel
from mirror.web.workshop.retrain import comparison

MODELS = Path(__file__).parents[1] / "models"
NASTY = "<script>alert(1)</script>\"'&|"


def shipped(model: str = "mirror", **changes) -> ModelInfo:
    return replace(read_model_folder(MODELS / model).info, **changes)


def judged(info: ModelInfo, **changes) -> ModelInfo:
    metrics = replace(info.metrics, validation=replace(info.metrics.validation, **changes))
    return replace(info, metrics=metrics)


def with_photos(shown: bool) -> ModelInfo:
    info = shipped()
    files = {name: digest for name, digest in info.files.items() if name != WORST_PHOTOS}
    return replace(info, files=files | ({WORST_PHOTOS: "0"} if shown else {}))


def few() -> ModelInfo:
    info = shipped()
    validation = Validation(8, 0, 0.0, (0.0, 0.3244))
    return replace(info, metrics=replace(info.metrics, validation=validation))


KINDS = {
    "shipped": shipped,
    "fashion": lambda: shipped("fashion"),
    "few photos": few,
    "folds": lambda: judged(shipped(), folds=5),
    "groups": lambda: judged(shipped(), folds=5, groups=22, blocks=("cygnet", "duckling")),
    "no pickle": lambda: shipped(pickle=None),
    "pickle": lambda: shipped(pickle="learner.pkl"),
    "no photos in the report": lambda: with_photos(False),
    "photos in the report": lambda: with_photos(True),
    "others": lambda: shipped(
        novelty=Novelty(threshold=0.1, photos=40, real_refused=0.05, others=52, others_refused=0.98)
    ),
    "knows no strangers": lambda: shipped(novelty=None),
    "nothing told": lambda: shipped(metrics=None, data=None, training=None, novelty=None),
    "none judged": lambda: judged(shipped(), photos=0, errors=0),
    "other labels": lambda: shipped(labels=("red_fox", "a glass")),
}


def words(text: str) -> str:
    """A text without its markup: tags, entities, list marks, runs of spaces."""
    return " ".join(html.unescape(re.sub(r"<[^>]+>", " ", text)).replace("**", "").split())


@pytest.mark.parametrize("kind", KINDS)
def test_every_room_states_the_same_facts(kind: str) -> None:
    info = KINDS[kind]()
    model = ModelDescription(info)
    card = words(model_card(info))
    page = words(note(ServedModel("mirror", replace(read_model_folder(MODELS / "mirror"), info=info))))
    facts = [
        model.summary, model.sees, *model.limits, *model.error_sentences, *model.calibration_sentences,
        *model.novelty_sentences, *model.photo_sentences, *(f"{why} " for why, _ in model.left_out_rows),
        *(value for _, value in model.training_rows if value),
    ]  # fmt: skip
    for fact in facts:
        assert words(fact) in page, ("page", fact)
        assert words(fact) in card.replace("| ", ""), ("card", fact)
    for room in (card, page):
        assert ("none of them" in room.split(" It tells")[0]) == model.refuses
        assert set(re.findall(r"\d+×\d+ pixels", room)) == {model.sees.split(",")[0]}
        assert len(set(re.findall(r"rror (\d+\.\d %) \(", room))) == len(model.judged and [1] or [])
        assert ("cannot say" in room) == bool(model.judged and model.judged.photos < FEW)
        assert (f"{WORST_PHOTOS} shows some" in room) == (
            model.shows_photos and bool(info.data) and not model.published
        )
        assert ("may go by the background" in room) == (
            model.published is None and info.preprocessing.prepare == "none"
        )
    assert ("load_learner" in card) == bool(info.pickle) == ("opened: open only" in card)
    studio = words(render("comparison.html", **comparison(None, info, cleaned=False)))
    if model.judged:
        line = error_sentence(model.judged)  # the last line that train.py prints
        assert line.capitalize() in page and line.capitalize() in card
        rate, low, high, number = re.fullmatch(
            r"error ([\d.]+ %) \(95 % interval ([\d.]+)–([\d.]+) %\) on ([\d,]+) photos?", line
        ).groups()
        for figure in (rate, f"{low} % to {high} %", f"of {number} photo"):
            assert figure in studio
        assert (f"in {model.judged.folds} folds" in studio) == bool(model.judged.folds)
        assert ("rough guess" in studio) == (model.judged.photos < FEW)


def test_the_score_is_told_as_the_network_has_it() -> None:
    told = {}
    for method, others in (("knn-cosine", 0), ("knn-cosine-less-others", 52), ("knn-cosine-and-plane", 52)):
        novelty = Novelty(method=method, threshold=0.1, photos=40, others=others, real_refused=0.05)
        told[method] = ModelDescription(shipped(novelty=novelty)).novelty_sentences[0]
    assert ["less what it is like" in text for text in told.values()] == [False, True, False]
    assert ["on their side of photos" in text for text in told.values()] == [False, False, True]


def test_texts_of_a_model_are_text_in_the_note() -> None:
    info = shipped(labels=(NASTY, "b"), arch=NASTY, name=NASTY, versions={NASTY: NASTY})
    loss = replace(info.metrics.top_losses[0], file_name=NASTY, label=NASTY, predicted=NASTY, url=f"https://{NASTY}/")
    info = replace(
        info,
        metrics=replace(info.metrics, top_losses=(loss, replace(loss, url=f"javascript:{NASTY}"))),
        data=replace(info.data, source=NASTY, license_filter=NASTY, rejected={NASTY: 3}, sites={NASTY: 2}),
        training=replace(info.training, recipe=NASTY, weights=NASTY, notes=(NASTY,)),
    )
    source = note(ServedModel(NASTY, replace(read_model_folder(MODELS / "mirror"), info=info)))
    assert "<script" not in source and 'href="javascript' not in source
    assert len(re.findall(r"&lt;script&gt;", source)) >= 10
    assert "<script" not in note(ServedModel("x", problem=NASTY))
