"""What the page in the browser knows of one model: how its network is asked, and every sentence it may have to say.

Sentences come from mirror/phrases.py, asked of a label that stands for any: a page has its own labels put in their
place, so that what the mirror says is written once.
"""

from __future__ import annotations

from typing import Any

from mirror import phrases
from mirror.describe import ModelDescription
from mirror.inference.classifier import Prediction
from mirror.inference.preprocess import decode_at_least
from mirror.inference.session import SIMILARITY
from mirror.model_schema import ModelInfo
from mirror.preparation import preparation
from mirror.typed_json import encode
from mirror.wording import percent, plain, with_article

ONE = "thing"  # a label that stands for any
PLACE = "place"
SHARE = 0.95


def model_page(info: ModelInfo) -> dict[str, Any]:
    """As JSON. `network`, `heat`, `loads` and `examples` are for the builder to fill in."""
    made = preparation(info.preprocessing.prepare)
    refuses = ModelDescription(info).refuses
    title = phrases.title(info.labels)
    call, comma, rest = title.partition("wall,")  # a narrow screen breaks the line there
    return {
        "name": info.name,
        "labels": list(info.labels),
        "shown": [plain(label) for label in info.labels],
        "spoken": [with_article(label) for label in info.labels],
        "preprocessing": encode(info.preprocessing),
        "temperature": info.temperature,
        "threshold": info.novelty.threshold if info.novelty else None,
        "similarity": SIMILARITY in info.onnx.outputs,
        "at_least": decode_at_least(info.preprocessing),
        "input": info.onnx.input,
        "question": [call + comma, rest.strip()],
        "promise": phrases.subtitle(info.labels, knows_strangers=refuses, subject=made.subject),
        "choice": phrases.choice(info.name, info.labels),
        "made": {"look": made.look, "shown": made.shown, "shown_whole": made.shown_whole},
        "says": sentences(info.labels, made.missing),
    }


def sentences(labels: tuple[str, ...], missing: str) -> dict[str, Any]:
    """{it}: a label with its article; {where}: places on the photo; {percent}: a probability in per cent. `sure`,
    `likely` (from which probability on) and `perhaps` have a sentence for each label."""

    def verdicts(probability: float) -> list[str]:
        return [phrases.claim(label, probability, labels) for label in labels]

    stranger = Prediction(dict.fromkeys(labels, 0.0), known=False)
    return {
        "sure": [phrases.SURE, verdicts(1.0)],
        "likely": [phrases.LIKELY, verdicts(phrases.LIKELY)],
        "perhaps": verdicts(0.0),
        "stranger": phrases.verdict(stranger),
        "unframed": phrases.not_found(labels, missing),
        "certain": phrases.certainty(Prediction({ONE: SHARE})).replace(percent(SHARE), "{percent}"),
        "nearest": phrases.nearest("{label}"),
        "uncertain": phrases.certainty(stranger),
        "why": phrases.EXPLAIN,
        "enough": phrases.HIDE,
        "looked": _any(phrases.regions_sentence([PLACE], ONE)),
        "looked_everywhere": phrases.regions_sentence(["everywhere"], ONE),
        "looked_nowhere": _any(phrases.regions_sentence([], ONE)),
        "would": _any(phrases.regions_sentence([PLACE], ONE, known=False)),
        "would_everywhere": _any(phrases.regions_sentence(["everywhere"], ONE, known=False)),
        "heat": _any(phrases.colours_sentence(ONE, cut=False)),
        "heat_cut": _any(phrases.colours_sentence(ONE, cut=True)),
        "heat_alt": _any(phrases.alt_text([PLACE])),
        "heat_alt_everywhere": phrases.alt_text(["everywhere"]),
        "heat_alt_nowhere": phrases.alt_text([]),
    }


def _any(sentence: str) -> str:
    """The sentence for any label and any place."""
    for spoken, stands in ((with_article(ONE), "{it}"), (f"the {PLACE}", "{where}")):
        sentence = sentence.replace(spoken, stands)
    return sentence
