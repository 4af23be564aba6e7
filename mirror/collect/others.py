"""`--others DIR`: photos of none of the labels, screened as those that are learned from, and only ever read.

    read_others(Path("street_photos"), own=photos)      every photo below, in folders or not

They teach a model what it must not take for one of its labels. A photo that is a copy of one of the model's own would
teach it to refuse what it should know, and a copy of another tells nothing new, so both are left out.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from mirror.collect.metadata import Photo
from mirror.collect.screening import GROUP_DISTANCE, HashIndex, near_pairs, screen
from mirror.errors import DatasetError, ImageError
from mirror.images import read_file
from mirror.sources import find_sources

FEWEST = 8  # as many as a label needs (splits.MIN_PHOTOS_PER_LABEL): with fewer, holding some out to judge by is vain
WORKERS = 2  # threads; Pillow decodes outside Python's global lock
OWN, COPY = "one-of-the-labels", "near-duplicate"  # why a photo that opens is left out, beside ImageError's reasons


@dataclass(frozen=True)
class Others:
    """paths: of the usable photos, sorted; groups: a number each, the same for photos that look alike (they are held
    out together); rejected: how many were left out, by reason."""

    paths: tuple[Path, ...]
    groups: tuple[int, ...]
    rejected: dict[str, int] = field(default_factory=dict)


def find_others(source: Path) -> list[Path]:
    """The photos below `source`, unread, in the order of their paths. Raises DatasetError as read_others does."""
    if not source.is_dir():
        what = "is not a folder" if source.exists() else "does not exist"
        raise DatasetError(f"{source} {what}; give --others a folder with photos of none of the labels.")
    files = [found.place for found in find_sources([os.fspath(source)]) if isinstance(found.place, Path)]
    if len(files) < FEWEST:
        raise _too_few(source, f"{len(files)} photos")
    return files


def read_others(source: Path, own: Sequence[Photo], *, progress: Callable[[int, int], None] | None = None) -> Others:
    """The photos below `source` that can be used. own: those of the labels. `progress(done, total)` after each file.

    Raises DatasetError where `source` is no folder or holds fewer than FEWEST of them.
    """
    files = find_others(source)
    known = HashIndex()
    for photo in own:
        known.add(photo.key, photo.phash)
    bytes_of_own, seen, hashes = {photo.sha256 for photo in own}, HashIndex(), []
    kept: list[Path] = []
    digests: set[str] = set()
    rejected: Counter[str] = Counter()
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="others") as pool:
        for done, (path, (sha256, phash, reason)) in enumerate(zip(files, pool.map(_looked_at, files), strict=True), 1):
            if not reason and (sha256 in bytes_of_own or known.near(phash)):
                reason = OWN
            elif not reason and (sha256 in digests or seen.near(phash)):
                reason = COPY
            if reason:
                rejected[reason] += 1
            else:
                digests.add(sha256)
                seen.add(path, phash)
                kept.append(path)
                hashes.append(phash)
            if progress:
                progress(done, len(files))
    if len(kept) < FEWEST:
        left = ", ".join(f"{count} {reason}" for reason, count in sorted(rejected.items()))
        raise _too_few(source, f"{len(kept)} usable photos (left out: {left})")
    return Others(tuple(kept), _groups(hashes), dict(sorted(rejected.items())))


def _too_few(source: Path, found: str) -> DatasetError:
    return DatasetError(
        f"{source} holds {found}, and --others needs at least {FEWEST} that show none of the labels: add some."
    )


def _looked_at(path: Path) -> tuple[str, str, str]:
    """(sha256, perceptual hash, ""), or ("", "", why the photo cannot be used)."""
    try:
        found = screen(read_file(path))
    except ImageError as error:
        return "", "", error.reason
    return found.sha256, found.phash, ""


def _groups(hashes: Sequence[str]) -> tuple[int, ...]:
    """Numbers of the connected components of "looks like"."""
    group = list(range(len(hashes)))
    for one, other in near_pairs(hashes, GROUP_DISTANCE) + near_pairs(hashes, GROUP_DISTANCE, mirror=True):
        joined = {group[one], group[other]}
        group = [min(joined) if number in joined else number for number in group]
    return tuple(group)
