"""Options of train.py → the photos that a model is trained on."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mirror.cli.train_messages import say_counts, say_sides
from mirror.cli.train_options import folder_name
from mirror.collect.corrections import CorrectedFolder
from mirror.collect.from_photo_list import Collected
from mirror.collect.metadata import Photo
from mirror.collect.others import Others, find_others, read_others
from mirror.collect.splits import require_enough
from mirror.errors import UsageError
from mirror.net.fetch import NetworkSettings
from mirror.progress import ProgressBar


def collect(options: argparse.Namespace, name: str, search: Sequence[str]) -> Collected:
    """The photo folder, open, and what its photos came from. search: LABEL=QUERY, where no option says otherwise."""
    from mirror.collect import (
        SearchTerm,
        collect_by_search,
        collect_from_folder,
        collect_from_photo_list,
        open_collected,
    )

    folder = Path("data") / name
    network = NetworkSettings(
        proxy=options.proxy, insecure=options.insecure, allow_private_hosts=options.allow_private_hosts
    )
    if options.collected:
        return open_collected(options.collected, options.models / name)
    if options.data:
        photos = collect_from_folder(folder, options.data, progress=ProgressBar("reading", "photo"))
        return Collected(photos, "folder", (), options.license)
    if options.photos:
        photos = collect_from_photo_list(folder, options.photos, network=network).folder
        return Collected(photos, "recipe", (), options.license)
    terms = [SearchTerm(query, label) for label, query in map(label_and_query, options.search or search)]
    photos = collect_by_search(folder, terms, options.count, license=options.license, network=network)
    return Collected(photos, "search", tuple((term.label, term.query) for term in terms), options.license)


def split(collected: Collected, folds: int | None, seed: int) -> CorrectedFolder:
    """The photos as corrected by hand, each with its side; what a person should know of them is said."""
    photos = CorrectedFolder(collected.folder)
    if photos.summary:
        print(photos.summary)
    require_enough(photos.photos)
    # With folds there are no sides, and a recipe's split is part of it
    if not folds and not (collected.source == "recipe" and all(photo.split for photo in collected.folder.photos)):
        photos.assign_splits(seed)
    say_counts(photos, folds)
    say_sides(photos.photos, collected.source, folds)
    return photos


def find_others_early(directory: Path | None) -> None:
    """Says so at once where --others has nothing to use, not after the search."""
    if directory:
        find_others(directory)


def read_photos_of_none(directory: Path | None, own: Sequence[Photo]) -> Others | None:
    """The photos of --others, or None without it."""
    if directory is None:
        return None
    others = read_others(directory, own, progress=ProgressBar("reading others", "photo"))
    left_out = ", ".join(f"{count} {reason}" for reason, count in others.rejected.items())
    print(f"{directory}: {len(others.paths)} photos of none of the labels. Left out: {left_out or 'none'}.")
    return others


def model_name(options: argparse.Namespace, default: str) -> str:
    """The model's name: as given, else that of the folder of collected photos, else `default`."""
    if options.name or not options.collected:
        return options.name or default
    try:
        return folder_name(options.collected.resolve().name)
    except argparse.ArgumentTypeError:
        raise UsageError(f"The model made from --collected {options.collected} needs a name: give --name.") from None


def label_and_query(text: str) -> tuple[str, str]:
    """`pear=pear fruit` → ("pear", "pear fruit"); a bare word is both."""
    label, given, query = (part.strip() for part in text.partition("="))
    query = query if given else label
    if not label or not query:
        raise UsageError(f"--search {text!r} lacks a label or a query: write LABEL=QUERY, as in cygnet='baby swan'.")
    return label, query
