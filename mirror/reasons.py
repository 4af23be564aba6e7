"""Why a photo was left out, in words: the slugs of rejected.csv as people say them."""

from __future__ import annotations

WORDS = {
    "near-duplicate": "nearly the same as another photo",
    "exact-duplicate": "exactly the same as another photo",
    "same-photo-under-two-labels": "the same photo under two labels",
    "removed-by-hand": "removed by hand",
    "changed-since": "no longer what it was",
    "not-an-image": "not an image, or cut short",
    "too-small": "too small",
    "too-many-pixels": "too many pixels",
    "too-many-bytes": "too large a file",
    "too-much-memory": "takes too much memory to decode",
    "too-much-work": "takes too long to decode",
    "busy": "too many photos at once",
    "no-worker": "of a kind that cannot be decoded here",
    "empty-file": "an empty file",
    "no-label-folder": "in no label folder",
    "link-leads-outside": "a link out of the folder",
    "timeout": "took too long",
    "unknown-host": "no such server",
    "connection-failed": "the connection failed",
    "tls-failed": "no trustworthy connection",
    "noai": "its publisher asks not to be used for training",
    "private-address": "a private address",
    "redirect-loop": "redirected in circles",
    "incomplete-body": "broke off on the way",
}


def reason_in_words(slug: str) -> str:
    """`http-404` → the server answered 404; a slug without words of its own, its own words."""
    if slug.startswith("http-") and slug[5:].isdigit():
        return f"the server answered {slug[5:]}"
    return WORDS.get(slug, slug.replace("-", " "))
