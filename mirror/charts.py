"""Pictures of numbers, drawn by matplotlib: whatever a label is called, a picture comes of it, always the same."""

from __future__ import annotations

import contextlib
import logging
import unicodedata
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from mirror.terminal import printable

INK, BAR, WRONG, QUIET = "#22303a", "#2f6f6a", "#a8412f", "#a9b1b5"
FONT = "DejaVu Sans"  # comes with matplotlib; what it lacks is drawn with any font of this machine that has it
NO_LETTERS = ("Last Resort", "LastResort", "Color Emoji", "Blank")  # fonts of boxes, of coloured bitmaps, of nothing
DPI = 110


def _is_of_use(record: logging.LogRecord) -> bool:
    """Not that the list of fonts could not be kept, which is only slower the next time."""
    return not record.msg.startswith("Could not save")


@contextlib.contextmanager
def drawing(path: Path, width: float, height: float, rows: int = 1, columns: int = 1, **shared: Any) -> Iterator[Any]:
    """(figure, axes [rows, columns]) of this size in inches, written to `path` as a PNG when all is drawn. Texts are
    taken as they stand: dollars enclose no formula. Raises OSError where the disk refuses."""
    logging.getLogger("matplotlib.font_manager").addFilter(_is_of_use)
    import matplotlib
    from matplotlib.figure import Figure
    from matplotlib.text import Text

    with matplotlib.rc_context({"text.parse_math": False, "font.family": [FONT, *_fonts]}):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False, **shared)
        yield figure, axes
        for text in figure.findobj(Text):  # with fonts that were found for them meanwhile, too
            text.set_fontfamily([FONT, *_fonts])
        path.parent.mkdir(parents=True, exist_ok=True)
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Glyph .* missing")  # of a script its fonts lack: drawn as boxes
            figure.savefig(path, dpi=DPI, format="png", metadata={"Software": None})


def drawable(text: str, longest: int = 40, keep_end: bool = False) -> str:
    """A text on one line, no longer than that, in which symbols that no font has are called by their names ("[duck]"),
    and letters by their numbers ("U+9D28"): no boxes. keep_end: its beginning is left out, not its end."""
    shown = "".join(_named(character) for character in printable(text)).rstrip()
    if len(shown) <= longest:
        return shown
    return "…" + shown[1 - longest :] if keep_end else shown[: longest - 1] + "…"


def _named(character: str) -> str:
    if ord(character) < 0x250 or (font := _font_of(character)):
        if ord(character) >= 0x250 and font != FONT:
            _fonts[font] = None
        return character
    category = unicodedata.category(character)
    if category in ("So", "Sk"):  # emoji, and the colours of their skin
        return f"[{unicodedata.name(character, 'symbol').lower()}]"
    return (
        "" if category in ("Mn", "Me", "Cf") else f"U+{ord(character):04X} "
    )  # the first: what joins and varies emoji


_fonts: dict[str, None] = {}  # that were needed so far


@cache
def _font_of(character: str) -> str:
    """A font that has it, "" where this machine has none; the plain ones first, and among equals always the same."""
    from matplotlib.font_manager import fontManager

    def order(font: Any) -> tuple:
        return (
            font.name != FONT,
            not font.name.startswith("Noto Sans"),
            font.style != "normal",
            str(font.weight),
            font.name,
        )

    plain = [font for font in fontManager.ttflist if not any(word in font.name for word in NO_LETTERS)]
    return next((font.name for font in sorted(plain, key=order) if ord(character) in _glyphs(font.fname)), "")


@cache
def _glyphs(file: str) -> frozenset[int]:
    from matplotlib.font_manager import get_font

    try:
        return frozenset(get_font(file).get_charmap())
    except (OSError, RuntimeError):  # no file any more, or none that can be scaled
        return frozenset()
