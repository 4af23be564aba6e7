"""Pictures of numbers: whatever a label is called, its characters are drawn, and none as a box."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror import charts
from mirror.charts import drawable, drawing
from mirror.images import load_image

LABELS = {
    "$5_$10": "$5_$10", "a $ b % c $": "a $ b % c $", "None": "None", "01": "01", "True": "True", "nan": "nan",
    "Küken": "Küken", "بطة": "بطة", "Утёнок": "Утёнок", "🦆 duck": "[duck] duck", "鴨": "U+9D28",
    "小鸭 1": "U+5C0F U+9E2D  1", "हंस": "U+0939 U+0938",
}  # fmt: skip


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch):
    """Only the font that comes with matplotlib is there."""
    monkeypatch.setattr(charts, "FONTS", ("DejaVu Sans",))
    for cached in (charts._installed, charts._glyphs):
        cached.cache_clear()
    yield
    for cached in (charts._installed, charts._glyphs):
        cached.cache_clear()


def test_labels_of_any_script_are_drawn_without_boxes(bare: None, tmp_path: Path) -> None:
    assert {label: drawable(label) for label in LABELS} == LABELS
    assert {ord(character) for shown in LABELS.values() for character in shown} <= charts._glyphs()
    with drawing(tmp_path / "a.png", 6, 4) as (_, axes):
        axes[0][0].barh([drawable(label) for label in LABELS], range(len(LABELS)))
    assert load_image(tmp_path / "a.png").width == 660
    long = "🦆" * 30
    assert len(drawable(long)) == 40 and drawable(long).endswith("…") and drawable(long, keep_end=True).startswith("…")
