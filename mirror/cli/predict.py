"""`python -m mirror predict`: images, folders and URLs → answers, by any task, to the screen or to a file."""

from __future__ import annotations

import argparse
import contextlib
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from mirror.batch.summary import Summary
from mirror.batch.writers import FORMATS, OutputFilter, open_writer, to_row
from mirror.cli import batch
from mirror.cli.options import add_model, add_network, count, network_of, probability
from mirror.errors import MirrorError, UsageError
from mirror.progress import ProgressBar
from mirror.sources import find_sources
from mirror.tasks.label_input import labels_in
from mirror.tasks.registry import open_predictor
from mirror.tasks.request import BARE_LABEL, TASKS, TaskRequest

if TYPE_CHECKING:
    from mirror.tasks.predictor import Predictor

ENGINES = ("local", "ray")
SUFFIX_FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}
DETECTED_FROM = 0.5  # the score a detection has by default, as in Hugging Face's pipeline

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
  csv, parquet   the same as columns

exit code: 0 every image was answered, 1 some were not (the rest still are), 2 the command itself was wrong
"""


def add(commands: argparse._SubParsersAction) -> None:
    predict = commands.add_parser(
        "predict",
        help="classify images, folders of images and URLs, or find things in them",
        description="Answer images, folders of images (to the bottom, sorted) and URLs.",
        epilog=NOTES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    predict.set_defaults(run=run)
    predict.add_argument("images", nargs="+", metavar="PATH|DIR|URL")
    add_model(
        predict,
        None,
        "a model folder, a fastai learner pickle, a transformers folder, a Hub id, or imagenet "
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
        help=f"list only labels of at least this probability (default: 0), or detections above it ({DETECTED_FROM})",
    )
    predict.add_argument(
        "--format", choices=FORMATS, help="default: by the name of --out, else table", metavar="|".join(FORMATS)
    )
    batch.add_options(predict)
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
        type=count,
        metavar="N",
        help="for --engine ray: processes with a model each (default: one a CPU)",
    )
    add_network(predict)


def run(options: argparse.Namespace) -> int:
    kind = options.format or SUFFIX_FORMATS.get(options.out.suffix.lower() if options.out else "", "table")
    picture = batch.picture_of(options, kind)
    job = batch.is_job(options, kind)
    asked = request_from(options)
    shown = OutputFilter(options.top, _threshold(options, asked), asked.detects)
    with opened(options, asked, job) as predictor:
        if job:
            unanswered, summary = batch.run(options, kind, asked.task, shown, predictor)
        else:
            unanswered, summary = predict_stream(options, kind, shown, predictor)
    if summary is not None:
        batch.show(summary, picture, to_screen=job or kind == "table")
    return 1 if unanswered else 0


def request_from(options: argparse.Namespace) -> TaskRequest:
    """The task, its model and its labels. Raises UsageError for a file of labels that cannot be read."""
    return TaskRequest(
        options.task, options.model, labels_in(options.labels) if options.labels else (), options.template
    )


@contextlib.contextmanager
def opened(options: argparse.Namespace, asked: TaskRequest, job: bool) -> Iterator[Predictor]:
    """What answers: this machine, or a Ray cluster for as long as the `with` statement lasts."""
    network = network_of(options, options.images)
    if options.engine == "ray":
        from mirror.batch.ray_engine import answer_with_ray

        with answer_with_ray(
            asked, address=options.ray_address, workers=options.ray_workers, network=network
        ) as predictor:
            yield predictor
    elif options.ray_address or options.ray_workers:
        raise UsageError("--ray-address and --ray-workers are for --engine ray: leave them out, or add --engine ray.")
    else:
        # of many images each keeps one CPU busy
        yield open_predictor(asked, threads=1 if job else None, network=network)


def _threshold(options: argparse.Namespace, asked: TaskRequest) -> float:
    if options.threshold is not None:
        return options.threshold
    return DETECTED_FROM if asked.detects else 0.0


def predict_stream(
    options: argparse.Namespace, kind: str, shown: OutputFilter, predictor: Predictor
) -> tuple[int, Summary | None]:
    """Answers to the screen, or whatever else takes a stream: how many are errors, and the summary if asked for."""
    unanswered, summary = 0, Summary(objects=shown.detections) if options.summary else None
    with open_writer(kind, options.out, shown) as writer:
        answers = predictor.answer_all(find_sources(options.images))
        total = sum(1 for _ in find_sources(options.images)) if sys.stderr.isatty() else 1
        to_terminal = options.out is None and sys.stdout.isatty()
        with ProgressBar("", "image", log=lambda line: None, leave=not to_terminal) as progress:
            for done, (source, answer) in enumerate(answers, 1):
                unanswered += isinstance(answer, MirrorError)
                with progress.writing():
                    writer.write(source.file, answer)
                if total > 1:
                    progress(done, total)
                if summary is not None:
                    summary.add(to_row(source.file, answer, shown))
    return unanswered, summary
