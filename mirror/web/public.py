"""What the page is launched with, so that it can be shown to strangers: its gate, and the sweeper behind it."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from starlette.middleware import Middleware

from mirror.web import retention
from mirror.web.failures import Failures
from mirror.web.gateway import connections
from mirror.web.gateway.gate import Policy, in_front
from mirror.web.gateway.routes import page_routes
from mirror.web.gateway.security_headers import ScriptNonces, hosts_of
from mirror.web.gateway.upload_routes import Uploads


def app_settings(folder: Path, largest: int, host: str | None, environ: Mapping[str, str] = os.environ) -> dict:
    """For FastAPI, through `Blocks.launch(app_kwargs=…)`. folder: where gradio puts visitors' files. largest: bytes of
    one. host: the address to listen on, if it was given."""
    connections.install()
    sweeper: retention.Sweeper | None = None
    page: Any = None

    @asynccontextmanager
    async def swept(app: Any) -> AsyncIterator[None]:
        nonlocal sweeper, page
        page, memory = app.get_blocks(), retention.Memory()

        def after() -> None:
            retention.forget_paths(page)
            memory.give_back()

        sweeper = retention.Sweeper(folder, named, after)
        sweeper.start()
        yield
        sweeper.stop()

    def named() -> set[str]:
        return retention.named_in_queue(page)

    uploads = Uploads(folder, largest, lambda: sweeper is not None and sweeper.works(), named)
    policy = Policy(page_routes(largest), names(host, environ), uploads)
    return {"lifespan": in_front(policy, swept), "middleware": [Middleware(ScriptNonces), Middleware(Failures)]}


def names(host: str | None, environ: Mapping[str, str] = os.environ) -> frozenset[str] | None:
    """The names that the page may be asked by: any where other machines reach it, else this machine's and those of
    MIRROR_ALLOWED_HOSTS, which a proxy on this machine may pass on."""
    shared = environ.get("GRADIO_SHARE", "").lower() in ("true", "1")
    if shared or environ.get("SYSTEM") == "spaces" or environ.get("SPACE_ID"):
        return None
    return hosts_of(host or environ.get("GRADIO_SERVER_NAME"), environ.get("MIRROR_ALLOWED_HOSTS", "").split(","))
