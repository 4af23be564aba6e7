"""Training again: train.py's arguments, from the photos as decided and with the settings of the model there is; how far
it is, and the error before and after, with their intervals.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from mirror.collect.photo_records import VALIDATION
from mirror.describe import shows_photos
from mirror.errors import UsageError
from mirror.metric_sentences import error_sentence, is_few, judged_by
from mirror.metrics_schema import Validation
from mirror.model_schema import ModelInfo
from mirror.templates import render
from mirror.terminal import typed
from mirror.web.studio.state import Snapshot
from mirror.web.workshop.report_route import report_link
from mirror.web.workshop.retrain_options import Options, read_options, without
from mirror.wording import count, percent, plain

if TYPE_CHECKING:
    from mirror.web.workshop.long_run import Progress

# An option that is chosen → those that were recorded beside what it replaces
IN_PLACE_OF = {"--arch": ("--size",), "--minutes": ("--epochs",)}


def train_arguments(
    arguments: Sequence[str], info: ModelInfo | None, chosen: Mapping[str, str] | None = None
) -> list[str]:
    """`arguments` of train.py, and the rest as `settings`, which may raise UsageError."""
    return [*arguments, *settings(arguments, info, chosen)]


def settings(arguments: Sequence[str], info: ModelInfo | None, chosen: Mapping[str, str] | None = None) -> list[str]:
    """What else train.py is told. info: of the model there is, whose settings are kept; None: train.py's own settings.
    chosen: options that a person chose now, which win over those.

    Raises UsageError where they cannot be kept. arguments: those before, for the command that it then names.
    """
    chosen = chosen or {}
    new = [word for option in chosen.items() for word in option]
    if info is None:
        return new
    options = recorded_options(info)
    kept = [
        *without(options.passed, [gone for option in chosen for gone in (option, *IN_PLACE_OF.get(option, ()))]),
        *new,
    ]
    if local := [option for option in options.local if option not in chosen]:
        missing = " ".join(f"{option} …" for option in local)
        raise UsageError(
            f"The model was made with {' and '.join(local)}, and it does not say where that lies: train it "
            f"again with `python train.py {typed([*arguments, *kept])} {missing}`."
        )
    if info.metrics and info.metrics.top_losses and not shows_photos(info):
        kept.append("--no-photos-in-report")
    return kept


def recorded_options(info: ModelInfo | None) -> Options:
    """Those that a model says it was made with; of a model of before they were recorded, its network's name."""
    recorded = list(info.training.options) if info and info.training else []
    return read_options(recorded or (["--arch", info.arch] if info and info.arch else []))


def render_outcome(snapshot: Snapshot, progress: Progress, before: ModelInfo | None) -> str:
    """How far the training is, or what came of it. before: the model that the one of now replaced."""
    compared = comparison(before, snapshot.info, before is not None and _cleaned(snapshot))
    return render("training.html", progress=progress, **compared, **report_link(snapshot))


def render_ending(snapshot: Snapshot, progress: Progress) -> str:
    """That the training has ended, in a sentence for whoever did not watch it."""
    if progress.failure:
        return progress.failure
    judged = snapshot.info.judged if snapshot.info else None
    return f"The training has ended: {error_sentence(judged)}." if judged else "The training has ended."


def comparison(before: ModelInfo | None, now: ModelInfo | None, cleaned: bool) -> dict[str, Any]:
    """What templates/comparison.html shows: error rates on one scale, each with its interval. before: None where there
    is nothing to compare with. cleaned: whether photos that the error counts were decided about."""
    both = [info.judged if info else None for info in (before, now)]
    rows = zip(("Before", "Now"), on_one_scale(both), strict=True)
    models = [{"name": name, **error} for name, error in rows if error]
    judged = [one for one in both if one]
    return {"models": models, "remark": _remark(judged, cleaned) if judged else "", "known": bool(now)}


def on_one_scale(judged: Sequence[Validation | None]) -> list[dict[str, Any]]:
    """For each what is shown of its error and the interval, in shares of the widest; {} for None."""
    widest = max((one.interval[1] for one in judged if one), default=0) or 1.0
    return [_error(one, widest) if one else {} for one in judged]


def _cleaned(snapshot: Snapshot) -> bool:
    judged = {prediction.file_name for prediction in snapshot.predictions}
    return any(
        name in judged or snapshot.photos[name].split == VALIDATION or current.removed
        for name, current in snapshot.folder_state.current_labels.items()
    )


def _error(judged: Validation, widest: float) -> dict[str, Any]:
    low, high = judged.interval
    return {
        "rate": f"{100 * judged.error_rate:.1f} %",  # as error_sentence has them
        "interval": f"{percent(judged.confidence)} interval: {100 * low:.1f} % to {100 * high:.1f} %",
        "wrong": f"{judged.errors:,} wrong of {count(judged.photos, 'photo')}, {judged_by(judged)}",
        "low": low / widest,
        "high": high / widest,
        "share": judged.error_rate / widest,
    }


def _remark(judged: Sequence[Validation], cleaned: bool) -> str:
    remarks = []
    if len(judged) == 2:
        first, second = judged
        apart = first.interval[1] < second.interval[0] or second.interval[1] < first.interval[0]
        if first.error_rate == second.error_rate:
            remarks.append("The error is the same as before.")
        elif apart:
            remarks.append("The intervals do not overlap: this is more than chance.")
        else:
            remarks.append("The intervals overlap: the difference may be chance.")
        if cleaned:
            remarks.append("Photos that it is judged by were decided about as well, which changes the error by itself.")
    if is_few(judged[-1].photos):
        remarks.append(f"On {count(judged[-1].photos, 'photo')} an error rate is a rough guess; more narrow it down.")
    return " ".join(remarks)


def render_plan(snapshot: Snapshot, arguments: Sequence[str], problem: str = "", note: str = "") -> str:
    """What the button does. arguments: of the train.py that it starts; problem: a sentence on why it cannot; note: one
    on settings of the model that are left out."""
    counts = ", ".join(f"{number:,} {plain(label)}" for label, number in snapshot.counts.items() if number)
    photos = counts + (f"; {count(snapshot.removed, 'photo')} left out" if snapshot.removed else "")
    command = typed(arguments)
    return render(
        "training_plan.html", problem=problem, photos=photos, known=bool(snapshot.info), command=command, note=note
    )
