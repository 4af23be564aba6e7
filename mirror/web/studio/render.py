"""A view as HTML: what templates/gallery.html lays out of its filters, its photos, and what can be done to them."""

from __future__ import annotations

import json
from collections import Counter
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from mirror.collect.corrections import DECISIONS_CSV, REMOVE, Correction, effective_corrections
from mirror.collect.issue_files import DISPUTED, LOOK_ALIKE, OUTLIER
from mirror.net.addresses import as_address, is_private_name, is_public
from mirror.templates import render
from mirror.web.studio.actions import ACCEPT, BACK, EXAMPLES, KEEP, UNDO
from mirror.web.studio.gallery import (
    CONFUSION,
    DECIDED,
    LABELS,
    TILES_A_PAGE,
    GalleryPage,
    Tile,
    View,
    lay_out,
)
from mirror.web.studio.photo_routes import photo_address, thumbnail_address
from mirror.web.studio.state import Snapshot
from mirror.wording import count, plain

KEYED_LABELS = 9  # digits 1 to 9
SHOWN_HISTORY = 200  # lines of the journal, the latest
SHOWN_MATRIX = 20  # labels; beyond it a table no longer fits a screen
INTRODUCTIONS = {
    LABELS: "All photos, by the label they have now. Removed ones are under Decided.",
    DISPUTED: "The model, trained without each of these, gives it another label. Most doubtful first.",
    OUTLIER: "Unlike the other photos of their label: drawings, other animals, text. Strangest first.",
    LOOK_ALIKE: "Almost the same photo twice, side by side. Remove one, or keep both.",
    CONFUSION: "Labels (rows), and what each photo was taken for by what had not learned from it (columns). "
    "A cell shows its photos.",
    DECIDED: "Everything that was decided, the latest first. Nothing was deleted: any of it can be put back.",
}
NONE_LEFT = {
    LABELS: "There is no photo here.",
    DISPUTED: "The model disputes no label that you have not decided about.",
    OUTLIER: "No photo stands out that you have not decided about.",
    LOOK_ALIKE: "There is no pair that you have not decided about.",
    CONFUSION: "Choose a cell to see its photos.",
    DECIDED: "Nothing was decided yet.",
}
KEYS = (
    ("← → ↑ ↓", "move"), ("Space", "choose, or drop the choice"), ("Shift + arrow", "choose on the way"),
    ("* or Ctrl + A", "choose all of this page"), ("Esc", "choose none"), ("1 – 9", "relabel: the label so numbered"),
    ("n", "relabel: type a label"), ("x or Delete", "remove"), ("k", "keep: it is right as it is"),
    ("a", "accept the suggestion"), ("b", "put back as collected"), ("u", "undo what was decided last"),
    ("e", "make them the pictures that the page offers to click"),
    ("Enter", "look closer, and where it came from"), ("[ and ]", "page back, page on"), ("?", "this help"),
)  # fmt: skip


def render_gallery(snapshot: Snapshot, view: View) -> str:
    """The board below the tabs."""
    gallery = lay_out(snapshot, view)
    return render(
        "gallery.html",
        tab=view.tab,
        introduction=INTRODUCTIONS[view.tab],
        nothing=NONE_LEFT[view.tab],
        notices=_notices(snapshot, view),
        filters=_filters(snapshot, view),
        labels=snapshot.labels,
        keyed_labels=KEYED_LABELS,
        actions=_actions(snapshot, gallery),
        can_undo=snapshot.can_undo,
        groups=_groups(snapshot.name, gallery),
        total=gallery.total,
        **_pager(gallery),
        **mistakes(snapshot, view),
        **_history(snapshot, view),
    )


def render_dialogs() -> str:
    """The help on keys, and the larger view of a photo; apart from the board, which is drawn anew all the time."""
    return render("dialogs.html", keys=KEYS)


