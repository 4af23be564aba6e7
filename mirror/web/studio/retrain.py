"""The tab that trains again: train.py as a child process, from the photos as decided and with the settings of the model
there is; how far it is, and the error before and after, with their intervals.
"""

from __future__ import annotations

import atexit
import re
import shlex
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirror import model_note
from mirror.collect.metadata import VALIDATION
from mirror.describe import shows_photos
from mirror.errors import ModelFolderError, UsageError
from mirror.measured import error_sentence, is_few, judged_by
from mirror.model_folder import read_model_folder
from mirror.model_schema import ModelInfo, Validation
from mirror.templates import render
from mirror.web.studio import child
from mirror.web.studio.retrain_options import Options, read_options
from mirror.web.studio.state import Snapshot
from mirror.wording import count, percent, plain

TRAIN = "from mirror.cli.train import main; raise SystemExit(main())"
KEPT_LINES = 400
PATIENCE = 10  # seconds for a cancelled training to end by itself
_COUNTED = re.compile(r"\b(\d[\d,]*) of (\d[\d,]*)\b")
CANCELLED = "Cancelled; the model is the one it was."


def train_arguments(name: str, folder: Path, models: Path, info: ModelInfo | None) -> list[str]:
    """train.py's arguments. info: of the model there is, whose settings are kept; None: train.py's own settings.

    Raises UsageError where they cannot be kept.
    """
    arguments = ["--name", name, "--collected", str(folder), "--models", str(models), "--again"]
    if info is None:
        return arguments
    options = recorded_options(info)
    if options.local:
        missing = " ".join(f"{option} …" for option in options.local)
        raise UsageError(
            f"The model was made with {' and '.join(options.local)}, and it does not say where that lies: train it "
            f"again with `python train.py {shlex.join([*arguments, *options.passed])} {missing}`."
        )
    arguments += options.passed
    if info.metrics and info.metrics.top_losses and not shows_photos(info):
        arguments.append("--no-photos-in-report")
    return arguments


def recorded_options(info: ModelInfo | None) -> Options:
    """Those that a model says it was made with; of a model of before they were recorded, its network's name."""
    recorded = list(info.training.options) if info and info.training else []
    return read_options(recorded or (["--arch", info.arch] if info and info.arch else []))


@dataclass(frozen=True)
class TrainingProgress:
    """How far a training is. done, total: of the step that it is at, None where it does not count; seconds: since it
    began; failure: the sentence it ended with, "" where it runs or succeeded."""

    running: bool
    lines: tuple[str, ...] = ()
    done: int | None = None
    total: int | None = None
    seconds: float = 0.0
    failure: str = ""


class Retraining:
    """One training at a time. before: model.json of the model that it replaces, None where there was none."""

    def __init__(self) -> None:
        self.before: ModelInfo | None = None
        self._process: subprocess.Popen[str] | None = None
        self._lines: deque[str] = deque(maxlen=KEPT_LINES)
        self._begun = self._ended = 0.0
        self._cancelled = False
        self._starting = threading.Lock()
        atexit.register(self._close)

    def start(self, arguments: Sequence[str], before: ModelInfo | None) -> None:
        """Begins. Raises UsageError where one runs already."""
        with self._starting:
            if self.progress().running:
                raise UsageError("A training runs already; wait for it to end, or cancel it.")
            self.before, self._cancelled, self._begun, self._ended = before, False, time.monotonic(), 0.0
            self._lines.clear()
            self._process = child.start(TRAIN, arguments)
            threading.Thread(target=self._read_lines, args=(self._process,), name="training", daemon=True).start()

    def cancel(self) -> None:
        """Asks the training to stop, and ends it where it has not stopped after PATIENCE."""
        process = self._process
        if process is None or process.poll() is not None:
            return
        self._cancelled = True
        process.send_signal(signal.SIGINT)
        threading.Thread(target=_wait_or_kill, args=(process,), name="cancel", daemon=True).start()

    def _close(self) -> None:
        """The studio ends, and its training with it."""
        process = self._process
        if process is not None and process.poll() is None:
            process.send_signal(signal.SIGINT)
            _wait_or_kill(process)

    def progress(self) -> TrainingProgress:
        """Where it is; not running and without lines where none was ever started."""
        process = self._process
        if process is None:
            return TrainingProgress(False)
        lines = tuple(self._lines)
        running = not self._ended
        done, total = _parse_count(lines[-1]) if lines and running else (None, None)
        seconds = (self._ended or time.monotonic()) - self._begun
        return TrainingProgress(running, lines, done, total, seconds, "" if running else self._failure(lines, process))

    @property
    def started(self) -> bool:
        return self._process is not None

    def _read_lines(self, process: subprocess.Popen[str]) -> None:
        assert process.stdin is not None and process.stdout is not None
        with process.stdin, process.stdout as stream:
            for line in stream:
                if line.strip():
                    self._lines.append(line.rstrip())
        process.wait()
        self._ended = time.monotonic()

    def _failure(self, lines: Sequence[str], process: subprocess.Popen[str]) -> str:
        if process.returncode == 0:
            return ""
        if self._cancelled:
            return CANCELLED
        errors = [line for line in lines if line.startswith("train.py: ")]
        if errors:
            return errors[-1].removeprefix("train.py: ")
        last = lines[-1] if lines else "it said nothing."
        return f"The training ended unexpectedly (status {process.returncode}): {last}"


