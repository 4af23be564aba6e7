"""The HTML and Markdown that the project writes, as Jinja2 templates: whatever is put into either is escaped.

render("compare.html", before=…, now=…)
render_markdown("space_card.md", title=…)
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from mirror.palette import DARK, LIGHT, SERIF, variables
from mirror.wording import count, listed, percent, plain, unbroken

FOLDER = Path(__file__).parent
# HTML in parts: a tag, or an element whose text is taken as it is; or text
_TEXT = re.compile(r"(<(?:(style|script|pre|code|textarea|option)\b.*?</\2>|[^>]*>))|([^<]+)", re.S)


def render(template: str, **values: Any) -> str:
    """HTML of a template in this folder, a number and its unit on one line. Raises UndefinedError for a value that the
    template needs and is not given."""
    html = _ENVIRONMENT.get_template(template).render(**values)
    return _TEXT.sub(lambda found: found[1] or unbroken(found[3]), html)


def page_style(*names: str) -> Markup:
    """The CSS of a page of its own, for screen and paper: both palettes, what all pages share, and files of this
    folder."""
    day, night = f":root {{ {variables(LIGHT)} }}", f":root {{ {variables(DARK)} }}"
    colours = f"{day}\n:root {{ --mirror-serif: {SERIF}; }}\n@media (prefers-color-scheme: dark) {{ {night} }}\n"
    files = "".join((FOLDER / name).read_text(encoding="utf-8") for name in ("shared.css", *names))
    return Markup(f"{colours}{files}@media print {{ {day} }}\n")


def data_url(picture: bytes, kind: str = "jpeg") -> str:
    """An encoded image as an address (RFC 2397), within the page itself, so that no file has to stay for it."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


def render_markdown(template: str, **values: Any) -> str:
    """Markdown of a template in this folder: every value is text, unless it is Markup. Raises UndefinedError."""
    return _MARKDOWN.get_template(template).render(**values)


def as_markdown(value: object) -> str:
    """Text as one line of Markdown that shows it as it is, with no markup of its own; Markup stays what it is
    (https://spec.commonmark.org/0.31.2/#backslash-escapes, and the pipes, tildes and dollars of the Hub's dialect)."""
    if isinstance(value, Markup):
        return value
    text = re.sub(r"([\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", " ".join(str(value).split()))
    text = re.sub(r"&(?=#?\w+;)", "&amp;", text).replace("<", "&lt;")
    return re.sub(r"^(\d*)([#>+=.)-])(?=\s|$|\2)", r"\1\\\2", text)


def joined(sentences: Iterable[object], between: str = " ") -> Markup:
    return Markup(between.join(map(as_markdown, sentences)))


def fenced(code: str, language: str) -> Markup:
    """A block of code, between fences longer than any in it."""
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", code)), default=0))
    return Markup(f"{fence}{language}\n{code}\n{fence}")


def markdown_table(head: Sequence[object], rows: Iterable[Sequence[object]]) -> Markup:
    """A table whose columns after the first stand to the right; None is a dash."""
    cells = [["–" if cell is None else as_markdown(cell) for cell in row] for row in (head, *rows)]
    lines = [f"| {' | '.join(row)} |" for row in cells]
    return Markup("\n".join([lines[0], "| --- |" + " ---: |" * (len(head) - 1), *lines[1:]]))


def _number(value: int) -> str:
    return f"{value:,}"


def _is_number(value: object) -> bool:
    """Whether a cell of a table stands to the right."""
    return value is None or isinstance(value, int) or str(value).endswith(" %")


def _cell(value: object) -> object:
    """A value as a table shows it: None is a dash."""
    return "–" if value is None else _number(value) if isinstance(value, int) else value


_ENVIRONMENT = Environment(
    loader=FileSystemLoader(FOLDER), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
_ENVIRONMENT.filters |= {
    "plain": plain, "listed": listed, "percent": percent, "number": _number, "cell": _cell, "count": count,
}  # fmt: skip
_ENVIRONMENT.tests["numeric"] = _is_number
_MARKDOWN = Environment(
    loader=FileSystemLoader(FOLDER), finalize=as_markdown, undefined=StrictUndefined, keep_trailing_newline=True
)
_MARKDOWN.globals |= {"table": markdown_table, "joined": joined, "fenced": fenced, "count": count}
