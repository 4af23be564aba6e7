"""Other words worth a try for a label, made of what its hits are like: "cygnet" and waterfowl → "cygnet bird".

There is no thesaurus here, so "baby swan" does not come of "cygnet": the words are the label and its queries, with the
words for what many of their hits are like.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mirror.wording import plain


def other_words(label: str, queries: Sequence[str], likeness: Iterable[str]) -> list[str]:
    """The most promising first. likeness: words for the larger groups, the largest first (class_words.kind_word)."""
    words = [plain(label)]  # where another query was given
    for like in likeness:
        words += [f"{base} {like}" for base in (plain(label), *queries) if not _holds(base, like)]
    known = {_folded(query) for query in queries}
    return [word for word in dict.fromkeys(words) if _folded(word) not in known]


def _holds(words: str, word: str) -> bool:
    """Whether the words say it already, in the singular or the plural."""
    return any(one.rstrip("s") == word.casefold().rstrip("s") for one in words.casefold().split())


def _folded(words: str) -> tuple[str, ...]:
    return tuple(words.casefold().split())
