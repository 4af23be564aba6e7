"""`--others DIR`: which photos are used, which are left out and why, and that nothing is written."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror.collect.other_photos import FEWEST, read_others
from mirror.collect.photo_records import Photo
from mirror.collect.screening import screen
from mirror.errors import DatasetError
from tests.world import draw_photo, encode, near_copy


def put(path: Path, data: bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def own_photo(data: bytes) -> Photo:
    screened = screen(data)
    return Photo(
        "duck/1.jpg",
        "duck",
        file_name="images/duck/1.jpg",
        sha256=screened.sha256,
        width=screened.width,
        height=screened.height,
        phash=screened.phash,
    )


@pytest.fixture
def street(tmp_path: Path) -> Path:
    """Nine photos, in folders and not."""
    for seed in range(9):
        subfolder = "near" if seed % 2 else "."
        put(tmp_path / "street" / subfolder / f"{seed}.jpg", encode(draw_photo("street", seed)))
    return tmp_path / "street"


def test_every_photo_below_is_used_in_the_order_of_paths(street: Path) -> None:
    calls = []
    others = read_others(street, [], progress=lambda done, total: calls.append((done, total)))
    inside = [path.relative_to(street).as_posix() for path in others.paths]
    assert inside == [*(f"{n}.jpg" for n in (0, 2, 4, 6, 8)), *(f"near/{n}.jpg" for n in (1, 3, 5, 7))]
    assert others.groups == tuple(range(9)) and others.rejected == {}
    assert calls == [(done, 9) for done in range(1, 10)]


def test_what_cannot_be_used_is_counted_by_its_reason(street: Path) -> None:
    duck = encode(draw_photo("duck", 1))
    before = {path: path.read_bytes() for path in street.rglob("*.jpg")}
    put(street / "x" / "page.jpg", b"<html>")
    put(street / "x" / "small.png", encode(draw_photo("street", 77, (60, 60)), "PNG"))
    put(street / "x" / "same.jpg", before[street / "0.jpg"])
    put(street / "x" / "again.jpg", encode(near_copy(draw_photo("street", 2))))
    put(street / "x" / "own.jpg", duck)
    put(street / "x" / "own copy.jpg", encode(near_copy(draw_photo("duck", 1))))
    put(street / "x" / "notes.txt", b"where they came from")
    put(street / ".hidden.jpg", encode(draw_photo("street", 78)))
    others = read_others(street, [own_photo(duck)])
    assert len(others.paths) == 9 and not any(path.parent.name == "x" for path in others.paths)
    assert others.rejected == {"near-duplicate": 2, "not-an-image": 1, "one-of-the-labels": 2, "too-small": 1}
    assert {path: path.read_bytes() for path in before} == before


def test_photos_that_look_alike_are_one_group(street: Path) -> None:
    """A crop is too far for a near-duplicate, and near enough to be kept on one side."""
    photo = draw_photo("street", 4)
    width, height = photo.size
    for share in (0.03, 0.04, 0.05, 0.06):
        dx, dy = round(width * share), round(height * share)
        copy = encode(photo.crop((0, 0, width - dx, height - dy)))
        put(street / f"crop {share}.jpg", copy)
    others = read_others(street, [])
    crops = [group for path, group in zip(others.paths, others.groups, strict=True) if path.name.startswith("crop")]
    assert crops and set(crops) == {others.groups[[path.name for path in others.paths].index("4.jpg")]}


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("missing", r"missing does not exist; give --others a folder with photos of none of the labels\.$"),
        ("file", r"file is not a folder; give --others"),
        ("empty", rf"empty holds 0 photos, and --others needs at least {FEWEST} .*: add some\.$"),
        ("few", r"few holds 3 photos, and --others needs"),
        ("bad", r"bad holds 7 usable photos \(left out: 1 not-an-image, 1 one-of-the-labels\), and --others needs"),
    ],
)
def test_a_folder_that_cannot_help_is_said_to(tmp_path: Path, what: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    put(tmp_path / "file", b"")
    duck = encode(draw_photo("duck", 1))
    for seed in range(7):
        put(tmp_path / "bad" / f"{seed}.jpg", encode(draw_photo("street", seed)))
        if seed < 3:
            put(tmp_path / "few" / f"{seed}.jpg", encode(draw_photo("street", seed)))
    put(tmp_path / "bad" / "own.jpg", duck)
    put(tmp_path / "bad" / "no.jpg", b"no")
    with pytest.raises(DatasetError, match=message):
        read_others(tmp_path / what, [own_photo(duck)])
