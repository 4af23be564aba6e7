"""How far a collection is, read from the folder alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.photo_records import Origin, rejection
from mirror.collect.search_json import search_of, write_search
from mirror.collect.search_types import SearchTerm
from mirror.errors import DatasetError
from mirror.web.workshop import collected as module
from mirror.web.workshop.collected import collected_of, read_collected
from tests.support.training import photo
from tests.web.studio.folders import photo_folder

WORDS = [SearchTerm("duckling", "duckling"), SearchTerm("baby swan", "cygnet"), SearchTerm("swan", "cygnet")]


def test_a_folder_is_read_as_it_grows_whoever_fills_it(tmp_path: Path) -> None:
    folder = tmp_path / "birds"
    nothing = read_collected(folder)
    assert (nothing.search, nothing.labels, nothing.left_out, nothing.told) == (None, (), (), "no photo")
    assert not nothing.is_full and not nothing.can_train
    write_search(folder, search_of(WORDS, count=9))
    words = read_collected(folder)
    assert words.told == "0 of 9 photos of duckling and 0 of 9 photos of cygnet" and not words.is_full
    photo_folder(folder, each=8)
    half = read_collected(folder)
    assert [label.told for label in half.labels] == ["8 of 9 photos", "8 of 9 photos"]
    assert half.can_train and not half.is_full and half.number == 16
    write_search(folder, search_of(WORDS, count=8))
    assert read_collected(folder).is_full
    with PhotoFolder(folder) as opened:
        opened.reject(Origin("https://a.example/x", "cygnet"), "http-404", "The server answered 404.")
    assert [(one.reason, one.number) for one in read_collected(folder).left_out] == [("the server answered 404", 1)]
    (folder / "metadata.csv").write_text("not,a,table\n")
    with pytest.raises(DatasetError, match=r"metadata\.csv"):
        read_collected(folder)


def test_a_search_that_finds_no_more_is_done(tmp_path: Path) -> None:
    folder = tmp_path / "birds"
    photo_folder(folder, each=8)
    words = search_of(WORDS, count=9)
    for exhausted, done, short in (((), False, []), (("cygnet",), False, ["cygnet"])):
        write_search(folder, replace(words, exhausted=exhausted))
        found = read_collected(folder)
        assert (found.is_done, found.is_full, found.exhausted) == (done, False, short)
    write_search(folder, replace(words, exhausted=("cygnet", "duckling")))
    assert read_collected(folder).is_done
    write_search(folder, replace(words, count=8, exhausted=("cygnet", "duckling")))
    assert read_collected(folder).is_full and read_collected(folder).exhausted == []
    nothing = collected_of(replace(words, exhausted=("cygnet", "duckling")), [], [])
    assert nothing.is_done and not nothing.is_full and not nothing.can_train


def test_photos_of_ones_own_have_no_number_that_is_wanted() -> None:
    own = [photo(n, label) for label in "ab" for n in range(8)]
    found = collected_of(None, own, [])
    assert found.told == "8 photos of a and 8 photos of b" and found.can_train and found.is_full
    extra = collected_of(search_of(WORDS, count=3), [photo(1, "goose")], [])
    assert [(label.label, label.number, label.wanted) for label in extra.labels] == [
        ("duckling", 0, 3), ("cygnet", 0, 3), ("goose", 1, None),
    ]  # fmt: skip
    assert not extra.is_full


def test_copies_are_shown_with_what_they_are_copies_of_and_reasons_by_their_number() -> None:
    kept = photo(1, "a")
    lost = [rejection(Origin(f"https://x.example/{n}", "a"), "http-404", "The server answered 404.") for n in range(40)]
    copy = rejection(Origin("https://x.example/c", "a"), "near-duplicate", f"nearly the same as {kept.url}")
    most, copies = collected_of(None, [kept], [copy, *lost]).left_out
    assert (most.reason, most.number, len(most.examples)) == ("the server answered 404", 40, module.MOST_LEFT_OUT)
    assert [shown for _, shown in most.examples] == [None] * module.MOST_LEFT_OUT
    assert copies.examples == ((copy, kept),)


def test_a_sheet_of_very_many_photos_has_an_end_and_counts_them_all() -> None:
    many = [replace(photo(n % 1000, "a"), url=f"u{n}") for n in range(module.MOST_SHOWN + 50)]
    (label,) = collected_of(None, many, []).labels
    assert (len(label.photos), label.number) == (module.MOST_SHOWN, module.MOST_SHOWN + 50)
    crowd = [photo(n, f"label {n % 900}") for n in range(900 * 2)]
    assert all(len(label.photos) == 2 for label in collected_of(None, crowd, []).labels)
