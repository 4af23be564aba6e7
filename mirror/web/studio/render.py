"""A view as HTML: its filters, its photos, what can be done to them. Every text of a photo or model is escaped."""

from __future__ import annotations

import json
from itertools import groupby
from urllib.parse import quote, urlsplit

from mirror.collect.corrections import DECISIONS_CSV, RELABEL, REMOVE, Correction, effective_corrections
from mirror.collect.issue_files import DISPUTED, NEAR_DUPLICATE, OUTLIER
from mirror.net.addresses import as_address, is_private_name, is_public
from mirror.web.markup import scrolling, text
from mirror.web.studio.actions import ACCEPT, BACK, KEEP, UNDO
from mirror.web.studio.gallery import (
    CONFUSION,
    DECIDED,
    LABELS,
    RETRAIN,
    TILES_A_PAGE,
    GalleryPage,
    Tile,
    View,
    lay_out,
)
from mirror.web.studio.photo_routes import PHOTOS, THUMBNAILS
from mirror.web.studio.state import Snapshot
from mirror.wording import count, plain

KEYED_LABELS = 9  # digits 1 to 9
SHOWN_HISTORY = 200  # lines of the journal, the latest
SHOWN_MATRIX = 20  # labels; beyond it a table no longer fits a screen
INTRODUCTIONS = {
    LABELS: "All photos, by the label they have now. Removed ones are under Decided.",
    DISPUTED: "The model, trained without each of these, gives it another label. Most doubtful first.",
    OUTLIER: "Unlike the other photos of their label: drawings, other animals, text. Strangest first.",
    NEAR_DUPLICATE: "Almost the same photo twice, side by side. Remove one, or keep both.",
    CONFUSION: "Labels (rows), and what each photo was taken for by what had not learned from it (columns). "
    "A cell shows its photos.",
    DECIDED: "Everything that was decided, the latest first. Nothing was deleted: any of it can be put back.",
}
NONE_LEFT = {
    LABELS: "There is no photo here.",
    DISPUTED: "The model disputes no label that you have not decided about.",
    OUTLIER: "No photo stands out that you have not decided about.",
    NEAR_DUPLICATE: "There is no pair that you have not decided about.",
    CONFUSION: "Choose a cell to see its photos.",
    DECIDED: "Nothing was decided yet.",
}
KEYS = (
    ("← → ↑ ↓", "move"), ("Space", "choose, or drop the choice"), ("Shift + arrow", "choose on the way"),
    ("* or Ctrl + A", "choose all of this page"), ("Esc", "choose none"), ("1 – 9", "relabel: the label so numbered"),
    ("n", "relabel: type a label"), ("x or Delete", "remove"), ("k", "keep: it is right as it is"),
    ("a", "accept the suggestion"), ("b", "put back as collected"), ("u", "undo what was decided last"),
    ("Enter", "look closer, and where it came from"), ("[ and ]", "page back, page on"), ("?", "this help"),
)  # fmt: skip


def render(scene: Snapshot, view: View) -> str:
    """The board below the tabs; "" for the tab that has none."""
    if view.tab == RETRAIN:
        return ""
    board = lay_out(scene, view)
    parts = [f'<p class="intro">{text(INTRODUCTIONS[view.tab])}</p>', notices(scene, view), _filters(scene, board)]
    if view.tab == CONFUSION:
        parts.append(_matrix(scene, view))
    if board.tiles:
        parts += [_bar(scene, board), _grid(board), _pager(board)]
    else:
        parts.append(f'<p class="nothing">{text(NONE_LEFT[view.tab])}</p>')
        if scene.can_undo:
            parts.append(f'<div class="bar" role="toolbar" aria-label="Decide">{_button(UNDO, "Undo", "u")}</div>')
    if view.tab == DECIDED:
        parts.append(_history(scene))
    return f'<div class="board" data-tab="{view.tab}">{"".join(parts)}</div>'


