"""What the page in the browser knows of one model: how its network is asked, and every sentence it may have to say.

Sentences come from mirror/answer_sentences.py, asked of a label that stands for any: a page has its own labels put in
their place, so that what the mirror says is written once.
"""

from __future__ import annotations

from typing import Any

from mirror import answer_sentences
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
    title = answer_sentences.title(info.labels)
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
        "promise": answer_sentences.subtitle(info.labels, knows_strangers=refuses, subject=made.subject),
        "choice": answer_sentences.choice(info.name, info.labels),
        "made": {"look": made.look, "shown": made.shown, "shown_whole": made.shown_whole},
        "says": sentences(info.labels, made.missing),
    }


def sentences(labels: tuple[str, ...], missing: str) -> dict[str, Any]:
    """{it}: a label with its article; {where}: places on the photo; {percent}: a probability in per cent. `sure`,
    `likely` (from which probability on) and `perhaps` have a sentence for each label."""

    def verdicts(probability: float) -> list[str]:
        return [answer_sentences.claim(label, probability, labels) for label in labels]

    stranger = Prediction(dict.fromkeys(labels, 0.0), known=False)
    return {
        "sure": [answer_sentences.SURE, verdicts(1.0)],
        "likely": [answer_sentences.LIKELY, verdicts(answer_sentences.LIKELY)],
        "perhaps": verdicts(0.0),
        "stranger": answer_sentences.verdict(stranger),
        "unframed": answer_sentences.not_found(labels, missing),
        "certain": answer_sentences.certainty(Prediction({ONE: SHARE})).replace(percent(SHARE), "{percent}"),
        "nearest": answer_sentences.nearest("{label}"),
        "uncertain": answer_sentences.certainty(stranger),
        "why": answer_sentences.EXPLAIN,
        "enough": answer_sentences.HIDE,
        "looked": _any(answer_sentences.regions_sentence([PLACE], ONE)),
        "looked_everywhere": answer_sentences.regions_sentence(["everywhere"], ONE),
        "looked_nowhere": _any(answer_sentences.regions_sentence([], ONE)),
        "would": _any(answer_sentences.regions_sentence([PLACE], ONE, known=False)),
        "would_everywhere": _any(answer_sentences.regions_sentence(["everywhere"], ONE, known=False)),
        "heat": _any(answer_sentences.colours_sentence(ONE, cut=False)),
        "heat_cut": _any(answer_sentences.colours_sentence(ONE, cut=True)),
        "heat_alt": _any(answer_sentences.alt_text([PLACE])),
        "heat_alt_everywhere": answer_sentences.alt_text(["everywhere"]),
        "heat_alt_nowhere": answer_sentences.alt_text([]),
    }


def _any(sentence: str) -> str:
    """The sentence for any label and any place."""
    for spoken, stands in ((with_article(ONE), "{it}"), (f"the {PLACE}", "{where}")):
        sentence = sentence.replace(spoken, stands)
    return sentence
