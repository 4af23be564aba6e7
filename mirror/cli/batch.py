"""The part of `python -m mirror predict` that is about files and folders: its options, --out as a job, the summary."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from mirror.batch.summary import Summary
from mirror.errors import UsageError

if TYPE_CHECKING:
    from mirror.batch.writers import OutputFilter
    from mirror.tasks.predictor import Predictor


def add_options(predict: argparse.ArgumentParser) -> None:
    predict.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="write there instead of to the screen; killed, the same command goes on (with jsonl, csv and parquet)",
    )
    predict.add_argument("--restart", action="store_true", help="begin anew where a job for --out is unfinished")
    predict.add_argument(
        "--summary", action="store_true", help="also count the labels folder by folder, with their mean scores"
    )
    predict.add_argument(
        "--summary-picture",
        type=Path,
        metavar="FILE.png",
        help="draw the summary there (default with --summary: beside --out)",
    )


def picture_of(options: argparse.Namespace, kind: str) -> Path | None:
    """Where the summary is drawn, if it is: by default beside the file of a job.

    Raises UsageError for options that cannot be meant, before the work.
    """
    if options.restart and options.out is None:
        raise UsageError("--restart is for --out: leave it out, or name a file.")
    path = options.summary_picture
    if path is None and options.summary and is_job(options, kind):
        path = _beside(options.out)
    if path is not None:
        from mirror.batch.summary_picture import check_picture

        check_picture(path)
        options.summary = True
    return path


def is_job(options: argparse.Namespace, kind: str) -> bool:
    """Whether answers go to a file that can be resumed: not to the screen, a device or a pipe, nor as a table."""
    return options.out is not None and kind != "table" and (options.out.is_file() or not options.out.exists())


def run(
    options: argparse.Namespace, kind: str, task: str, shown: OutputFilter, predictor: Predictor
) -> tuple[int, Summary | None]:
    """Answers to --out: how many images have no answer, and the summary if it is asked for."""
    from mirror.batch.job import Job
    from mirror.batch.run import run_job

    out = Path(os.path.realpath(options.out)) if options.out.is_symlink() else options.out
    settings = {"task": task, "top": shown.top, "threshold": shown.threshold, "format": kind}
    job = Job.of(options.images, predictor.identity, out, **settings)
    pictures = [_beside(options.out), *filter(None, [options.summary_picture])]  # may lie among the photos
    summary = Summary(objects=shown.detections) if options.summary else None
    counted = {"see": summary.add} if summary is not None else {}
    done = run_job(job, out, predictor.answer_all, restart=options.restart, but=pictures, **counted)
    return done.unanswered, summary


def show(summary: Summary, picture: Path | None, *, to_screen: bool) -> None:
    """Prints the table, on standard error where rows for a program are on standard output; and draws the picture."""
    if to_screen:
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    print(summary, file=sys.stdout if to_screen else sys.stderr)
    if picture is not None:
        from mirror.batch.summary_picture import draw_summary

        draw_summary(summary, picture)


def _beside(out: Path) -> Path:
    return out.with_suffix(".summary.png")
