"""A preview as one HTML file that asks nobody for anything: the pictures are within it."""

from __future__ import annotations

from mirror.search_doctor.hit_groups import alike_groups
from mirror.search_doctor.hits_preview import Preview
from mirror.templates import data_url, page_style, render

PREVIEW_HTML = "preview.html"


def contact_sheet(found: Preview) -> str:
    """The page as HTML."""
    return render(
        "search_preview.html", style=page_style("report.css", "search_preview.css"), found=found, picture=data_url,
        address=_address,
        alike=alike_groups(found.alike),
        title=f"What the search finds: {', '.join(one.label for one in found.labels)}",
    )  # fmt: skip


def _address(page_url: str) -> str:
    """The address of a hit's page, where it is one that a browser may be led to."""
    return page_url if page_url.startswith(("https://", "http://")) else ""
