"""preview.json of a photo folder: what a preview found, the groups that are not to be collected, and who judges by it.

    write_preview(folder, found, embedder)        what `train.py --preview` leaves beside the sheet; what was excluded
                                                  stays so, by what it shows
    read_preview(folder)                          the same again, for a page; None where there is none
    exclude(folder, [("cygnet", "wool")])         `--exclude cygnet=wool`, or a click in a page
    judge = read_judge(folder)                    None where nothing is excluded
    judge("cygnet", jpeg)                         (reason, detail) for rejected.csv, or None

A photo belongs to the group whose centre it is most similar to. The same file gives the same verdicts, so that a
collection that is continued judges as it did.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mirror.collect.photo_records import Rejection, writing
from mirror.collect.search_types import EXCLUDED
from mirror.errors import DatasetError, ModelFolderError, UsageError
from mirror.search_doctor.hits_preview import HitGroup, Preview, QueryResult
from mirror.search_doctor.image_embedding import Embedder
from mirror.storage import parse_json, read_file, write_atomically
from mirror.typed_json import MAX_TEXT, Count, List, Number, Record, Share, decode, encode
from mirror.wording import listed

PREVIEW_JSON = "preview.json"
OFF_TOPIC = "off-topic"  # in place of a group's name: all that were found to be
MAX_BYTES = 64 << 20
MOST_LETTERS = 300  # of a title


@dataclass(frozen=True)
class StoredHit(Record):
    """picture: a small JPEG in Base64; page: the address of the page that it stands on."""

    picture: str
    title: str = ""
    page: str = ""


@dataclass(frozen=True)
class StoredGroup(Record):
    """centre: [D] float16, little-endian, in Base64; hits: to be shown."""

    number: Count
    name: str
    share: Share
    agreement: Number
    off_topic: bool
    centre: str
    excluded: bool = False
    hits: List[StoredHit] = ()


@dataclass(frozen=True)
class StoredQuery(Record):
    """off_topic, tried, among, between: as hits_preview.QueryResult has them."""

    query: str
    hits: Count
    seen: Count
    off_topic: Share | None = None
    tried: bool = False
    among: Number | None = None
    between: Number | None = None


@dataclass(frozen=True)
class StoredLabel(Record):
    """better: words that find less off topic, "" where none of those tried do."""

    label: str
    groups: List[StoredGroup]
    queries: List[StoredQuery] = ()
    better: str = ""


@dataclass(frozen=True)
class Likeness(Record):
    """Two labels whose hits look alike; share: how much (1: no difference is seen)."""

    label: str
    other: str
    share: Number


@dataclass(frozen=True)
class StoredPreview(Record):
    """network: the sha256 of that whose features the centres are made of."""

    network: str
    labels: List[StoredLabel]
    alike: List[Likeness] = ()


def write_preview(
    folder: Path, found: Preview, embedder: Embedder, before: StoredPreview | None = None, *, rest: Sequence[str] = ()
) -> list[StoredGroup]:
    """Writes the file, and returns the groups that are excluded in it: those that show what a group excluded in
    `before` showed. rest: labels that stay as they were in `before` where they are not found yet. Raises DatasetError.
    """
    old = {one.label: one for one in before.labels} if before and before.network == embedder.network else {}
    labels = tuple(
        _still_excluded(
            StoredLabel(
                one.label, tuple(map(_stored, one.groups)), tuple(map(_stored_query, one.queries)),
                one.better.query if one.better else "",
            ),
            old.pop(one.label, None),
        )
        for one in found.labels
    )  # fmt: skip
    labels += tuple(one for label, one in old.items() if label in rest)
    _write(folder, StoredPreview(embedder.network, labels, tuple(Likeness(*pair) for pair in found.alike)))
    return [group for one in labels for group in one.groups if group.excluded]


def _still_excluded(now: StoredLabel, before: StoredLabel | None) -> StoredLabel:
    """Excludes the groups whose centre is most similar to that of a group that was, as a photo is judged; but not all
    of them."""
    old = before.groups if before else ()
    if not now.groups or not any(group.excluded for group in old):
        return now
    centres = np.stack([_vector(group.centre) for group in old])
    groups = tuple(
        replace(group, excluded=old[int((centres @ _vector(group.centre)).argmax())].excluded) for group in now.groups
    )
    return now if all(group.excluded for group in groups) else replace(now, groups=groups)


def read_preview(folder: Path) -> StoredPreview | None:
    """None where there is none. Raises DatasetError."""
    path = folder / PREVIEW_JSON
    try:
        stored = decode(StoredPreview, parse_json(read_file(path, limit=MAX_BYTES, inside=folder)))
        sizes = {_vector(group.centre).size for one in stored.labels for group in one.groups}
        if len(sizes) > 1:
            raise ValueError("its centres differ in length")
        return stored
    except FileNotFoundError:
        return None
    except (ModelFolderError, ValueError) as error:
        raise DatasetError(f"{path} is no preview ({error}): make it again (--preview), or delete it.") from None
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({(error.strerror or '').lower()}); check it.") from None


def exclude(folder: Path, wanted: Sequence[tuple[str, str]]) -> list[StoredGroup]:
    """Marks these (label, group) in the folder's preview.json, and no others; returns the groups. A group is named by
    its word, by its number, or OFF_TOPIC. Raises UsageError for one that is not there, DatasetError without the file.
    """
    stored = read_preview(folder)
    if stored is None:
        raise UsageError(
            f"Nothing is known of groups in {folder}: look at the hits first, by the same command with --preview."
        )
    chosen = [(label, number) for label, name in wanted for number in _numbers(stored, label, name)]
    labels = tuple(
        replace(one, groups=tuple(replace(g, excluded=(one.label, g.number) in chosen) for g in one.groups))
        for one in stored.labels
    )
    for one in labels:
        if one.groups and all(group.excluded for group in one.groups):
            raise UsageError(f"All groups of {one.label} are excluded, so that nothing is left: keep one.")
    _write(folder, replace(stored, labels=labels))
    return [group for one in labels for group in one.groups if group.excluded]


class Judge:
    """Whether a photo is of a group that is not to be collected."""

    def __init__(self, path: Path, stored: StoredPreview, embedder: Embedder):
        self._path, self._embedder = path, embedder
        self._groups = {
            one.label: (one.groups, np.stack([_vector(group.centre) for group in one.groups]))
            for one in stored.labels
            if any(group.excluded for group in one.groups)
        }

    def __str__(self) -> str:
        names = [
            f"{label}={group.name}" for label, (groups, _) in self._groups.items() for group in groups if group.excluded
        ]
        return f"Photos that look like {listed(names)} are left out ({self._path})"

    def __call__(self, label: str, photo: bytes) -> tuple[str, str] | None:
        """The reason and the detail for rejected.csv; None for a photo that is welcome. Raises ImageError."""
        if label not in self._groups:
            return None
        groups, centres = self._groups[label]
        nearest = groups[int((centres @ self._embedder.embed(photo).vector).argmax())]
        if not nearest.excluded:
            return None
        return EXCLUDED, _detail(label, nearest)

    def stands_by(self, row: Rejection) -> bool:
        groups, _ = self._groups.get(row.label, ((), None))
        return any(group.excluded and row.detail == _detail(row.label, group) for group in groups)


def _detail(label: str, group: StoredGroup) -> str:
    return f"looks like the group “{group.name}” of {label}, which was excluded"


def read_judge(folder: Path) -> Judge | None:
    """None where the folder's preview excludes nothing, or where there is none. Raises DatasetError."""
    stored = read_preview(folder)
    if stored is None or not any(group.excluded for one in stored.labels for group in one.groups):
        return None
    embedder = Embedder()
    if stored.network != embedder.network:
        raise DatasetError(
            f"{folder / PREVIEW_JSON} was made with another network than is here: look at the hits again (--preview)."
        )
    return Judge(folder / PREVIEW_JSON, stored, embedder)


