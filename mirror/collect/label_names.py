"""Labels, and the folders their photos go to: never outside the photo folder, never two labels in one."""

from __future__ import annotations

import hashlib
import re
import unicodedata

from mirror.errors import DatasetError
from mirror.folders import DEVICE

MAX_LENGTH = 100  # characters; a label is a name, and it has to fit on a button

_PLAIN = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
# datasets' load_dataset("imagefolder") takes a folder with one of these words for a split, and leaves all others out
# (datasets/data_files.py: SPLIT_KEYWORDS, set off by NON_WORDS_CHARS; checked with datasets 5.2)
_SPLIT_WORDS = {"train", "training", "validation", "valid", "dev", "val", "test", "testing", "eval", "evaluation"}
_SEPARATORS = re.compile(r"[-_ .0-9]+")


def check_label(label: str) -> str:
    """The label itself. DatasetError if it is empty, padded with spaces, too long, or holds control characters."""
    if not label or not label.strip():
        raise DatasetError("A label is empty; give every search or folder a name.")
    if len(label) > MAX_LENGTH or label != label.strip() or any(unicodedata.category(c) in ("Cc", "Cs") for c in label):
        raise DatasetError(f"{label[:MAX_LENGTH]!r} cannot be a label; use at most {MAX_LENGTH} printable characters.")
    return label


def label_folder(label: str) -> str:
    """The folder under images/ for a label: one path component, safe on every system, different for different labels.

    Lower-case ASCII names stand for themselves. Any other (spaces, slashes, capitals, "..", other alphabets) becomes
    its ASCII remains, a "~" that no plain name holds, and 10 hex digits of its sha256: "Baby Swan" is
    "baby-swan~0d6b5bd7fd". Not plain either: capitals, because macOS and Windows keep "Bike" and "bike" in one folder;
    and names with a split's word in them, such as "test-tube", because Hugging Face's loader would take it for one.
    """
    check_label(label)
    if _PLAIN.fullmatch(label) and not DEVICE.fullmatch(label) and not _names_a_split(label):
        return label
    ascii_part = unicodedata.normalize("NFKD", label).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9_]+", "-", ascii_part).strip("-_")[:40] or "label"
    if _names_a_split(slug):
        slug = _SEPARATORS.sub("", slug)
    return f"{slug}~{hashlib.sha256(label.encode()).hexdigest()[:10]}"


def _names_a_split(name: str) -> bool:
    return not _SPLIT_WORDS.isdisjoint(_SEPARATORS.split(name))
