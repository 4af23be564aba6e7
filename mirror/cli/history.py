"""`python -m mirror history NAME`: the models that a model has replaced, and one of them put back."""

from __future__ import annotations

import argparse
from pathlib import Path

from mirror.errors import UsageError
from mirror.terminal import sentence

TEXT = """\
Training puts the model that it replaces into models/.history/NAME, where the last five stay. This lists them with what
was measured of each, the latest first, and puts one back: the model of now goes into the history first.
"""
EXAMPLES = """\
examples:
  python -m mirror history fruit                                   when each was replaced, and how often it erred
  python -m mirror history fruit --restore 2026-11-29T02-10-05Z    that one answers again
"""


def add(commands: argparse._SubParsersAction) -> None:
    command = commands.add_parser(
        "history", help="list the models that a model has replaced, or put one back", description=TEXT, epilog=EXAMPLES
    )
    command.set_defaults(run=run)
    command.add_argument("name", metavar="NAME", help="of the model, as fruit")
    command.add_argument("--restore", metavar="TIME", help="put the one back that was replaced then, as it is listed")
    command.add_argument(
        "--models", type=Path, default=Path("models"), metavar="DIR", help="where models live (default: %(default)s)"
    )


def run(options: argparse.Namespace) -> int:
    from mirror import model_history
    from mirror.cli.train_options import model_name_argument
    from mirror.model_folder import read_model_folder

    try:
        model = options.models / model_name_argument(options.name)
    except argparse.ArgumentTypeError as error:
        raise UsageError(f"{error}: give the name of a model, as fruit.") from None
    if options.restore:
        info = model_history.restore(model, options.restore)
        print(sentence(f"{model}: {model_history.told(info)}"))
        return 0
    entries = model_history.history(model)
    if not entries and not model.is_dir():
        raise UsageError(f"There is no model {options.name} in {options.models}, and none was replaced.")
    if model.is_dir():
        print(sentence(f"now                   {model_history.told(read_model_folder(model).info)}"))
    for entry in entries:
        print(sentence(f"{entry.time}  {model_history.told(entry.info)}"))
    if not entries:
        print("It has replaced none yet.")
    return 0
