"""What a search is asked, and what it answers: the types that engines and searcher share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from mirror.collect.photo_records import Origin, Rejection
from mirror.errors import UsageError

# Licence filters as DuckDuckGo names them: any Creative Commons licence; public domain; free to share; … and use
# commercially; free to modify, share and use; … commercially
LICENSES = ("any", "Public", "Share", "ShareCommercially", "Modify", "ModifyCommercially")
EXCLUDED = "excluded-group"  # the reason of photos that a PhotoJudge leaves out


@dataclass(frozen=True)
class SearchTerm:
    """`query`: the words to search for; `label`: what the photos found are called. Queries may share a label."""

    query: str
    label: str


@dataclass(frozen=True)
class SearchFilters:
    """What the engine is asked to leave out. license: a key of LICENSES; size: Small, Medium, Large or Wallpaper;
    safesearch: on, moderate (every engine's own default) or off; kind: photo keeps clip art and drawings away."""

    license: str | None = None
    size: str | None = None
    safesearch: str = "moderate"
    kind: str | None = "photo"


@dataclass(frozen=True)
class Hit(Origin):
    """One result. thumbnail: the address of the engine's own small picture of it; "" where it is not known."""

    thumbnail: str = ""


@dataclass(frozen=True)
class SearchPage:
    """One page of results. `next`: the engine's own name for the page after this, None where there is none."""

    engine: str
    hits: tuple[Hit, ...]
    next: str | None = None


class PhotoJudge(Protocol):
    """Who says which photos found are left out for what they show (mirror/search_doctor/exclusions.py)."""

    def __call__(self, label: str, photo: bytes) -> tuple[str, str] | None:
        """The reason and the detail for rejected.csv of a photo as it is stored; None for one that is welcome."""

    def stands_by(self, row: Rejection) -> bool:
        """Whether an EXCLUDED row would be one today."""


def check_license(name: str | None) -> str | None:
    """DuckDuckGo's spelling of a licence filter given in any case. Raises UsageError."""
    if not name:
        return None
    for license in LICENSES:
        if license.lower() == name.lower():
            return license
    raise UsageError(f"{name!r} is no licence filter: choose one of {', '.join(LICENSES)}.")
