"""What the page says, made from a model's labels: its title, promise and verdict on a photo. Pure text, no HTML."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mirror.inference.classifier import Prediction

SHIPPED_LABELS = frozenset({"cygnet", "duckling"})
SPELLED_OUT = 6  # a title that names more labels than this is no title

WHY, ENOUGH = "Why do you say so?", "Hide the reason"  # the button before and after it is pressed

SURE, LIKELY = 0.9, 0.7  # of the first label's probability: stated as a fact above the one, as a guess below the other

_SILENT_H = ("hour", "honest", "honour", "honor", "heir")
_SOUNDS_LIKE_YOU = re.compile(r"(eu|ew|u[^aeiou][aeiou]|uni|one\b|once\b)")  # a unicorn, a ewe, a one-way street
_LETTERS_NAMED_WITH_A_VOWEL = "AEFHILMNORSX"  # an SUV, an X-ray
_PLURAL = re.compile(r"[a-z]{2,}s$")
_SINGULAR_IN_S = re.compile(r"(ss|us|is|as|os|ous|lens|series|species|news|[tb]hus)$")


def title(labels: Sequence[str]) -> str:
    """The question the page asks, in one line."""
    if frozenset(labels) == SHIPPED_LABELS:
        labels = ("duckling", "cygnet")  # the order of the tale
    if len(labels) > SPELLED_OUT:
        return "Mirror, mirror on the wall, what am I after all?"
    plurals = [is_plural(label) for label in labels]
    verb = "are these" if all(plurals) else "is this" if any(plurals) else "am I"
    return f"Mirror, mirror on the wall, {verb} {either(labels)} after all?"


def subtitle(labels: Sequence[str], *, knows_strangers: bool, subject: str = "a photo") -> str:
    """What happens when a photo is shown. `knows_strangers`: the model can say that a photo is none of its labels;
    `subject`: what the model wants to be shown."""
    if len(labels) > SPELLED_OUT:
        shown = ", ".join(plain(label) for label in labels[:SPELLED_OUT])
        which = f"which of {len(labels)} things I see in it ({shown} and so on)"
    else:
        which = "which of the two I see" if len(labels) == 2 else f"which of the {_number(len(labels))} I see"
    stranger = f"or when it is {none_of(labels)}" if knows_strangers else ""
    ending = f", and how sure I am, {stranger}." if stranger else " and how sure I am."
    return f"Show me {subject}. I will tell you {which}{ending}"


def verdict(prediction: Prediction) -> str:
    """The mirror's answer in one sentence."""
    if not prediction.known:
        return f"{none_of(list(prediction.probabilities)).capitalize()}: this looks like nothing I was trained on."
    if prediction.probability >= SURE:
        subject = "These are" if is_plural(prediction.label) else "This is"
        return f"{subject} {with_article(prediction.label)}."
    if prediction.probability >= LIKELY:
        return f"Most likely {with_article(prediction.label)}."
    return f"Hard to say, perhaps {with_article(prediction.label)}."


def unframed(labels: Sequence[str], missing: str) -> str:
    """`verdict` where what the photo should show was not found in it, which `missing` says."""
    return f"{none_of(labels).capitalize()}: {missing}"


def certainty(prediction: Prediction) -> str:
    """How sure the mirror is, in one sentence."""
    if not prediction.known:
        return "The probabilities only compare the labels I know, so they mean little here."
    return f"I am {percent(prediction.probability)} sure."


def looked(places: Sequence[str], label: str, *, known: bool = True) -> str:
    """Where the mirror looked, in one sentence. places: as `grad_cam.describe_regions` gives them; known: whether
    the photo looks like what the mirror was trained on."""
    if places and not known:
        where = "nearly all of it" if "everywhere" in places else listed([f"the {place}" for place in places])
        return f"If it were {with_article(label)}, it would be for {where}."
    if not places:
        return f"Nothing in this photo speaks for {with_article(label)}."
    if "everywhere" in places:
        return "I looked at nearly all of it."
    return f"I looked mostly at {listed([f'the {place}' for place in places])} of the photo."


def heat(label: str, *, cut: bool) -> str:
    """What the colours of a heat map mean. cut: some of the photo lay outside what the mirror saw."""
    meaning = f"The brighter the colour, the more a place speaks for {with_article(label)}."
    return f"{meaning} The darker edges I did not see." if cut else meaning


def heat_alt(places: Sequence[str]) -> str:
    """A heat map for those who cannot see it."""
    if not places:
        return "Your photo in grey, no place coloured."
    where = "nearly everywhere" if "everywhere" in places else listed([f"the {place}" for place in places])
    return f"Your photo in grey, coloured where I looked: {where}."


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
    """The label after "a" or "an" by its sound, or bare where it looks like a plural."""
    words = plain(label)
    return words if is_plural(label) else f"{article(words)} {words}"


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
    return bool(_PLURAL.search(word)) and not _SINGULAR_IN_S.search(word)


def plain(label: str) -> str:
    """A label as it is spoken: underscores are spaces."""
    return " ".join(label.replace("_", " ").split())


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


def _number(number: int) -> str:
    words = ("none", "one", "two", "three", "four", "five", "six")
    return words[number] if number < len(words) else f"{number:,}"