def notices(scene: Snapshot, view: View) -> str:
    """What a person must know first: a training that runs, a model that says nothing, photos whose files have gone."""
    told = []
    if scene.busy:
        told.append("The photos are being trained on; decisions can be made again when that has ended.")
    if scene.problem and view.tab not in (LABELS, DECIDED):
        told.append(scene.problem)
    return "".join(f'<p class="notice" role="note">{text(notice)}</p>' for notice in told)


def _filters(scene: Snapshot, board: GalleryPage) -> str:
    view = board.view
    if view.tab in (CONFUSION, DECIDED):
        return ""
    choices = [("", "all"), *((label, plain(label)) for label in scene.labels)]
    buttons = []
    for label, name in choices:
        number = f" <small>{_number(scene, label):,}</small>" if view.tab == LABELS else ""
        pressed = "true" if view.label == label else "false"
        go = _go(View(view.tab, label))
        buttons.append(f'<button type="button" aria-pressed="{pressed}" {go}>{text(name)}{number}</button>')
    return f'<div class="filters" role="group" aria-label="Labels">{"".join(buttons)}</div>'


def _number(scene: Snapshot, label: str) -> int:
    return scene.counts[label] if label else sum(scene.counts.values())


def _bar(scene: Snapshot, board: GalleryPage) -> str:
    labels = "".join(
        f'<button type="button" data-do="{RELABEL}" data-label="{text(label)}">'
        f"<kbd>{number}</kbd>{text(plain(label))}</button>"
        for number, label in enumerate(scene.labels[:KEYED_LABELS], start=1)
    )
    options = "".join(f'<option value="{text(label)}">' for label in scene.labels)
    other = (
        '<input id="other-label" list="labels" maxlength="100" placeholder="other label" aria-label="Another label"'
        f' autocomplete="off"><datalist id="labels">{options}</datalist>'
    )
    deeds = [_button(REMOVE, "Remove", "x")]
    if board.view.tab in (DISPUTED, OUTLIER, NEAR_DUPLICATE, CONFUSION):
        deeds.append(_button(KEEP, "Keep", "k"))
    if any(tile.suggested for tile in board.tiles):
        deeds.append(_button(ACCEPT, "Accept suggestion", "a"))
    if board.view.tab == DECIDED:
        deeds.append(_button(BACK, "Put back", "b"))
    if scene.can_undo:
        deeds.append(_button(UNDO, "Undo", "u"))
    deeds.append('<button type="button" data-help aria-label="Keys"><kbd>?</kbd>Keys</button>')
    return (
        '<div class="bar" role="toolbar" aria-label="Decide about the chosen photos">'
        f'<span class="labels">{labels}{other}</span><span class="chosen" aria-live="polite"></span>'
        f'<span class="deeds">{"".join(deeds)}</span></div>'
    )


def _button(deed: str, name: str, key: str) -> str:
    return f'<button type="button" data-do="{deed}"><kbd>{key}</kbd>{name}</button>'


def _grid(board: GalleryPage) -> str:
    shown = []
    place = 0
    for pair, tiles in groupby(board.tiles, key=lambda tile: tile.pair):
        drawn = []
        for tile in tiles:
            drawn.append(_tile(tile, place, board))
            place += 1
        together = "".join(drawn)
        shown.append(together if pair is None else f'<div class="pair" role="presentation">{together}</div>')
    name = "Photos, moved through with the arrow keys, chosen with the space bar"
    return f'<div class="tiles" role="listbox" aria-multiselectable="true" aria-label="{name}">{"".join(shown)}</div>'


