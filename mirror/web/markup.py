"""Small pieces of HTML for the note on a model. Texts are escaped unless the caller says that they are HTML already."""

from __future__ import annotations

import html
from collections.abc import Sequence


def text(value: object) -> str:
    return html.escape(str(value), quote=True)


def section(title: str, body: str) -> str:
    return f"<section><h2>{text(title)}</h2>{body}</section>"


def scrolling(name: str, table: str) -> str:
    """A table that a narrow screen can scroll sideways, also by keyboard."""
    return f'<div class="scroll" tabindex="0" role="region" aria-label="{text(name)}">{table}</div>'


def table(caption: str, head: Sequence[str], rows: Sequence[Sequence[object]], *, safe: bool = False) -> str:
    """A table whose numbers stand to the right; None is a dash. `safe`: the cells' texts are HTML already."""

    def aligned(value: object) -> str:
        return " class=number" if value is None or isinstance(value, int) or str(value).endswith(" %") else ""

    def shown(value: object) -> str:
        if value is None:
            return "–"
        return f"{value:,}" if isinstance(value, int) else str(value) if safe else text(value)

    first = rows[0] if rows else [""] * len(head)
    columns = "".join(
        f'<th scope="col"{aligned(value) if i else ""}>{text(name)}</th>'
        for i, (name, value) in enumerate(zip(head, first, strict=True))
    )
    body = "".join(
        f'<tr><th scope="row">{shown(row[0])}</th>{"".join(f"<td{aligned(v)}>{shown(v)}</td>" for v in row[1:])}</tr>'
        for row in rows
    )
    return scrolling(
        caption,
        f'<table><caption class="hidden">{text(caption)}</caption><thead><tr>{columns}</tr></thead>'
        f"<tbody>{body}</tbody></table>",
    )


def confusion(caption: str, labels: Sequence[str], matrix: Sequence[Sequence[int]]) -> str:
    """Counts, rows actual and columns predicted; a cell's colour tells its share of the row."""

    def cell(number: int, row_total: int, right: bool) -> str:
        kind = "right" if right else "wrong" if number else "none"
        return f'<td class="{kind}" style="--share:{number / row_total if row_total else 0:.2f}">{number:,}</td>'

    head = "".join(f'<th scope="col">{text(label)}</th>' for label in labels)
    body = "".join(
        f'<tr><th scope="row">{text(label)}</th>{"".join(cell(n, sum(row), i == j) for j, n in enumerate(row))}</tr>'
        for i, (label, row) in enumerate(zip(labels, matrix, strict=True))
    )
    return scrolling(
        caption,
        f'<table class="confusion"><caption>{text(caption)}</caption>'
        f"<thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>",
    )
