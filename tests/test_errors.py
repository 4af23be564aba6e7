"""Why a photo was left out, in words: every slug that this program writes by a constant has some."""

from __future__ import annotations

import pytest

from mirror.collect.copies import DUPLICATE_REASONS, WITHDRAWN_REASONS
from mirror.collect.from_photo_list import CHANGED
from mirror.decoding import refusals
from mirror.errors import REASONS, ImageTooLarge, ImageTooSmall, NotAnImage, PrivateAddress, reason_in_words

CLASSES = (ImageTooLarge, ImageTooSmall, NotAnImage, PrivateAddress)
REFUSALS = [refusals.too_slow("a"), refusals.too_much_memory("a"), refusals.busy("a"), refusals.no_worker("a", "why")]


OURS = [*DUPLICATE_REASONS, *WITHDRAWN_REASONS, CHANGED, *(one.reason for one in (*CLASSES, *REFUSALS))]


@pytest.mark.parametrize("slug", OURS)
def test_every_reason_of_ours_has_words_of_its_own(slug: str) -> None:
    assert reason_in_words(slug) == REASONS[slug]


@pytest.mark.parametrize(
    ("slug", "words"),
    [
        ("http-404", "the server answered 404"),
        ("http-", "http "),
        ("too-small", "too small"),
        ("something-new", "something new"),
    ],
)
def test_others_are_said_as_they_are(slug: str, words: str) -> None:
    assert reason_in_words(slug) == words
