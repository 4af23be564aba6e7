"""The colours of every page: ink on warm paper by day, candlelight by night, as CSS hex."""

from __future__ import annotations

from dataclasses import dataclass

SERIF = '"Iowan Old Style", "Palatino Linotype", Palatino, "URW Palladio L", "Book Antiqua", Georgia, serif'


@dataclass(frozen=True)
class Palette:
    """The colours of one of the two looks, as CSS hex."""

    page: str
    card: str
    inset: str  # wells inside a card: table heads, empty bars
    line: str
    ink: str
    quiet: str  # secondary text
    accent: str  # links, bars
    gold: str  # the mirror's frame, never text
    warning: str


LIGHT = Palette("#fbf8f3", "#ffffff", "#f4efe6", "#e2d9ca", "#2b2233", "#655a61", "#72449e", "#c49a45", "#9c2f1f")
DARK = Palette("#17121f", "#211b2c", "#2d2736", "#40374c", "#f2ecf7", "#b7abbf", "#c9aee2", "#d9b569", "#ffb4a3")


def variables(palette: Palette) -> str:
    """Its colours as CSS variables, --mirror-*."""
    return "".join(f"--mirror-{name}: {value};" for name, value in vars(palette).items())
