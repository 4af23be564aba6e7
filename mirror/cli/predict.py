"""`python -m mirror predict`: images, folders and URLs → answers, by any task, to the screen or to a file."""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mirror.batch.place_map import PlaceMap, draw_map
from mirror.batch.summary import Summary, check_picture, check_place, draw_summary
from mirror.batch.writers import FORMATS, OutputFilter, open_writer, row_of
from mirror.cli.options import (
    NETWORK_USES,
    OF_URLS,
    Use,
    add_model,
    add_network,
    count,
    network_of,
    probability,
    reach_libraries,
    require_apart,
    require_used,
    whole_number,
)
from mirror.errors import MirrorError, UsageError
from mirror.image_sources import LeftOut, find_sources
from mirror.progress import ProgressBar, working
from mirror.storage import replacing
from mirror.tasks.detections import SHOWN_FROM
from mirror.tasks.label_input import labels_in
from mirror.tasks.registry import open_predictor
from mirror.tasks.request import BARE_LABEL, DETECTION_TASKS, IMAGENET, OBJECT_DETECTION, TASKS, ZERO_SHOT, TaskRequest
from mirror.terminal import use_utf8, warn

if TYPE_CHECKING:
    from mirror.tasks.predictor import Predictor

Watcher = Callable[[dict[str, Any]], None]  # is shown each row
ENGINES = ("local", "ray")
SUFFIX_FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
TABLES = ("", ".txt", ".log")  # what a table's file is called

NOTES = """\
tasks:
  image-classification            which label (the default task; --model imagenet knows 1,000 things)
  zero-shot-image-classification  which of your own words: --labels cat,dog or --labels words.txt (a label a line)
  object-detection                what is where: boxes in pixels of the upright image
  face-detection                  where faces are, never whose

output:
  table    a line an image: its labels, the most probable first, or what was found in it
  jsonl    a line an image: {"file", "label", "probability", "probabilities": {label: p}, "known"}, or
           {"file", "detections": [{"score", "label", "box": {"xmin", "ymin", "xmax", "ymax"}}]}, or
           {"file", "error"}; known is false where the image is unlike the photos that the model was trained on
  csv, parquet   the same as columns; of all three, --exif adds taken, latitude and longitude (null where unknown)

exit code: 0 every image was answered, 1 some were not (the rest still are), 2 the command itself was wrong
"""


def add(commands: argparse._SubParsersAction) -> None:
    predict = commands.add_parser(
        "predict",
        help="classify images, folders of images and URLs, or find things in them",
        description="Answer images, folders of images (to the bottom, sorted) and URLs.",
        epilog=NOTES,
    )
    predict.set_defaults(run=run)
    predict.add_argument("images", nargs="+", metavar="PATH|DIR|URL")
    add_model(
        predict,
        None,
        "a model folder, a fastai learner pickle, a transformers folder, hf:OWNER/NAME of the Hub, or imagenet "
        "(default: models/mirror, or the task's own)",
    )
    predict.add_argument("--task", default=TASKS[0], choices=TASKS, metavar="TASK", help="default: %(default)s")
    predict.add_argument(
        "--labels",
        metavar="A,B,C|FILE",
        help="for zero-shot: the labels, or a file with a label a line (or a Python file with a list of them)",
    )
    predict.add_argument(
        "--template",
        default=BARE_LABEL,
        metavar="TEXT",
        help="for zero-shot: what is made of a label, as 'a photo of {}' (default: the bare label)",
    )
    predict.add_argument("--top", type=count, default=5, metavar="N", help="labels to list (default: %(default)s)")
    predict.add_argument(
        "--threshold",
        type=probability,
        metavar="P",
        help=f"list only labels of at least this probability (default: 0), or detections above it ({SHOWN_FROM})",
    )
    predict.add_argument(
        "--format", choices=FORMATS, help="default: by the name of --out, else table", metavar="|".join(FORMATS)
    )
    _add_job_options(predict)
    predict.add_argument(
        "--engine",
        default=ENGINES[0],
        choices=ENGINES,
        metavar="local|ray",
        help="ray: the same answers from the processes or machines of a Ray cluster (default: %(default)s)",
    )
    predict.add_argument(
        "--ray-address",
        metavar="HOST:PORT",
        help="for --engine ray: a running cluster, HOST:PORT or auto (default: one of this machine alone)",
    )
    predict.add_argument(
        "--ray-workers",
        type=whole_number(1, 10_000),
        metavar="N",
        help="for --engine ray: processes with a model each (default: one a CPU)",
    )
    add_network(predict)


