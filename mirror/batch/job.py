"""A job, and how it is run: list the images, answer them, write each answer down, put the finished file in place.

Killed at any moment, it goes on where it was when the same command is given again, and makes the same bytes. Until it
is finished, --out holds what it held before.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from mirror import terminal
from mirror.batch.checkpoint import WAYS_OUT, JobStore, SourceList, list_sources
from mirror.batch.writers import OutputFilter, check_format, open_writer, row_of
from mirror.errors import MirrorError, UsageError
from mirror.image_sources import ImageSource, LeftOut, find_sources, is_url
from mirror.progress import ProgressBar
from mirror.tasks.predictor import Answer

# images → (image, its answer), in their order
AnswerAll = Callable[[Iterator[ImageSource]], Iterable[tuple[ImageSource, Answer]]]
# What to call a field in a sentence
FIELD_NAMES = {
    "images": "the images asked for",
    "start": "the folder it is run in",
    "model": "the model, --labels or --template",
    "task": "--task",
    "top": "--top",
    "threshold": "--threshold",
    "format": "--format",
    "exif": "--exif",
}


@dataclass(frozen=True)
class Job:
    """images: files, folders and URLs as given. start: where relative ones begin, seen from the folder of --out (so
    that both may be moved together); "" where none is relative. model: the predictor's identity. output: what of the
    answers its rows hold. How images are fetched and by which engine they are answered is not part of it.
    """

    images: tuple[str, ...]
    start: str
    model: str
    task: str
    format: str
    output: OutputFilter

    @classmethod
    def of(
        cls, images: Sequence[str], model: str, out: Path, *, task: str, format: str, output: OutputFilter
    ) -> Job:  # fmt: skip
        relative = any(not is_url(name) and not os.path.isabs(name) for name in images)
        start = os.path.relpath(os.getcwd(), out.parent) if relative else ""
        return cls(tuple(images), start, model, task, format, output)

    def to_json(self) -> dict[str, Any]:
        return {
            "images": list(self.images), "start": self.start, "model": self.model, "task": self.task,
            "top": self.output.top, "threshold": self.output.threshold, "format": self.format,
            "exif": self.output.exif,
        }  # fmt: skip

    def differences(self, recorded: dict[str, Any]) -> list[str]:
        """What a recorded job asked for differently, in words; empty where it is this one."""
        then = {"exif": False} | recorded
        return [FIELD_NAMES[name] for name, value in self.to_json().items() if then.get(name) != value]


@dataclass(frozen=True)
class JobResult:
    """How many images a finished job has, and how many of them have an error for an answer."""

    images: int
    unanswered: int


def run_job(
    job: Job,
    out: Path,
    answer_all: AnswerAll,
    *,
    restart: bool = False,
    exclude: Iterable[Path] = (),
    on_row: Callable[[dict[str, Any]], None] | None = None,
) -> JobResult:
    """Makes `out`, or goes on making it.

    exclude: files that are not among the images wherever they lie, since the job itself makes them. on_row: is called
    with each row of the finished file.

    Raises UsageError where another job for `out` is unfinished and `restart` is not set, MirrorError where the disk
    refuses.
    """
    check_format(job.format)
    with JobStore(out) as store:
        try:
            return _run(job, store, answer_all, restart, [os.path.abspath(path) for path in exclude], on_row)
        except OSError as error:
            raise MirrorError(
                f"{out} cannot be written ({error.strerror or error}): mend that and give the same command again, "
                "which goes on with what is answered."
            ) from None


def _run(
    job: Job,
    store: JobStore,
    answer_all: AnswerAll,
    restart: bool,
    exclude: list[str],
    on_row: Callable[[dict[str, Any]], None] | None,
) -> JobResult:
    state = None if restart else store.state()
    left_out = LeftOut(made=frozenset([*exclude, os.path.abspath(store.out)]))
    if state is None:
        listed = store.begin(job.to_json(), _sources(job, exclude, left_out))
    else:
        listed = SourceList(state["images"], state["listing"])
        differences = job.differences(state["job"])
        if differences:
            fields = " and ".join(differences)
            raise UsageError(f"Another job for {store.out} is unfinished, which differs in {fields}: {WAYS_OUT}.")
        now = list_sources(_sources(job, exclude, left_out))
        if now != listed:
            _say(f"{_change(listed, now)} The job goes on with those; --restart begins anew.")
    if str(left_out):
        _say(str(left_out))
    unanswered = _answer(job, store, answer_all, listed)
    store.finished.unlink(missing_ok=True)  # of a killed run, or a link
    with open_writer(job.format, store.finished, job.output) as writer:
        for row in store.read():
            writer.write(row)
            if on_row:
                on_row(row)
    store.finish()
    return JobResult(listed.images, unanswered)


def _sources(job: Job, exclude: list[str], left_out: LeftOut) -> Iterator[ImageSource]:
    names = tuple(os.path.basename(path) for path in exclude)
    for source in find_sources(job.images, left_out):
        if not (source.file.endswith(names) and os.path.abspath(source.file) in exclude):
            yield source


def _answer(job: Job, store: JobStore, answer_all: AnswerAll, listed: SourceList) -> int:
    """Answers the images that have no row yet; the number of rows that are errors."""
    checkpoint = store.checkpoint()
    if checkpoint.rows:
        _say(f"Going on with {store.out}: {checkpoint.rows:,} of {listed.images:,} images are answered.")
    unanswered, done = checkpoint.unanswered, checkpoint.rows
    sources = islice(store.sources(), checkpoint.rows, None)
    rows = (row_of(source, answer, job.output) for source, answer in answer_all(sources))
    try:
        with ProgressBar("", "image", _say, done=done, lines=0) as progress:
            for row in store.append(rows, checkpoint):
                done += 1
                unanswered += "error" in row
                progress(done, listed.images)
    except KeyboardInterrupt:
        _say(f"{done:,} of {listed.images:,} images are answered: the same command goes on from there.")
        raise
    if done != listed.images:
        raise MirrorError(f"Only {done:,} of {listed.images:,} images were answered: give the same command again.")
    return unanswered


def _change(then: SourceList, now: SourceList) -> str:
    change = f"there are {now.images:,}" if now.images != then.images else "they are others"
    return f"It began with {then.images:,} images, and now {change}."


def _say(line: str) -> None:
    terminal.warn(line)
