"""Text from outside on a terminal: names, titles, addresses and the errors of libraries lead it nowhere astray.

A file may be called `ESC [2J.jpg`, which clears the screen, or hold a line feed, which forges a line of its own. Lines
that people read go through `printable`, at the places where they leave. Standard library only.
"""

from __future__ import annotations

import re

REPLACEMENT = "\N{REPLACEMENT CHARACTER}"
MOST = 10_000  # characters of a sentence: a name of megabytes is shown by its beginning
_PLAIN = re.compile(r"[ -~]*")


def printable(text: str, keep: str = "") -> str:
    """The text with a replacement character for each one that a terminal would obey or a reader not see: controls,
    separators of lines, marks that turn the direction of text, halves of characters. keep: characters that stay."""
    if _PLAIN.fullmatch(text):
        return text
    return "".join(c if c.isprintable() or c in keep else REPLACEMENT for c in text)


def sentence(error: object) -> str:
    """An error, or any other text that holds words from outside, as one line to print."""
    text = str(error)
    return printable(text if len(text) <= MOST else text[:MOST] + "…")