def _notices(snapshot: Snapshot, view: View) -> list[str]:
    """What a person must know first: a training that runs, a model that says nothing."""
    busy = "The photos are being trained on; decisions can be made again when that has ended."
    problem = snapshot.problem if view.tab not in (LABELS, DECIDED) else ""
    return [*([busy] if snapshot.busy else []), *([problem] if problem else [])]


def _filters(snapshot: Snapshot, view: View) -> list[dict[str, Any]]:
    if view.tab in (CONFUSION, DECIDED):
        return []
    numbers = {"": sum(snapshot.counts.values()), **snapshot.counts}
    return [
        {
            "name": plain(label) if label else "all",
            "number": numbers[label] if view.tab == LABELS else None,
            "pressed": _flag(view.label == label),
            "go": _go(View(view.tab, label)),
        }
        for label in ("", *snapshot.labels)
    ]


def _actions(snapshot: Snapshot, gallery: GalleryPage) -> list[tuple[str, str, str]]:
    """(action, name, key) of each button for the chosen photos."""
    tab = gallery.view.tab
    offered = {
        (REMOVE, "Remove", "x"): True,
        (KEEP, "Keep", "k"): tab in (DISPUTED, OUTLIER, LOOK_ALIKE, CONFUSION),
        (ACCEPT, "Accept suggestion", "a"): any(tile.suggested for tile in gallery.tiles),
        (BACK, "Put back", "b"): tab == DECIDED,
        (EXAMPLES, "Show as examples", "e"): snapshot.info is not None,
        (UNDO, "Undo", "u"): snapshot.can_undo,
    }
    return [button for button, shown in offered.items() if shown]


def _groups(project: str, gallery: GalleryPage) -> list[tuple[int | None, list[dict[str, Any]]]]:
    """(number of the pair, None of single photos; tiles), in the order of the page."""
    first = gallery.view.page * TILES_A_PAGE
    numbered = enumerate(gallery.tiles)
    return [
        (pair, [_tile(project, tile, first + index + 1, index == 0) for index, tile in tiles])
        for pair, tiles in groupby(numbered, key=lambda item: item[1].pair)
    ]


def _tile(project: str, tile: Tile, number: int, first: bool) -> dict[str, Any]:
    """What the template shows of a photo. number: its place in the view, from 1; first: whether it is the page's."""
    photo, label = tile.photo, plain(tile.current.label)
    state = "removed" if tile.current.removed else ""
    changed = tile.current.label != photo.label
    tag = f"{plain(photo.label)} → {label}" if changed else label
    badges = [("tag changed" if changed else "tag", tag)]
    if state:
        badges.append(("tag gone", state))
    elif tile.decided and not changed:
        badges.append(("tag", "kept"))
    if tile.suggested and not tile.decided:
        badges.append(("tag suggested", f"{plain(tile.suggested)}?"))
    return {
        "name": tile.name,
        "file_name": photo.file_name,
        "number": number,
        "first": first,
        "state": state,
        "spoken": ", ".join(filter(None, [tag.replace("→", "is now"), state, tile.note, tile.name])),
        "missing": tile.missing,
        "thumbnail": thumbnail_address(project, photo.file_name),
        "photo": photo_address(project, photo.file_name),
        "badges": badges,
        "note": tile.note,
        "details": [(name, value, is_web_link(value)) for name, value in _details(tile) if value],
    }


def _details(tile: Tile) -> list[tuple[str, str]]:
    """What the larger view says of a photo."""
    photo = tile.photo
    return [
        ("Label", plain(tile.current.label) + (", removed" if tile.current.removed else "")),
        ("Collected as", plain(photo.label) if tile.current.label != photo.label else ""),
        ("Why it is here", tile.note),
        ("Title", photo.title),
        ("Found on", photo.page_url),
        ("Photo", photo.url),
        ("Searched for", photo.query),
        ("Size", f"{photo.width} × {photo.height}"),
        ("Used to", {"train": "learn from", "validation": "judge by"}.get(photo.split, "")),
        ("File", photo.file_name),
    ]


