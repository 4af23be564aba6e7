"""What a click or a key decides about the chosen photos, written to decisions.csv; and the sentence that says so."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mirror.collect.corrections import RELABEL, REMOVE, RESTORE, record_corrections, undo_last
from mirror.errors import UsageError
from mirror.images import example_picture
from mirror.model_folder import write_examples
from mirror.web.studio.state import Snapshot
from mirror.wording import count, plain

ACCEPT, KEEP, BACK, UNDO = "accept", "keep", "back", "undo"  # beside the actions of decisions.csv
EXAMPLES = "examples"  # which is no decision about a photo
MOST_CHOSEN = 4
ACTIONS = (RELABEL, REMOVE, ACCEPT, KEEP, BACK, UNDO)

NewCorrection = tuple[str, str, str]


def perform(folder: Path, snapshot: Snapshot, action: str, file_names: Sequence[str], label: str = "") -> str:
    """Writes down what was decided and says it in a sentence. Raises MirrorError where it cannot be.

    relabel, remove   as in decisions.csv
    accept            the label that the model suggests
    keep              the photo is right as it is: its own label confirmed, so that it is not asked about again
    back              as it was collected: restored, with its first label
    undo              whatever was decided last
    """
    if action == UNDO:
        undone = undo_last(folder)
        number = len({decision.file_name for decision in undone})
        return f"Taken back: {_sentence(undone[-1].action, number, undone[-1].label)}"
    if action not in ACTIONS:
        raise UsageError(f"{action!r} is nothing that the studio does.")
    unknown = next((name for name in file_names if name not in snapshot.photos), None)
    if unknown is not None:
        raise UsageError(f"There is no photo {unknown!r} in {folder}; load the page again.")
    names = dict.fromkeys(file_names)
    corrections = [line for name in names for line in _corrections(snapshot, action, name, label.strip())]
    if not corrections:
        return "There is nothing to accept here." if action == ACCEPT else "Choose a photo first."
    record_corrections(folder, corrections)
    return _sentence(action, len({name for name, _, _ in corrections}), label)


def choose_examples(model: Path, folder: Path, snapshot: Snapshot, file_names: Sequence[str]) -> str:
    """Makes these photos the pictures that the page offers to click, and says whose they must be. model: its folder.
    Raises MirrorError where that cannot be."""
    if not snapshot.info:
        raise UsageError("There is no model yet that could show them: train it first.")
    if not 0 < len(file_names) <= MOST_CHOSEN or not all(name in snapshot.photos for name in file_names):
        raise UsageError(f"Choose one to {MOST_CHOSEN} photos that the page shall offer to click.")
    photos = [snapshot.photos[name] for name in file_names]
    labels = [snapshot.folder_state.current_label(photo).label for photo in photos]
    pictures = {
        f"{_tile_name(label)} {number}": example_picture(photo.path(folder))
        for number, (photo, label) in enumerate(zip(photos, labels, strict=True), 1)
    }
    write_examples(model, pictures)
    return (
        f"The page offers {count(len(photos), 'photo')} to click now. Whoever can open it sees them: show none that is "
        "somebody else's, unless they allow it."
    )


def _tile_name(label: str) -> str:
    """A label as the name of a file, which the page shows below the picture."""
    return re.sub(r"[^\w -]+", " ", plain(label))[:40].strip() or "photo"


def _corrections(snapshot: Snapshot, action: str, name: str, label: str) -> list[NewCorrection]:
    current = snapshot.folder_state.current_label(snapshot.photos[name])
    if action == RELABEL:
        return [(name, RELABEL, label)]
    if action == REMOVE:
        return [(name, REMOVE, "")]
    if action == KEEP:
        return [(name, RELABEL, current.label)]
    if action == ACCEPT:
        suggested = [issue.suggested for issue in snapshot.issues if issue.file_name == name and issue.suggested]
        return [(name, RELABEL, suggested[0])] if suggested else []
    first = snapshot.photos[name].label
    relabelled = [(name, RELABEL, first)] if current.label != first else []
    return [(name, RESTORE, ""), *relabelled] if current.removed else relabelled


def _sentence(action: str, number: int, label: str) -> str:
    photos = count(number, "photo")
    sentences = {
        RELABEL: f"{photos} relabelled {plain(label)}.",
        REMOVE: f"{photos} removed; no file was deleted.",
        RESTORE: f"{photos} restored.",
        ACCEPT: f"{photos} relabelled as the model suggests.",
        KEEP: f"{photos} kept as labelled.",
        BACK: f"{photos} put back as collected.",
    }
    return sentences[action]
