"""`--others DIR`: photos of none of the labels, screened like the training photos, and only ever read.

    read_others(Path("street_photos"), own=photos)      every photo below, in folders or not

They teach a model what it must not take for one of its labels. Left out are copies of the model's own photos, which
would teach it to refuse what it should know, and copies of each other, which add nothing.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from mirror.collect.near_duplicates import HashIndex, connected_components, look_alike_pairs
from mirror.collect.photo_records import Photo
from mirror.collect.screening import screen
from mirror.errors import DatasetError, ImageError
from mirror.image_sources import find_sources
from mirror.images import read_file

FEWEST = 8  # as many as a label needs (splits.MIN_PHOTOS_PER_LABEL): fewer are too few to hold some out
WORKERS = 2  # threads; Pillow decodes outside Python's global lock
OWN, COPY = "one-of-the-labels", "near-duplicate"  # why a photo that opens is left out, beside ImageError's reasons


@dataclass(frozen=True)
class Others:
    """paths: of the usable photos, sorted; groups: a number for each, the same for photos that look alike (they are
    held out together); rejected: how many were left out, by reason."""

    paths: tuple[Path, ...]
    groups: tuple[int, ...]
    rejected: dict[str, int] = field(default_factory=dict)


def find_others(source: Path) -> list[Path]:
    """The photos below `source`, unread, in the order of their paths. Raises DatasetError as read_others does."""
    if not source.is_dir():
        what = "is not a folder" if source.exists() else "does not exist"
        raise DatasetError(f"{source} {what}; give --others a folder with photos of none of the labels.")
    files = [image.location for image in find_sources([os.fspath(source)]) if isinstance(image.location, Path)]
    if len(files) < FEWEST:
        raise _too_few(source, f"{len(files)} photos")
    return files


def read_others(source: Path, own: Sequence[Photo], *, progress: Callable[[int, int], None] | None = None) -> Others:
    """The photos below `source` that can be used. own: those of the labels. `progress(done, total)` after each file.

    Raises DatasetError where `source` is no folder or holds fewer than FEWEST of them.
    """
    files = find_others(source)
    own_sha256, own_hashes = {photo.sha256 for photo in own}, HashIndex[tuple[str, str]]()
    for photo in own:
        own_hashes.add(photo.key, photo.phash)
    usable: dict[Path, str] = {}  # path → perceptual hash
    usable_sha256, usable_hashes = set[str](), HashIndex[Path]()
    rejected: Counter[str] = Counter()
    with ThreadPoolExecutor(WORKERS, thread_name_prefix="others") as pool:
        for done, (path, (sha256, phash, reason)) in enumerate(zip(files, pool.map(_screen, files), strict=True), 1):
            if not reason and (sha256 in own_sha256 or own_hashes.near(phash)):
                reason = OWN
            elif not reason and (sha256 in usable_sha256 or usable_hashes.near(phash)):
                reason = COPY
            if reason:
                rejected[reason] += 1
            else:
                usable_sha256.add(sha256)
                usable_hashes.add(path, phash)
                usable[path] = phash
            if progress:
                progress(done, len(files))
    if len(usable) < FEWEST:
        reasons = ", ".join(f"{count} {reason}" for reason, count in sorted(rejected.items()))
        raise _too_few(source, f"{len(usable)} usable photos (left out: {reasons})")
    groups = connected_components(len(usable), look_alike_pairs(list(usable.values())))
    return Others(tuple(usable), tuple(groups), dict(sorted(rejected.items())))


def _too_few(source: Path, photos: str) -> DatasetError:
    return DatasetError(
        f"{source} holds {photos}, and --others needs at least {FEWEST} that show none of the labels: add some."
    )


def _screen(path: Path) -> tuple[str, str, str]:
    """(sha256, perceptual hash, ""), or ("", "", why the photo cannot be used)."""
    try:
        screened = screen(read_file(path))
    except ImageError as error:
        return "", "", error.reason
    return screened.sha256, screened.phash, ""
