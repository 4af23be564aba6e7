"""The HTML and Markdown that the project writes, as Jinja2 templates: whatever is put into HTML is escaped.

render("compare.html", before=…, now=…)
"""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from mirror.wording import count, listed, percent, plain

FOLDER = Path(__file__).parent


def render(template: str, **values: Any) -> str:
    """HTML of a template in this folder. Raises UndefinedError for a value that the template needs and is not given."""
    return _ENVIRONMENT.get_template(template).render(**values)


def data_url(picture: bytes, kind: str = "jpeg") -> str:
    """An encoded image as an address (RFC 2397), within the page itself, so that no file has to stay for it."""
    return f"data:image/{kind};base64,{base64.b64encode(picture).decode('ascii')}"


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
