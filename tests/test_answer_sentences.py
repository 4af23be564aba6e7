from __future__ import annotations

import pytest

from mirror import answer_sentences
from mirror.inference.classifier import Prediction
from mirror.wording import count, percent, unbroken, with_article

TITLES = {
    "the shipped model's labels": (
        ("cygnet", "duckling"), "Mirror, mirror on the wall, am I a duckling or a cygnet after all?"),
    "three fruits": (
        ("apple", "pear", "plum"), "Mirror, mirror on the wall, am I an apple, a pear or a plum after all?"),
    "two plurals": (("ants", "bees"), "Mirror, mirror on the wall, are these ants or bees after all?"),
    "a plural and a singular": (
        ("bike", "trash_bins"), "Mirror, mirror on the wall, is this a bike or trash bins after all?"),
    "underscores are spaces": (
        ("ice_bear", "polar_bear"), "Mirror, mirror on the wall, am I an ice bear or a polar bear after all?"),
    "as many as are spelled out": (
        tuple("bcdghj"), "Mirror, mirror on the wall, am I a b, a c, a d, a g, a h or a j after all?"),
    "no English": (("Ameisen", "Küken"), "Mirror, mirror on the wall, which is it after all: Ameisen or Küken?"),
    "one of them no English": (("ant", "Küken"), "Mirror, mirror on the wall, which is it after all: ant or Küken?"),
    "a long one": (("ant", "w" * 130), "Mirror, mirror on the wall, what am I after all?"),
    "one more": (tuple("bcdghjk"), "Mirror, mirror on the wall, what am I after all?"),
}  # fmt: skip


@pytest.mark.parametrize(("labels", "title"), TITLES.values(), ids=TITLES)
def test_the_title_asks_for_the_labels(labels, title):
    assert answer_sentences.title(labels) == title


@pytest.mark.parametrize(
    ("label", "spoken"),
    [
        ("apple", "an apple"), ("umbrella", "an umbrella"), ("unicorn", "a unicorn"), ("uniform", "a uniform"),
        ("hour glass", "an hour glass"), ("hen", "a hen"), ("ewe", "a ewe"), ("eucalyptus", "a eucalyptus"),
        ("one-way street", "a one-way street"), ("onion", "an onion"), ("ukulele", "a ukulele"),
        ("SUV", "an SUV"), ("UFO", "a UFO"), ("X-ray", "an X-ray"), ("T-shirt", "a T-shirt"), ("8-ball", "an 8-ball"),
        ("11", "an 11"), ("12", "a 12"), ("7", "a 7"), ("African elephant", "an African elephant"),
        ("uncle", "an uncle"), ("urchin", "an urchin"),
        ("bees", "bees"), ("glass", "a glass"), ("octopus", "an octopus"), ("bus", "a bus"), ("iris", "an iris"),
        ("trash_bins", "trash bins"), ("lens", "a lens"), ("ox", "an ox"), ("euro", "a euro"),
        ("Küken", "Küken"), ("Ameisen", "Ameisen"), ("université", "université"), ("a & b", "a & b"),
        ("$5_$10", "$5 $10"), ("true", "true"), ("NaN", "NaN"), ("true north", "a true north"),
        ("بطة", "بطة"), ("🦆", "🦆"), ("w" * 100, "w" * 100),
    ],
)  # fmt: skip
def test_articles_follow_the_sound(label, spoken):
    assert with_article(label) == spoken


@pytest.mark.parametrize(
    ("labels", "knows_strangers", "expected"),
    [
        (("a", "b"), True,
         "Show me a photo. I will tell you which of the two I see, and how sure I am, or when it is neither."),
        (("a", "b"), False, "Show me a photo. I will tell you which of the two I see and how sure I am."),
        (("a", "b", "c"), True,
         "Show me a photo. I will tell you which of the three I see, and how sure I am, or when it is none of these."),
        (tuple("abcdefgh"), False,
         "Show me a photo. I will tell you which of 8 things I see in it (a, b, c, d, e, f and so on) "
         "and how sure I am."),
        (tuple("abcdefghijkl"), True,
         "Show me a photo. I will tell you which of 12 things I see in it (a, b, c, d, e, f and so on), "
         "and how sure I am, or when it is none of these."),
    ],
    ids=["two", "two, no stranger", "three", "many", "twelve"],
)  # fmt: skip
def test_the_subtitle_promises_what_the_model_can_do(labels, knows_strangers, expected):
    assert answer_sentences.subtitle(labels, knows_strangers=knows_strangers) == expected


