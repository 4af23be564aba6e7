"""`python -m mirror`: classify images and find things in them, show why, compile learner pickles, and publish.

options.py  what the commands share: the options of models and of the network, and what an option is for
exit_codes.py  how each ends: its exit code, and a sentence for whatever stood in its way
predict.py  images, folders and URLs → answers, by any task, to the screen or as a job to --out
explain.py  where in an image an answer came from
compile.py  a fastai learner pickle → a model folder
history.py  the models that a model has replaced
add_photo.py  photos of one's own, added to a label
publish.py  a model folder → a Space, with its model and data set repositories
serve.py    the page and the studio, for `python app.py` too
train.py    words or photos → a model: the settings and the recipe
train_options.py, train_checks.py, train_steps.py: its options; what it finds out first; its steps around the training,
            and what it prints
train_preview.py, train_collect.py: train.py --preview: what a search finds, before it is collected; --exclude; and
            train.py --collect-only: the photos, and nothing after them
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from mirror.cli.exit_codes import ended
from mirror.terminal import Parser

DESCRIPTION = """\
Classify images with a model that train.py made, with any fastai learner or transformers model, or by labels of your own
words; find objects and faces in them.
"""
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
  python -m mirror publish models/fruit                         a page on the Hugging Face Hub, and the model
  python -m mirror add-photo data/fruit pear garden.jpg         a photo of your own, for the next training
  python -m mirror history fruit                                the models that it has replaced, to put one back

A model is trained by `python train.py`, and shown in the browser by `python app.py`.
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command and returns its exit code. Errors are one sentence on standard error."""
    return ended(lambda: _run(list(sys.argv[1:] if arguments is None else arguments)), "mirror: ")


def _run(arguments: list[str]) -> int:
    parser = build_parser()
    if not arguments:
        parser.print_help()
        return 0
    options = parser.parse_args(arguments)
    return options.run(options)


def build_parser() -> argparse.ArgumentParser:
    # Here, for app.py imports one of them, and stays light
    from mirror.cli import add_photo, compile, explain, history, predict, publish, serve, train

    parser = Parser("python -m mirror", description=DESCRIPTION, epilog=EXAMPLES)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    commands.type = str  # what is wrong with an argument is told by the command that it is for
    for command in (predict, explain, compile, publish, train, serve, add_photo, history):
        command.add(commands)
    return parser
