from __future__ import annotations

import re

import pytest

from mirror.web.theme import DARK, LIGHT, PLUM, css, theme


def luminance(colour: str) -> float:
    """Relative luminance, WCAG 2.2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_measured_as_wcag_does():
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)


@pytest.mark.parametrize("palette", [LIGHT, DARK], ids=["light", "dark"])
@pytest.mark.parametrize("text", ["ink", "quiet", "accent", "warning"])
@pytest.mark.parametrize("ground", ["page", "card", "inset"])
def test_text_stands_out_on_every_ground(palette, text, ground):
    assert contrast(getattr(palette, text), getattr(palette, ground)) >= 4.5


@pytest.mark.parametrize(
    ("text", "button"),
    [("#ffffff", LIGHT.accent), ("#ffffff", PLUM.c700), (DARK.page, DARK.accent), (DARK.page, PLUM.c200)],
    ids=["light", "light, hovered", "dark", "dark, hovered"],
)
def test_text_stands_out_on_buttons(text, button):
    assert contrast(text, button) >= 4.5


@pytest.mark.parametrize(("line", "ground"), [("#8d8284", LIGHT.card), ("#857a92", DARK.page)], ids=["light", "dark"])
def test_the_edges_of_inputs_can_be_seen(line, ground):
    assert contrast(line, ground) >= 3.0  # WCAG 1.4.11


def test_nothing_in_the_look_comes_from_another_server():
    look = theme()
    assert look._stylesheets == []
    assert re.findall(r"""url\((?!['"]data:)|@import""", css() + look._get_theme_css()) == []


def test_the_stylesheet_holds_both_palettes():
    assert f"--mirror-page: {LIGHT.page};" in css() and f"--mirror-page: {DARK.page};" in css()
    assert css().count("{") == css().count("}")
    used = set(re.findall(r"var\((--mirror-[a-z]+)\)", css()))
    assert used <= set(re.findall(r"(--mirror-[a-z]+):", css()))
