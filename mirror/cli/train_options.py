"""The options of train.py."""

from __future__ import annotations

import argparse
import math
from collections.abc import Sequence
from pathlib import Path

from mirror.cli.options import Use, count, whole_number
from mirror.defaults import EPOCHS, FOLDS, SEEDS, SIZES
from mirror.errors import UsageError
from mirror.folders import why_no_folder
from mirror.preparation import DATASETS, PublishedDataset, published_dataset
from mirror.training.architectures import AUTO

MOST_MINUTES = 60 * 24 * 30


def _is_search(options: argparse.Namespace) -> bool:
    return not (options.data or options.photos or options.collected)


OF_A_SEARCH = Use("a search, and these photos come from elsewhere", _is_search)
OF_NEW_PHOTOS = Use("a search or --data", lambda options: _is_search(options) or options.data)
USES = {  # without --dataset, whose recipe says itself what it follows
    "--count": OF_A_SEARCH,
    "--license": OF_A_SEARCH,
    "--preview": OF_A_SEARCH,
    "--collect-only": Use("photos that are yet to be collected", lambda options: not options.collected),
    "--exclude": OF_A_SEARCH,
    "--keep-near-duplicates": OF_NEW_PHOTOS,
    "--drop-near-duplicates": OF_NEW_PHOTOS,
    "--follow-links": Use("--data", lambda options: options.data),
    "--allow-private-hosts": Use("photos that are fetched", lambda options: _is_search(options) or options.photos),
    "--weights": Use(
        "one network, and --arch auto tries several", lambda options: options.arch != AUTO, "or name the one by --arch"
    ),
    "--minutes": Use("as many epochs as pay, and --epochs says how many", lambda options: options.epochs is None),
}

OF_BOTH = Use("collecting and training, and --preview does neither", lambda options: not options.preview)
OF_TRAINING = Use("training, and --collect-only ends before it", lambda options: not options.collect_only)
_TRAINING = (
    "--others", "--arch", "--weights", "--size", "--epochs", "--minutes", "--folds", "--hold-out", "--seed", "--models",
    "--precision", "--again", "--no-pickle", "--examples", "--no-photos-in-report",
)  # fmt: skip
PREVIEW_USES = dict.fromkeys(
    ("--count", "--keep-near-duplicates", "--drop-near-duplicates", "--collect-only", *_TRAINING), OF_BOTH
)
COLLECT_USES = dict.fromkeys(_TRAINING, OF_TRAINING)


