"""The report for pupils: what a model learned, how it errs and what it refuses, as one page to look at and to print.

    report_page(info, hardest)  →  HTML that asks nobody for anything: its pictures are within it

Everything comes from mirror.describe and model.json. models/<name>/report/report.html holds it, with the photos that
the model found hardest where photos may be shown (train.py's --no-photos-in-report).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mirror.describe import REPORT_PAGE, ModelDescription
from mirror.errors import ModelFolderError
from mirror.metric_sentences import is_few
from mirror.metrics_schema import TopLoss, Validation
from mirror.model_folder import ModelFolder
from mirror.model_schema import ModelInfo, Novelty
from mirror.templates import data_url, page_style, render
from mirror.wording import count, none_of, percent, plain

SHOWN_MATRIX = 8  # labels that a printed page has room for
SHOWN_LABELS = 40
DOTS = 100
MAX_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True)
class HardPhoto:
    """A photo that the model judged, as a JPEG, and what it said of it."""

    picture: bytes
    loss: TopLoss


def report_page(info: ModelInfo, hardest: Sequence[HardPhoto] = ()) -> str:
    """The page as HTML; hardest: photos that may be shown, the hardest first."""
    model = ModelDescription(info)
    matrix = info.metrics.confusion_matrix if info.metrics and len(info.labels) <= SHOWN_MATRIX else ()
    rows = model.label_rows[:SHOWN_LABELS]
    return render(
        "report.html",
        style=page_style("report.css"),
        model=model,
        name=plain(info.name),
        photos=_learned_from(model),
        label_rows=[(label, number, recall) for label, number, *_, recall in rows],
        more_labels=len(info.labels) - len(rows),
        judged=_judged_sentences(model.judged) if model.judged else (),
        dots=_dots(model.judged) if model.judged else (),
        matrix=list(zip(model.labels, matrix, strict=True)) if matrix else [],
        none_of=none_of(model.labels),
        refused=_refused_sentences(info.novelty) if info.novelty and model.refuses else (),
        hardest=[
            (data_url(photo.picture), plain(photo.loss.label), plain(photo.loss.predicted), photo.loss)
            for photo in hardest
        ],
    )


def recorded_page(folder: ModelFolder) -> str:
    """The page that the model folder holds; of a model that has none, one without photos."""
    if REPORT_PAGE in folder.info.files:
        try:
            return folder.read(REPORT_PAGE, MAX_BYTES).decode("utf-8")
        except (ModelFolderError, UnicodeDecodeError):  # too large, or not what was recorded
            pass
    return report_page(folder.info)


def _learned_from(model: ModelDescription) -> int:
    """Photos that it was shown with the right answer: where each was left out in turn, all of them in the end."""
    folds = model.judged is not None and model.judged.folds
    return sum((number if folds or train is None else train) or 0 for _, number, train, *_ in model.label_rows)


def _judged_sentences(judged: Validation) -> tuple[str, ...]:
    """The error as someone counts it who has never heard of an interval."""
    low, high = (_in_hundred(end) for end in judged.interval)
    how = (
        f"Each of {count(judged.photos, 'photo')} was hidden from the learning once, and then shown"
        if judged.folds
        else f"It was shown {count(judged.photos, 'photo')} that it had not learned from"
    )
    right = judged.photos - judged.errors
    sentences = [f"{how}: {right:,} answers were right, and {judged.errors:,} wrong."]
    sentences.append(f"On as many other photos of this kind it would be wrong {low} to {high} times in a hundred.")
    if is_few(judged.photos):
        sentences.append("These are few photos, so chance has a large part in the figure.")
    return tuple(sentences)


def _refused_sentences(novelty: Novelty) -> tuple[str, ...]:
    sentences = []
    if novelty.others_refused is not None:
        of = count(novelty.others, "photo")
        sentences.append(f"Of {of} that show something else, it noticed {percent(novelty.others_refused)}.")
    if novelty.real_refused:
        sentences.append(
            f"It is also too careful at times: {percent(novelty.real_refused)} of photos that do show one of its "
            "labels are refused."
        )
    return tuple(sentences)


def _dots(judged: Validation) -> list[bool]:
    """A hundred answers, whether each is right; a wrong one is there as soon as one was counted."""
    wrong = min(DOTS, int(DOTS * judged.error_rate + 0.5) or int(judged.errors > 0))
    return [number < DOTS - wrong for number in range(DOTS)]


def _in_hundred(share: float) -> str:
    return f"{100 * share:.0f}"