@pytest.mark.parametrize(
    ("probabilities", "known", "says", "sure"),
    [
        ({"duckling": 0.97, "cygnet": 0.03}, True, "This is a duckling.", "I am 97 % sure."),
        ({"duckling": 0.9, "cygnet": 0.1}, True, "This is a duckling.", "I am 90 % sure."),
        ({"duckling": 0.8999, "cygnet": 0.1001}, True, "Most likely a duckling.", "I am 90 % sure."),
        ({"duckling": 0.3, "cygnet": 0.7}, True, "Most likely a cygnet.", "I am 70 % sure."),
        ({"ants": 0.45, "bees": 0.55}, True, "Hard to say, perhaps bees.", "I am 55 % sure."),
        ({"ants": 0.95, "bees": 0.05}, True, "These are ants.", "I am 95 % sure."),
        ({"duckling": 0.99998, "cygnet": 0.00002}, True, "This is a duckling.", "I am more than 99 % sure."),
        ({"duckling": 0.99, "cygnet": 0.01}, False, "Neither: this looks like nothing I was trained on.",
         "The probabilities only compare the labels I know, so they mean little here."),
        ({"a": 0.9, "b": 0.05, "c": 0.05}, False, "None of these: this looks like nothing I was trained on.",
         "The probabilities only compare the labels I know, so they mean little here."),
        ({label: 1 / 12 for label in "abcdefghijkl"}, False, "None of these: this looks like nothing I was trained on.",
         "The probabilities only compare the labels I know, so they mean little here."),
    ],
)  # fmt: skip
def test_the_verdict_says_no_more_than_the_probabilities(probabilities, known, says, sure):
    prediction = Prediction(probabilities, known=known)
    assert (answer_sentences.verdict(prediction), answer_sentences.certainty(prediction)) == (says, sure)


WHEREABOUTS = {
    "one place": (("upper left",), "I looked mostly at the upper left of the photo.", "the upper left."),
    "two": (("top", "middle"), "I looked mostly at the top and the middle of the photo.", "the top and the middle."),
    "everywhere": (("everywhere",), "I looked at nearly all of it.", "nearly everywhere."),
    "nowhere": ((), "Nothing in this photo speaks for an ant.", "no place coloured."),
}


@pytest.mark.parametrize("name", WHEREABOUTS)
def test_where_it_looked_is_told_to_those_who_see_the_picture_and_to_those_who_do_not(name):
    places, says, alt = WHEREABOUTS[name]
    assert answer_sentences.regions_sentence(places, "ant") == says
    told = answer_sentences.alt_text(places)
    assert told.startswith("Your photo in grey, ") and told.endswith(alt)


def test_of_a_photo_unlike_all_it_knows_it_says_what_would_speak_for_the_label():
    assert (
        answer_sentences.regions_sentence(("top",), "ants", known=False) == "If it were ants, it would be for the top."
    )
    assert (
        answer_sentences.regions_sentence(("everywhere",), "egg", known=False)
        == "If it were an egg, it would be for nearly all of it."
    )
    assert answer_sentences.regions_sentence((), "egg", known=False) == "Nothing in this photo speaks for an egg."


def test_the_colours_are_explained_by_the_label_and_what_was_cut_off_is_owned_up_to():
    assert (
        answer_sentences.colours_sentence("ants", cut=False)
        == "The brighter the colour, the more a place speaks for ants."
    )
    assert answer_sentences.colours_sentence("duckling", cut=True).endswith(
        "speaks for a duckling. The darker edges I did not see."
    )


@pytest.mark.parametrize(
    ("share", "digits", "shown"),
    [(0.5, 0, "50 %"), (1.0, 0, "100 %"), (0.0, 0, "0 %"), (0.996, 0, "more than 99 %"), (0.001, 0, "less than 1 %"),
     (0.0312, 1, "3.1 %"), (0.0001, 1, "less than 0.1 %"), (0.0, 1, "0.0 %")],
)  # fmt: skip
def test_percentages_never_round_to_certainty(share, digits, shown):
    assert percent(share, digits) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [("I am 93 % sure.", "I am 93~% sure."), ("1.8–40.4 % of 20 MB", "1.8–40.4~% of 20~MB"), ("32 px", "32~px"),
     ("5 %ile", "5 %ile"), ("a % b", "a % b"), ("7 photos", "7 photos")],
)  # fmt: skip
def test_a_number_and_its_unit_stay_on_one_line(text, shown):
    assert unbroken(text) == shown.replace("~", "\u00a0")


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "0 photos"), (1, "1 photo"), (1204, "1,204 photos")], ids=["none", "one", "thousands"]
)
def test_counts_agree_with_their_noun(number, shown):
    assert count(number, "photo") == shown


@pytest.mark.parametrize(
    ("probability", "says"),
    [(0.95, "This is: Küken."), (0.8, "Most likely: Küken."), (0.6, "Hard to say, perhaps: Küken.")],
)
def test_what_is_no_english_noun_is_put_into_no_english_grammar(probability, says):
    assert answer_sentences.verdict(Prediction({"Küken": probability, "Fotos": 1 - probability})) == says
    assert (
        answer_sentences.verdict(Prediction({"duckling": 0.95, "Küken": 0.05})) == "This is: duckling."
    )  # on one page alike
    assert answer_sentences.verdict(Prediction({"Fotos": 0.95, "Bilder": 0.05})) == "This is: Fotos."


def test_a_label_from_right_to_left_turns_no_other_round_where_models_are_chosen():
    assert answer_sentences.choice("odd", ["بطة", "$5_$10"]) == "odd: \u2068بطة\u2069 · $5 $10"
