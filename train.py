"""Two words → photos → a judged image classifier that app.py serves.

    python train.py                                                    # duckling or cygnet?
    python train.py --name fruit --search apple=apple --search pear="pear fruit" --search pear="pear on a tree"
    python train.py --name mine --data my_photos --folds 5             # my_photos/<label>/*.jpg, only a few of them
    python train.py --name again --photos models/mirror/photos.csv     # the very photos of a model
    python train.py --collected data/mirror                            # photos that lie there, as the studio left them
    python train.py --dataset fashion-mnist --name fashion             # ten kinds of garment, from scratch, in hours

Photos land in data/<name>/ with where each came from (metadata.csv) and why others were left out (rejected.csv), the
model in models/<name>/. Stopped at any moment, the same command goes on where it was.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from dataclasses import replace
from pathlib import Path

from mirror.cli.options import count, whole_number
from mirror.errors import MirrorError, UsageError, require_installed
from mirror.preparation import DATASETS, published_dataset
from mirror.terminal import Parser, guarded, sentence

NAME = "mirror"
SEARCH = ["cygnet=baby swan", "duckling=duckling"]  # "cygnet" alone also finds wool and whisky of that brand
COUNT = 100  # usable photos a label
ARCH = "resnet18"  # small, and enough for a few labels
SEED = 42
SIZE = 288  # px, of photos
NEEDED = ("torch", "torchvision", "fastai", "timm", "sklearn", "matplotlib", "onnx", "imagehash", "ddgs")
FEW_HELD = 30  # photos held out, below which cross-validation says more: the interval of none wrong reaches 11 %


def main(argv: list[str] | None = None) -> int:
    # fastai 2.8 compiles two activations with it when it is imported, which a person can do nothing about
    warnings.filterwarnings("ignore", message="`torch.jit.script", category=FutureWarning)
    try:
        options = parse(argv)
        with guarded():
            require_installed("Training", *NEEDED)
            run(options)
    except MirrorError as error:
        print(f"train.py: {sentence(error)}", file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print("train.py: stopped; the same command goes on from here.", file=sys.stderr)
        return 130
    return 0


def run(options: argparse.Namespace) -> None:
    """Collect → split → train → judge → export."""
    if options.dataset:
        return published_dataset(options.dataset).train(options)
    from mirror.net.fetch import NetworkSettings

    name, folder = named(options), options.collected or Path("data") / named(options)
    if options.proxy:  # for the weights, which torch and Hugging Face fetch themselves
        os.environ["HTTPS_PROXY"] = os.environ["HTTP_PROXY"] = options.proxy
    if options.others:
        from mirror.collect.others import find_others

        find_others(options.others)  # says so at once where there is nothing to use, not after the search
    network = NetworkSettings(
        proxy=options.proxy, insecure=options.insecure, allow_private_hosts=options.allow_private_hosts
    )
    photos, source, queries = collect(options, folder, network)
    with photos:
        from mirror.collect.corrections import CorrectedFolder
        from mirror.collect.splits import require_enough

        decided = CorrectedFolder(photos)
        if decided.summary:
            print(decided.summary)
        require_enough(decided.photos)
        # With folds there are no sides, and a recipe's split is part of it
        if not options.folds and not (source == "recipe" and all(photo.split for photo in photos.photos)):
            decided.assign_splits(options.seed)
        rows = decided.photos
        say_counts(decided, options.folds)
        say_sides(rows, source, options.folds)
        others = read_photos_of_none(options.others, rows)

        # torch and fastai take seconds to import: not before they are needed
        from mirror.training.build import build_model, describe_data
        from mirror.training.metrics import error_sentence
        from mirror.training.recipe import TrainingSettings, train

        size, epochs = options.size or SIZE, options.epochs
        settings = TrainingSettings(
            options.arch, options.weights, size, epochs=epochs, seed=options.seed, folds=options.folds
        )
        trained = train(rows, folder, settings)
        data = describe_data(decided, source, queries, options.license)
        data = replace(data, relabelled=decided.relabelled, removed=decided.removed)
        path = options.models / name
        shipping = {"precision": options.precision, "show_photos": not options.no_photos_in_report, "others": others}
        shipping["keep_pickle"] = not options.no_pickle
        model = build_model(trained, folder, path, data, settings, **shipping)
    say_suspects(path, folder)
    print(f"See it: python app.py --models {options.models}")
    if options.folds:
        judged, rest = model.info.metrics.validation.photos, len(rows) - model.info.metrics.validation.photos
        never = f"; {rest} never were, for without them nothing shows their label" if rest else ""
        print(
            f"Cross-validated in {options.folds} folds: {judged} photos were left out in turn and judged by what had "
            f"learned from the others{never}. The model has learned from all {len(rows)}."
        )
    print(f"{path}: {error_sentence(model.info.metrics.validation)}")


def collect(options: argparse.Namespace, folder: Path, network):
    """The photo folder, what its photos came from, and the (label, query) pairs."""
    from mirror.collect import (
        SearchTerm,
        collect_by_search,
        collect_from_folder,
        collect_from_photo_list,
        open_collected,
    )
    from mirror.progress import ProgressBar

    if options.data:
        return collect_from_folder(folder, options.data, progress=ProgressBar("reading", "photo")), "folder", ()
    if options.photos:
        return collect_from_photo_list(folder, options.photos, network=network).folder, "recipe", ()
    if options.collected:
        found = open_collected(folder, options.models / named(options))
        options.license = found.license_filter
        return found.folder, found.source, found.queries
    terms = [SearchTerm(query, label) for label, query in map(label_and_query, options.search or SEARCH)]
    photos = collect_by_search(folder, terms, options.count, license=options.license, network=network)
    return photos, "search", [(term.label, term.query) for term in terms]


def named(options: argparse.Namespace) -> str:
    """The model's name: as given, else that of the folder of collected photos, else NAME."""
    if options.name or not options.collected:
        return options.name or NAME
    try:
        return folder_name(options.collected.resolve().name)
    except argparse.ArgumentTypeError:
        raise UsageError(f"The model made from --collected {options.collected} needs a name: give --name.") from None


