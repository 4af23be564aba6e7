"""`python -m mirror`: classify images from the command line, show why, and compile learner pickles.

python -m mirror predict photos/ --format jsonl --out answers.jsonl
python -m mirror explain bird.jpg --out heat.png
python -m mirror compile models/mirror/learner.pkl
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from mirror.batch import command
from mirror.errors import MirrorError, UsageError

if TYPE_CHECKING:
    from mirror.batch.summary import Summary
    from mirror.fetch import Network
    from mirror.inference.classifier import Classifier, Prediction
    from mirror.listing import Source

TASKS = ("image-classification", "zero-shot-image-classification", "object-detection", "face-detection")
ENGINES = ("local", "ray")
PRECISIONS = ("auto", "fp32", "int8")
FORMATS = ("table", "jsonl", "csv", "parquet")
SUFFIX_FORMATS = {".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".parquet": "parquet"}

DESCRIPTION = "Classify images with a model that train.py made, or with any fastai vision learner."
EXAMPLES = """\
examples:
  python -m mirror predict bird.jpg                             which label, and how sure
  python -m mirror predict photos/ https://example.org/a.jpg    folders (to the bottom) and URLs too
  python -m mirror predict photos/ --out answers.csv            a file for a spreadsheet; .jsonl, .parquet for programs
  python -m mirror predict city/ --out a.parquet --summary      and how the labels are distributed over its folders
  python -m mirror predict bird.jpg --model export.pkl          a fastai learner of your own (compiled once)
  python -m mirror explain bird.jpg --out heat.png              the photo, coloured where the answer came from
  python -m mirror compile export.pkl                           do only that, and see whether it works
  python -m mirror compile export.pkl --calibrate photos/       and in int8, two to four times as fast

A model is trained by `python train.py`, and shown in the browser by `python app.py`.
"""
PREDICT_NOTES = """\
output:
  table    a line an image: its labels, the most probable first
  jsonl    a line an image: {"file", "label", "probability", "probabilities": {label: p}, "known"}, or
           {"file", "error"}; known is false where the image is unlike the photos that the model was trained on
  csv, parquet   the same as columns

