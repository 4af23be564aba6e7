"""Pictures of numbers: whatever a label is called, its characters are drawn, and none as a box."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.font_manager import findfont

from mirror import charts
from mirror.charts import drawable, drawing
from mirror.images import load_image

LABELS = {
    "$5_$10": "$5_$10", "a $ b % c $": "a $ b % c $", "None": "None", "01": "01", "True": "True", "nan": "nan",
    "Küken": "Küken", "بطة": "بطة", "Утёнок": "Утёнок", "🦆 duck": "[duck] duck", "鴨": "U+9D28",
    "小鸭 1": "U+5C0F U+9E2D  1", "हंस": "U+0939 U+0938",
}  # fmt: skip


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Only the font that comes with matplotlib is there."""
    from matplotlib.font_manager import fontManager

    monkeypatch.setattr(fontManager, "ttflist", [font for font in fontManager.ttflist if font.name == charts.FONT])
    monkeypatch.setattr(charts, "_fonts", {})
    charts._font_of.cache_clear()
    yield
    charts._font_of.cache_clear()


def small_font(path: Path, characters: str) -> None:
    """A font named Ducks in which each of these is a full square."""
    pen = TTGlyphPen(None)
    for number, point in enumerate([(0, 0), (0, 1000), (1000, 1000), (1000, 0)]):
        (pen.lineTo if number else pen.moveTo)(point)
    pen.closePath()
    names = [".notdef", *(f"glyph{number}" for number in range(len(characters)))]
    font = FontBuilder(1000)
    font.setupGlyphOrder(names)
    font.setupCharacterMap({ord(character): name for character, name in zip(characters, names[1:], strict=True)})
    font.setupGlyf(dict.fromkeys(names, pen.glyph()))
    font.setupHorizontalMetrics(dict.fromkeys(names, (1000, 0)))
    font.setupHorizontalHeader(ascent=1000, descent=0)
    font.setupNameTable({"familyName": "Ducks", "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    font.save(path)


def test_a_letter_is_drawn_where_any_font_of_the_machine_has_it(bare: None, tmp_path: Path) -> None:
    from matplotlib.font_manager import fontManager

    assert drawable("鴨") == "U+9D28"
    small_font(tmp_path / "ducks.ttf", "鴨")
    fontManager.addfont(tmp_path / "ducks.ttf")
    charts._font_of.cache_clear()
    pictures = []
    for label in ("鴨", ""):
        with drawing(tmp_path / "a.png", 4, 2) as (_, axes):
            axes[0][0].text(0.5, 0.5, drawable(label), fontsize=40)
        pictures.append(np.asarray(load_image(tmp_path / "a.png").convert("L")))
    assert drawable("鴨") == "鴨"
    assert ((pictures[0] < 64) & (pictures[1] > 200)).sum() > 40 * 40  # a full square, in no box's outline


def test_labels_of_any_script_are_drawn_without_boxes(bare: None, tmp_path: Path) -> None:
    assert {label: drawable(label) for label in LABELS} == LABELS
    assert {ord(character) for shown in LABELS.values() for character in shown} <= charts._glyphs(findfont(charts.FONT))
    with drawing(tmp_path / "a.png", 6, 4) as (_, axes):
        axes[0][0].barh([drawable(label) for label in LABELS], range(len(LABELS)))
    assert load_image(tmp_path / "a.png").width == 660
    long = "🦆" * 30
    assert len(drawable(long)) == 40 and drawable(long).endswith("…") and drawable(long, keep_end=True).startswith("…")
