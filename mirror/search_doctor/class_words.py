"""ImageNet's 1,000 classes as plain words, and words to search with made of them: "waterfowl-like" says more of a
duckling than "drake, 31 %".

The classes stand in WordNet's order, so that a run of them is a kind: 97 to 100 are a drake, a merganser, a goose and a
black swan. Kinds are taken where the network wavers within one; where it is sure of a class, that class's own word.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from mirror.wording import plain

SURE = 0.5  # of a group's mean probability: a word that holds more of it is the group's
KINDS = {  # first and last class of a run, in ImageNet's order (ILSVRC 2012), and the word for it
    (0, 6): "fish", (7, 24): "bird", (25, 32): "frog", (33, 37): "turtle", (38, 51): "lizard", (52, 68): "snake",
    (69, 79): "spider", (80, 96): "bird", (97, 100): "waterfowl", (101, 106): "animal", (107, 126): "sea animal",
    (127, 146): "water bird", (147, 150): "sea animal", (151, 275): "dog", (276, 280): "fox", (281, 287): "cat",
    (288, 293): "big cat", (294, 297): "bear", (298, 299): "mongoose", (300, 326): "insect", (327, 329): "sea animal",
    (330, 338): "rodent", (339, 355): "hoofed animal", (356, 364): "weasel", (365, 384): "monkey",
    (385, 388): "elephant or panda", (389, 397): "fish", (924, 969): "food", (970, 980): "landscape",
    (981, 983): "person", (984, 989): "plant", (990, 998): "fruit or mushroom",
}  # fmt: skip
WIDER = {"waterfowl": "bird", "water bird": "bird"}  # words whose own kind has a word


def plain_word(label: str) -> str:
    """The first of a class's names: "tabby" of "tabby, tabby cat"."""
    return label.partition(",")[0].strip()


def kind_word(probabilities: np.ndarray, classes: Sequence[str]) -> str:
    """The widest word for what pictures of these mean probabilities [1000] are like: "bird"; a class's own word where
    it is a thing that is of no run."""
    best = int(probabilities.argmax())
    kind = next((word for (first, last), word in KINDS.items() if first <= best <= last), plain_word(classes[best]))
    return WIDER.get(kind, kind)


def group_word(probabilities: np.ndarray, classes: Sequence[str]) -> str:
    """The word for a group of pictures of these mean probabilities [1000]: a class where the network is sure of one,
    else a kind, else the likeliest class."""
    best = int(probabilities.argmax())
    if probabilities[best] >= SURE:
        return plain_word(classes[best])
    shares: dict[str, float] = {}
    for (first, last), word in KINDS.items():
        for name in {word, WIDER.get(word, word)}:
            shares[name] = shares.get(name, 0.0) + float(probabilities[first : last + 1].sum())
    narrow = [word for word, share in shares.items() if share >= SURE]
    return min(narrow, key=lambda word: (shares[word], word)) if narrow else plain_word(classes[best])


def other_words(label: str, queries: Sequence[str], likeness: Iterable[str]) -> list[str]:
    """Words worth a try for a label, made of what its hits are like, the most promising first: "cygnet" and waterfowl →
    "cygnet bird". There is no thesaurus here, so "baby swan" does not come of "cygnet".

    likeness: words for the larger groups, the largest first (`kind_word`)."""
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
