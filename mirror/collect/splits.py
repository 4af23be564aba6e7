"""Training and validation photos: stratified, seeded, and no photo's copy or neighbour on the other side.

Photos that belong together stay together: copies (hash within GROUP_DISTANCE, mirrored or not), photos of one source
page, and whatever a chain of those connects. A network that was trained on one shot of a duckling knows the next shot
of it; with one on each side, the measured error would be lower than that on new photos.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from random import Random
from urllib.parse import urlsplit

from mirror.collect.copies import NEAR_DUPLICATE
from mirror.collect.near_duplicates import connected_components, look_alike_pairs
from mirror.collect.photo_records import FOLDER, TRAIN, VALIDATION, Origin, Photo, Rejection
from mirror.errors import DatasetError, reasons_in_words

FRACTION = 0.2  # of the photos, for validation
NAMED = 5  # labels in a sentence
MIN_PHOTOS_PER_LABEL = 8  # below it, a validation side of one photo says nothing


def require_enough(photos: Iterable[Photo | Origin], left_out: Iterable[Rejection] = ()) -> None:
    """Raise DatasetError unless there are two labels, each with MIN_PHOTOS_PER_LABEL photos. left_out: photos that
    cannot be used; where they are why, the sentence says so."""
    photos = list(photos)
    counts = Counter(photo.label for photo in photos)
    of_folder = bool(photos) and all(photo.engine == FOLDER for photo in photos)
    reasons: dict[str, Counter[str]] = {}
    for row in left_out:
        reasons.setdefault(row.label, Counter())[row.reason] += 1
    lost = sorted(label for label in reasons.keys() - counts.keys() if label)
    if len(counts) < 2:
        labels = f"only {next(iter(counts))!r}" if counts else "none"
        why = "".join(f"; of {label!r} {_why(reasons[label])}" for label in lost[:NAMED])
        advice = _advice(reasons, lost, of_folder) if lost else "add another label"
        raise DatasetError(f"Training needs photos of at least two labels and there is {labels}{why}: {advice}.")
    scarce = [label for label in sorted(counts) if counts[label] < MIN_PHOTOS_PER_LABEL]
    if scarce:
        few = [
            f"{label!r} has {counts[label]}" + (f" ({_why(reasons[label])})" if label in reasons else "")
            for label in scarce[:NAMED]
        ]
        more = [f"{len(scarce) - NAMED} more labels have too few"] if len(scarce) > NAMED else []
        raise DatasetError(
            f"Training needs at least {MIN_PHOTOS_PER_LABEL} usable photos of every label but "
            f"{', '.join([*few, *more])}: {_advice(reasons, scarce, of_folder)}."
        )


def _why(reasons: Counter[str]) -> str:
    """`34 were left out: 30 nearly the same as another photo, 4 too small`"""
    total = reasons.total()
    return f"{total} {'was' if total == 1 else 'were'} left out: {reasons_in_words(reasons.elements())}"


def _advice(reasons: Mapping[str, Counter[str]], labels: Sequence[str], of_folder: bool) -> str:
    """What gets photos of these labels. of_folder: the photos are a person's own, and nothing is searched for."""
    if any(reasons.get(label, Counter())[NEAR_DUPLICATE] for label in labels):
        return "--keep-near-duplicates keeps what is nearly the same, and other photos tell more"
    if any(reasons.get(label, Counter())["link-leads-outside"] for label in labels):
        return "--follow-links reads links that lead out of the folder"
    if of_folder:
        return f"add photos of {'them' if len(labels) > 1 else 'it'}"
    return "raise --count, add a search for the label, or add photos"