def _wait_or_kill(process: subprocess.Popen[str]) -> None:
    try:
        process.wait(PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()


def _parse_count(line: str) -> tuple[int | None, int | None]:
    """ "looking at photos: 30 of 120 views" → (30, 120); (None, None) where the line counts nothing."""
    match = _COUNTED.search(line)
    if not match:
        return None, None
    done, total = (int(number.replace(",", "")) for number in match.groups())
    return (done, total) if 0 < total >= done else (None, None)


def render_outcome(
    snapshot: Snapshot, progress: TrainingProgress, before: ModelInfo | None, model: Path | None = None
) -> str:
    """How far the training is, or what came of it. before: the model that it replaces; model: the new one, which has
    a report to download."""
    ended, report = bool(progress.lines), {}
    if model and ended and not progress.running and not progress.failure:
        with suppress(ModelFolderError):  # "Try it" says what is wrong
            report = model_note.report(read_model_folder(model))
    compared = comparison(before if ended else None, snapshot.info, ended and _cleaned(snapshot))
    return render("training.html", progress=progress, **compared, **report)


def render_ending(snapshot: Snapshot, progress: TrainingProgress) -> str:
    """That the training has ended, in a sentence for whoever did not watch it."""
    if progress.failure:
        return progress.failure
    judged = snapshot.info.metrics.validation if snapshot.info and snapshot.info.metrics else None
    return (
        f"The training has ended: {error_sentence(judged)}." if judged and judged.photos else "The training has ended."
    )


def comparison(before: ModelInfo | None, now: ModelInfo | None, cleaned: bool) -> dict[str, Any]:
    """What templates/comparison.html shows: error rates on one scale, each with its interval. before: None where there
    is nothing to compare with. cleaned: whether photos that the error counts were decided about."""
    judged = [
        (name, info.metrics.validation)
        for name, info in (("Before", before), ("Now", now))
        if info and info.metrics and info.metrics.validation.photos
    ]
    widest = max((validation.interval[1] for _, validation in judged), default=0) or 1.0
    remark = _remark([validation for _, validation in judged], cleaned) if judged else ""
    models = [_error(name, validation, widest) for name, validation in judged]
    return {"models": models, "remark": remark, "known": bool(now)}


def _cleaned(snapshot: Snapshot) -> bool:
    judged = {prediction.file_name for prediction in snapshot.predictions}
    return any(
        name in judged or snapshot.photos[name].split == VALIDATION or current.removed
        for name, current in snapshot.folder_state.current_labels.items()
    )


def _error(name: str, judged: Validation, widest: float) -> dict[str, Any]:
    low, high = judged.interval
    return {
        "name": name,
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
    command = shlex.join(arguments)
    return render(
        "training_plan.html", problem=problem, photos=photos, known=bool(snapshot.info), command=command, note=note
    )
