"""What a chat or a mail shows of a link to the page: its question, what it does, and a picture.

gradio 6.31 writes its own name and no picture into two sets of the tags that tell of it (https://ogp.me).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from mirror.page_pictures import PREVIEW_PIXELS, link_preview
from mirror.templates import render
from mirror.web.gateway.routes import PICTURE

_TAGS = re.compile(rb"<meta\s+(?:property|name)=\"(?:og|twitter):[^>]*>\s*")
_ROOT = re.compile(rb'"root":"(https?://[^"\\]+)"')


def with_preview(told: Callable[[], tuple[str, str]]) -> Callable[[bytes], bytes]:
    """A function of the page's HTML. told: gives the page's title and description, as they are by then."""

    def rewrite(html: bytes) -> bytes:
        root = _ROOT.search(html)
        title, description = told()
        address = root[1].decode().rstrip("/") if root else ""
        tags = render(
            "link_preview.html", title=title, description=description, address=address,
            picture=f"{address}{PICTURE}", width=PREVIEW_PIXELS[0], height=PREVIEW_PIXELS[1],
        )  # fmt: skip
        return _TAGS.sub(b"", html).replace(b"<head>", b"<head>\n" + tags.encode(), 1)

    return rewrite


def routes(examples: Callable[[], list[Path]]) -> list[Route]:
    """examples: gives the pictures to click of the page's first model."""

    def picture(_: Request) -> Response:
        return Response(drawn(*examples()), media_type="image/jpeg")

    return [Route(PICTURE, picture)]


@lru_cache(maxsize=4)
def drawn(*examples: Path) -> bytes:
    return link_preview(examples)
