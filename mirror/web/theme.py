"""How the page looks: ink on warm paper by day, candlelight by night. Colours, a gradio theme and a little CSS.

Fonts are the visitor's own (no font is fetched from anywhere). Every text colour stands on its ground with a contrast
of at least 4.5 (WCAG 2.2 AA); `tests/web/test_theme.py` computes it.
"""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.themes import Base, Color

from mirror.palette import DARK, LIGHT, SERIF, variables
from mirror.templates import FOLDER

SANS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Helvetica Neue", "Noto Sans", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")

PLUM = Color(
    name="plum", c50="#f8f4fb", c100="#efe6f6", c200="#dfcfee", c300="#c9aee2", c400="#ad85d0", c500="#8d5fb9",
    c600="#72449e", c700="#5d3682", c800="#4a2c67", c900="#3b2452", c950="#251434",
)  # fmt: skip
PAPER = Color(
    name="paper", c50="#fbf8f3", c100="#f4efe6", c200="#e7dfd2", c300="#d3c8b8", c400="#a99f95", c500="#7c7271",
    c600="#5f5558", c700="#463e47", c800="#2d2736", c900="#211b2c", c950="#17121f",
)  # fmt: skip


def theme() -> Base:
    """The gradio theme; nothing in it needs the network."""
    return Base(
        primary_hue=PLUM, secondary_hue=PLUM, neutral_hue=PAPER, font=SANS, font_mono=MONO,
        radius_size=gr.themes.sizes.radius_lg, text_size=gr.themes.sizes.text_md,
    ).set(
        body_background_fill=LIGHT.page, body_background_fill_dark=DARK.page,
        body_text_color=LIGHT.ink, body_text_color_dark=DARK.ink,
        body_text_color_subdued=LIGHT.quiet, body_text_color_subdued_dark=DARK.quiet,
        background_fill_primary=LIGHT.card, background_fill_primary_dark=DARK.card,
        background_fill_secondary=LIGHT.inset, background_fill_secondary_dark=DARK.inset,
        block_background_fill=LIGHT.card, block_background_fill_dark=DARK.card,
        block_border_color=LIGHT.line, block_border_color_dark=DARK.line, block_border_width="1px",
        block_label_text_color=LIGHT.quiet, block_label_text_color_dark=DARK.quiet,
        block_label_background_fill="transparent", block_label_background_fill_dark="transparent",
        block_label_border_width="0px", block_label_shadow="none",
        block_title_text_color=LIGHT.quiet, block_title_text_color_dark=DARK.quiet, block_shadow="none",
        border_color_primary=LIGHT.line, border_color_primary_dark=DARK.line,
        stat_background_fill=LIGHT.accent, stat_background_fill_dark=DARK.accent,
        border_color_accent=LIGHT.accent, border_color_accent_dark=DARK.accent,
        link_text_color=LIGHT.accent, link_text_color_dark=DARK.accent,
        input_background_fill=LIGHT.card, input_background_fill_dark=DARK.page,
        input_border_color="#8d8284", input_border_color_dark="#857a92",
        input_placeholder_color=LIGHT.quiet, input_placeholder_color_dark=DARK.quiet,
        button_primary_background_fill=LIGHT.accent, button_primary_background_fill_dark=DARK.accent,
        button_primary_background_fill_hover=PLUM.c700, button_primary_background_fill_hover_dark=PLUM.c200,
        button_primary_text_color="#ffffff", button_primary_text_color_dark=DARK.page,
        button_primary_text_color_hover="#ffffff", button_primary_text_color_hover_dark=DARK.page,
        button_secondary_background_fill=LIGHT.card, button_secondary_background_fill_dark=DARK.card,
        button_secondary_background_fill_hover=LIGHT.inset, button_secondary_background_fill_hover_dark=DARK.inset,
        button_secondary_text_color=LIGHT.ink, button_secondary_text_color_dark=DARK.ink,
        button_secondary_border_color=LIGHT.line, button_secondary_border_color_dark=DARK.line,
    )  # fmt: skip


def css() -> str:
    """The stylesheet: both palettes as variables, what all pages share, then page.css."""
    return (
        f".gradio-container {{ {variables(LIGHT)} --mirror-serif: {SERIF}; }}\n"
        f".dark .gradio-container, .gradio-container.dark {{ {variables(DARK)} }}\n"
        + (FOLDER / "shared.css").read_text(encoding="utf-8")
        + Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    )
