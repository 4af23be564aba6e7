"""What the page says, made from a model's labels: its title, subtitle and verdict on a photo. Pure text, no HTML."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mirror.wording import (
    either,
    is_noun,
    is_plural,
    isolated,
    listed,
    none_of,
    number_word,
    percent,
    plain,
    with_article,
)

if TYPE_CHECKING:
    from mirror.inference.classifier import Prediction

SHIPPED_LABELS = frozenset({"cygnet", "duckling"})
LONGEST_TITLE = 160  # letters
SPELLED_OUT = 6  # a title that names more labels than this is no title

ANYTHING = ("Show me anything.", "An animal, a tool, a dish: I know everyday things by their names.")
LOOKING = ("Let me look …", "The first time takes longer: I have to open the model.")
WORDS_QUESTION = ("Mirror, mirror on the wall,", "which of these words fits after all?")
NEVER_WHOSE = "I find faces. I never tell whose they are, and I keep none of them."
EXPLAIN, HIDE = "Why do you say so?", "Hide the reason"  # the button before and after it is pressed

SURE, LIKELY = 0.9, 0.7  # of the first label's probability: stated as a fact above the one, as a guess below the other


def title(labels: Sequence[str]) -> str:
    """The question the page asks, in one line."""
    if frozenset(labels) == SHIPPED_LABELS:
        labels = ("duckling", "cygnet")  # the order of the tale
    if len(labels) > SPELLED_OUT:
        return "Mirror, mirror on the wall, what am I after all?"
    if not all(is_noun(label) for label in labels):
        *others, last = map(plain, labels)  # none in English grammar, as on the rest of the page: see `claim`
        shown = f"{', '.join(others)} or {last}" if others else last
        named = f"Mirror, mirror on the wall, which is it after all: {shown}?"
        return named if len(named) <= LONGEST_TITLE else "Mirror, mirror on the wall, what am I after all?"
    plurals = [is_plural(label) for label in labels]
    verb = "are these" if all(plurals) else "is this" if any(plurals) else "am I"
    return f"Mirror, mirror on the wall, {verb} {either(labels)} after all?"


def subtitle(labels: Sequence[str], *, knows_strangers: bool, subject: str = "a photo") -> str:
    """What happens when a photo is shown. `knows_strangers`: the model can say that a photo is none of its labels;
    `subject`: what the model wants to be shown."""
    if len(labels) > SPELLED_OUT:
        shown = ", ".join(plain(label) for label in labels[:SPELLED_OUT])
        choice = f"which of {len(labels)} things I see in it ({shown} and so on)"
    else:
        choice = "which of the two I see" if len(labels) == 2 else f"which of the {number_word(len(labels))} I see"
    or_none = f"or when it is {none_of(labels)}" if knows_strangers else ""
    ending = f", and how sure I am, {or_none}." if or_none else " and how sure I am."
    return f"Show me {subject}. I will tell you {choice}{ending}"


def choice(name: str, labels: Sequence[str]) -> str:
    """A model as one of several to choose from."""
    shown = [isolated(plain(label)) for label in labels]
    return f"{name}: {' · '.join(shown) if len(shown) <= SPELLED_OUT else f'{len(shown)} labels'}"


def verdict(prediction: Prediction) -> str:
    """The mirror's answer in one sentence."""
    if not prediction.known:
        return f"{none_of(list(prediction.probabilities)).capitalize()}: this looks like nothing I was trained on."
    return claim(prediction.label, prediction.probability, list(prediction.probabilities))


def claim(label: str, probability: float, labels: Sequence[str]) -> str:
    """That a photo shows `label`, one of `labels`: in English grammar where each of them is an English noun."""
    nouns = all(is_noun(each) for each in labels)
    if probability >= SURE:
        subject = "These are" if nouns and is_plural(label) else "This is"
    else:
        subject = "Most likely" if probability >= LIKELY else "Hard to say, perhaps"
    return f"{subject} {with_article(label)}." if nouns else f"{subject}: {plain(label)}."


def not_found(labels: Sequence[str], missing: str) -> str:
    """`verdict` where what the photo should show was not found in it, which `missing` says."""
    return f"{none_of(labels).capitalize()}: {missing}"


def certainty(prediction: Prediction) -> str:
    """How sure the mirror is, in one sentence."""
    if not prediction.known:
        return "The probabilities only compare the labels I know, so they mean little here."
    return f"I am {percent(prediction.probability)} sure."


def nearest(label: str) -> str:
    """What stands over the probabilities of a photo that is none of the labels."""
    return f"Nearest of what I know: {plain(label)}"


def words_subtitle(labels: Sequence[str]) -> str:
    """What happens when a photo is shown to a model that compares it with words."""
    if len(labels) == 1:
        return f"Show me a photo. I will tell you how well it fits: {labels[0]}."
    many = len(labels) > SPELLED_OUT
    shown = ", ".join(labels[:SPELLED_OUT]) + ", and so on" * many
    return (
        f"Show me a photo. I will tell you which of {f'{len(labels):,}' if many else 'these'} words fits best: {shown}."
    )


def fits_best(label: str) -> str:
    """The answer of such a model. label: a word of somebody's own, as it was written."""
    return f"“{label}” fits best."


def fits_certainty(share: str, *, competing: bool, by: str) -> str:
    """What its probabilities can mean: where words compete, one of them must win. share: in per cent; by: the model."""
    if competing:
        meaning = f"It gets {share} of my trust, the other labels the rest: one of them must win, even if none fits."
    else:
        meaning = f"I am {share} sure. Each label is judged by itself: several may fit, or none."
    return f"{meaning} Compared by {by}."


def regions_sentence(regions: Sequence[str], label: str, *, known: bool = True) -> str:
    """Where the mirror looked, in one sentence. regions: as `grad_cam.describe_regions` gives them; known: whether
    the photo looks like what the mirror was trained on."""
    if regions and not known:
        where = "nearly all of it" if "everywhere" in regions else listed([f"the {region}" for region in regions])
        return f"If it were {with_article(label)}, it would be for {where}."
    if not regions:
        return f"Nothing in this photo speaks for {with_article(label)}."
    if "everywhere" in regions:
        return "I looked at nearly all of it."
    return f"I looked mostly at {listed([f'the {region}' for region in regions])} of the photo."


def colours_sentence(label: str, *, cut: bool) -> str:
    """What the colours of a heat map mean. cut: some of the photo lay outside what the mirror saw."""
    meaning = f"The brighter the colour, the more a place speaks for {with_article(label)}."
    return f"{meaning} The darker edges I did not see." if cut else meaning


def alt_text(regions: Sequence[str]) -> str:
    """A heat map for those who cannot see it."""
    if not regions:
        return "Your photo in grey, no place coloured."
    where = "nearly everywhere" if "everywhere" in regions else listed([f"the {region}" for region in regions])
    return f"Your photo in grey, coloured where I looked: {where}."