def read_photos_of_none(directory: Path | None, own):
    """The photos of --others, or None without it."""
    if directory is None:
        return None
    from mirror.collect.others import read_others
    from mirror.progress import ProgressBar

    others = read_others(directory, own, progress=ProgressBar("reading others", "photo"))
    left = ", ".join(f"{count} {reason}" for reason, count in others.rejected.items())
    print(f"{directory}: {len(others.paths)} photos of none of the labels. Left out: {left or 'none'}.")
    return others


def label_and_query(text: str) -> tuple[str, str]:
    """`pear=pear fruit` → ("pear", "pear fruit"); a bare word is both."""
    label, given, query = (part.strip() for part in text.partition("="))
    query = query if given else label
    if not label or not query:
        raise UsageError(f"--search {text!r} lacks a label or a query: write LABEL=QUERY, as in cygnet='baby swan'.")
    return label, query


def say_counts(photos, folds: int | None) -> None:
    rows = photos.photos
    counts = {label: sum(row.label == label for row in rows) for label in photos.labels}
    held = sum(row.split == "validation" for row in rows)
    listed = ", ".join(f"{count} {label}" for label, count in counts.items())
    judged = f"each is held out once, in {folds} folds" if folds else f"{held} of them are held out to judge by"
    print(f"{len(rows)} photos ({listed}); {judged}. Left out: {len(photos.rejected)}.")
    if max(counts.values()) > 2 * min(counts.values()):
        print("The labels differ in number; each weighs the same in training.")


def say_sides(rows, source: str, folds: int | None) -> None:
    """What is not as one might expect about the photos that are held out."""
    from mirror.collect.splits import unvalidated_labels

    given = source == "recipe" or any(row.split_given for row in rows)
    held = sum(row.split == "validation" for row in rows)
    if folds and given and held:
        print("The split that came with the photos is set aside: with --folds every photo is learned from.")
    if folds:
        return
    if not held:
        print("No photo is held out, so the error is not measured: add --folds 5 to measure it by all of them in turn.")
        return
    if held < FEW_HELD:
        print(f"{held} photos are few to judge by: --folds 5 would judge by all {len(rows)}, and learn from them.")
    for label in unvalidated_labels(rows):
        print(f"{label}: all its photos hang together, so none can be held out: its error is not measured.")


