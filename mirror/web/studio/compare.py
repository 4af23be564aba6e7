"""The tab that trains again: what it will do, how far it is, and the error before and after, with their intervals."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from typing import Any

from mirror.collect.metadata import VALIDATION
from mirror.measured import is_few, judged_by
from mirror.model_schema import ModelInfo, Validation
from mirror.templates import render
from mirror.web.studio.retrain import TrainingProgress
from mirror.web.studio.state import Snapshot
from mirror.wording import count, percent, plain


def outcome(scene: Snapshot, progress: TrainingProgress, before: ModelInfo | None) -> str:
    """How far the training is, or what came of it. before: the model that it replaces."""
    ended = bool(progress.lines)
    compared = comparison(before if ended else None, scene.info, ended and _cleaned(scene))
    return render("training.html", progress=progress, **compared)


def comparison(before: ModelInfo | None, now: ModelInfo | None, cleaned: bool) -> dict[str, Any]:
    """What templates/comparison.html shows: error rates on one scale, each with its interval. before: None where there
    is nothing to compare with. cleaned: whether photos that the error counts were decided about."""
    judged = [
        (name, info.metrics.validation)
        for name, info in (("Before", before), ("Now", now))
        if info and info.metrics and info.metrics.validation.photos
    ]
    widest = max((one.interval[1] for _, one in judged), default=0) or 1.0
    remark = _remark([one for _, one in judged], cleaned) if judged else ""
    return {"models": [_error(name, one, widest) for name, one in judged], "remark": remark, "known": bool(now)}


def _cleaned(scene: Snapshot) -> bool:
    judged = {one.file_name for one in scene.predictions}
    return any(
        name in judged or scene.photos[name].split == VALIDATION or standing.removed
        for name, standing in scene.reading.current_labels.items()
    )


def _error(name: str, judged: Validation, widest: float) -> dict[str, Any]:
    low, high = judged.interval
    return {
        "name": name,
        "rate": percent(judged.error_rate, 1),
        "interval": f"{percent(judged.confidence)} interval: {percent(low, 1)} to {percent(high, 1)}",
        "wrong": f"{judged.errors:,} wrong of {count(judged.photos, 'photo')}, {judged_by(judged)}",
        "low": low / widest,
        "high": high / widest,
        "share": judged.error_rate / widest,
    }


def _remark(judged: Sequence[Validation], cleaned: bool) -> str:
    told = []
    if len(judged) == 2:
        first, second = judged
        apart = first.interval[1] < second.interval[0] or second.interval[1] < first.interval[0]
        if first.error_rate == second.error_rate:
            told.append("The error is the same as before.")
        elif apart:
            told.append("The intervals do not overlap: this is more than chance.")
        else:
            told.append("The intervals overlap: the difference may be chance.")
        if cleaned:
            told.append("Photos that it is judged by were decided about as well, which changes the error by itself.")
    if is_few(judged[-1].photos):
        told.append(f"On {count(judged[-1].photos, 'photo')} an error rate is a rough guess; more narrow it down.")
    return " ".join(told)


def plan(scene: Snapshot, arguments: Sequence[str], problem: str = "", note: str = "") -> str:
    """What the button does. arguments: of the train.py that it starts; problem: a sentence on why it cannot; note: one
    on settings of the model that are left out."""
    counts = ", ".join(f"{number:,} {plain(label)}" for label, number in scene.counts.items() if number)
    photos = counts + (f"; {count(scene.removed, 'photo')} left out" if scene.removed else "")
    command = shlex.join(arguments)
    return render(
        "training_plan.html", problem=problem, photos=photos, known=bool(scene.info), command=command, note=note
    )
