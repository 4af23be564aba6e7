"""What train.py prints of the photos and of the model."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from mirror.collect.corrections import CorrectedFolder
from mirror.collect.issue_files import SUSPECTS_CSV, issue_sentences, read_issues
from mirror.collect.metadata import Photo
from mirror.collect.splits import unvalidated_labels
from mirror.model_folder import ModelInfo
from mirror.terminal import sentence

FEW_HELD = 30  # photos held out, below which cross-validation says more: the interval of none wrong reaches 11 %


def say_counts(photos: CorrectedFolder, folds: int | None) -> None:
    rows = photos.photos
    counts = {label: sum(row.label == label for row in rows) for label in photos.labels}
    held = sum(row.split == "validation" for row in rows)
    listed = ", ".join(f"{count} {label}" for label, count in counts.items())
    judged = f"each is held out once, in {folds} folds" if folds else f"{held} of them are held out to judge by"
    print(f"{len(rows)} photos ({listed}); {judged}. Left out: {len(photos.rejected)}.")
    if max(counts.values()) > 2 * min(counts.values()):
        print("The labels differ in number; each weighs the same in training.")


def say_sides(rows: Sequence[Photo], source: str, folds: int | None) -> None:
    """What is not as one might expect about the photos that are held out."""
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


def say_result(model: Path, info: ModelInfo, folder: Path, photos: int, options: argparse.Namespace) -> None:
    """model: the model folder, as it was named; folder: of the `photos` photos. The last line is the summary."""
    from mirror.training.metrics import error_sentence

    issues = read_issues(model / SUSPECTS_CSV)
    for line in issue_sentences(issues, folder):
        print(sentence(line))
    if issues:
        print(f"  All of them: {model / SUSPECTS_CSV}; to go through them: python app.py --studio {folder}")
    print(f"See it: python app.py --models {options.models}")
    assert info.metrics  # a model that was just built has been judged
    validation = info.metrics.validation
    if options.folds:
        rest = photos - validation.photos
        never = f"; {rest} never were, for without them nothing shows their label" if rest else ""
        print(
            f"Cross-validated in {options.folds} folds: {validation.photos} photos were left out in turn and judged by "
            f"what had learned from the others{never}. The model has learned from all {photos}."
        )
    print(f"{model}: {error_sentence(validation)}")
