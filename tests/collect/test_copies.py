"""Which photos of a folder are copies of which, and which of them a rule leaves out."""

from __future__ import annotations

from mirror.collect.copies import LABELLED, SEARCHED, TWO_LABELS, copies_among
from mirror.collect.photo_records import Photo


def same_photo(label: str) -> Photo:
    return Photo(
        f"https://photos.example/{label}", label, file_name=f"{label}.jpg", sha256="a" * 64, width=300, height=200,
        phash="0123456789abcdef",
    )  # fmt: skip


def test_a_photo_under_three_labels_is_left_out_once_under_each() -> None:
    photos = [same_photo(label) for label in ("cygnet", "duckling", "gosling")]
    left_out = list(copies_among(photos, SEARCHED))
    assert sorted(photo.label for photo, _ in left_out) == ["cygnet", "duckling", "gosling"]
    assert {reason for _, (reason, _) in left_out} == {TWO_LABELS}
    assert not list(copies_among(photos, LABELLED))