def is_web_link(value: str) -> bool:
    """Whether a text is the address of a page on the web. Any other scheme (javascript:, data:) stays text, and so does
    an address of this machine or its network, the studio's own among them: a photo's list may be anyone's."""
    try:
        parts = urlsplit(value)
        host = parts.hostname or ""
    except ValueError:
        return False
    address = as_address(host)  # 127.1 and 0x7f000001 too, as browsers read them
    return parts.scheme in ("http", "https") and (is_public(address) if address else not is_private_name(host))


def _pager(gallery: GalleryPage) -> dict[str, Any]:
    view, last = gallery.view, gallery.pages - 1
    first = view.page * TILES_A_PAGE + 1
    steps = (("First", 0, ""), ("Back", view.page - 1, "["), ("On", view.page + 1, "]"), ("Last", last, ""))
    return {
        "pages": gallery.pages,
        "shown": f"{first:,}–{first + len(gallery.tiles) - 1:,} of {count(gallery.total, 'photo')}",
        "steps": [
            (name, key, _go(View(view.tab, view.label, view.cell, page)), not 0 <= page <= last)
            for name, page, key in steps
        ],
    }


def mistakes(snapshot: Snapshot, view: View) -> dict[str, Any]:
    """matrix: the confusion matrix of the photos that the model was judged by, a button a cell; mix_ups: the most
    frequent ones, where there are too many labels for a table."""
    labels = list(snapshot.info.labels) if snapshot.info and snapshot.predictions and view.tab == CONFUSION else []
    counts = Counter((prediction.label, prediction.predicted) for prediction in snapshot.predictions)

    def button(actual: str, predicted: str) -> dict[str, Any]:
        number = counts[actual, predicted]
        return {
            "number": number,
            "pressed": _flag(view.cell == (actual, predicted)),
            "go": _go(View(CONFUSION, cell=(actual, predicted))),
        }

    if len(labels) > SHOWN_MATRIX:
        wrong = sorted((pair for pair in counts if pair[0] != pair[1]), key=lambda pair: (-counts[pair], pair))
        mix_ups = [{"name": " → ".join(map(plain, pair)), **button(*pair)} for pair in wrong[:SHOWN_MATRIX]]
        return {"matrix": [], "mix_ups": mix_ups}

    def cell(actual: str, predicted: str, total: int) -> dict[str, Any]:
        number = counts[actual, predicted]
        return button(actual, predicted) | {
            "kind": "right" if actual == predicted else "wrong" if number else "none",
            "share": number / total if total else 0,
            "name": f"{count(number, 'photo')} of {plain(actual)} taken for {plain(predicted)}",
        }

    totals = {label: sum(counts[label, other] for other in labels) for label in labels}
    matrix = [
        {"label": plain(label), "cells": [cell(label, other, totals[label]) for other in labels]} for label in labels
    ]
    return {"matrix": matrix, "mix_ups": []}


def _history(snapshot: Snapshot, view: View) -> dict[str, Any]:
    """The journal, the latest first; what was taken back is struck through."""
    corrections = snapshot.folder_state.corrections if view.tab == DECIDED else []
    effective = {correction.line for correction in effective_corrections(corrections)}
    return {
        "journal": f"The journal, {DECISIONS_CSV}: {count(len(corrections), 'line')}",
        "history": [
            (_line(correction), correction.line in effective or correction.action == UNDO)
            for correction in reversed(corrections[-SHOWN_HISTORY:])
        ],
    }


def _line(correction: Correction) -> str:
    action = f"{correction.action} {plain(correction.label)}".strip()
    return f"{correction.time[:19].replace('T', ' ')}  {action}  {correction.file_name}"


def _go(view: View) -> str:
    """Where a button leads, for studio.js to hand back."""
    return json.dumps({"label": view.label, "cell": view.cell, "page": view.page})


def _flag(value: bool) -> str:
    return "true" if value else "false"
