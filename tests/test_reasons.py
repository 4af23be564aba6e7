"""Why a photo was left out, in words: every slug that this program writes by a constant has some."""

from __future__ import annotations

import pytest

from mirror.collect.dataset import DUPLICATE_REASONS
from mirror.collect.recipe import CHANGED
from mirror.collect.seen import WITHDRAWN_REASONS
from mirror.errors import ImageTooLarge, ImageTooSmall, NotAnImage, PrivateAddress
from mirror.reasons import WORDS, reason_in_words

CLASSES = (ImageTooLarge, ImageTooSmall, NotAnImage, PrivateAddress)


@pytest.mark.parametrize("slug", [*DUPLICATE_REASONS, *WITHDRAWN_REASONS, CHANGED, *(one.reason for one in CLASSES)])
def test_every_reason_of_ours_has_words_of_its_own(slug: str) -> None:
    assert reason_in_words(slug) == WORDS[slug]


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
