"""What a chat or a mail shows of a link to the page: its question, what it does, and a picture, of the model that the
link names (`?model=`), else of the first.

gradio 6.31 writes its own name and no picture into two sets of the tags that tell of it (https://ogp.me).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mirror.page_pictures import PREVIEW_PIXELS, link_preview
from mirror.templates import render
from mirror.web.gateway.routes import PICTURE
from mirror.web.gateway.security_headers import Rewrite

_TAGS = re.compile(rb"<meta\s+(?:property|name)=\"(?:og|twitter):[^>]*>\s*")
_ROOT = re.compile(rb'"root":"(https?://[^"\\]+)"')


def with_preview(told: Callable[[str], tuple[str, str]]) -> Rewrite:
    """told: a model's name, "" for the first one → the page's title and description, as they are by then."""

    def rewrite(html: bytes, query: bytes) -> bytes:
        root, model = _ROOT.search(html), QueryParams(query).get("model", "")
        title, description = told(model)
        address = root[1].decode().rstrip("/") if root else ""
        named = f"?{urlencode({'model': model})}" if model else ""
        tags = render(
            "link_preview.html", title=title, description=description, address=f"{address}/{named}",
            picture=f"{address}{PICTURE}{named}", width=PREVIEW_PIXELS[0], height=PREVIEW_PIXELS[1],
        )  # fmt: skip
        return _TAGS.sub(b"", html).replace(b"<head>", b"<head>\n" + tags.encode(), 1)

    return rewrite


def routes(examples: Callable[[str], list[Path]]) -> list[Route]:
    """examples: a model's name, "" for the first one → its pictures to click."""

    def picture(request: Request) -> Response:
        shown = examples(request.query_params.get("model", ""))[:2]
        return Response(_drawn(*((path, path.stat().st_mtime_ns) for path in shown)), media_type="image/jpeg")

    return [Route(PICTURE, picture)]


@lru_cache(maxsize=4)
def _drawn(*examples: tuple[Path, int]) -> bytes:
    """Of pictures and the times when they were written."""
    return link_preview(path for path, _ in examples)
