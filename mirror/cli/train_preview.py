"""`train.py --preview`: what a search finds, before it is collected; `--exclude`: groups of it that are left out."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mirror.cli.options import network_settings
from mirror.cli.train_steps import model_name, search_terms
from mirror.defaults import PREVIEWING
from mirror.errors import UsageError, require_installed
from mirror.wording import count, listed, percent

if TYPE_CHECKING:
    from mirror.search_doctor.exclusions import StoredGroup
    from mirror.search_doctor.hits_preview import Preview


def preview_searches(options: argparse.Namespace, default_name: str, search: Sequence[str]) -> int:
    """Prints what the words find, and where the contact sheet is. Raises MirrorError."""
    require_installed("Previewing", *PREVIEWING)
    from mirror.collect.photo_records import writing
    from mirror.collect.search_json import keep_search, search_of
    from mirror.collect.search_types import check_license
    from mirror.search_doctor.contact_sheet import PREVIEW_HTML, contact_sheet
    from mirror.search_doctor.exclusions import read_preview, write_preview
    from mirror.search_doctor.hits_preview import PreviewSettings, preview
    from mirror.search_doctor.image_embedding import Embedder
    from mirror.storage import write_atomically

    folder = Path("data", model_name(options, default_name))
    terms = search_terms(options, folder, search)
    keep_search(folder, search_of(terms, count=options.count, license=check_license(options.license)))
    embedder, settings = Embedder(), PreviewSettings()
    labels = list(dict.fromkeys(term.label for term in terms))
    more = len(labels) * settings.tries
    print(
        f"{count(len(terms), 'search', 'searches')} of {settings.hits} hits, and up to {more} with other words where "
        f"much is off topic, {settings.pause:.0f} seconds apart; no photo is kept but on the sheet."
    )
    network = network_settings(options)
    before = read_preview(folder)
    found = preview(
        folder, terms, embedder, license=options.license, network=network, settings=settings,
        so_far=lambda some: write_preview(folder, some, embedder, before, rest=labels),
    )  # fmt: skip
    excluded = write_preview(folder, found, embedder, before)
    sheet = folder / PREVIEW_HTML
    with writing(sheet):
        write_atomically(sheet, contact_sheet(found).encode(), inside=folder)
    for line in table(found):
        print(line)
    if options.exclude:
        print(_excluded(folder, options.exclude))
    elif excluded:
        print(f"\nAs before: {_told(excluded)}")
    print(f"All of them to look at: {sheet}")
    return 0


def mark_excluded(options: argparse.Namespace, folder: Path) -> None:
    """--exclude without --preview: the groups are marked in the folder's preview.json. Raises MirrorError."""
    if options.exclude:
        print(_excluded(folder, options.exclude))


def _excluded(folder: Path, wanted: Sequence[str]) -> str:
    from mirror.search_doctor.exclusions import exclude

    pairs = []
    for text in wanted:
        label, given, group = (part.strip() for part in text.partition("="))
        if not given or not label or not group:
            raise UsageError(f"--exclude {text!r} lacks a label or a group: write LABEL=GROUP, as in cygnet=wool.")
        pairs.append((label, group))
    return _told(exclude(folder, pairs))


def _told(excluded: Sequence[StoredGroup]) -> str:
    return f"Collecting leaves out what looks like {listed([f'“{group.name}”' for group in excluded]) or 'nothing'}."


def table(found: Preview) -> list[str]:
    """The preview as a table for a terminal."""
    from mirror.search_doctor.hit_groups import alike_groups

    lines = []
    for label in found.labels:
        lines.append(f"\n{label.label}")
        for words, hits, seen, off, among, between in label.rows:
            lines.append(
                f"  {words}: {hits} hits, {seen} looked at, {off} off topic; they agree {among} with each other, "
                f"{between} with the other words'"
            )
        if not label.groups:
            lines.append("  Too few hits could be looked at to say what they agree about.")
        else:
            width = max(map(len, ["shows", *(group.name for group in label.shown)]))
            lines.append(f"  {'':>2}  {'shows':<{width}}  hits  share  agreement")
            for group in label.shown:
                mark = "  off topic" if group.off_topic else ""
                lines.append(
                    f"  {group.number:>2}  {group.name:<{width}}  {len(group.hits):>4}  {percent(group.share):>5}  "
                    f"{group.agreement:>9.2f}{mark}"
                )
        if label.single:
            strays = sum(group.off_topic for group in label.single)
            lines.append(f"  and {count(len(label.single), 'single picture')}, {strays} of them off topic")
        if label.better:
            lines.append(f"  Better words: “{label.better.query}” ({percent(label.better.off_topic or 0)} off topic).")
        if label.off_topic:
            lines.append(
                f"  To leave that out: --exclude {label.label}=off-topic, or one of them by its word or number."
            )
    for labels, likeness in alike_groups(found.alike):
        lines.append(
            f"\nThe hits for {listed(labels)} look alike ({likeness:.2f}; 1 is no difference): other words may part "
            "them better."
        )
    return lines