exit code: 0 every image was answered, 1 some were not (the rest still are), 2 the command itself was wrong
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code. Errors are one sentence on standard error."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        parser = build_parser()
        if not arguments:
            parser.print_help()
            return 0
        options = parser.parse_args(arguments)
        return options.run(options)
    except MirrorError as error:
        print(f"mirror: {error}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # `… | head` has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        print("mirror: stopped.", file=sys.stderr)
        return 130


class Parser(argparse.ArgumentParser):
    """argparse, with its errors as one sentence."""

    def error(self, message: str) -> NoReturn:
        raise UsageError(f"{message[0].upper()}{message[1:]}: see `{self.prog} --help`.")


def build_parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = Parser("python -m mirror", description=DESCRIPTION, epilog=EXAMPLES, formatter_class=raw)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    predict = commands.add_parser(
        "predict",
        help="classify images, folders of images and URLs",
        description="Classify images, folders of images (to the bottom, sorted) and URLs.",
        epilog=PREDICT_NOTES,
        formatter_class=raw,
    )
    predict.set_defaults(run=run_predict)
    predict.add_argument("images", nargs="+", metavar="PATH|DIR|URL")
    _add_model(predict)
    predict.add_argument("--task", default=TASKS[0], choices=TASKS, metavar="TASK", help="default: %(default)s")
    predict.add_argument("--top", type=_count, default=5, metavar="N", help="labels to list (default: %(default)s)")
    predict.add_argument(
        "--threshold", type=_probability, metavar="P", help="list only labels of at least this probability (default: 0)"
    )
    predict.add_argument(
        "--format", choices=FORMATS, help="default: by the name of --out, else table", metavar="|".join(FORMATS)
    )
    command.add_options(predict)
    predict.add_argument("--engine", default=ENGINES[0], choices=ENGINES, metavar="ENGINE", help="default: %(default)s")
    predict.add_argument("--labels", help=argparse.SUPPRESS)
    predict.add_argument("--template", help=argparse.SUPPRESS)
    _add_network(predict)

    explain = commands.add_parser(
        "explain",
        help="show where in an image the answer came from",
        description="Show where in an image the evidence for a label lies (Grad-CAM): a picture of it in grey, "
        "coloured the brighter the more a place speaks for the label, and darkened where the network did not look.",
        epilog="example:\n  python -m mirror explain bird.jpg --label duckling --out heat.png\n",
        formatter_class=raw,
    )
    explain.set_defaults(run=run_explain, task=TASKS[0], engine=ENGINES[0], labels=None, template=None)
    explain.add_argument("images", nargs=1, metavar="PATH|URL")
    _add_model(explain)
    explain.add_argument("--label", help="whose evidence is shown (default: the most probable label's)")
    explain.add_argument(
        "--out", type=Path, default=Path("heat.png"), metavar="FILE", help="the picture to write (default: %(default)s)"
    )
    _add_network(explain)

    compile_ = commands.add_parser(
        "compile",
        help="make a fastai learner pickle ready for fast serving",
        description="Compile a fastai learner pickle to ONNX and check it against the learner's own answers. "
        "Pickles in models/ are compiled by themselves when first used. A pickle is a program: only compile your own.",
    )
    compile_.set_defaults(run=run_compile)
    compile_.add_argument("pickle", type=Path, metavar="PICKLE")
    compile_.add_argument(
        "--out", type=Path, metavar="FOLDER", help="the model folder to make (default: where `predict` and app.py look)"
    )
    compile_.add_argument(
        "--calibrate",
        type=Path,
        metavar="DIR",
        help="photos like those it was trained on, best in a folder a label: int8 is fitted to half of them and judged "
        "by the others (default: none, and so float32)",
    )
    compile_.add_argument(
        "--precision",
        default="auto",
        choices=PRECISIONS,
        help="of the network: auto is int8 where it answers as float32 does, else fp32 (default: %(default)s)",
    )
    return parser


def _add_model(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--model", default="models/mirror", help="a model folder or a fastai learner pickle (default: %(default)s)"
    )


def _add_network(command: argparse.ArgumentParser) -> None:
    command.add_argument("--proxy", metavar="URL", help="for URLs (default: HTTPS_PROXY and HTTP_PROXY)")
    command.add_argument("--insecure", action="store_true", help="do not verify TLS certificates, as curl -k")
    command.add_argument(
        "--allow-private-hosts",
        action="store_true",
        help="fetch URLs from private addresses (this machine, this network)",
    )


def run_predict(options: argparse.Namespace) -> int:
    kind = options.format or SUFFIX_FORMATS.get(options.out.suffix.lower() if options.out else "", "table")
    picture = command.picture_of(options, kind)
    job = command.is_job(options, kind)
    classifier = open_classifier(options, threads=1 if job else None)  # of many images each keeps one CPU busy
    if job:
        unanswered, summary = command.run(options, kind, classifier.folder, partial(answer_all, classifier))
    else:
        unanswered, summary = predict_stream(options, kind, classifier)
    if summary is not None:
        command.show(summary, picture, to_screen=job or kind == "table")
    return 1 if unanswered else 0


def predict_stream(options: argparse.Namespace, kind: str, classifier: Classifier) -> tuple[int, Summary | None]:
    """Answers to the screen, or whatever else takes a stream: how many are errors, and the summary if asked for."""
    from mirror.answers import Shown, as_row, open_writer
    from mirror.batch.summary import Summary
    from mirror.listing import find_sources

    unanswered, summary = 0, Summary() if options.summary else None
    shown = Shown(options.top, options.threshold or 0.0)
    with open_writer(kind, options.out, shown) as writer:
        answers = answer_all(classifier, find_sources(options.images))
        with _progress(options.images, to_terminal=options.out is None and sys.stdout.isatty()) as bar:
            for source, answer in answers:
                unanswered += isinstance(answer, MirrorError)
                with bar.external_write_mode() if bar is not None else contextlib.nullcontext():
                    writer.write(source.file, answer)
                if bar is not None:
                    bar.update()
                if summary is not None:
                    summary.add(as_row(source.file, answer, shown))
    return unanswered, summary


def open_classifier(options: argparse.Namespace, threads: int | None = None) -> Classifier:
    """What answers the images, by --task, --engine and --model; `threads`: for one image (default: all CPUs).

    Raises UsageError for what is not available yet.
    """
    if options.task != "image-classification":
        raise UsageError(f"The task {options.task} is not available yet: leave out --task to classify images.")
    if options.engine != "local":
        raise UsageError(f"The engine {options.engine} is not available yet: leave out --engine to use this machine.")
    for name in ("labels", "template"):
        if getattr(options, name) is not None:
            raise UsageError(
                f"--{name} is for zero-shot-image-classification, which is not available yet: leave it out."
            )
    if not os.path.lexists(options.model):
        if options.model == "imagenet":
            raise UsageError(
                "The general model imagenet is not available yet: give a model folder or a learner pickle."
            )
        if re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", options.model) and not Path(options.model).parent.is_dir():
            raise UsageError(
                f"There is no folder {options.model}, and models from the Hugging Face Hub are not available yet: "
                "give a model folder or a learner pickle."
            )
    elif os.path.isfile(os.path.join(options.model, "config.json")):
        raise UsageError(f"{options.model} is a transformers folder, which is not available yet: give a model folder.")
    from mirror.inference.classifier import Classifier
    from mirror.inference.compiled import open_model

    return Classifier.load(open_model(options.model), threads=threads, network=_network(options))


def answer_all(classifier: Classifier, sources: Iterator[Source]) -> Iterator[tuple[Source, Prediction | MirrorError]]:
    """Each source with its answer, in order; sources are drawn only as far ahead as images are decoded."""
    drawn: deque[Source] = deque()

    def places() -> Iterator[Any]:
        for source in sources:
            drawn.append(source)
            yield source.place

    for answer in classifier.predict_many(places()):
        yield drawn.popleft(), answer


def _network(options: argparse.Namespace) -> Network | None:
    from mirror.listing import is_url

    if not any(is_url(image) for image in options.images):
        return None
    from mirror.fetch import Network

    return Network(proxy=options.proxy, insecure=options.insecure, allow_private_hosts=options.allow_private_hosts)


@contextlib.contextmanager
def _progress(images: Sequence[str], to_terminal: bool) -> Iterator[Any]:
    """A tqdm bar on standard error where that is a terminal and there is more than one image, else None."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    from mirror.listing import find_sources

    total = sum(1 for _ in find_sources(images))
    if total < 2:
        yield None
        return
    with tqdm(total=total, unit="image", leave=not to_terminal, file=sys.stderr, dynamic_ncols=True) as bar:
        yield bar


def run_compile(options: argparse.Namespace) -> int:
    from mirror.inference.compiled import cache_places, open_model
    from mirror.model_folder import find_model, sha256_of

    entry, out = find_model(options.pickle), options.out
    asked = options.calibrate is not None or options.precision != "auto"
    if asked and out is None and entry.pickle is not None:
        out = next(cache_places(entry, sha256_of(entry.pickle)))  # where it is looked for first
    if out is None:
        folder = open_model(entry)
    else:
        from mirror.training.export.compile import compile_to_folder

        folder = compile_to_folder(entry.pickle or options.pickle, out, options.precision, options.calibrate)
    info = folder.info
    height, width = info.preprocessing.input_size
    parity = info.extra.get("parity") or {}
    checked = f", within {parity['largest_difference']:.0e} of the learner" if parity else ""
    arch = f"{info.arch}, " if info.arch else ""
    print(f"{folder.path}: {arch}{len(info.labels)} labels, {width}x{height} px, {info.onnx.precision}{checked}")
    return 0


def run_explain(options: argparse.Namespace) -> int:
    (image,) = options.images
    classifier = open_classifier(options)
    from mirror.inference.explain import explain, places
    from mirror.inference.overlay import overlay
    from mirror.listing import is_url

    found = explain(classifier, image if is_url(image) else Path(image), options.label)
    try:
        overlay(found).save(options.out)
    except (OSError, ValueError) as error:  # Pillow's, for a suffix that it does not know
        reason = getattr(error, "strerror", None) or error
        raise UsageError(f"{options.out} cannot be written ({reason}): give one that ends in .png or .jpg.") from None
    named = places(found)
    where = {(): "nothing in it", ("everywhere",): "nearly all of it"}.get(named, f"the {' and the '.join(named)}")
    print(f"{options.out}: {found.label} {100 * found.probability:.1f} %, because of {where}")
    return 0


def _count(text: str) -> int:
    if not re.fullmatch(r"[1-9]\d{0,8}", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 up")
    return int(text)


def _probability(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 to 1")
    return value
