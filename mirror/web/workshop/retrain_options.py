"""The options of train.py that a model was made with, as values that may go on a command line again.

    read_options(info.training.options)

model.json may come from a stranger, and "Train again" starts a program with what it says. So nothing of it is passed on
as it stands: each option is looked up by its full name, its value is read as what it has to be and written anew.
Whatever else is recorded (a path, a proxy, an abbreviation, an option of a newer version) is named to the person.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from mirror.defaults import EPOCHS, FOLDS, SEEDS, SIZES

NO_PICKLE, HOLD_OUT = "--no-pickle", "--hold-out"
LOCAL = ("--weights", "--others")  # their files are not in the model folder, and where they lie it does not say
SHOWN, SHOWN_LENGTH = 5, 60  # of what is left out: words, and characters of each


def _whole_number(least: int, most: int) -> Callable[[str], str | None]:
    """A whole number in a range, as its plain digits."""

    def read(text: str) -> str | None:
        number = int(text) if re.fullmatch(r"[0-9]{1,10}", text, re.ASCII) else -1
        return str(number) if least <= number <= most else None

    return read


def _matching(pattern: str) -> Callable[[str], str | None]:
    return lambda text: text if re.fullmatch(pattern, text, re.ASCII) else None


READERS: dict[str, Callable[[str], str | None]] = {
    "--arch": _matching(r"[A-Za-z][A-Za-z0-9_.]{0,99}"),  # torchvision's and timm's names; no "hf-hub:" and no path
    "--seed": _whole_number(*SEEDS),
    "--size": _whole_number(*SIZES),
    "--epochs": _whole_number(*EPOCHS),
    "--folds": _whole_number(*FOLDS),
    "--precision": _matching("auto|fp32|int8"),
}
FLAGS = (NO_PICKLE, HOLD_OUT)


@dataclass(frozen=True)
class Options:
    """passed: words for train.py. local: options of LOCAL that the model was made with. left_out: recorded words that
    are nothing to pass on, shortened, at most SHOWN of them."""

    passed: tuple[str, ...] = ()
    local: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def note(self) -> str:
        """A sentence about what is left out, "" where nothing is."""
        if not self.left_out:
            return ""
        return f"The model's record also names {', '.join(self.left_out)}, which the studio does not pass on."


def read_options(recorded: Sequence[str]) -> Options:
    """What of train.py's options, as model.json records them, may be used again. Of an option given twice the last
    counts, as on the command line."""
    words = list(recorded)
    passed: dict[str, str] = {}
    local: list[str] = []
    left_out: list[str] = []
    while words:
        word = words.pop(0)
        value = words.pop(0) if words and word not in FLAGS and _takes_value(word, words[0]) else None
        read = READERS[word](value) if word in READERS and value is not None else None
        if read is not None:
            passed[word] = read
        elif word in FLAGS:
            passed[word] = ""
        elif (local_option := _local_option(word)) is not None:
            local.append(local_option)
        else:
            left_out.append(word if value is None else f"{word} {value}")
    flat = [word for option, value in passed.items() for word in (option, value) if word]
    listed = [_printable(words) for words in left_out[:SHOWN]]
    more = [f"{len(left_out) - SHOWN} more"] if len(left_out) > SHOWN else []
    return Options(tuple(flat), tuple(dict.fromkeys(local)), (*listed, *more))


def without(words: Sequence[str], options: Collection[str]) -> list[str]:
    """The words of a command line without these options and their values."""
    kept, value = [], False
    for word in words:
        value = word in options if word.startswith("--") else value
        if not value:
            kept.append(word)
    return kept


def _takes_value(word: str, following: str) -> bool:
    return word.startswith("-") and "=" not in word and not following.startswith("--")


def _local_option(word: str) -> str | None:
    """The option of LOCAL that argparse would take the word for: `--weights`, `--weight`, `--weights=/x`."""
    name = word.partition("=")[0]
    return next((option for option in LOCAL if len(name) > len("--w") and option.startswith(name)), None)


def _printable(text: str) -> str:
    """On one line, without control characters, and not longer than fits into a sentence."""
    plain = "".join(character if character.isprintable() else "�" for character in text)
    return plain if len(plain) <= SHOWN_LENGTH else f"{plain[:SHOWN_LENGTH]}…"
