"""Labels, numbers and lists as English: what every sentence about a model or a photo is made of. Pure text."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

_SILENT_H = ("hour", "honest", "honour", "honor", "heir")
_SOUNDS_LIKE_YOU = re.compile(r"(eu|ew|u[^aeiou][aeiou]|uni|one\b|once\b)")  # a unicorn, a ewe, a one-way street
_LETTERS_NAMED_WITH_A_VOWEL = "AEFHILMNORSX"  # an SUV, an X-ray
_PLURAL = re.compile(r"[a-z]{2,}s$")
_NUMBER_AND_UNIT = re.compile(r"(?<=\d) (?=(?:%|px|[kMG]B|megapixels)(?!\w))")  # the space between them
LONGEST_NOUN = 40  # letters
_NOUN = re.compile(r"[A-Za-z0-9][A-Za-z0-9' /().-]*")
_CAPITALISED = re.compile(r"(^| )[A-Z][a-z]+$")  # its last word: a name, a heading, or a noun of German
_VALUES = ("true", "false", "yes", "no", "none", "null", "nan")
_SINGULAR_IN_S = re.compile(r"(ss|us|is|as|os|ous|lens|series|species|news|[tb]hus)$")


def none_of(labels: Sequence[str]) -> str:
    return "neither" if len(labels) == 2 else "none of these"


def either(labels: Sequence[str]) -> str:
    """Each label with its article: "an apple, a pear or a plum"."""
    *first, last = [with_article(label) for label in labels]
    return f"{', '.join(first)} or {last}" if first else last


def listed(items: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    *first, last = items
    return f"{', '.join(first)} and {last}" if first else last


def with_article(label: str) -> str:
    """The label after "a" or "an" by its sound, or bare where it looks like a plural, or like no English noun."""
    words = plain(label)
    return words if is_plural(label) or not is_noun(label) else f"{article(words)} {words}"


def is_noun(label: str) -> bool:
    """Whether a label reads as an English noun: "African elephant", "T-shirt", "SUV", but not "Küken", "Ameisen", "$5",
    "true" or a whole sentence. In English grammar these would sound wrong; they stand after a colon."""
    words = plain(label)
    names_a_thing = not _CAPITALISED.search(words) and words.lower() not in _VALUES
    return names_a_thing and len(words) <= LONGEST_NOUN and bool(_NOUN.fullmatch(words))


def article(words: str) -> str:
    """ "a" or "an", by the usual rules of how the first word sounds."""
    first = re.split(r"[\s/-]", words.strip())[0]
    if first[:1].isdigit():
        return "an" if first.startswith("8") or first in ("11", "18") else "a"
    if first.isupper() and (len(first) == 1 or not re.search("[AEIOU]", first[:2]) or len(first) <= 3):
        return "an" if first[0] in _LETTERS_NAMED_WITH_A_VOWEL else "a"
    word = first.lower()
    if word.startswith(_SILENT_H):
        return "an"
    if _SOUNDS_LIKE_YOU.match(word) and not re.match(r"uni(n|m|d)|unin|ene|ewer$", word):
        return "a"
    return "an" if word[:1] in "aeiou" and word else "a"


def is_plural(label: str) -> bool:
    """Whether a label looks like an English plural ("ants", but neither "glass" nor "octopus")."""
    word = plain(label).lower().split(" ")[-1]
    if not is_noun(label):
        return False
    return bool(_PLURAL.search(word)) and not _SINGULAR_IN_S.search(word)


def plain(label: str) -> str:
    """A label as it is spoken: underscores are spaces."""
    return " ".join(label.replace("_", " ").split())


def isolated(label: str) -> str:
    """A label of a script that runs from right to left, between marks that keep it from turning round what stands
    beside it (Unicode's annex 9, FSI and PDI); any other as it is."""
    right_to_left = any(unicodedata.bidirectional(letter) in ("R", "AL") for letter in label)
    return f"\u2068{label}\u2069" if right_to_left else label


def unbroken(text: str) -> str:
    """No line ends between a number and its unit: "93 %", "20 MB"."""
    return _NUMBER_AND_UNIT.sub("\u00a0", text)


def percent(share: float, digits: int = 0) -> str:
    """A share of 0..1 in per cent, never rounded up to certainty: 0.9996 is "more than 99 %"."""
    shown = f"{100 * share:.{digits}f}"
    if share < 1 and float(shown) >= 100:
        return "more than 99 %"
    if share > 0 and float(shown) <= 0:
        return "less than 1 %" if digits == 0 else f"less than {10**-digits:.{digits}f} %"
    return f"{shown} %"


def count(number: int, noun: str, plural: str | None = None) -> str:
    """ "1 photo", "1,204 photos"."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def number_word(number: int) -> str:
    words = ("none", "one", "two", "three", "four", "five", "six")
    return words[number] if number < len(words) else f"{number:,}"
