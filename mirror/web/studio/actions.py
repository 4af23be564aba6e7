"""What a click or a key decides about the chosen photos, written to decisions.csv; and the sentence that says so."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mirror.collect.corrections import RELABEL, REMOVE, RESTORE, record_corrections, undo_last
from mirror.collect.issue_files import PhotoIssue
from mirror.errors import UsageError
from mirror.web.studio.state import Snapshot
from mirror.wording import count, plain

ACCEPT, KEEP, BACK, UNDO = "accept", "keep", "back", "undo"  # beside the actions of decisions.csv
DEEDS = (RELABEL, REMOVE, ACCEPT, KEEP, BACK, UNDO)

Choice = tuple[str, str, str]


def perform(folder: Path, scene: Snapshot, deed: str, file_names: Sequence[str], label: str = "") -> str:
    """Writes down what was decided and says it in a sentence. Raises MirrorError where it cannot be.

    relabel, remove   as in decisions.csv
    accept            the label that the model suggests
    keep              the photo is right as it is: its own label confirmed, so that it is not asked about again
    back              as it was collected: restored, with its first label
    undo              whatever was decided last
    """
    if deed == UNDO:
        taken_back = undo_last(folder)
        number = len({decision.file_name for decision in taken_back})
        return f"Taken back: {_said(taken_back[-1].action, number, taken_back[-1].label)}"
    if deed not in DEEDS:
        raise UsageError(f"{deed!r} is nothing that the studio does.")
    unknown = next((name for name in file_names if name not in scene.photos), None)
    if unknown is not None:
        raise UsageError(f"There is no photo {unknown!r} in {folder}; load the page again.")
    choices = [choice for name in dict.fromkeys(file_names) for choice in _choices(scene, deed, name, label.strip())]
    if not choices:
        return "There is nothing to accept here." if deed == ACCEPT else "Choose a photo first."
    record_corrections(folder, choices)
    return _said(deed, len({name for name, _, _ in choices}), label)


def _choices(scene: Snapshot, deed: str, name: str, label: str) -> list[Choice]:
    standing = scene.reading.current_label(scene.photos[name])
    if deed == RELABEL:
        return [(name, RELABEL, label)]
    if deed == REMOVE:
        return [(name, REMOVE, "")]
    if deed == KEEP:
        return [(name, RELABEL, standing.label)]
    if deed == ACCEPT:
        suggested = _suggestion(scene.suspects, name)
        return [(name, RELABEL, suggested)] if suggested else []
    first = scene.photos[name].label
    relabelled = [(name, RELABEL, first)] if standing.label != first else []
    return [(name, RESTORE, ""), *relabelled] if standing.removed else relabelled


def _suggestion(suspects: Sequence[PhotoIssue], name: str) -> str:
    return next((one.suggested for one in suspects if one.file_name == name and one.suggested), "")


def _said(deed: str, number: int, label: str) -> str:
    photos = count(number, "photo")
    told = {
        RELABEL: f"{photos} relabelled {plain(label)}.",
        REMOVE: f"{photos} removed; no file was deleted.",
        RESTORE: f"{photos} restored.",
        ACCEPT: f"{photos} relabelled as the model suggests.",
        KEEP: f"{photos} kept as labelled.",
        BACK: f"{photos} put back as collected.",
    }
    return told[deed]
