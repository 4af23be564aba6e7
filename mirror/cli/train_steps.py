"""The steps of train.py around the training: its photos, their sides, and what a person is told of them and of the
model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from shlex import quote

from mirror.cli.options import network_settings
from mirror.cli.train_options import model_name_argument
from mirror.collect.copies import LABELLED, NEAR_DUPLICATE, SEARCHED
from mirror.collect.corrections import CorrectedFolder
from mirror.collect.from_photo_list import Collected, is_split
from mirror.collect.issue_files import SUSPECTS_CSV, issue_sentences, read_issues
from mirror.collect.label_names import check_label
from mirror.collect.other_photos import Others, read_others
from mirror.collect.photo_records import VALIDATION, Photo
from mirror.collect.search_json import SEARCH_JSON, read_search
from mirror.collect.search_types import SearchTerm
from mirror.collect.splits import require_enough, unvalidated_labels
from mirror.errors import ImageError, UsageError, reasons_in_words
from mirror.images import example_picture
from mirror.metric_sentences import error_sentence, group_sentences
from mirror.model_folder import MOST_EXAMPLES
from mirror.model_schema import PHOTO_LIST, ModelInfo
from mirror.progress import ProgressBar
from mirror.terminal import say, sentence
from mirror.wording import count

FEW_HELD = 30  # photos held out, below which cross-validation says more: the interval of none wrong reaches 11 %


def collect(options: argparse.Namespace, name: str, terms: Sequence[SearchTerm]) -> Collected:
    """The photo folder, open, and what its photos came from. terms: of a search (`search_terms`)."""
    from mirror.collect import (
        collect_by_search,
        collect_from_folder,
        collect_from_photo_list,
        open_collected,
    )

    folder, network = Path("data") / name, network_settings(options)
    if options.collected:
        return open_collected(options.collected, options.models / name)
    if options.data:
        rule, bar = LABELLED.with_near(options.near_duplicates), ProgressBar("reading", "photo")
        photos = collect_from_folder(folder, options.data, copies=rule, follow=options.follow_links, progress=bar)
        return Collected(photos, "folder", (), options.license)
    if options.photos:
        photos = collect_from_photo_list(folder, options.photos, network=network).folder
        return Collected(photos, PHOTO_LIST, (), options.license, is_split(options.photos))
    from mirror.search_doctor.exclusions import read_judge

    rule, judge = SEARCHED.with_near(options.near_duplicates), read_judge(folder)
    if judge:
        print(judge)
    photos = collect_by_search(
        folder, terms, options.count, license=options.license, copies=rule, network=network, judge=judge
    )
    return Collected(photos, "search", tuple((term.label, term.query) for term in terms), options.license)


def split(collected: Collected, folds: int | None, hold_out: bool, seed: int) -> tuple[CorrectedFolder, bool]:
    """The photos as corrected by hand, each with its side, and whether the photos held out judge whatever is trained;
    what a person should know of them is said."""
    photos = CorrectedFolder(collected.folder)
    if photos.summary:
        print(photos.summary)
    require_enough(photos.photos, photos.rejected)
    rows = collected.folder.photos
    # The split of a photo list is part of it; one that holds out nothing says that it was cross-validated
    given = collected.split or any(row.split_given and row.split == VALIDATION for row in rows)
    if collected.source != PHOTO_LIST or not given:
        photos.assign_splits(seed)
    judge = not folds and (hold_out or given)
    if hold_out and given:
        print("The photos held out are those of the split that came with them: --hold-out chooses no others.")
    say_counts(photos, judge)
    say_sides(photos.photos, given, folds, judge)
    return photos, judge


def read_photos_of_none(directory: Path | None, own: Sequence[Photo]) -> Others | None:
    """The photos of --others, or None without it."""
    if directory is None:
        return None
    others = read_others(directory, own, progress=ProgressBar("reading others", "photo"))
    left_out = ", ".join(f"{count} {reason}" for reason, count in others.rejected.items())
    print(f"{directory}: {len(others.paths)} photos of none of the labels. Left out: {left_out or 'none'}.")
    return others


def example_pictures(directory: Path | None) -> dict[str, bytes] | None:
    """The pictures of --examples by name, small and without what a camera writes into them; None without it. Raises
    UsageError where there are none to show, or too many."""
    if directory is None:
        return None
    files = sorted(path for path in directory.glob("*") if path.is_file() and not path.name.startswith("."))
    found: dict[str, bytes] = {}
    for path in files[: MOST_EXAMPLES + 1]:
        try:
            name, number = path.stem, 1
            while name.casefold() in map(str.casefold, found):  # sea.png beside sea.jpg
                number += 1
                name = f"{path.stem} {number}"
            found[name] = example_picture(path)
        except ImageError as error:
            raise UsageError(f"--examples {directory}: {path.name} cannot be shown: {error}") from None
    if not 0 < len(found) <= MOST_EXAMPLES:
        raise UsageError(f"--examples {directory} must be a folder of 1 to {MOST_EXAMPLES} pictures.")
    return found


def model_name(options: argparse.Namespace, default: str) -> str:
    """The model's name: as given, else that of the folder of collected photos, else `default`."""
    if options.name or not options.collected:
        return options.name or default
    try:
        return model_name_argument(options.collected.resolve().name)
    except argparse.ArgumentTypeError:
        raise UsageError(f"The model made from --collected {options.collected} needs a name: give --name.") from None


