"""The commands that are killed: each kind's run, in the working folder that scenes.py lays out, and what it imports."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Kind:
    """prepare: imports what a run needs, and runs nothing. run: the command, from where it was; its exit status."""

    prepare: Callable[[], None]
    run: Callable[..., int | None]


def collect(*arguments: str) -> None:
    """What train.py does before it trains: the photos, and their sides."""
    from mirror.cli import train, train_steps
    from mirror.collect.corrections import CorrectedFolder

    options = train.parse([*arguments])
    terms = train_steps.search_terms(options, Path("data", "mirror"), train.SEARCH)
    collected = train_steps.collect(options, "mirror", terms)
    with collected.folder as folder:
        photos = CorrectedFolder(folder)
        if collected.source != "photo list":
            photos.assign_splits(options.seed)


def training(*arguments: str) -> int:
    from mirror.cli import train

    return train.main([*arguments])


def mirror(*arguments: str) -> int:
    from mirror.cli import main

    return main([*arguments])


def model() -> None:
    from tests.web.tiny import tiny_model

    tiny_model(Path("models"), name="made", labels=("cygnet", "duckling", "goose"), pictures=True)


def careless() -> None:
    """Not one of ours: writes its rows where they are read, and begins anew each time. The harness must see it."""
    with open("answers.csv", "a", encoding="utf-8") as file:
        for number in range(20):
            file.write(f"row {number},{'x' * 50}\n")
            file.flush()
            os.fsync(file.fileno())
    Path("unfinished").touch()
    time.sleep(0.01)
    Path("unfinished").unlink()


def decide(folder: str, most: str = "24") -> None:
    """Somebody in the studio who does OPERATIONS one after the other, and goes on where the journal ends."""
    from mirror.web.studio.actions import perform
    from mirror.web.studio.state import StudioState

    state = StudioState(Path(folder), Path("models"))
    names = [photo.file_name for photo in state.snapshot().photos.values()]
    for action, places, label in OPERATIONS[done_in(Path(folder)) : int(most)]:
        perform(Path(folder), state.snapshot(), action, [names[place] for place in places], label)
        with open("acknowledged", "a", encoding="utf-8") as file:
            file.write("x")


def operation(number: int) -> tuple[str, tuple[int, ...], str]:
    """(action, places of photos, label): a label that no other has, so that its lines can be told from all others."""
    if number % 4 == 3:
        return "undo", (), ""
    if number % 4 == 1:
        return "remove", (number % 16,), ""
    return "relabel", tuple((number * 3 + step) % 16 for step in range(1 + number % 3)), f"label {number}"


OPERATIONS = [operation(number) for number in range(24)]


def done_in(folder: Path) -> int:
    """How many OPERATIONS the journal holds whole. What was cut off in the middle of several lines is done again."""
    from itertools import groupby

    from mirror.collect.corrections import read_corrections

    groups = [list(group) for _, group in groupby(read_corrections(folder), key=lambda one: one.time)]
    number, left = 0, 0
    for group in groups:
        action, places, label = OPERATIONS[number]
        if action == "undo":
            left = left or len(OPERATIONS[number - 1][1])
            left -= len(group)
            number += left == 0
        else:
            number += len(group) == len(places) and all((one.action, one.label) == (action, label) for one in group)
    return number


def _import_collect() -> None:
    from mirror.cli import train
    from mirror.collect import collect_by_search
    from mirror.collect.corrections import CorrectedFolder
    from mirror.net.fetch import NetworkSettings

    assert all((train, collect_by_search, CorrectedFolder, NetworkSettings))


def _import_training() -> None:
    import warnings

    import fastai.vision.all  # noqa: F401
    import matplotlib.pyplot  # noqa: F401
    import timm  # noqa: F401

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import mirror.training.build
        import mirror.training.metrics
        import mirror.training.recipe  # noqa: F401
    _import_collect()


def _import_studio() -> None:
    from mirror.web.studio import actions, state

    assert actions and state


def _import_model() -> None:
    from tests.web.tiny import tiny_model

    assert tiny_model


def _import_batch() -> None:
    import mirror.batch.job
    import mirror.cli
    import mirror.inference.classifier  # noqa: F401


KINDS = {
    "search": Kind(_import_collect, collect),
    "folder": Kind(_import_collect, collect),
    "recipe": Kind(_import_collect, collect),
    "training": Kind(_import_training, training),
    "compile": Kind(_import_training, mirror),
    "model": Kind(_import_model, model),
    "careless": Kind(lambda: None, careless),
    "decisions": Kind(_import_studio, decide),
    "batch": Kind(_import_batch, mirror),
}
