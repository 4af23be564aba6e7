"""The model card: what the model is, what it was trained on, how good it is, and where it ends, from ModelInfo alone.

The front matter is Hugging Face's model card metadata (https://huggingface.co/docs/hub/model-cards).
"""

from __future__ import annotations

import shlex

from mirror.errors import reason_in_words
from mirror.model_schema import Calibration, Estimate, Metrics, ModelInfo, Novelty, Validation
from mirror.preparation import PublishedDataset, preparation, published_dataset
from mirror.training.metrics import error_sentence

FEW = 100  # photos judged, below which the card says what their number cannot tell
FEW_OF_A_LABEL = 30
SHOWN_MATRIX = 12  # labels
SOURCES = {
    "search": "found by DuckDuckGo image search",
    "folder": "from a folder of photos",
    "recipe": "fetched again from another model's list",
}
NO_PICKLE = "--no-pickle"  # the option of train.py by which the folder holds no learner.pkl


def model_card(info: ModelInfo) -> str:
    """README.md of a model folder."""
    labels = " or ".join(info.labels) if len(info.labels) <= 6 else f"{len(info.labels)} labels"
    kind = f"An image classifier ({info.arch}) that answers with one of {len(info.labels)} labels"
    parts = [
        f"---\n{metadata(info)}\n---",
        f"# {info.name}: {labels}",
        f"{kind}, or with none of them." if _refuses(info) else f"{kind}.",
        _results(info.metrics, info) if info.metrics else "It has not been judged on photos it was not trained on.",
        _calibration(info),
        _novelty(info),
        _data(info),
        _training(info),
        _limits(info),
        _use(info),
        _again(info),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def metadata(info: ModelInfo) -> str:
    """The front matter's YAML."""
    from huggingface_hub import EvalResult, ModelCardData

    published, results = _published(info), None
    if info.metrics and info.metrics.validation.photos:
        judged = info.metrics.validation
        name = published.test_split if published else f"{info.name}: {judged.photos} photos it had not learned from"
        results = [
            EvalResult(
                task_type="image-classification",
                dataset_type=published.task if published else "imagefolder",
                dataset_name=name,
                metric_type="accuracy",
                metric_value=round(1 - judged.error_rate, 4),
            )
        ]
    return ModelCardData(
        library_name="fastai" if info.pickle else "onnx",
        datasets=[published.hub] if published else None,
        pipeline_tag="image-classification",
        tags=["image-classification", *(["fastai"] if info.pickle else []), "onnx"],
        metrics=["accuracy"] if results else None,
        model_name=info.name,
        eval_results=results,
    ).to_yaml(line_break="\n")


def _results(metrics: Metrics, info: ModelInfo) -> str:
    rows = [
        [_cell(label), found.train, found.validation, _percent(found.precision), _percent(found.recall)]
        for label, found in metrics.labels.items()
    ]
    parts = [
        f"## How good it is\n\n{_error(metrics.validation)}",
        small_sample_note(metrics),
        _table(["label", "learned from", "judged on", "precision", "recall"], rows),
    ]
    if len(metrics.confusion_matrix) <= SHOWN_MATRIX:
        matrix = zip(info.labels, metrics.confusion_matrix, strict=True)
        rows = [[f"**{_cell(label)}**", *row] for label, row in matrix]
        parts.append(_table(["it was ↓ said →", *map(_cell, info.labels)], rows))
    return "\n\n".join(part for part in parts if part)


def _error(judged: Validation) -> str:
    text = error_sentence(judged)
    text = text[0].upper() + text[1:]
    if not judged.photos:
        return "No photo was held out, so its error is not known."
    if judged.folds:
        return (
            f"{text}, cross-validated in {judged.folds} folds: each photo was left out once and judged by what had "
            "learned from the others. The model itself has learned from all of them."
        )
    return f"{text} that it had not learned from."


def small_sample_note(metrics: Metrics) -> str:
    """What must not be read into figures of fewer than FEW photos; "" where there are more, or none."""
    judged = metrics.validation
    if not 0 < judged.photos < FEW:
        return ""
    low, high = (f"{100 * end:.0f} %" for end in judged.interval)
    text = (
        f"**What {judged.photos} photos cannot say.** An error of {low} and one of {high} both fit what was seen, so "
        "the interval says more than the figure, and two models whose intervals overlap cannot be told apart by it."
    )
    if not judged.errors:
        text += " That none was wrong does not mean that none will be."
    fewest = min((found.validation for found in metrics.labels.values()), default=0)
    if fewest < FEW_OF_A_LABEL:
        step = (
            f"moves a label's recall by up to {100 / fewest:.0f} points" if fewest else "is all some label would have"
        )
        text += f" One photo more or less {step}: the table below is a list of cases rather than a measurement."
    return text


def _calibration(info: ModelInfo) -> str:
    found = info.metrics.calibration if info.metrics else None
    if not found:
        return ""
    rows = [
        ["negative log-likelihood, nats", _between(found.before.nll), _between(found.after.nll)],
        ["Brier score, 0 to 2", _between(found.before.brier), _between(found.after.brier)],
        ["expected calibration error", _between(found.before.ece), _between(found.after.ece)],
    ]
    table = _table([f"{found.photos} photos it had not learned from", "by the head", "as served"], rows)
    few = ""
    if found.photos < FEW:
        few = (
            f" So few photos say little of it: among {found.photos}, the calibration error is mostly chance (it is "
            "above 0 for a perfect model as well), and only the first two rows, with their intervals, can be compared."
        )
    return f"## How far its probabilities can be trusted\n\n{_temperature(info, found)}{few}\n\n{table}"


def _temperature(info: ModelInfo, found: Calibration) -> str:
    photos = f"{found.fitted_on} photos {'left out in turn' if found.source == 'out-of-fold' else 'held out'}"
    if info.temperature == 1:
        change = Estimate(-found.gain.value, tuple(-end for end in reversed(found.gain.interval)))
        return (
            f"They are as the head gives them. The temperature that fits {photos} best, {found.found:.2f}, could not "
            "be shown to be better than none: on photos that it was not fitted to, the negative log-likelihood changes "
            f"by {_between(change, signed=True)} nats."
        )
    return (
        f"Its logits are divided by a temperature of {info.temperature:.2f}, fitted to {photos}: it makes the model "
        f"{'less' if info.temperature > 1 else 'more'} sure of everything alike, and changes no answer. model.json "
        "keeps it, and this project's engine applies it; learner.pkl's own probabilities are without it."
    )


def _novelty(info: ModelInfo) -> str:
    if not _refuses(info):
        return ""
    return (
        "## None of these\n\n"
        f"A photo unlike those it has learned from (its score, the mean cosine with the {info.novelty.k} nearest of "
        f"them{', less what it is like photos of none' if info.novelty.others else ''}, is below "
        f"{info.novelty.threshold:.3f}) is answered with “none of these”. {novelty_sentence(info.novelty)}"
    )


def novelty_sentence(novelty: Novelty) -> str:
    """`Held out, 5 % of the labels' own 40 photos are taken for none of them, and so are 98 % of 52 others.`"""
    if novelty.real_refused is None:
        return "Too few photos to measure how many of the labels' own are taken for none of them."
    refused = f"{100 * novelty.real_refused:.0f} % of the labels' own {novelty.photos} photos"
    text = f"Held out, {refused} are taken for none of them"
    if novelty.others_refused is not None:
        text += f", and so are {100 * novelty.others_refused:.0f} % of {novelty.others} others"
    return f"{text}."


def _data(info: ModelInfo) -> str:
    if not info.data:
        return ""
    data = info.data
    counts = ", ".join(f"{count} {label}" for label, count in data.counts.items())
    published = _published(info)
    if published:
        return "## Photos\n\n" + published.photos.format(total=sum(data.counts.values()), counts=counts)
    source = SOURCES.get(data.source, data.source)
    text = f"## Photos\n\n{counts}: {source}; photos.csv lists each with its origin, its sha256 and its side."
    if data.queries:
        text += " Searched for: " + "; ".join(f"“{q.query}” → {q.label}" for q in data.queries) + "."
    text += f" Licence filter: {data.license_filter or 'none'}."
    if data.source != "folder" and not data.license_filter:
        text += " So most of them belong to their makers, and are not part of this model's files."
    if data.retrieved:
        text += f" Retrieved {data.retrieved[0][:10]} to {data.retrieved[-1][:10]}."
    if data.source == "search" and data.engines:
        text += " By engine: " + ", ".join(f"{count} {name}" for name, count in data.engines.items()) + "."
    if data.sites:
        named = ", ".join(f"{site} ({count})" for site, count in list(data.sites.items())[:10])
        text += f" Sites with most: {named}."
    if data.relabelled or data.removed:
        text += f" By hand, {data.relabelled} were relabelled and {data.removed} removed."
    if data.rejected:
        left_out = sorted(data.rejected.items(), key=lambda item: (-item[1], item[0]))
        rows = [[_cell(reason_in_words(reason)), count] for reason, count in left_out]
        text += f"\n\nLeft out: {sum(data.rejected.values())}.\n\n" + _table(["why", "photos"], rows)
    return text + (
        "\n\nreport/suspects.csv lists the photos worth a look before the model is believed (disputed labels, "
        "outliers, near-duplicates), and report/predictions.csv what was said of each by what had not learned from it."
    )


def _training(info: ModelInfo) -> str:
    if not info.training:
        return ""
    t = info.training
    text = f"## Training\n\n{t.recipe[0].upper()}{t.recipe[1:]}. Weights: {t.weights}. Seed {t.seed}."
    notes = t.notes
    text += "".join(f" {note}" for note in notes)
    used = ", ".join(f"{name} {version}" for name, version in sorted(info.versions.items()))
    height, width = info.preprocessing.input_size
    return f"{text} Input {width}×{height} px, {info.preprocessing.resize}. Versions: {used}."


def _limits(info: ModelInfo) -> str:
    other = (
        "What it refuses it refuses by likeness, and it errs both ways."
        if _refuses(info)
        else "It answers with one of them whatever it is shown."
    )
    photos = preparation(info.preprocessing.prepare).limits
    return (
        f"## Limits\n\nIt knows the labels above and nothing else. {other} {photos} Where a photo shows "
        "people it says which label fits, as for anything else: it detects, and never identifies anyone. Do not use "
        "it where a wrong answer hurts someone."
    )


def _use(info: ModelInfo) -> str:
    if not info.pickle:
        return f"## Use\n\n`python -m mirror predict photo.jpg --model .` (model.onnx{_precision(info)})."
    return (
        "## Use\n\n```python\nfrom fastai.vision.all import load_learner\n"
        'label, _, probabilities = load_learner("learner.pkl").predict("photo.jpg")\n```\n\n'
        f"or without torch: `python -m mirror predict photo.jpg --model .` (model.onnx{_precision(info)}). A learner "
        "pickle runs code when it is opened: open only those of people you trust."
    )


def _precision(info: ModelInfo) -> str:
    if info.onnx.precision != "int8":
        return ""
    result = info.quantisation and info.quantisation.shipped
    same = f": the same label on {100 * result.agreement:.1f} % of {result.photos} photos" if result else ""
    folds = info.metrics and info.metrics.validation.folds
    own = "; what the folds said is in float32" if folds else ", and the figures above are its own"
    return f", in 8-bit integers{same}{own}"


def _again(info: ModelInfo) -> str:
    if not info.training or not info.training.options or not info.data:
        return ""
    options = shlex.join(info.training.options)
    if _published(info):
        return f"## Again\n\n```bash\npython train.py --name {shlex.quote(info.name)} {options}\n```"
    photos, told = "--photos photos.csv", "photos.csv names every photo by its address and sha256"
    if not info.data.sites:
        photos, told = (
            "--data DIR",
            "DIR being the folder of label folders whose files photos.csv names, with their sha256",
        )
    return (
        f"## Again\n\n```bash\npython train.py --name {shlex.quote(info.name)} {photos} {options}\n```\n\n{told}. The "
        "same photos, seed, versions and machine make the same model, to the last bit."
    )


def _published(info: ModelInfo) -> PublishedDataset | None:
    return published_dataset(info.data.source) if info.data else None


def _refuses(info: ModelInfo) -> bool:
    return info.novelty is not None and info.novelty.threshold is not None


def _table(head: list[str], rows: list[list[object]]) -> str:
    ruler = "| --- |" + " ---: |" * (len(head) - 1)
    return "\n".join(
        ["| " + " | ".join(head) + " |", ruler, *("| " + " | ".join(map(str, row)) + " |" for row in rows)]
    )


def _between(found: Estimate, signed: bool = False) -> str:
    """`0.105 (0.062 to 0.151)`, the interval being of 95 %."""
    form = "+.3f" if signed else ".3f"
    low, high = (format(end, form) for end in found.interval)
    return f"{found.value:{form}} ({low} to {high})"


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f} %"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