def searches(options: argparse.Namespace) -> list[tuple[str, str]]:
    """(label, query) of the words and of --search; [] where there are none. Raises UsageError where they are of one
    label alone (which cannot be trained on), or photos are asked for from elsewhere as well."""
    sources = {"--data": options.data, "--photos": options.photos, "--collected": options.collected}
    other = next((name for name, value in {**sources, "--dataset": options.dataset}.items() if value), None)
    if options.words and other:
        raise UsageError(
            f"{options.words[0]!r} is searched for, and {other} takes photos from elsewhere: leave out one of the two."
        )
    terms = [label_and_query(text) for text in (*options.words, *(options.search or ()))]
    for label, _ in terms:
        check_label(label)
    _require_two_labels([label for label, _ in terms], options)
    return terms


def _require_two_labels(labels: Sequence[str], options: argparse.Namespace) -> None:
    if len(set(labels)) == 1 and not options.preview and not options.collect_only:
        raise UsageError(
            f"A model tells labels apart, and there is only {labels[0]!r}: give words for another, as in "
            "`python train.py apple pear`."
        )


def search_terms(options: argparse.Namespace, folder: Path, default: Sequence[str]) -> list[SearchTerm]:
    """What is searched for: as given; else the words that the photo folder has, whose count and licence are then put
    into `options` where none are given; else `default` (LABEL=QUERY). [] where photos come from elsewhere. Raises
    MirrorError."""
    given = [SearchTerm(query, label) for label, query in searches(options)]
    if given or options.data or options.photos or options.collected:
        return given
    found = read_search(folder)
    if found is None:
        return [SearchTerm(query, label) for label, query in map(label_and_query, default)]
    _require_two_labels([one.label for one in found.labels], options)
    if "--count" not in options.given:
        options.count = found.count
    if "--license" not in options.given:
        options.license = found.license
    words = ", ".join(f"{term.label}={quote(term.query)}" for term in found.terms)
    say(f"Going on with the words of {folder / SEARCH_JSON}: {words}.")
    return found.terms


def label_and_query(text: str) -> tuple[str, str]:
    """`pear=pear fruit` → ("pear", "pear fruit"); a bare word is both."""
    label, given, query = (part.strip() for part in text.partition("="))
    query = query if given else label
    if not label or not query:
        raise UsageError(f"--search {text!r} lacks a label or a query: write LABEL=QUERY, as in cygnet='baby swan'.")
    return label, query


def say_counts(photos: CorrectedFolder, held_out: bool) -> None:
    rows = photos.photos
    counts = {label: sum(row.label == label for row in rows) for label in photos.labels}
    held = sum(row.split == "validation" for row in rows)
    listed = ", ".join(f"{count} {label}" for label, count in counts.items())
    judged = f"{held} of them are held out to judge by" if held_out else "each is left out in turn to judge by"
    reasons = [row.reason for row in photos.rejected]
    print(f"{count(len(rows), 'photo')} ({listed}); {judged}. Left out: {reasons_in_words(reasons) or 'none'}.")
    if NEAR_DUPLICATE in reasons:
        print("What is nearly the same stays with --keep-near-duplicates.")
    if max(counts.values()) > 2 * min(counts.values()):
        print("The labels differ in number; each weighs the same in training.")


def say_sides(rows: Sequence[Photo], given: bool, folds: int | None, held_out: bool) -> None:
    """What is not as one might expect about the photos that are held out."""
    held = sum(row.split == VALIDATION for row in rows)
    if folds and given:
        print("The split that came with the photos is set aside: with --folds every photo is learned from.")
    if not held_out:
        return
    if not held:
        print("No photo can be held out, so the error is not measured: without --hold-out it is, by all in turn.")
        return
    if held < FEW_HELD:
        print(f"{held} photos are few to judge by: --folds 5 would judge by all {len(rows)}, and learn from them.")
    for label in unvalidated_labels(rows):
        print(f"{label}: all its photos hang together, so none can be held out: its error is not measured.")


def say_result(model: Path, info: ModelInfo, folder: Path, photos: int, options: argparse.Namespace) -> None:
    """model: the model folder, as it was named; folder: of the `photos` photos. The last line is the summary."""
    issues = read_issues(model / SUSPECTS_CSV)
    for line in issue_sentences(issues, folder):
        print(sentence(line))
    if issues:
        print(f"  All of them: {model / SUSPECTS_CSV}; to go through them: python app.py --studio {quote(str(folder))}")
    print(f"See it: python app.py --models {quote(str(options.models))}")
    assert info.metrics  # a model that was just built has been judged
    validation = info.metrics.validation
    for line in group_sentences(validation):
        print(line)
    if validation.folds:
        rest = photos - validation.photos
        never = f"; {rest} never were, for without them nothing shows their label" if rest else ""
        print(
            f"Cross-validated in {validation.folds} folds: {validation.photos} photos were left out in turn and judged "
            f"by what had learned from the others{never}. The model has learned from all {photos}."
        )
    print(f"{model}: {error_sentence(validation)}")
