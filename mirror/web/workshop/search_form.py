"""The words of a project, as its page's form and its search.json have them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from mirror.collect.label_names import check_label
from mirror.collect.search_json import read_search, search_of, write_search
from mirror.collect.search_types import SearchTerm
from mirror.defaults import COUNT
from mirror.errors import UsageError
from mirror.web.workshop.projects import Project

MOST_LABELS = 50


def rows_of(project: Project) -> list[tuple[str, str]]:
    """(label, queries with commas between them); two empty ones where there are no words yet."""
    queries: dict[str, list[str]] = {}
    for term in project.words():
        queries.setdefault(term.label, []).append(term.query)
    rows = [(label, ", ".join(query for query in found if found != [label])) for label, found in queries.items()]
    return [*rows, *[("", "")] * (2 - len(rows))]


def terms_of(fields: Iterable[Any]) -> list[SearchTerm]:
    """What the form's fields say, row by row. Raises UsageError where that is nothing to tell apart, or DatasetError
    for what can be no label."""
    pairs = pairs_of(fields)
    labels = [text.strip() for name, text in pairs if name == "label"]
    queries = [text for name, text in pairs if name == "queries"]
    terms: list[SearchTerm] = []
    for label, text in zip(labels, queries, strict=False):
        found = [query.strip() for query in text.split(",") if query.strip()]
        if not label and found:
            raise UsageError(f"“{found[0]}” is searched for, but under no name: give it one.")
        if label:
            check_label(label)
            terms += [SearchTerm(query, label) for query in found or [label]]
    named = [label for label in labels if label]
    if len(set(named)) < len(named):
        raise UsageError("Two rows have the same name: put their words into one, with commas between them.")
    if not 2 <= len(named) <= MOST_LABELS:
        raise UsageError(f"A model tells things apart: give two names, or up to {MOST_LABELS}, as apple and pear.")
    return terms


def keep_words(project: Project, terms: Sequence[SearchTerm]) -> None:
    """… in the project's search.json, with the settings that it has there. Raises DatasetError."""
    before = read_search(project.folder)
    count, license = (before.count, before.license) if before else (COUNT, None)
    new = search_of(terms, count=count, license=license)
    if before is None or new.labels != before.labels:
        write_search(project.folder, new)


def pairs_of(fields: Iterable[Any]) -> list[tuple[str, str]]:
    """The fields of a form as the page sends them. Raises UsageError for anything else."""
    pairs = [tuple(field) for field in fields if isinstance(field, list)]
    if not all(len(pair) == 2 and all(isinstance(text, str) for text in pair) for pair in pairs):
        raise UsageError("The page sent something that is no form of it: load it again.")
    return pairs  # type: ignore[return-value]