def _add_job_options(predict: argparse.ArgumentParser) -> None:
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
    predict.add_argument(
        "--summary-csv", type=Path, metavar="FILE.csv", help="write the summary of all labels there, for a spreadsheet"
    )
    predict.add_argument(
        "--exif",
        action="store_true",
        help="also write when and where a photo was taken, as its camera says: taken, latitude, longitude",
    )
    predict.add_argument(
        "--map", type=Path, metavar="FILE.png", help="draw there which label was found where, by what --exif adds"
    )


def format_of(options: argparse.Namespace) -> str:
    return options.format or SUFFIX_FORMATS.get(options.out.suffix.lower() if options.out else "", "table")


def _asks_hub(options: argparse.Namespace) -> bool:
    if options.model is None:
        return options.task in (ZERO_SHOT, OBJECT_DETECTION)
    from mirror.tasks.hub_models import hub_id

    return options.model == IMAGENET or hub_id(options.model) is not None


OF_FETCHING = Use(
    "photos that are given by an address and models of the Hub",
    lambda options: OF_URLS.asked(options) or _asks_hub(options),
)
OF_RAY = Use("--engine ray", lambda options: options.engine == "ray", "or add that")
USES = NETWORK_USES | {
    "--proxy": OF_FETCHING,
    "--insecure": OF_FETCHING,
    "--top": Use("labels, and this task finds things", lambda options: options.task not in DETECTION_TASKS),
    "--restart": Use("answers that go to a jsonl, csv or parquet file", lambda options: _is_job(options),
        "or name one by --out"),
    "--exif": Use("--format jsonl, csv or parquet", lambda options: format_of(options) != "table",
        "or add one of them, or name an --out of that kind"),
    "--ray-address": OF_RAY,
    "--ray-workers": OF_RAY,
}  # fmt: skip


def run(options: argparse.Namespace) -> int:
    require_used(options, USES)
    _check_name(options)
    if (options.proxy or options.insecure) and _asks_hub(options):
        reach_libraries(options)
    format = format_of(options)
    picture, is_job = _picture(options), _is_job(options)
    if options.map:
        check_picture(options.map)
    for file in filter(None, (options.out, options.summary_csv)):
        check_place(file)
    outputs = {"--out": options.out, "--summary-picture": picture, "--summary-csv": options.summary_csv}
    require_apart(outputs | {"--map": options.map}, options.images)
    request = request_from(options)
    exif = options.exif or options.map is not None
    output = OutputFilter(options.top, _threshold(options, request), request.detects, exif)
    summary = Summary(objects=output.detections) if options.summary or picture or options.summary_csv else None
    places = PlaceMap() if options.map else None
    watchers = [watcher.add for watcher in (summary, places) if watcher is not None]
    with opened(options, request, is_job) as predictor:
        if is_job:
            unanswered = _run_job(options, format, request.task, output, predictor, watchers)
        else:
            unanswered = predict_stream(options, format, output, predictor, watchers)
    if summary is not None:
        _show(summary, picture, to_screen=is_job or format == "table")
        if options.summary_csv:
            summary.write_csv(options.summary_csv)
    if places is not None:
        draw_map(places, options.map)
    return 1 if unanswered else 0


def _check_name(options: argparse.Namespace) -> None:
    """Raises UsageError for an --out that is named as what is not written: a table called .xlsx opens in no program."""
    if options.format is None and options.out and options.out.suffix.lower() not in (*TABLES, *SUFFIX_FORMATS):
        raise UsageError(
            f"--out {options.out} would be a plain table: give a name that ends in .csv, .jsonl or .parquet, "
            "or in .txt for the table, or say which by --format."
        )


def request_from(options: argparse.Namespace) -> TaskRequest:
    """The task, its model and its labels. Raises UsageError for a file of labels that cannot be read."""
    return TaskRequest(
        options.task, options.model, labels_in(options.labels) if options.labels else (), options.template
    )


