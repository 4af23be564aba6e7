"""Training and validation photos: stratified, seeded, and no photo's copy or neighbour on the other side.

Photos that belong together are kept together: copies (hash within GROUP_DISTANCE, mirrored or not), photos of one
source page, and whatever a chain of those connects. A network that was trained on one shot of a duckling knows the
next shot of it; with one on each side, the error rate would be one that no new photo confirms.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from random import Random
from urllib.parse import urlsplit

from mirror.collect.metadata import TRAIN, VALIDATION, Photo
from mirror.collect.screening import GROUP_DISTANCE, near_pairs
from mirror.errors import DatasetError

FRACTION = 0.2  # of the photos, for validation
MIN_PHOTOS_PER_LABEL = 8  # below it, a validation side of one photo says nothing
GIVEN_SPLIT_ENGINE = "folder-with-splits"  # Photo.engine of a folder that came with train/ and val/: its split is kept


def require_enough(photos: Iterable[Photo]) -> None:
    """Raise DatasetError unless there are two labels, each with MIN_PHOTOS_PER_LABEL photos."""
    counts = Counter(photo.label for photo in photos)
    if len(counts) < 2:
        found = f"only {next(iter(counts))!r}" if counts else "none"
        raise DatasetError(f"Training needs photos of at least two labels and there is {found}; add another label.")
    scarce = [f"{label!r} has {count}" for label, count in sorted(counts.items()) if count < MIN_PHOTOS_PER_LABEL]
    if scarce:
        raise DatasetError(
            f"Training needs at least {MIN_PHOTOS_PER_LABEL} usable photos of every label but {', '.join(scarce)}; "
            "raise --count, add a search for the label, or add photos."
        )


def assign_splits(photos: Sequence[Photo], *, seed: int, fraction: float = FRACTION) -> list[Photo]:
    """The same photos in the same order, each with `split` set; the same split whatever order they come in.

    Of each label round(fraction * photos), but at least one photo and never all, go to validation, as nearly as the
    groups allow. A label whose photos all hang together is only trained on (`unvalidated_labels` tells). Photos that
    came with a split (engine GIVEN_SPLIT_ENGINE) keep it. Raises DatasetError for a fraction outside 0-1.
    """
    if not 0 < fraction < 1:
        raise DatasetError(f"The validation share is {fraction}; give a number between 0 and 1, such as {FRACTION}.")
    ordered = sorted(
        (photo for photo in photos if not (photo.engine == GIVEN_SPLIT_ENGINE and photo.split)),
        key=lambda photo: (photo.label, photo.sha256, photo.url),
    )
    chosen: set[tuple[str, str]] = set()
    for group in _choose(group_photos(ordered), Random(seed), fraction):
        chosen |= {photo.key for photo in group}
    assigned = {photo.key for photo in ordered}
    return [
        replace(photo, split=VALIDATION if photo.key in chosen else TRAIN) if photo.key in assigned else photo
        for photo in photos
    ]


def unvalidated_labels(photos: Iterable[Photo]) -> list[str]:
    """Labels without a validation photo, sorted: their photos all hang together, and none can be held out fairly."""
    photos = list(photos)
    held_out = {photo.label for photo in photos if photo.split == VALIDATION}
    return sorted({photo.label for photo in photos} - held_out)


def source_page(photo: Photo) -> str:
    """The page a photo was found on, without its fragment, or "": a site's front page is no evidence of one source."""
    try:
        parts = urlsplit(photo.page_url.strip())
    except ValueError:
        return ""
    if parts.scheme not in ("http", "https") or not parts.netloc or (parts.path in ("", "/") and not parts.query):
        return ""
    return f"{parts.netloc.lower()}{parts.path}?{parts.query}"


def site_of(url: str) -> str:
    """The host that a web address names, in lower case; "" for anything else."""
    try:
        parts = urlsplit(url.strip())
        return (parts.hostname or "") if parts.scheme in ("http", "https") else ""
    except ValueError:
        return ""


