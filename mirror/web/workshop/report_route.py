"""The report for pupils of a project's model, as a file to download; written anew for whoever asks for it."""

from __future__ import annotations

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from mirror.errors import MirrorError
from mirror.model_folder import published_name
from mirror.report_page import recorded_page
from mirror.web.studio.photo_routes import HEADERS, in_address, name_in
from mirror.web.studio.state import Snapshot, StudioState

REPORTS = "/studio/reports"


def report_link(snapshot: Snapshot) -> dict[str, str]:
    """The address of the report, and the name that its file gets; {} where there is no model."""
    if not snapshot.info:
        return {}
    name = f"{published_name(snapshot.info)}-report.html"
    return {"report": f"{REPORTS}/{in_address(snapshot.name)}", "name": name}


def report_route(find: Callable[[str], StudioState | None]) -> Route:
    """find: a project's name → its photos, None where there are none, or MirrorError."""

    def report(request: Request) -> Response:
        model = None
        try:
            state = find(name_in(request.path_params["project"]))
            model = state.snapshot().model if state else None
        except (MirrorError, ValueError):
            pass
        if model is None:
            return PlainTextResponse("There is no such report.", 404)
        return HTMLResponse(
            recorded_page(model), headers={**HEADERS, "Cache-Control": "no-store", "Content-Disposition": "attachment"}
        )

    return Route(f"{REPORTS}/{{project}}", report)