@contextlib.contextmanager
def opened(options: argparse.Namespace, request: TaskRequest, is_job: bool) -> Iterator[Predictor]:
    """What answers: this machine, or a Ray cluster for as long as the `with` statement lasts."""
    network = network_of(options, options.images)
    if options.engine == "ray":
        from mirror.batch.ray_engine import answer_with_ray

        with answer_with_ray(
            request, address=options.ray_address, workers=options.ray_workers, network=network
        ) as predictor:
            yield predictor
    else:
        # of many images each keeps one CPU busy
        with working("Opening the model", log=None):
            predictor = open_predictor(request, threads=1 if is_job else None, network=network)
        yield predictor


def _threshold(options: argparse.Namespace, request: TaskRequest) -> float:
    if options.threshold is not None:
        return options.threshold
    return SHOWN_FROM if request.detects else 0.0


def predict_stream(
    options: argparse.Namespace, format: str, output: OutputFilter, predictor: Predictor, watchers: Sequence[Watcher]
) -> int:
    """Answers to the screen, or whatever else takes a stream. How many are errors."""
    unanswered, left_out = 0, LeftOut()
    is_file = (
        options.out is not None and options.out.parent.is_dir() and (options.out.is_file() or not options.out.exists())
    )
    with contextlib.ExitStack() as stack:
        out = stack.enter_context(replacing(options.out)) if is_file else options.out  # whole, or not at all
        writer = stack.enter_context(open_writer(format, out, output))
        answers = predictor.answer_all(find_sources(options.images, left_out))
        total = sum(1 for _ in find_sources(options.images)) if sys.stderr.isatty() else 1
        to_terminal = options.out is None and sys.stdout.isatty()
        with ProgressBar("", "image", log=lambda line: None, leave=not to_terminal) as progress:
            for done, (source, answer) in enumerate(answers, 1):
                unanswered += isinstance(answer, MirrorError)
                row = row_of(source, answer, output)
                with progress.writing():
                    writer.write(row)
                if total > 1:
                    progress(done, total)
                for watch in watchers:
                    watch(row)
    if str(left_out):
        warn(left_out)
    return unanswered


def _run_job(
    options: argparse.Namespace, format: str, task: str, output: OutputFilter, predictor: Predictor,
    watchers: Sequence[Watcher],
) -> int:  # fmt: skip
    """Answers to --out, resumable. How many images have no answer."""
    from mirror.batch.job import Job, run_job

    out = Path(os.path.realpath(options.out)) if options.out.is_symlink() else options.out
    job = Job.of(options.images, predictor.identity, out, task=task, format=format, output=output)
    given = (options.summary_picture, options.summary_csv, options.map)
    made = [_beside(options.out), *filter(None, given)]  # they may lie among the photos

    def watch(row: dict[str, Any]) -> None:
        for watcher in watchers:
            watcher(row)

    result = run_job(
        job,
        out,
        predictor.answer_all,
        restart=options.restart,
        exclude=made,
        on_row=watch if watchers else None,
    )
    return result.unanswered


def _is_job(options: argparse.Namespace) -> bool:
    """Whether answers go to a file that can be resumed: not to the screen, a device or a pipe, nor as a table."""
    out = options.out
    return out is not None and format_of(options) != "table" and (out.is_file() or not out.exists())


def _picture(options: argparse.Namespace) -> Path | None:
    """Where the summary is drawn, if it is: by default beside the file of a job. Raises UsageError where it cannot be
    written, before the work."""
    path = options.summary_picture
    if path is None and options.summary and _is_job(options):
        path = _beside(options.out)
    if path is not None:
        check_picture(path)
    return path


def _show(summary: Summary, picture: Path | None, *, to_screen: bool) -> None:
    """Prints the table, on standard error where rows for a program are on standard output; and draws the picture."""
    if to_screen:
        use_utf8(sys.stdout)
    stream = sys.stdout if to_screen else sys.stderr
    print(summary.within(shutil.get_terminal_size().columns) if stream.isatty() else summary, file=stream)
    if picture is not None:
        draw_summary(summary, picture)


def _beside(out: Path) -> Path:
    return out.with_suffix(".summary.png")
