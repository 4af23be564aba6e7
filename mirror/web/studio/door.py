"""For this machine only: what the studio refuses, who may ask it, and how it serves the photos of its one folder."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from mirror.errors import MirrorError, UsageError
from mirror.images import load_image
from mirror.web.studio.desk import Desk

HERE = "127.0.0.1"
LOOPBACK = {HERE, "localhost", "::1"}
PHOTOS, THUMBNAILS = "/studio/photos", "/studio/thumbnails"
THUMBNAIL = 360  # px on the long side: twice a tile, for sharp screens
KEPT_THUMBNAILS = 1000  # about 20 MB
# A photo is named after its bytes, so what a name shows never changes
HEADERS = {"Cache-Control": "private, max-age=3600", "X-Content-Type-Options": "nosniff"}


def require_this_machine(host: str | None, environ: Mapping[str, str] = os.environ) -> None:
    """Raise UsageError where the page would be reachable from elsewhere: whoever reaches it can change the photos."""
    if environ.get("SYSTEM") == "spaces" or environ.get("SPACE_ID"):
        raise UsageError("The studio changes files, so it does not run on a Space: run it on your own machine.")
    if environ.get("GRADIO_SHARE", "").lower() in ("true", "1"):
        raise UsageError("The studio is for this machine only: unset GRADIO_SHARE.")
    for name, value in (("--host", host), ("GRADIO_SERVER_NAME", environ.get("GRADIO_SERVER_NAME"))):
        if value and value not in LOOPBACK:
            raise UsageError(f"The studio is for this machine only: leave out {name} {value}.")


class OnlyThisMachine:
    """Refuses requests that another site makes a browser send: a foreign Origin, or a name that was pointed here."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        headers = {name: value.decode("latin-1") for name, value in scope["headers"] if name in (b"host", b"origin")}
        asked, origin = headers.get(b"host", ""), headers.get(b"origin")
        if _name(f"//{asked}") in LOOPBACK and (origin is None or urlsplit(origin).netloc == asked):
            await self.app(scope, receive, send)
        else:
            await PlainTextResponse("The studio answers this machine only.", 403)(scope, receive, send)


def app_settings(desk: Desk) -> dict[str, Any]:
    """For FastAPI, through `Blocks.launch(app_kwargs=…)`: the photos' addresses, and who may ask."""

    def photo(request: Request) -> Response:
        try:
            return FileResponse(_asked(request), headers=HEADERS)
        except (MirrorError, OSError):
            return PlainTextResponse("There is no such photo.", 404)

    def thumbnail(request: Request) -> Response:
        try:
            path = _asked(request)
            body = _thumbnail(path, path.stat().st_mtime_ns)
        except (MirrorError, OSError):
            return PlainTextResponse("There is no such photo.", 404)
        return Response(body, media_type="image/jpeg", headers=HEADERS)

    def _asked(request: Request) -> Path:
        path = desk.photo(request.path_params["name"])
        if path is None or not path.is_file():
            raise FileNotFoundError
        return path

    return {
        "routes": [Route(f"{PHOTOS}/{{name:path}}", photo), Route(f"{THUMBNAILS}/{{name:path}}", thumbnail)],
        "middleware": [Middleware(OnlyThisMachine)],
    }


def _name(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


@lru_cache(KEPT_THUMBNAILS)
def _thumbnail(path: Path, changed: int) -> bytes:
    """The photo as a small JPEG. changed: when, so that a new file is not taken for the old one."""
    image = load_image(path, at_least=THUMBNAIL)
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=82)
    return buffer.getvalue()
