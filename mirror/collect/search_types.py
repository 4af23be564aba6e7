"""What a search is made of, and what it finds: the types that travel from search to download to the photo folder."""

from __future__ import annotations

from dataclasses import dataclass

from mirror.errors import UsageError

# DuckDuckGo's own names, and what they mean
LICENSES = {
    "any": "any Creative Commons licence",
    "Public": "public domain",
    "Share": "free to share and use",
    "ShareCommercially": "free to share and use commercially",
    "Modify": "free to modify, share and use",
    "ModifyCommercially": "free to modify, share and use commercially",
}


@dataclass(frozen=True)
class SearchTerm:
    """`query`: the words to search for; `label`: what the photos found are called. Queries may share a label."""

    query: str
    label: str


@dataclass(frozen=True)
class ImageHit:
    """A photo that an engine found, before anyone has fetched it. `width`, `height`: pixels, as the engine says."""

    url: str
    page_url: str = ""
    title: str = ""
    thumbnail_url: str = ""
    width: int | None = None
    height: int | None = None
    query: str = ""
    label: str = ""
    engine: str = ""
    license_filter: str = ""


@dataclass(frozen=True)
class SearchFilters:
    """What the engine is asked to leave out. license: a key of LICENSES; size: Small, Medium, Large or Wallpaper;
    safesearch: on, moderate (every engine's own default) or off; kind: photo keeps clip art and drawings away."""

    license: str | None = None
    size: str | None = None
    safesearch: str = "moderate"
    kind: str | None = "photo"


@dataclass(frozen=True)
class SearchPage:
    """One page of results. `next`: the engine's own name for the page after this, None where there is none."""

    engine: str
    hits: tuple[ImageHit, ...]
    next: str | None = None


def check_license(name: str | None) -> str | None:
    """DuckDuckGo's spelling of a licence filter given in any case. Raises UsageError."""
    if not name:
        return None
    for known in LICENSES:
        if known.lower() == name.lower():
            return known
    raise UsageError(f"{name!r} is no licence filter: choose one of {', '.join(LICENSES)}.")
