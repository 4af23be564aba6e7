"""The model card: what the model is, what it was trained on, how good it is, and where it ends, from ModelInfo alone.

The front matter is Hugging Face's model card metadata (https://huggingface.co/docs/hub/model-cards).
"""

from __future__ import annotations

import json

from mirror.model_info import Metrics, ModelInfo
from mirror.training.evaluate import error_sentence


def model_card(info: ModelInfo) -> str:
    """README.md of a model folder."""
    labels = " or ".join(info.labels) if len(info.labels) <= 6 else f"{len(info.labels)} labels"
    parts = [
        _front_matter(info),
        f"# {info.name}: {labels}",
        f"An image classifier ({info.arch}) that answers with one of {len(info.labels)} labels, or with none of them.",
        _results(info.metrics, info) if info.metrics else "It has not been judged on photos it was not trained on.",
        _data(info),
        _training(info),
        _limits(info),
        _use(info),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(info: ModelInfo) -> str:
    lines = [
        "---",
        "library_name: fastai",
        "pipeline_tag: image-classification",
        "tags:",
        "- image-classification",
        "- fastai",
        "- onnx",
    ]
    if info.metrics and info.metrics.validation.photos:
        accuracy = 1 - info.metrics.validation.error_rate
        lines += [
            "metrics:",
            "- accuracy",
            "model-index:",
            f"- name: {json.dumps(info.name)}",
            "  results:",
            "  - task:",
            "      type: image-classification",
            "    dataset:",
            f"      name: {json.dumps(info.name + ' validation photos')}",
            "      type: imagefolder",
            "    metrics:",
            "    - type: accuracy",
            f"      value: {accuracy:.4f}",
        ]
    return "\n".join([*lines, "---"])


def _results(metrics: Metrics, info: ModelInfo) -> str:
    rows = ["| label | trained on | judged on | precision | recall |", "| --- | ---: | ---: | ---: | ---: |"]
    for label, found in metrics.labels.items():
        numbers = (_percent(found.precision), _percent(found.recall))
        rows.append(f"| {_cell(label)} | {found.train} | {found.validation} | {numbers[0]} | {numbers[1]} |")
    text = f"## How good it is\n\n{_sentence(metrics)}\n\n" + "\n".join(rows)
    if len(metrics.confusion_matrix) <= 12:
        head = "| it was ↓ said → | " + " | ".join(map(_cell, info.labels)) + " |"
        body = [
            f"| **{_cell(label)}** | " + " | ".join(map(str, row)) + " |"
            for label, row in zip(info.labels, metrics.confusion_matrix, strict=True)
        ]
        text += "\n\n" + "\n".join([head, "| --- |" + " ---: |" * len(info.labels), *body])
    return text


def _sentence(metrics: Metrics) -> str:
    text = error_sentence(metrics.validation)
    few = metrics.validation.photos < 100
    told = " With so few photos the interval says more than the figure." if few else ""
    return f"{text[0].upper()}{text[1:]} that it was not trained on.{told}"


def _data(info: ModelInfo) -> str:
    if not info.data:
        return ""
    data = info.data
    counts = ", ".join(f"{count} {label}" for label, count in data.counts.items())
    source = {
        "search": "found by DuckDuckGo image search",
        "folder": "from a folder of photos",
        "recipe": "fetched again from another model's list",
    }.get(data.source, data.source)
    text = f"## Photos\n\n{counts}: {source}; photos.csv lists each with its origin, its sha256 and its side."
    if data.queries:
        text += " Searched for: " + "; ".join(f"“{q.query}” → {q.label}" for q in data.queries) + "."
    text += f" Licence filter: {data.license_filter or 'none'}."
    if data.retrieved:
        text += f" Retrieved {data.retrieved[0][:10]} to {data.retrieved[-1][:10]}."
    if data.rejected:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(data.rejected.items()))
        text += f" Left out: {reasons}."
    return text


def _training(info: ModelInfo) -> str:
    if not info.training:
        return ""
    t = info.training
    text = f"## Training\n\n{t.recipe[0].upper()}{t.recipe[1:]}. Weights: {t.weights}. Seed {t.seed}."
    notes = t.extra.get("notes") or []
    text += "".join(f" {note}" for note in notes)
    used = ", ".join(f"{name} {version}" for name, version in sorted(info.versions.items()))
    height, width = info.preprocessing.input_size
    return f"{text} Input {width}×{height} px, {info.preprocessing.resize}. Versions: {used}."


def _limits(info: ModelInfo) -> str:
    text = "## Limits\n\nIt knows the labels above and nothing else."
    if info.novelty and info.novelty.threshold is not None:
        text += (
            f" A photo unlike those it was trained on (mean cosine with its {info.novelty.k} nearest training photos "
            f"below {info.novelty.threshold:.3f}, which 5 % of its own photos are) is answered with “none of these”."
        )
    else:
        text += " It answers with one of them whatever it is shown."
    return text + (
        " The photos it learned from are those that a search or a folder happened to hold: kinds, places and "
        "seasons that they lack, it does not know. Do not use it where a wrong answer hurts someone."
    )


def _use(info: ModelInfo) -> str:
    return (
        "## Use\n\n```python\nfrom fastai.vision.all import load_learner\n"
        'label, _, probabilities = load_learner("learner.pkl").predict("photo.jpg")\n```\n\n'
        f"or without torch: `python -m mirror predict photo.jpg --model .` (model.onnx{_precision(info)}). A learner "
        "pickle runs code "
        "when it is opened: open only those of people you trust."
    )


def _precision(info: ModelInfo) -> str:
    if info.onnx.precision != "int8":
        return ""
    gate = (info.extra.get("quantisation") or {}).get("shipped") or {}
    same = f": the same label on {100 * gate['agreement']:.1f} % of {gate['photos']} photos" if gate else ""
    return f", in 8-bit integers{same}, and the figures above are its own"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
