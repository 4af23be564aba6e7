"""search.json: what is written is read again, and nothing that no command line could have named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mirror.collect.search_json import (
    SEARCH_JSON,
    SearchFile,
    WordsOfLabel,
    keep_search,
    read_search,
    search_of,
    write_search,
)
from mirror.collect.search_types import SearchTerm
from mirror.errors import DatasetError, UsageError

TERMS = [SearchTerm("baby swan", "cygnet"), SearchTerm("duckling", "duckling"), SearchTerm("cygnet bird", "cygnet")]


def test_the_words_are_read_as_they_were_written_and_newer_keys_survive(tmp_path: Path) -> None:
    search = search_of([*TERMS, TERMS[0]], count=60, license="Share")
    assert search.labels == (
        WordsOfLabel("cygnet", ("baby swan", "cygnet bird")),
        WordsOfLabel("duckling", ("duckling",)),
    )
    folder = tmp_path / "data" / "birds"
    assert read_search(folder) is None
    write_search(folder, replace(search, extra={"later": 1}))
    found = read_search(folder)
    assert found == replace(search, extra={"later": 1})
    assert found.terms == [TERMS[0], TERMS[2], TERMS[1]]
    write_search(folder, search_of([SearchTerm("Küken 雛", "雛")], count=1))
    assert read_search(folder).terms == [SearchTerm("Küken 雛", "雛")]


def test_a_look_at_some_of_the_labels_keeps_the_others_and_one_at_others_does_not(tmp_path: Path) -> None:
    write_search(tmp_path, search_of(TERMS, count=60))
    keep_search(tmp_path, search_of([SearchTerm("swan chick", "cygnet")], count=100))
    kept = read_search(tmp_path)
    assert (kept.count, kept.terms) == (60, [SearchTerm("swan chick", "cygnet"), TERMS[1]])
    keep_search(tmp_path, search_of([SearchTerm("pear", "pear")], count=100))
    assert read_search(tmp_path).terms == [SearchTerm("pear", "pear")]
    (tmp_path / SEARCH_JSON).write_text("{")
    keep_search(tmp_path, search_of(TERMS, count=9))
    assert read_search(tmp_path).count == 9


GOOD: dict[str, Any] = {"labels": [{"label": "a", "queries": ["a b"]}], "count": 5, "license": None}


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"labels": []}, "There is no label"),
        ({"labels": [{"label": "a", "queries": []}]}, "no words to search for under “a”"),
        ({"labels": [{"label": "a", "queries": ["b"]}] * 2}, "A label stands in it twice"),
        ({"labels": [{"label": "a\n", "queries": ["c"]}]}, "cannot be a label"),
        ({"labels": [{"label": "a", "queries": [" c"]}]}, "' c' cannot be searched for"),
        ({"labels": [{"label": "a", "queries": ["c\x1b[2J"]}]}, "cannot be searched for"),
        ({"labels": [{"label": "a", "queries": "c"}]}, "labels[0].queries must be a list"),
        ({"count": 0}, "count must be at least 1, not 0"),
        ({"count": "many"}, "count must be a whole number"),
        ({"license": "mine"}, "'mine' is no licence filter"),
    ],
)
def test_what_is_no_search_is_one_sentence_that_names_the_file(tmp_path: Path, changed: dict, says: str) -> None:
    (tmp_path / SEARCH_JSON).write_text(json.dumps(GOOD | changed))
    with pytest.raises(DatasetError) as error:
        read_search(tmp_path)
    assert says in str(error.value) and SEARCH_JSON in str(error.value) and "\n" not in str(error.value)


def test_what_cannot_be_read_again_is_not_written(tmp_path: Path) -> None:
    good = search_of(TERMS, count=5)
    for bad in (replace(good, labels=()), SearchFile((WordsOfLabel("a b ", ("c",)),), 5)):
        with pytest.raises(DatasetError):
            write_search(tmp_path, bad)
    with pytest.raises(UsageError):
        write_search(tmp_path, replace(good, license="mine"))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b"\xff", b"[" * 5000])
def test_a_torn_or_foreign_file_is_one_sentence(tmp_path: Path, content: bytes) -> None:
    (tmp_path / SEARCH_JSON).write_bytes(content)
    with pytest.raises(DatasetError, match="give them anew, or delete it"):
        read_search(tmp_path)


def test_a_link_in_its_place_is_refused_and_what_it_leads_to_stays(tmp_path: Path) -> None:
    other = tmp_path / "other.json"
    other.write_text(json.dumps(GOOD))
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / SEARCH_JSON).symlink_to(other)
    with pytest.raises(DatasetError, match="link"):
        read_search(tmp_path / "a")
    write_search(tmp_path / "a", search_of(TERMS, count=5))
    assert json.loads(other.read_text()) == GOOD and not (tmp_path / "a" / SEARCH_JSON).is_symlink()