def add_options(parser: argparse.ArgumentParser, *, name: str, search: Sequence[str], size: int) -> None:
    """name, search, size: what is taken where they are not given."""
    add = parser.add_argument
    add("--name", type=model_name_argument, help=f"of the model and its photo folder (default: {name})")
    words = parser.add_argument_group("photos")
    words.add_argument(
        "words", nargs="*", default=[], metavar="WORD",
        help="search for it, and call what is found by it: apple pear is --search apple --search pear; without any, a "
        "photo folder goes on with the words that it was last searched with",
    )  # fmt: skip
    where = words.add_mutually_exclusive_group()
    where.add_argument(
        "--search", action="append", metavar="LABEL=QUERY",
        help="words to search for and the label of what is found; repeat it, also for one label "
        f"(default: those of the photo folder, else {list(search)})",
    )  # fmt: skip
    where.add_argument("--data", type=Path, metavar="DIR", help="a folder of label folders, instead of searching")
    where.add_argument("--photos", type=Path, metavar="CSV", help="a model's photos.csv: fetch exactly those again")
    where.add_argument(
        "--collected", type=Path, metavar="DIR",
        help="a photo folder that this command made, as it lies there, with the decisions made in the studio",
    )  # fmt: skip
    where.add_argument(
        "--dataset",
        choices=tuple(DATASETS),
        help="a published set instead: a network is trained on it from random weights "
        f"(default name: {', '.join(dataset.model for dataset in _datasets())})",
    )
    add = words.add_argument
    add("--count", type=count,
        help="usable photos of each label (default: as many as the photo folder was last asked for, else %(default)s)",
    )  # fmt: skip
    add("--license", metavar="NAME", help="only photos listed under it: any, Public, Share, Modify, …Commercially")
    add("--preview", action="store_true",
        help="collect and train nothing: look at the first hits of each search, grouped by what they show, as a sheet "
        "of pictures (data/NAME/preview.html) and a table that says what is off topic, and which words find less of it",
    )  # fmt: skip
    add(
        "--exclude", action="append", metavar="LABEL=GROUP",
        help="leave out photos like a group that --preview showed, by its word or number, or all that it found off "
        "topic: cygnet=wool, cygnet=3, cygnet=off-topic; it holds until another --exclude or --preview",
    )  # fmt: skip
    add("--collect-only", action="store_true",
        help="collect the photos and end there; stopped or killed, the same command goes on, and a larger --count "
        "collects more",
    )  # fmt: skip
    copies = words.add_mutually_exclusive_group()
    copies.add_argument(
        "--keep-near-duplicates", action="store_true", dest="near_duplicates", default=None,
        help="keep photos that look nearly like another one (default with --data: frames of one camera do, and are "
        "kept on one side of the split)",
    )  # fmt: skip
    copies.add_argument(
        "--drop-near-duplicates", action="store_false", dest="near_duplicates", default=None,
        help="of photos that look nearly alike keep one (default with a search, which finds a photo at many places)",
    )  # fmt: skip
    add("--follow-links", action="store_true", help="with --data: read links that lead out of it, to photos or folders")
    add("--others", type=Path, metavar="DIR", help="photos of none of the labels: it learns to say so of such")
    add("--proxy", metavar="URL", help="fetch everything through this proxy (default: HTTPS_PROXY)")
    add("--insecure", action="store_true", help="do not verify TLS certificates, for proxies that intercept them")
    add("--allow-private-hosts", action="store_true", help="also fetch from your own network, even through a proxy")
    add = parser.add_argument_group("training").add_argument
    add("--arch", metavar="NAME",
        help="a torchvision or timm model, or auto: of those at hand the best for these photos (default: %(default)s)",
    )  # fmt: skip
    add("--weights", type=Path, metavar="FILE", help="its pretrained weights (default: cache, package or download)")
    sizes = ", ".join(str(dataset.size) for dataset in _datasets())
    epochs = ", ".join(str(dataset.epochs) for dataset in _datasets())
    add(
        "--size",
        type=whole_number(*SIZES),
        help=f"side of the network's input in pixels (default: {size}, of a --dataset {sizes})",
    )
    add("--epochs", type=whole_number(*EPOCHS), metavar="N",
        help="fine-tune the last layers for exactly N epochs, 0: only fit a new last one (default: as many as pay "
        f"and there is time for, which is said; of a --dataset {epochs})",
    )  # fmt: skip
    add("--minutes", type=minutes, metavar="M",
        help="that fine-tuning may take (default: what fastai's fine_tune(5) would take, at most an hour)",
    )  # fmt: skip
    judging = parser.add_mutually_exclusive_group()
    judging.add_argument(
        "--folds", type=whole_number(*FOLDS), metavar="K",
        help="measure the error by leaving each photo out once, in K folds, and learn from all (default: 5 folds where "
        "only the head is trained and no split came with the photos; with fine-tuning it takes K times as long)",
    )  # fmt: skip
    judging.add_argument(
        "--hold-out",
        action="store_true",
        help="measure the error by a fifth of the photos instead, which are not learned from",
    )
    add("--seed", type=whole_number(*SEEDS), help="of the split, the views and the training (default: %(default)s)")
    add = parser.add_argument_group("model").add_argument
    add("--models", type=Path, default=Path("models"), metavar="DIR", help="where models live (default: %(default)s)")
    add("--precision", choices=("auto", "fp32", "int8"), 
        help="of the network: auto is int8 where it answers as float32 does, else fp32 (default: %(default)s)",
    )  # fmt: skip
    add("--again", action="store_true", help="train anew where the model is made of these photos and options already")
    add("--no-pickle", action="store_true", help="leave learner.pkl out of the model folder: 45 MB less to publish")
    add("--examples", type=Path, metavar="DIR",
        help="pictures that the page shows to click: whoever opens it sees them, so give those that you may show",
    )  # fmt: skip
    add("--no-photos-in-report", action="store_true", help="copy no photo into the model folder, for publishing it")


def uses(options: argparse.Namespace) -> dict[str, Use]:
    """What each option is for where no published set is trained on."""
    return USES | (COLLECT_USES if options.collect_only else {}) | (PREVIEW_USES if options.preview else {})


def require_followed(options: argparse.Namespace, dataset: PublishedDataset) -> None:
    """Raises UsageError where an option is given that the recipe of a published set does not follow."""
    followed = {"--dataset", *(f"--{name.replace('_', '-')}" for name in dataset.options)}
    for option in sorted(options.given - followed):
        raise UsageError(f"--dataset {dataset.name} is trained by a recipe of its own: leave out {option}.")


def _datasets() -> list[PublishedDataset]:
    return [dataset for name in DATASETS if (dataset := published_dataset(name))]


def minutes(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= MOST_MINUTES:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of minutes from 0 to {MOST_MINUTES:,}")
    return value


def model_name_argument(text: str) -> str:
    if advice := why_no_folder(text):
        raise argparse.ArgumentTypeError(f"{text[:60]!r} is no folder name: {advice}")
    return text