def group_photos(photos: Sequence[Photo], distance: int = GROUP_DISTANCE) -> list[list[Photo]]:
    """Connected components of "is a copy of" and "is from the same page as", in the order of their first photos."""
    parent = list(range(len(photos)))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = parent[parent[row]]
            row = parent[row]
        return row

    def join(one: int, other: int) -> None:
        one, other = sorted((root(one), root(other)))
        parent[other] = one

    hashes = [photo.phash for photo in photos]
    for one, other in near_pairs(hashes, distance) + near_pairs(hashes, distance, mirror=True):
        join(one, other)
    first_of: dict[str, int] = {}
    for row, photo in enumerate(photos):
        for evidence in (source_page(photo), photo.sha256):
            if evidence:
                join(first_of.setdefault(evidence, row), row)
    groups: dict[int, list[Photo]] = {}
    for row, photo in enumerate(photos):
        groups.setdefault(root(row), []).append(photo)
    return list(groups.values())


def _choose(groups: list[list[Photo]], random: Random, fraction: float) -> list[list[Photo]]:
    """The groups that go to validation."""
    totals = Counter(photo.label for group in groups for photo in group)
    target = {label: min(max(1, round(count * fraction)), count - 1) for label, count in totals.items()}
    random.shuffle(groups)
    chosen: list[list[Photo]] = []
    held: Counter[str] = Counter()
    # Groups of several labels (a page with both ducklings and cygnets) first: they fit or they do not
    mixed = [group for group in groups if len({photo.label for photo in group}) > 1]
    for group in mixed:
        counts = Counter(photo.label for photo in group)
        if all(held[label] + count <= target[label] for label, count in counts.items()):
            chosen.append(group)
            held += counts
    # Then each label is filled up with groups of its own, to its target exactly if some choice of groups adds up to it
    for label in sorted(totals):
        own = [group for group in groups if all(photo.label == label for photo in group)]
        filled = _fill(own, target[label] - held[label], 0 if held[label] else 1, totals[label] - 1 - held[label])
        chosen += filled
        held[label] += sum(map(len, filled))
    # Last, a label that still has nothing there gets the smallest group that leaves every label a training photo
    for label in sorted(totals):
        if not held[label]:
            fitting = [group for group in mixed if group not in chosen and _leaves_training(group, label, held, totals)]
            if fitting:
                chosen.append(min(fitting, key=len))
                held += Counter(photo.label for photo in chosen[-1])
    return chosen


def _leaves_training(group: list[Photo], label: str, held: Counter[str], totals: Counter[str]) -> bool:
    """Whether the group holds `label` and, with it in validation, each of its labels keeps a photo to train on."""
    counts = Counter(photo.label for photo in group)
    return label in counts and all(held[name] + count < totals[name] for name, count in counts.items())


def _fill(groups: list[list[Photo]], wanted: int, least: int, most: int) -> list[list[Photo]]:
    """Groups whose sizes add up as nearly to `wanted` as can be, within least..most; [] where nothing does.

    Subset sum over bit sets: bit s of reachable[k] says that some of the first k groups add up to s.
    """
    reachable = [1]
    limit = (1 << max(most, 0) + 1) - 1
    for group in groups:
        reachable.append((reachable[-1] | reachable[-1] << len(group)) & limit)
        if wanted >= least and reachable[-1] >> max(wanted, 0) & 1:
            break
    sums = [total for total in range(max(least, 0), max(most, 0) + 1) if reachable[-1] >> total & 1]
    if not sums:
        return []
    total = min(sums, key=lambda total: (abs(total - wanted), total))
    chosen = []
    for row in range(len(reachable) - 1, 0, -1):
        if not reachable[row - 1] >> total & 1:
            chosen.append(groups[row - 1])
            total -= len(groups[row - 1])
    return chosen