def assign_splits(photos: Sequence[Photo], *, seed: int, fraction: float = FRACTION) -> list[Photo]:
    """The same photos in the same order, each with `split` set; the same split whatever order they come in.

    Of each label round(fraction * photos), but at least one photo and never all, go to validation, as nearly as the
    groups allow. A label whose photos are all one group is only trained on (`unvalidated_labels` names it). Photos
    whose split was given keep it. Photos that a person added are learned from, and move no other to the other side,
    unless their label has no others. Raises DatasetError for a fraction outside 0-1.
    """
    if not 0 < fraction < 1:
        raise DatasetError(f"The validation share is {fraction}; give a number between 0 and 1, such as {FRACTION}.")
    ordered = sorted(
        (photo for photo in photos if not (photo.split_given and photo.split)),
        key=lambda photo: (photo.label, photo.sha256, photo.url),
    )
    collected = {photo.label for photo in photos if not photo.is_own}
    added = {photo.key for photo in ordered if photo.is_own and photo.label in collected}
    chosen_from = [photo for photo in ordered if photo.key not in added]
    split = {photo.key: TRAIN for photo in ordered}
    for group in _validation_groups(group_photos(chosen_from), Random(seed), fraction):
        split.update((photo.key, VALIDATION) for photo in group)
    # … but what they are near-copies of is not held out beside them
    for group in group_photos(ordered) if added else ():
        if any(split[photo.key] == VALIDATION for photo in group):
            split.update((photo.key, VALIDATION) for photo in group if photo.key in added)
    return [replace(photo, split=split.get(photo.key, photo.split)) for photo in photos]


def unvalidated_labels(photos: Iterable[Photo]) -> list[str]:
    """Labels without a validation photo, sorted: their photos are all one group, and none can be held out fairly."""
    photos = list(photos)
    held_out = {photo.label for photo in photos if photo.split == VALIDATION}
    return sorted({photo.label for photo in photos} - held_out)


def source_page(photo: Photo) -> str:
    """The page a photo was found on, without its fragment; "" for a site's front page, which shows no common source."""
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


def same_source_pairs(photos: Sequence[Photo]) -> list[tuple[int, int]]:
    """Pairs of indices that connect all photos of the same bytes, and all of the same page."""
    first_of: dict[str, int] = {}
    return [
        (first_of.setdefault(evidence, index), index)
        for index, photo in enumerate(photos)
        for evidence in filter(None, (source_page(photo), photo.sha256))
    ]


def group_photos(photos: Sequence[Photo]) -> list[list[Photo]]:
    """Connected components of "is a copy of" and "is from the same page as", in the order of their first photos."""
    pairs = look_alike_pairs([photo.phash for photo in photos]) + same_source_pairs(photos)
    groups: dict[int, list[Photo]] = {}
    for number, photo in zip(connected_components(len(photos), pairs), photos, strict=True):
        groups.setdefault(number, []).append(photo)
    return list(groups.values())


def _validation_groups(groups: list[list[Photo]], random: Random, fraction: float) -> list[list[Photo]]:
    """The groups that go to validation: in random order whichever fits into what its labels still need."""
    labels = [Counter(photo.label for photo in group) for group in groups]
    totals = sum(labels, Counter[str]())
    needed = {label: min(max(1, round(count * fraction)), count - 1) for label, count in totals.items()}
    held: Counter[str] = Counter()
    chosen: list[int] = []

    def fits(index: int, limit: Mapping[str, int]) -> bool:
        return all(held[label] + count <= limit[label] for label, count in labels[index].items())

    order = random.sample(range(len(groups)), len(groups))
    # A group of several labels (a page with both ducklings and cygnets) is harder to fit in, so those come first
    for index in sorted(order, key=lambda index: -len(labels[index])):
        if fits(index, needed):
            chosen.append(index)
            held += labels[index]
    # A label whose groups are all too large gets the smallest one that leaves every label a training photo
    all_but_one = {label: count - 1 for label, count in totals.items()}
    for label in sorted(totals):
        large = [index for index in order if label in labels[index] and fits(index, all_but_one)]
        if not held[label] and large:
            chosen.append(min(large, key=lambda index: len(groups[index])))
            held += labels[chosen[-1]]
    return [groups[index] for index in chosen]
