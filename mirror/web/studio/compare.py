"""The tab that trains again: what it will do, how far it is, and the error before and after, with their intervals."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from mirror.collect.metadata import VALIDATION
from mirror.model_schema import ModelInfo, Validation
from mirror.web.markup import text
from mirror.web.studio.retrain import TrainingProgress
from mirror.web.studio.state import Snapshot
from mirror.wording import count, percent, plain

FEW_PHOTOS = 100  # judged by fewer, an error rate says little


def outcome(scene: Snapshot, progress: TrainingProgress, before: ModelInfo | None) -> str:
    """How far the training is, or what came of it. before: the model that it replaces."""
    parts = []
    if progress.running:
        parts.append(_running(progress))
    elif progress.failure:
        parts.append(f'<p class="failure" role="alert">{text(progress.failure)}</p>{_lines(progress)}')
    elif progress.lines:
        parts.append(comparison(before, scene.info, _cleaned(scene)) + _lines(progress))
    elif scene.info:
        parts.append(comparison(None, scene.info, False))
    return f'<div class="training note">{"".join(parts)}</div>'


def comparison(before: ModelInfo | None, now: ModelInfo | None, cleaned: bool) -> str:
    """Error rates on one scale, each with its interval. before: None where there is nothing to compare with. cleaned:
    whether photos that the error counts were decided about."""
    judged = [
        (name, info.metrics.validation)
        for name, info in (("Before", before), ("Now", now))
        if info and info.metrics and info.metrics.validation.photos
    ]
    if not judged:
        return "<p>The model was judged by no photo, so nothing is known of its error.</p>" if now else ""
    widest = max(one.interval[1] for _, one in judged) or 1.0
    rows = "".join(_error(name, one, widest) for name, one in judged)
    remark = f"<p>{text(_remark([one for _, one in judged], cleaned))}</p>"
    return f'<section><h2>How often it errs</h2><div class="errors">{rows}</div>{remark}</section>'


def _cleaned(scene: Snapshot) -> bool:
    judged = {one.file_name for one in scene.predictions}
    return any(
        name in judged or scene.photos[name].split == VALIDATION or standing.removed
        for name, standing in scene.reading.current_labels.items()
    )


def _error(name: str, judged: Validation, widest: float) -> str:
    low, high = judged.interval
    rate, ends = percent(judged.error_rate, 1), f"{percent(low, 1)} to {percent(high, 1)}"
    how = f"cross-validated in {judged.folds} folds" if judged.folds else "held out"
    wrong = f"{judged.errors:,} wrong of {count(judged.photos, 'photo')}, {how}"
    place = f"--low:{low / widest:.4f};--high:{high / widest:.4f};--rate:{judged.error_rate / widest:.4f}"
    return (
        f'<div class="judged"><h3>{name}</h3><p class="rate">{rate}</p>'
        f'<div class="interval" style="{place}" aria-hidden="true"><span></span><b></b></div>'
        f"<p>{percent(judged.confidence)} interval: {ends}</p><p>{wrong}</p></div>"
    )


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
    if judged[-1].photos < FEW_PHOTOS:
        told.append(f"On {count(judged[-1].photos, 'photo')} an error rate is a rough guess; more narrow it down.")
    return " ".join(told)


def plan(scene: Snapshot, arguments: Sequence[str], problem: str = "", note: str = "") -> str:
    """What the button does. arguments: of the train.py that it starts; problem: a sentence on why it cannot; note: one
    on settings of the model that are left out."""
    if problem:
        return f'<div class="training note"><p class="failure">{text(problem)}</p></div>'
    counts = ", ".join(f"{number:,} {plain(label)}" for label, number in scene.counts.items() if number)
    removed = f"; {count(scene.removed, 'photo')} left out" if scene.removed else ""
    told = f'<p class="failure">{text(note)}</p>' if note else ""
    model = "with the settings of the model there is" if scene.info else "with train.py's own settings, the first time"
    return (
        f'<div class="training note"><p>Trains on the photos as decided ({text(counts)}{removed}), {model}. '
        "Nothing is searched for or fetched. The same by hand:</p>"
        f"<pre><code>python train.py {text(shlex.join(arguments))}</code></pre>{told}</div>"
    )


def _running(progress: TrainingProgress) -> str:
    counted = progress.total is not None
    value = f' value="{progress.done}" max="{progress.total}"' if counted else ""
    step = progress.lines[-1] if progress.lines else "starting …"
    return (
        f'<div class="progress" role="status"><progress{value} aria-label="The step it is at"></progress>'
        f"<p>{text(step)} <small>{progress.seconds:.0f} s</small></p></div>{_lines(progress)}"
    )


def _lines(progress: TrainingProgress) -> str:
    shown = text("\n".join(progress.lines))
    box = '<div class="said" role="region" aria-label="What the training says" tabindex="0">'
    return f"{box}<pre>{shown}</pre></div>" if shown else ""
