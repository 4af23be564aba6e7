"""A job from its first image to its finished file: list, answer, write down, put in place.

Killed at any moment, it goes on where it was when the same command is given again, and makes the same bytes. Until it
is finished, --out holds what it held before.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from mirror import terminal
from mirror.batch.checkpoint import WAYS_OUT, JobStore, SourceList, list_sources
from mirror.batch.job import Job
from mirror.batch.writers import check_format, open_writer, to_row
from mirror.errors import MirrorError, UsageError
from mirror.progress import ProgressBar
from mirror.sources import ImageSource, find_sources

Answer = Callable[
    [Iterator[ImageSource]], Iterable[tuple[ImageSource, Any]]
]  # images → (image, Prediction | MirrorError)


@dataclass(frozen=True)
class JobResult:
    """How many images a finished job has, and how many of them have an error for an answer."""

    images: int
    unanswered: int


def run_job(
    job: Job,
    out: Path,
    answer: Answer,
    *,
    restart: bool = False,
    but: Iterable[Path] = (),
    see: Callable[[dict[str, Any]], None] = lambda row: None,
) -> JobResult:
    """Makes `out`, or goes on making it. `answer` gives (image, answer) in the order of the images.
    `but`: files that are not among the images wherever they lie, since the job itself makes them. `see`: is shown each
    row of the finished file.

    Raises UsageError where another job for `out` is unfinished and `restart` is not set, MirrorError where the disk
    refuses.
    """
    check_format(job.format)
    with JobStore(out) as work:
        try:
            return _run(job, work, answer, restart, [os.path.abspath(path) for path in but], see)
        except OSError as error:
            raise MirrorError(
                f"{out} cannot be written ({error.strerror or error}): mend that and give the same command again, "
                "which goes on with what is answered."
            ) from None


def _run(
    job: Job, work: JobStore, answer: Answer, restart: bool, but: list[str], see: Callable[[dict[str, Any]], None]
) -> JobResult:
    state = None if restart else work.state()
    if state is None:
        listed = work.begin(job.to_json(), _sources(job, but))
    else:
        listed = SourceList(state["images"], state["listing"])
        differences = job.differences(state["job"])
        if differences:
            what = " and ".join(differences)
            raise UsageError(f"Another job for {work.out} is unfinished, which differs in {what}: {WAYS_OUT}.")
        now = list_sources(_sources(job, but))
        if now != listed:
            _say(f"{_changed(listed, now)} The job goes on with those; --restart begins anew.")
    unanswered = _answer(job, work, answer, listed)
    work.finished.unlink(missing_ok=True)  # of a killed run, or a link
    with open_writer(job.format, work.finished, job.shown) as writer:
        try:
            for row in work.read():
                writer.write_row(row)
                see(row)
        except (ValueError, LookupError, TypeError, AttributeError):  # another program wrote it
            raise UsageError(f"{work.rows} is not as a job leaves it: {WAYS_OUT}.") from None
    work.finish()
    return JobResult(listed.images, unanswered)


def _sources(job: Job, but: list[str]) -> Iterator[ImageSource]:
    names = tuple(os.path.basename(path) for path in but)
    for source in find_sources(job.images):
        if not (source.file.endswith(names) and os.path.abspath(source.file) in but):
            yield source


def _answer(job: Job, work: JobStore, answer: Answer, listed: SourceList) -> int:
    """Answers the images that have no row yet; the number of rows that are errors."""
    kept = work.kept()
    if kept.rows:
        _say(f"Going on with {work.out}: {kept.rows:,} of {listed.images:,} images are answered.")
    shown, unanswered = job.shown, kept.unanswered
    rest = islice(work.sources(), kept.rows, None)
    rows = (to_row(source.file, given, shown) for source, given in answer(rest))
    done = kept.rows
    try:
        with ProgressBar("", "image", _say, done=done, lines=0) as progress:
            for row in work.append(rows, kept):
                done += 1
                unanswered += "error" in row
                progress(done, listed.images)
    except KeyboardInterrupt:
        _say(f"{done:,} of {listed.images:,} images are answered: the same command goes on from there.")
        raise
    if done != listed.images:
        raise MirrorError(f"Only {done:,} of {listed.images:,} images were answered: give the same command again.")
    return unanswered


def _changed(then: SourceList, now: SourceList) -> str:
    count = f"there are {now.images:,}" if now.images != then.images else "they are others"
    return f"It began with {then.images:,} images, and now {count}."


def _say(sentence: str) -> None:
    print(f"mirror: {terminal.sentence(sentence)}", file=sys.stderr)
