"""Text from outside on a terminal: names, titles, addresses and the errors of libraries lead it nowhere astray.

A file may be called `ESC [2J.jpg`, which clears the screen, or hold a line feed, which forges a line of its own. Lines
that people read go through `printable`, at the places where they leave.
"""

from __future__ import annotations

import argparse
import contextlib
import difflib
import itertools
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from mirror import __version__
from mirror.errors import UsageError

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
MAX_LENGTH = 10_000  # characters of a sentence: a name of megabytes is shown by its beginning
# What a terminal obeys even in the middle of a line; \n, \t and \r are the program's own by then
_OBEYED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_PLAIN = re.compile(r"[ -~]*")


def printable(text: str, keep: str = "") -> str:
    """The text with a replacement character for each one that a terminal would obey or a reader not see: controls,
    separators of lines, marks that turn the direction of text, halves of characters. keep: characters that stay."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join(c if c.isprintable() or c in keep else REPLACEMENT for c in text)


def sentence(error: object) -> str:
    """An error, or any other text that holds words from outside, as one line to print."""
    text = str(error).encode("utf-8", "backslashreplace").decode()  # names that are no UTF-8, as they are written
    return printable(text if len(text) <= MAX_LENGTH else text[:MAX_LENGTH] + "…")


def warn(message: object) -> None:
    """A line on standard error, with the program's name and made harmless."""
    print(f"mirror: {sentence(message)}", file=sys.stderr)


def silent(_: str) -> None:
    """For those who want no lines: nothing."""


class _Guarded:
    """A stream of text that passes on all but what a terminal would obey, line feeds, tabs and returns excepted."""

    def __init__(self, exact: Any):
        self.exact = exact

    def write(self, text: str) -> int:
        self.exact.write(_OBEYED.sub(REPLACEMENT, text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.exact, name)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Within it nothing that is printed holds a control character, whoever prints it: a bar, a warning, a library."""
    before = sys.stdout, sys.stderr
    if not isinstance(before[0], _Guarded):
        sys.stdout, sys.stderr = map(_Guarded, before)  # type: ignore[assignment]
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before


@contextlib.contextmanager
def unguarded() -> Iterator[None]:
    """Within it standard error is as it is: for a library whose bars move the cursor and hold no words from outside."""
    before = sys.stderr
    if isinstance(before, _Guarded):
        sys.stderr = before.exact
    try:
        yield
    finally:
        sys.stderr = before


def exact(stream: Any) -> Any:
    """The stream as it is where no person reads it: data for programs are written unchanged to a file or a pipe."""
    return stream.exact if isinstance(stream, _Guarded) and not stream.isatty() else stream


def use_utf8(stream: Any, **settings: Any) -> None:
    """Whatever a name holds can be printed: UTF-8, and escapes for halves of characters."""
    stream.reconfigure(encoding="utf-8", errors="backslashreplace", **settings)


def typed(arguments: Iterable[str]) -> str:
    """A command line as a person types it; what lies in their home folder begins with ~."""
    return " ".join(map(_typed, arguments))


def _typed(argument: str) -> str:
    home = f"{Path.home()}/"
    return f"~/{shlex.quote(argument.removeprefix(home))}" if argument.startswith(home) else shlex.quote(argument)


def say(line: object) -> None:
    """Prints one line that may hold words from outside."""
    print(sentence(line))


def path_text(text: str) -> str:
    """The type of an argument that may be a path: as it is. ArgumentTypeError where the system cannot ask for it."""
    try:
        os.lstat(_not_empty(text))
    except (FileNotFoundError, NotADirectoryError):
        pass
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise argparse.ArgumentTypeError(f"{text!r} is no path to go by ({reason})") from None
    return text


def _not_empty(text: str) -> str:
    if not text:
        raise argparse.ArgumentTypeError("it is empty, as a shell's variable is that was not set")
    return text


class Parser(argparse.ArgumentParser):
    """argparse, with its errors as one sentence, for `sentence` to print: a shell may have found the arguments
    in a folder. Each takes --version; descriptions and epilogs are printed line by line as they stand. What it parses
    has `given`: the options that were. No value is empty, and no path is one that the system refuses to look for."""

    def __init__(self, *arguments: Any, **settings: Any):
        super().__init__(*arguments, **{"formatter_class": argparse.RawDescriptionHelpFormatter} | settings)
        self.register("type", None, _not_empty)
        self.register("type", Path, lambda text: Path(path_text(text)))
        self.add_argument("--version", action="version", version=f"mirror {__version__}")

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        options, rest = self.parse_known_args(args, namespace)
        words = list(sys.argv[1:] if args is None else args)
        asked = self._command(words)
        if rest:
            asked.error(f"unrecognized arguments: {' '.join(rest)}{_nearest(rest[0], asked._option_string_actions)}")
        options.given = asked._given(words)
        return options

    def error(self, message: str) -> NoReturn:
        choice = re.search(r"invalid choice: '(.*?)' \(choose from (.*)\)", message)
        hint = _nearest(choice[1], re.findall(r"[\w.-]+", choice[2])) if choice else ""
        raise UsageError(f"{message[0].upper()}{message[1:].rstrip('.')}{hint}: see `{self.prog} --help`.")

    def _given(self, words: Iterable[str]) -> frozenset[str]:
        """The options among the words, by their whole names, those included whose value is the default."""
        before = itertools.takewhile(lambda word: word != "--", words)
        begun = [word.partition("=")[0] for word in before if word.startswith("--")]
        known = self._option_string_actions
        return frozenset(
            name for start in begun for name in ([start] if start in known else known) if name.startswith(start)
        )

    def _command(self, args: Iterable[str]) -> Parser:
        """The parser of the command that the arguments name, or this one."""
        commands: list[dict[str, Parser]] = [
            vars(action)["choices"] for action in self._actions if isinstance(action, argparse._SubParsersAction)
        ]
        return next((choices[name] for choices in commands for name in args if name in choices), self)


def _nearest(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word.split("=")[0], known, 1, 0.75)
    return f" (did you mean {near[0]}?)" if near else ""