def _tile(tile: Tile, place: int, board: GalleryPage) -> str:
    photo, label = tile.photo, plain(tile.standing.label)
    state = "removed" if tile.standing.removed else ""
    changed = tile.standing.label != photo.label
    tag = f"{plain(photo.label)} → {label}" if changed else label
    spoken = ", ".join(filter(None, [tag.replace("→", "is now"), state, tile.note, tile.name]))
    url = f"{THUMBNAILS}/{quote(photo.file_name)}"
    picture = (
        '<span class="missing">its file is missing</span>'
        if tile.missing
        else f'<img src="{text(url)}" alt="" loading="lazy" decoding="async" draggable="false">'
    )
    badges = [f'<span class="tag{" changed" if changed else ""}">{text(tag)}</span>']
    if state:
        badges.append(f'<span class="tag gone">{state}</span>')
    elif tile.decided and not changed:
        badges.append('<span class="tag">kept</span>')
    if tile.suggested and not tile.decided:
        badges.append(f'<span class="tag suggested">{text(plain(tile.suggested))}?</span>')
    note = f'<span class="why">{text(tile.note)}</span>' if tile.note else ""
    number = board.view.page * TILES_A_PAGE + place + 1
    return (
        f'<div class="tile {state}" role="option" aria-selected="false" tabindex="{0 if place == 0 else -1}" '
        f'aria-label="{text(spoken)}" aria-setsize="{board.total}" aria-posinset="{number}" '
        f'data-name="{text(photo.file_name)}" title="{text(tile.name)}">{picture}'
        f'<span class="badges">{"".join(badges)}</span>{note}<div class="details" hidden>{_details(tile)}</div></div>'
    )


def _details(tile: Tile) -> str:
    """What the larger view says of a photo."""
    photo = tile.photo
    url = f"{PHOTOS}/{quote(photo.file_name)}"
    picture = (
        '<p class="missing">Its file is missing: it is left out of the next training.</p>'
        if tile.missing
        else f'<img src="{text(url)}" alt="{text(tile.name)}" loading="lazy">'
    )
    rows = [
        ("Label", plain(tile.standing.label) + (", removed" if tile.standing.removed else "")),
        ("Collected as", plain(photo.label) if tile.standing.label != photo.label else ""),
        ("Why it is here", tile.note),
        ("Title", photo.title),
        ("Found on", photo.page_url),
        ("Photo", photo.url),
        ("Searched for", photo.query),
        ("Size", f"{photo.width} × {photo.height}"),
        ("Used to", {"train": "learn from", "validation": "judge by"}.get(photo.split, "")),
        ("File", photo.file_name),
    ]
    told = "".join(f"<dt>{name}</dt><dd>{_linked(value)}</dd>" for name, value in rows if value)
    return f"{picture}<dl>{told}</dl>"


def _linked(value: str) -> str:
    """The text, a link where it is the address of a page on the web. Any other scheme (javascript:, data:) stays text,
    and so does an address of this machine or its network, the studio's own among them: a photo's list may be anyone's.
    """
    try:
        parts = urlsplit(value)
        elsewhere = parts.scheme in ("http", "https") and _is_public(parts.hostname or "")
    except ValueError:
        elsewhere = False
    if not elsewhere:
        return text(value)
    return f'<a href="{text(value)}" target="_blank" rel="noopener noreferrer nofollow">{text(value)}</a>'


def _is_public(host: str) -> bool:
    """Whether a host's name may be one on the web, as far as the name tells."""
    address = as_address(host)  # 127.1 and 0x7f000001 too, as browsers read them
    return is_public(address) if address else not is_private_name(host)


def _pager(board: GalleryPage) -> str:
    view, last = board.view, board.pages - 1
    first = view.page * TILES_A_PAGE + 1
    shown = f"{first:,}–{first + len(board.tiles) - 1:,} of {count(board.total, 'photo')}"
    if not last:
        return f'<p class="pager">{shown}</p>'

    def step(name: str, page: int, key: str) -> str:
        off = "" if 0 <= page <= last else " disabled"
        go = _go(View(view.tab, view.label, view.cell, page))
        return f'<button type="button" data-step="{key}" {go}{off}>{name}</button>'

    return (
        f'<nav class="pager" aria-label="Pages">{step("First", 0, "")}{step("Back", view.page - 1, "[")}'
        f"<span>{shown}</span>{step('On', view.page + 1, ']')}{step('Last', last, '')}</nav>"
    )


