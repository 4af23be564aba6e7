"""search.json of a photo folder: the words that its photos are searched with, so that they need not be said again.

    write_search(folder, search_of(terms, count=100))       by a preview, by collecting and by training
    read_search(folder)                                      None where no search was ever made for the folder
    keep_search(folder, search)                              of a preview, which may look at some of the labels alone

`python train.py --name N` goes on with the words of data/N. Which groups of hits are left out is in preview.json.
"""

from __future__ import annotations

import contextlib
import json
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from pydantic import Field

from mirror.collect.label_names import check_label
from mirror.collect.photo_records import writing
from mirror.collect.search_types import SearchTerm, check_license
from mirror.errors import DatasetError, MirrorError
from mirror.storage import parse_json, read_file, write_atomically
from mirror.typed_json import Count, List, Record, decode, encode

SEARCH_JSON = "search.json"
MAX_BYTES = 4 << 20


@dataclass(frozen=True)
class WordsOfLabel(Record):
    """label: what the photos found are called; queries: the words they are searched with, at least one."""

    label: str
    queries: List[str]


@dataclass(frozen=True)
class SearchFile(Record):
    """count: usable photos of each label; license: one of LICENSES, or None for no filter; exhausted: labels of which
    these words find no more photos, as far as was seen."""

    labels: List[WordsOfLabel]
    count: Annotated[Count, Field(ge=1)]
    license: str | None = None
    exhausted: List[str] = ()

    @property
    def terms(self) -> list[SearchTerm]:
        return [SearchTerm(query, one.label) for one in self.labels for query in one.queries]


def search_of(terms: Iterable[SearchTerm], *, count: int, license: str | None = None) -> SearchFile:
    """The queries by their labels, both in the order in which they were first named."""
    queries: dict[str, dict[str, None]] = {}
    for term in terms:
        queries.setdefault(term.label, {})[term.query] = None
    return SearchFile(tuple(WordsOfLabel(label, tuple(words)) for label, words in queries.items()), count, license)


def read_search(folder: Path) -> SearchFile | None:
    """None where there is none. Raises DatasetError for a file that is none, or that is a link."""
    path = folder / SEARCH_JSON
    try:
        found = decode(SearchFile, parse_json(read_file(path, limit=MAX_BYTES, inside=folder)))
        _check(found)
        return found
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (MirrorError, ValueError) as error:
        raise DatasetError(
            f"{path} holds no words to search for ({str(error).rstrip('.')}): give them anew, or delete it."
        ) from None
    except OSError as error:
        raise DatasetError(f"{path} cannot be read ({(error.strerror or '').lower()}); check it.") from None


def write_search(folder: Path, search: SearchFile) -> None:
    """Makes the folder where it is missing. Raises DatasetError where it cannot be written, or for no label."""
    _check(search)
    path = folder / SEARCH_JSON
    with writing(path):
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, json.dumps(encode(search), indent=1, ensure_ascii=False).encode() + b"\n", inside=folder)


def keep_search(folder: Path, search: SearchFile) -> None:
    """Writes the words of a search that collects nothing: the count stays as it was, and where the words are for some
    of the folder's labels alone, the others stay too. Raises DatasetError as `write_search`."""
    before = None
    with contextlib.suppress(DatasetError):  # a file that is none is replaced
        before = read_search(folder)
    if before:
        new = {one.label: one for one in search.labels}
        known = {one.label for one in before.labels}
        labels = tuple(new.get(one.label, one) for one in before.labels) if new.keys() <= known else search.labels
        exhausted = before.exhausted if labels == before.labels else ()
        search = replace(search, labels=labels, count=before.count, exhausted=exhausted)
    write_search(folder, search)


def _check(search: SearchFile) -> None:
    """Raises MirrorError for words that nobody can search with."""
    if not search.labels:
        raise DatasetError("There is no label.")
    if len({one.label for one in search.labels}) < len(search.labels):
        raise DatasetError("A label stands in it twice.")
    check_license(search.license)
    for one in search.labels:
        check_label(one.label)
        if not one.queries:
            raise DatasetError(f"There are no words to search for under “{one.label}”.")
        for query in one.queries:
            if query != query.strip() or not query or any(unicodedata.category(c) in ("Cc", "Cs") for c in query):
                raise DatasetError(f"{query!r} cannot be searched for: use printable characters.")