def _numbers(stored: StoredPreview, label: str, name: str) -> list[int]:
    groups = next((one.groups for one in stored.labels if one.label == label), None)
    if groups is None:
        known = listed([one.label for one in stored.labels])
        raise UsageError(f"The preview has no label {label!r}, but {known}: name one of these, or --preview again.")
    if name == OFF_TOPIC:
        return [group.number for group in groups if group.off_topic]
    found = [group.number for group in groups if name in (group.name, str(group.number))]
    if not found:
        names = ", ".join(group.name for group in groups) or "none"
        raise UsageError(f"{label} has no group {name!r}: there are {names}; or {OFF_TOPIC}.")
    return found


def _stored(group: HitGroup) -> StoredGroup:
    centre = base64.b64encode(group.centre.astype("<f2").tobytes()).decode("ascii")
    hits = tuple(
        StoredHit(text, seen.hit.title[:MOST_LETTERS], seen.hit.page_url[:MAX_TEXT])
        for seen in group.hits
        if len(text := base64.b64encode(seen.picture).decode("ascii")) <= MAX_TEXT
    )
    agreement = round(group.agreement, 4)
    return StoredGroup(group.number, group.name, group.share, agreement, group.off_topic, centre, hits=hits)


def _stored_query(query: QueryResult) -> StoredQuery:
    among, between = (None if value is None else round(value, 4) for value in (query.among, query.between))
    return StoredQuery(query.query, query.hits, query.seen, query.off_topic, query.tried, among, between)


def _vector(centre: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(centre, validate=True), "<f2").astype(np.float32)


def _write(folder: Path, stored: StoredPreview) -> None:
    path = folder / PREVIEW_JSON
    with writing(path):
        write_atomically(path, json.dumps(encode(stored), indent=1).encode() + b"\n", inside=folder)