def say_suspects(model: Path, folder: Path) -> None:
    from mirror.collect.issue_files import SUSPECTS_CSV, issue_sentences, read_issues

    suspects = read_issues(model / SUSPECTS_CSV)
    for line in issue_sentences(suspects, folder):
        print(sentence(line))
    if suspects:
        print(f"  All of them: {model / SUSPECTS_CSV}; to go through them: python app.py --studio {folder}")


def parse(argv: list[str] | None) -> argparse.Namespace:
    parser = Parser(prog="train.py", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--name", type=folder_name, help=f"of the model and its photo folder (default: {NAME})")
    words = parser.add_argument_group("photos")
    where = words.add_mutually_exclusive_group()
    where.add_argument(
        "--search", action="append", metavar="LABEL=QUERY",
        help=f"words to search for and the label of what is found; repeat it, also for one label (default: {SEARCH})",
    )  # fmt: skip
    where.add_argument("--data", type=Path, metavar="DIR", help="a folder of label folders, instead of searching")
    where.add_argument("--photos", type=Path, metavar="CSV", help="a model's photos.csv: fetch exactly those again")
    where.add_argument(
        "--collected", type=Path, metavar="DIR",
        help="a photo folder that this command made, as it lies there, with the decisions made in the studio",
    )  # fmt: skip
    where.add_argument(
        "--dataset", choices=tuple(DATASETS),
        help="a published set instead: a network is trained on it from random weights (default name: fashion)",
    )  # fmt: skip
    add = words.add_argument
    add("--count", type=count, default=COUNT, help="usable photos of each label (default: %(default)s)")
    add("--license", metavar="NAME", help="only photos listed under it: any, Public, Share, Modify, …Commercially")
    add("--others", type=Path, metavar="DIR", help="photos of none of the labels: it learns to say so of such")
    add("--proxy", metavar="URL", help="fetch everything through this proxy (default: HTTPS_PROXY)")
    add("--insecure", action="store_true", help="do not verify TLS certificates, for proxies that intercept them")
    add("--allow-private-hosts", action="store_true", help="also fetch from your own network, even through a proxy")
    add = parser.add_argument_group("training").add_argument
    add("--arch", default=ARCH, help="a torchvision or timm model (default: %(default)s)")
    add("--weights", type=Path, metavar="FILE", help="its pretrained weights (default: cache, package or download)")
    add("--size", type=count, help=f"side of the network's input in pixels (default: {SIZE}, of a --dataset 112)")
    add("--epochs", type=whole_number(0), metavar="N",
        help="fine-tune the whole network for at most N epochs (default: 5 from 1,000 photos up, else only its head; "
        "of a --dataset exactly N, by default 30)",
    )  # fmt: skip
    add("--folds", type=whole_number(2), metavar="K",
        help="learn from every photo, and measure the error by leaving each out once, in K folds: for small sets",
    )  # fmt: skip
    add("--seed", type=whole_number(0), default=SEED,
        help="of the split, the views and the training (default: %(default)s)",
    )  # fmt: skip
    add = parser.add_argument_group("model").add_argument
    add("--models", type=Path, default=Path("models"), metavar="DIR", help="where models live (default: %(default)s)")
    add("--precision", choices=("auto", "fp32", "int8"), default="auto",
        help="of the network: auto is int8 where it answers as float32 does, else fp32 (default: %(default)s)",
    )  # fmt: skip
    add("--no-pickle", action="store_true", help="leave learner.pkl out of the model folder: 45 MB less to publish")
    add("--no-photos-in-report", action="store_true", help="copy no photo into the model folder, for publishing it")
    return parser.parse_args(argv)


def folder_name(text: str) -> str:
    if not text or text in (".", "..") or text.startswith(".") or any(c in text for c in '/\\:*?"<>|\0'):
        raise argparse.ArgumentTypeError(f"{text!r} is no folder name")
    return text


if __name__ == "__main__":
    raise SystemExit(main())
