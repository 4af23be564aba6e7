"""Two words → photos → a judged image classifier that app.py serves.

    python train.py                                                    # duckling or cygnet?
    python train.py apple pear --name fruit                            # apple or pear?
    python train.py --name fruit --search apple=apple --search pear="pear fruit" --search pear="pear on a tree"
    python train.py --name fruit --preview apple pear                  # what a search finds, before it is collected
    python train.py --name fruit --collect-only apple pear             # the photos alone
    python train.py --name fruit                                       # goes on with the words of data/fruit
    python train.py --name mine --data my_photos                       # my_photos/<label>/*.jpg
    python train.py --name again --photos models/fruit/photos.csv      # the very photos of a model
    python train.py --collected data/mirror                            # photos that lie there, as the studio left them
    python train.py --dataset fashion-mnist --name fashion             # ten kinds of garment, from scratch, in hours

Photos land in data/<name>/ with where each came from (metadata.csv) and why others were left out (rejected.csv), the
model in models/<name>/. Stopped at any moment, the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

from mirror.cli.exit_codes import ended
from mirror.cli.options import reach_libraries, require_used
from mirror.cli.train_options import add_options, require_followed, uses
from mirror.defaults import COUNT, TRAINING
from mirror.errors import require_installed
from mirror.preparation import published_dataset
from mirror.progress import working
from mirror.terminal import Parser
from mirror.training.architectures import AUTO

# What is asked for where no option says otherwise; the recipe's own settings: mirror/training/settings.py
NAME = "mirror"  # of the model, and of its photo folder
SEARCH = ("cygnet=baby swan", "duckling=duckling")  # "cygnet" alone also finds wool and whisky of that brand
ARCH = "resnet18"  # small, and enough for a few labels
SIZE = 288  # px: a little above the 224 of pretraining (Touvron et al. 2019, arXiv 1906.06423)
SEED = 42
PRECISION = "auto"  # int8 where it answers as float32 does, two to four times as fast


def recipe(options: argparse.Namespace) -> None:
    """Collect → split → train → judge → export."""
    from mirror.cli.train_checks import check_given, finished
    from mirror.cli.train_preview import mark_excluded
    from mirror.cli.train_steps import (
        collect,
        example_pictures,
        model_name,
        read_photos_of_none,
        say_result,
        search_terms,
        split,
    )
    from mirror.model_folder import write_examples

    name = model_name(options, NAME)
    terms = search_terms(options, Path("data", name), SEARCH)
    check_given(options, name)
    mark_excluded(options, Path("data", name))
    examples = example_pictures(options.examples)
    # torch and fastai take seconds to import, but what cannot be trained is to be said before any photo is collected
    with working("Loading torch and fastai"):
        import fastai.vision.learner  # noqa: F401

        from mirror.training.backbone_choice import choose, names_at_hand
        from mirror.training.backbones import find_backbone

    names = names_at_hand() if options.arch == AUTO else []
    backbone = None if names else find_backbone(options.arch, options.weights, options.size, SIZE)
    collected = collect(options, name, terms)
    with collected.folder as folder:
        photos, hold_out = split(collected, options.folds, options.hold_out, options.seed)
        path = options.models / name
        others = read_photos_of_none(options.others, photos.photos)

        from mirror.training.build import build_model
        from mirror.training.photo_model import PhotoModel, describe_data
        from mirror.training.recipe import train
        from mirror.training.settings import TrainingSettings

        if backbone is None:
            given = TrainingSettings(folds=options.folds, seed=options.seed)
            backbone = choose(names, photos.photos, folder.path, given, options.size, SIZE)
        settings = TrainingSettings(
            arch=backbone.architecture.name, weights=options.weights, size=backbone.size,
            epochs=options.epochs, minutes=options.minutes, folds=options.folds, hold_out=hold_out, seed=options.seed,
        )  # fmt: skip
        made = finished(path, photos, settings, options)
        if made:
            if examples:
                write_examples(path, examples)
            print(f"{path} is made of these photos by these options already: --again trains it anew.")
            return say_result(path, made, folder.path, len(photos.photos), options)
        if path.exists():
            print(f"{path} is there already: it stays until the new one takes its place.")
        trained = train(photos.photos, folder.path, settings, backbone=backbone)
        data = describe_data(photos, collected.source, collected.queries, collected.license_filter)
        content = PhotoModel(trained, folder.path, data, settings, not options.no_photos_in_report, others)
        model = build_model(content, path, precision=options.precision, keep_pickle=not options.no_pickle)
        if examples:
            write_examples(path, examples)
    say_result(path, model.info, folder.path, len(photos.photos), options)


def run(options: argparse.Namespace) -> int:
    """Trains as the options say, and returns the exit code. Raises MirrorError."""
    with working("Starting", log=None):
        from mirror.cli.train_checks import MODEL_BYTES
        from mirror.cli.train_steps import searches
        from mirror.folders import require_room
        from mirror.net.guard import check_environment

    searches(options)  # says so where they contradict each other
    if not options.dataset:
        require_used(options, uses(options))
    if options.preview and not options.dataset:
        from mirror.cli.train_preview import preview_searches

        return preview_searches(options, NAME, SEARCH)
    if options.collect_only and not options.dataset:
        from mirror.cli.train_collect import collect_photos

        return collect_photos(options, NAME, SEARCH)
    require_installed("Training", *TRAINING)
    # fastai 2.8 compiles two activations with it when it is imported, which a person can do nothing about
    warnings.filterwarnings("ignore", message="`torch.jit.script", category=FutureWarning)
    reach_libraries(options)
    check_environment()
    dataset = published_dataset(options.dataset or "")
    if dataset:
        require_followed(options, dataset)
        require_room(options.models, MODEL_BYTES, " by --models")
        dataset.train(options)
    else:
        recipe(options)
    return 0


def main(arguments: list[str] | None = None) -> int:
    """`python train.py`. Errors are one sentence on standard error."""
    return ended(lambda: run(parse(arguments)), "train.py: ", "stopped; the same command goes on from here.")


def parse(arguments: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="train.py", description=__doc__)
    return _with_options(parser).parse_args(arguments)


def add(commands: argparse._SubParsersAction) -> None:
    """`python -m mirror train`, which is the same."""
    command = commands.add_parser("train", help="make a model of words", description=__doc__)
    _with_options(command).set_defaults(run=run)


def _with_options(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    add_options(parser, name=NAME, search=SEARCH, size=SIZE)
    parser.set_defaults(count=COUNT, arch=ARCH, seed=SEED, precision=PRECISION)
    return parser