def _matrix(scene: Snapshot, view: View) -> str:
    """The confusion matrix of the photos that the model was judged by, a button a cell."""
    if not scene.predictions:
        return ""
    counts: dict[tuple[str, str], int] = {}
    for one in scene.predictions:
        counts[one.label, one.predicted] = counts.get((one.label, one.predicted), 0) + 1
    labels = [label for label in (scene.info.labels if scene.info else ())]
    if len(labels) > SHOWN_MATRIX:
        return _mix_ups(counts, view)
    totals = {label: sum(counts.get((label, other), 0) for other in labels) for label in labels}

    def cell(actual: str, predicted: str) -> str:
        number = counts.get((actual, predicted), 0)
        kind = "right" if actual == predicted else "wrong" if number else "none"
        share = number / totals[actual] if totals[actual] else 0
        pressed = "true" if view.cell == (actual, predicted) else "false"
        name = f"{count(number, 'photo')} of {plain(actual)} taken for {plain(predicted)}"
        off = "" if number else " disabled"
        return (
            f'<td class="{kind}" style="--share:{share:.2f}"><button type="button" aria-label="{text(name)}" '
            f'aria-pressed="{pressed}" {_go(View(CONFUSION, cell=(actual, predicted)))}{off}>{number:,}</button></td>'
        )

    head = "".join(f'<th scope="col">{text(plain(label))}</th>' for label in labels)
    body = "".join(
        f'<tr><th scope="row">{text(plain(one))}</th>{"".join(cell(one, other) for other in labels)}</tr>'
        for one in labels
    )
    table = f'<table class="confusion"><thead><tr><td></td>{head}</tr></thead><tbody>{body}</tbody></table>'
    return f'<div class="note">{scrolling("Labels by what the model took them for", table)}</div>'


def _mix_ups(counts: dict[tuple[str, str], int], view: View) -> str:
    """The most frequent mix-ups, where there are too many labels for a table."""
    wrong = [(number, pair) for pair, number in counts.items() if pair[0] != pair[1]]
    buttons = "".join(
        f'<button type="button" aria-pressed="{"true" if view.cell == pair else "false"}" '
        f"{_go(View(CONFUSION, cell=pair))}>{text(' → '.join(map(plain, pair)))} <small>{number:,}</small></button>"
        for number, pair in sorted(wrong, key=lambda item: (-item[0], item[1]))[:SHOWN_MATRIX]
    )
    return f'<div class="filters" role="group" aria-label="The most frequent mix-ups">{buttons}</div>'


def _history(scene: Snapshot) -> str:
    """The journal, the latest first; what was taken back is struck through."""
    decisions = scene.reading.corrections
    if not decisions:
        return ""
    stands = {decision.line for decision in effective_corrections(decisions)}
    lines = "".join(
        f"<li>{_line(decision, decision.line in stands or decision.action == UNDO)}</li>"
        for decision in reversed(decisions[-SHOWN_HISTORY:])
    )
    summary = f"The journal, {DECISIONS_CSV}: {count(len(decisions), 'line')}"
    return f'<details class="history"><summary>{text(summary)}</summary><ol>{lines}</ol></details>'


def _line(decision: Correction, stands: bool) -> str:
    what = f"{decision.action} {plain(decision.label)}".strip()
    told = text(f"{decision.time[:19].replace('T', ' ')}  {what}  {decision.file_name}")
    return told if stands else f"<s>{told}</s>"


def _go(view: View) -> str:
    """Where a button leads, for board.js to hand back."""
    return f'data-go="{text(json.dumps({"label": view.label, "cell": view.cell, "page": view.page}))}"'


def dialogs() -> str:
    """The help on keys, and the larger view of a photo; apart from the board, which is drawn anew all the time."""
    keys = "".join(f"<dt><kbd>{text(key)}</kbd></dt><dd>{text(what)}</dd>" for key, what in KEYS)
    close = '<form method="dialog"><button>Close</button></form>'
    return (
        f'<dialog class="keys" aria-label="Keys"><h2>Keys</h2><dl>{keys}</dl>{close}</dialog>'
        f'<dialog class="closer" aria-label="The photo"><div class="details"></div>{close}</dialog>'
    )
