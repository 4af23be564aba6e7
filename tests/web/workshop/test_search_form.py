"""What a form of the page says is what the command would be given; and what cannot be is one sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mirror.collect.search_json import read_search, search_of, write_search
from mirror.collect.search_types import SearchTerm
from mirror.errors import MirrorError, UsageError
from mirror.web.workshop.preview_step import better_words
from mirror.web.workshop.projects import Projects
from mirror.web.workshop.search_form import keep_words, rows_of, terms_of

SWANS = [SearchTerm("baby swan", "cygnet"), SearchTerm("cygnet", "cygnet"), SearchTerm("duckling", "duckling")]


def form(*rows: tuple[str, str]) -> list[list[str]]:
    return [[name, text] for row in rows for name, text in zip(("label", "queries"), row, strict=True)]


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("cygnet", "baby swan, cygnet"), ("duckling", "")], SWANS),
        ([(" cygnet ", " baby swan ,, cygnet "), ("duckling", "duckling"), ("", "")], SWANS),
        ([("cygnet", ""), ("", "whisky")], "“whisky” is searched for, but under no name"),
        ([("cygnet", ""), ("", "")], "give two names"),
        ([("cygnet", "a"), ("cygnet", "b"), ("duckling", "")], "Two rows have the same name"),
        ([("cyg\x07net", ""), ("duckling", "")], "cannot be a label"),
        ([(f"{n}", "") for n in range(60)], "up to 50"),
        ([], "give two names"),
    ],
    ids=str,
)
def test_rows_of_a_form_are_words_to_search_for(rows: list[tuple[str, str]], expected: Any) -> None:
    if isinstance(expected, str):
        with pytest.raises(MirrorError, match=expected):
            terms_of(form(*rows))
    else:
        assert terms_of(form(*rows)) == expected


@pytest.mark.parametrize(
    "fields", [[["label"]], [["label", 1]], [[1, 2, 3]], [["label", None], ["queries", {}]]], ids=str
)
def test_what_is_no_form_is_one_sentence(fields: list[Any]) -> None:
    with pytest.raises(UsageError, match="load it again"):
        terms_of(fields)


def test_words_are_kept_with_the_settings_of_the_search_there_was(tmp_path: Path) -> None:
    project = Projects(tmp_path).of("birds")
    assert rows_of(project) == [("", ""), ("", "")]
    keep_words(project, SWANS)
    assert read_search(project.folder) == search_of(SWANS, count=100)
    assert rows_of(project) == [("cygnet", "baby swan, cygnet"), ("duckling", "")]
    exhausted = replace(search_of(SWANS, count=30, license="Public"), exhausted=("cygnet",))
    write_search(project.folder, exhausted)
    keep_words(project, SWANS)
    assert read_search(project.folder) == exhausted
    keep_words(project, better_words(project.words(), "cygnet", " cygnet bird "))
    assert read_search(project.folder) == search_of(
        [SearchTerm("cygnet bird", "cygnet"), SWANS[2]], count=30, license="Public"
    )


@pytest.mark.parametrize(("label", "query"), [("goose", "goose bird"), ("cygnet", "  ")])
def test_better_words_for_nothing_are_refused(label: str, query: str) -> None:
    with pytest.raises(UsageError, match="load the page again"):
        better_words(SWANS, label, query)
