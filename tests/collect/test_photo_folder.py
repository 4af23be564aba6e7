"""The photo folder: what is added, what is refused, what a crash leaves behind, and that the totals always add up."""

from __future__ import annotations

import csv
import hashlib
import io
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from mirror.collect.label_names import check_label, folder_name
from mirror.collect.metadata import (
    METADATA_COLUMNS,
    REJECTED_COLUMNS,
    Origin,
    Photo,
    Rejection,
    append_rows,
    format_row,
    read_photos,
    read_rejections,
    write_photos,
    write_rows,
)
from mirror.collect.photo_folder import PhotoFolder
from mirror.errors import DatasetError
from mirror.storage import complete_length
from tests.support.photo_folders import check_totals
from tests.world import draw_photo, encode, near_copy

ROOT = Path(__file__).resolve().parents[2]


def hit(number: int, label: str = "cygnet", **more: Any) -> Origin:
    values = {"page_url": f"https://pages.example/{label}/{number}", "query": "baby swan", "engine": "test"}
    return Origin(f"https://photos.example/{label}/{number}.jpg", label, **{**values, **more})


def body(number: int, label: str = "cygnet") -> bytes:
    return encode(draw_photo(label, number))


def fill(folder: PhotoFolder, numbers: range, label: str = "cygnet") -> None:
    for number in numbers:
        assert isinstance(folder.add(hit(number, label), body(number, label)), Photo)


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_photo_becomes_a_row_and_an_upright_jpeg(tmp_path: Path) -> None:
    block = Image.Exif()
    block[0x0112] = 6
    source = encode(draw_photo("cygnet", 1, (1600, 1200)), "JPEG", exif=block, quality=90)
    sha256 = hashlib.sha256(source).hexdigest()
    with PhotoFolder(tmp_path / "x") as folder:
        photo = folder.add(hit(1, title='A "swan",\nbaby'), source)
        check_totals(folder)
    assert rows_of(tmp_path / "x/metadata.csv") == [{
        "file_name": f"images/cygnet/{sha256[:16]}.jpg", "label": "cygnet",
        "url": "https://photos.example/cygnet/1.jpg", "page_url": "https://pages.example/cygnet/1",
        "title": 'A "swan",\nbaby', "query": "baby swan", "engine": "test", "license_filter": "",
        "retrieved_at": photo.retrieved_at, "sha256": sha256, "width": "480", "height": "640", "phash": photo.phash,
        "split": "",
    }]  # fmt: skip
    with Image.open(photo.path(tmp_path / "x")) as stored:
        assert (stored.format, stored.size) == ("JPEG", (480, 640)) and not stored.getexif()
    assert (tmp_path / "x/rejected.csv").read_text() == ",".join(REJECTED_COLUMNS) + "\n"


def test_the_columns_are_those_other_tools_rely_on() -> None:
    shared = "page_url,title,query,engine,license_filter,retrieved_at,sha256"
    assert ",".join(METADATA_COLUMNS) == f"file_name,label,url,{shared},width,height,phash,split"
    assert ",".join(REJECTED_COLUMNS) == f"url,label,reason,detail,{shared},phash"


# name: (body, reason)
REFUSED = {
    "html as .jpg": (b"<html>404</html>", "not-an-image"),
    "zero bytes": (b"", "empty-file"),
    "truncated": (encode(draw_photo("cygnet", 1))[:4000], "not-an-image"),
    "1 px": (encode(Image.new("RGB", (1, 1)), "PNG"), "too-small"),
    "63 px": (encode(draw_photo("cygnet", 1, (63, 200))), "too-small"),
    "bomb": (encode(Image.new("1", (10_000, 5_001)), "PNG"), "too-many-pixels"),
    "the same bytes": (body(1), "exact-duplicate"),
    "a near copy": (encode(near_copy(draw_photo("cygnet", 1))), "near-duplicate"),
}


def test_every_kind_of_defect_is_one_row_and_the_totals_add_up(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        fill(folder, range(1, 4))
        for number, (name, (data, reason)) in enumerate(REFUSED.items(), start=10):
            row = folder.add(hit(number), data)
            assert isinstance(row, Rejection) and row.reason == reason, name
            assert row.sha256 == hashlib.sha256(data).hexdigest()
        folder.reject(hit(30), "http-404", "the server says 404")
        check_totals(folder)
        assert (len(folder.photos), len(folder.rejected), len(folder.rows)) == (3, 9, 12)
        assert len(folder.rows) == 12 and folder.count("cygnet") == 3 and folder.labels == ["cygnet"]
    reasons = [row["reason"] for row in rows_of(tmp_path / "rejected.csv")]
    assert reasons == [reason for _, reason in REFUSED.values()] + ["http-404"]


def test_a_second_try_of_a_url_changes_nothing(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        first = folder.add(hit(1), body(1))
        refused = folder.reject(hit(2), "timeout", "slow")
        before = (tmp_path / "metadata.csv").read_bytes(), (tmp_path / "rejected.csv").read_bytes()
        assert folder.add(hit(1), body(9)) == first
        assert folder.add(hit(2), body(2)) == refused
        assert folder.reject(hit(2), "http-404", "gone") == refused
        with pytest.raises(DatasetError, match="already stored"):
            folder.reject(hit(1), "http-404", "gone")
        assert (tmp_path / "metadata.csv").read_bytes(), (tmp_path / "rejected.csv").read_bytes() == before
        assert folder.has_tried(hit(1).url, "cygnet") and not folder.has_tried(hit(1).url, "duckling")
        assert folder.outcome(hit(2).url, "cygnet") == refused and folder.outcome("https://new", "cygnet") is None


@pytest.mark.parametrize("same", ["bytes", "near copy", "url"])
def test_a_photo_under_two_labels_is_dropped_from_both(tmp_path: Path, same: str) -> None:
    second = encode(near_copy(draw_photo("cygnet", 1))) if same == "near copy" else body(1)
    again = hit(1, "duckling") if same != "url" else replace(hit(1), label="duckling")
    with PhotoFolder(tmp_path) as folder:
        stored = folder.add(hit(1), body(1))
        fill(folder, range(2, 4))
        refused = folder.add(again, second)
        assert refused.reason == "same-photo-under-two-labels"
        assert refused.detail == f"also under cygnet: {hit(1).url}" and len(refused.phash) == 16
        assert [photo.url for photo in folder.photos] == [hit(2).url, hit(3).url]
        assert folder.outcome(hit(1).url, "cygnet").reason == "same-photo-under-two-labels"
        assert not stored.path(tmp_path).exists()
        check_totals(folder)
        assert len(folder.rows) == 4
    # A third copy is not taken either, not even after the folder was closed
    for number, data in ((7, body(1)), (8, encode(near_copy(draw_photo("cygnet", 1))))):
        with PhotoFolder(tmp_path) as folder:
            assert folder.add(hit(number), data).reason == "same-photo-under-two-labels"
            check_totals(folder)


def test_a_long_url_does_not_make_the_folder_forget_what_it_took_back(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        folder.add(replace(hit(1), url="https://photos.example/" + "a" * 900), body(1))
        folder.add(replace(hit(1, "duckling"), url="https://photos.example/" + "b" * 900), body(1))
    with PhotoFolder(tmp_path) as folder:
        copy = encode(near_copy(draw_photo("cygnet", 1)))
        assert folder.add(hit(2, "duckling"), copy).reason == "same-photo-under-two-labels"


def as_older(path: Path) -> None:
    """A rejected.csv as it was before its column `phash`: the hash began the detail."""
    rows = read_rejections(path)
    marked = [replace(row, detail=f"perceptual hash {row.phash}; {row.detail}") if row.phash else row for row in rows]
    write_rows(path, REJECTED_COLUMNS[:-1], marked)


def test_an_older_rejected_csv_is_read_as_it_is_and_renewed_when_it_is_written_to(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        fill(folder, range(2, 4))
        folder.add(hit(1), body(1))
        folder.add(hit(1, "duckling"), body(1))
        folder.reject(hit(9), "http-404", "perceptual hash, they say; gone")
        folder.photos[0].path(tmp_path).unlink()
    with PhotoFolder(tmp_path):
        pass
    path = tmp_path / "rejected.csv"
    now, rows = path.read_bytes(), read_rejections(path)
    assert sum(bool(row.phash) for row in rows) == 3
    as_older(path)
    before = path.read_bytes()
    assert before.count(b"perceptual hash ") == 3
    assert read_rejections(path) == rows and path.read_bytes() == before
    with PhotoFolder(tmp_path) as folder:
        assert folder.rejected == rows and path.read_bytes() == now
        copy = encode(near_copy(draw_photo("cygnet", 1)))
        assert folder.add(hit(7), copy).reason == "same-photo-under-two-labels"
        assert folder.add(hit(8), encode(near_copy(draw_photo("cygnet", 2)))).reason == "removed-by-hand"
        check_totals(folder)


def test_that_a_split_was_given_is_kept_as_every_version_reads_it(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        given = folder.add(hit(1, engine="folder", split="train", split_given=True), body(1))
        free = folder.add(hit(2, engine="folder", split="train"), body(2))
        folder.reject(hit(3, engine="folder", split="train", split_given=True), "too-small", "small")
    assert (given.engine, given.split_given, free.engine, free.split_given) == ("folder", True, "folder", False)
    assert [row["engine"] for row in rows_of(tmp_path / "metadata.csv")] == ["folder-with-splits", "folder"]
    assert read_photos(tmp_path / "metadata.csv") == [given, free]
    assert [row["engine"] for row in rows_of(tmp_path / "rejected.csv")] == ["folder-with-splits"]
    (refused,) = read_rejections(tmp_path / "rejected.csv")
    assert (refused.engine, refused.split_given) == ("folder", True)


def test_a_closed_folder_writes_nothing(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        fill(folder, range(1))
    for change in (
        lambda: folder.add(hit(2), body(2)), lambda: folder.reject(hit(2), "timeout", "slow"),
        lambda: folder.save_splits(folder.photos), lambda: folder.forget([hit(1).url]),
    ):  # fmt: skip
        with pytest.raises(DatasetError, match="was closed; open it again"):
            change()
    assert len(read_photos(tmp_path / "metadata.csv")) == 1


def test_two_flat_photos_are_two_photos(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        for number, level in enumerate((20, 120, 240)):
            photo = folder.add(hit(number), encode(Image.new("RGB", (100, 100), (level,) * 3)))
            assert isinstance(photo, Photo) and photo.phash == ""
        assert folder.add(hit(9), encode(Image.new("RGB", (100, 100), (20, 20, 20)))).reason == "exact-duplicate"
    with PhotoFolder(tmp_path) as folder:
        assert len(folder.photos) == 3
        check_totals(folder)


def test_reopening_gives_the_same_and_adds_nothing_to_the_files(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        fill(folder, range(3))
        folder.reject(hit(5), "http-404", 'gone, "really"\r\nand for good')
        photos, rejected = folder.photos, folder.rejected
    metadata, refused = (tmp_path / "metadata.csv").read_bytes(), (tmp_path / "rejected.csv").read_bytes()
    with PhotoFolder(tmp_path) as folder:
        assert (folder.photos, folder.rejected, folder.notes) == (photos, rejected, [])
        assert (tmp_path / "metadata.csv").read_bytes() == metadata
        assert (tmp_path / "rejected.csv").read_bytes() == refused
        assert folder.add(hit(9), body(1)).reason == "exact-duplicate"
    assert read_photos(tmp_path / "metadata.csv") == photos
    assert (tmp_path / "rejected.csv").read_bytes().startswith(refused)


def test_splits_are_saved_and_survive(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        fill(folder, range(3))
        folder.save_splits([replace(photo, split="validation") for photo in folder.photos[:1]])
        check_totals(folder)
        with pytest.raises(DatasetError, match="is not in"):
            folder.save_splits([replace(folder.photos[0], url="https://elsewhere")])
    assert [photo.split for photo in read_photos(tmp_path / "metadata.csv")] == ["validation", "", ""]


# ---- crashes --------------------------------------------------------------------------------------------------------


def test_a_row_torn_at_any_byte_is_cut_and_the_photo_comes_again(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        folder.add(hit(1), body(1))
        whole = len((tmp_path / "metadata.csv").read_bytes())
        last = folder.add(hit(2, title='two\nlines, "quoted"'), body(2))
    data = (tmp_path / "metadata.csv").read_bytes()
    assert data.count(b"\n") == 4
    for length in range(whole + 1, len(data)):
        (tmp_path / "metadata.csv").write_bytes(data[:length])
        assert [photo.url for photo in read_photos(tmp_path / "metadata.csv")] == [hit(1).url]  # but repairs nothing:
        assert (tmp_path / "metadata.csv").stat().st_size == length
        with PhotoFolder(tmp_path) as folder:
            assert len(folder.notes) == 1 and not last.path(tmp_path).exists()
            assert not folder.has_tried(hit(2).url, "cygnet")
            check_totals(folder)
        assert (tmp_path / "metadata.csv").stat().st_size == whole
    with PhotoFolder(tmp_path) as folder:
        again = folder.add(hit(2, title='two\nlines, "quoted"', retrieved_at=last.retrieved_at), body(2))
        assert again == last
    assert (tmp_path / "metadata.csv").read_bytes() == data


def test_a_torn_rejection_is_cut_too(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        folder.reject(hit(1), "timeout", "slow")
        folder.reject(hit(2), "http-404", "gone")
    data = (tmp_path / "rejected.csv").read_bytes()
    (tmp_path / "rejected.csv").write_bytes(data[:-7])
    with PhotoFolder(tmp_path) as folder:
        assert len(folder.rows) == 1 and folder.has_tried(hit(1).url, hit(1).label)
        folder.reject(hit(2), "http-404", "gone")
        check_totals(folder)


def test_taking_back_half_done_is_finished_on_opening(tmp_path: Path) -> None:
    """The process died after both rejections were written and before metadata.csv was."""
    with PhotoFolder(tmp_path) as folder:
        fill(folder, range(1, 4))
        metadata = (tmp_path / "metadata.csv").read_bytes()
        stored = folder.photos[0].path(tmp_path)
        picture = stored.read_bytes()
        folder.add(hit(1, "duckling"), body(1))
    (tmp_path / "metadata.csv").write_bytes(metadata)
    stored.write_bytes(picture)
    with PhotoFolder(tmp_path) as folder:
        check_totals(folder)
        assert (len(folder.photos), len(folder.rejected), stored.exists()) == (2, 2, False)


def test_taking_back_is_on_record_before_it_is_done(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        fill(folder, range(1, 4))
        kept = (tmp_path / "metadata.csv").rename(tmp_path / "kept.csv")
        (tmp_path / "metadata.csv").mkdir()  # stops the process at the moment when metadata.csv is replaced
        with pytest.raises(DatasetError, match="metadata.csv cannot be written"):
            folder.add(hit(1, "duckling"), body(1))
    (tmp_path / "metadata.csv").rmdir()
    kept.rename(tmp_path / "metadata.csv")
    with PhotoFolder(tmp_path) as folder:
        check_totals(folder)
        assert {row.key for row in folder.rejected} == {("cygnet", hit(1).url), ("duckling", hit(1, "duckling").url)}


def test_orphans_and_half_written_files_are_removed_and_other_files_left_alone(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        fill(folder, range(2))
    orphan, part = tmp_path / "images/cygnet/0123456789abcdef.jpg", tmp_path / "images/cygnet/.abc.jpg.part"
    mine = tmp_path / "images/cygnet/notes.txt"
    for path in (orphan, part, mine):
        path.write_bytes(b"x")
    with PhotoFolder(tmp_path) as folder:
        check_totals(folder)
    assert [path.exists() for path in (orphan, part, mine)] == [False, False, True]


def test_deleting_a_photo_by_hand_takes_it_out_for_good(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        fill(folder, range(4))
        folder.photos[2].path(tmp_path).unlink()
    with PhotoFolder(tmp_path) as folder:
        assert len(folder.notes) == 1
        assert folder.add(hit(2), body(2)).reason == "removed-by-hand"
        # Nor does it come back as a copy, except under another label
        assert folder.add(hit(7), encode(near_copy(draw_photo("cygnet", 2)))).reason == "removed-by-hand"
        assert isinstance(folder.add(hit(7, "duckling"), body(2)), Photo)
        check_totals(folder)
        assert (len(folder.photos), len(folder.rejected)) == (4, 2)


def test_losing_most_photos_or_the_table_is_an_error_not_a_clean_slate(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        fill(folder, range(4))
        photos = folder.photos
    for photo in photos:
        photo.path(tmp_path).unlink()
    before = (tmp_path / "metadata.csv").read_bytes()
    with pytest.raises(DatasetError, match="4 of their files are missing; restore images/"):
        PhotoFolder(tmp_path)
    assert (tmp_path / "metadata.csv").read_bytes() == before
    for number in range(101):
        (tmp_path / f"images/cygnet/{number:016x}.jpg").write_bytes(b"x")
    (tmp_path / "metadata.csv").unlink()
    with pytest.raises(DatasetError, match="holds 101 photos that metadata.csv does not list"):
        PhotoFolder(tmp_path)
    assert len(list(tmp_path.glob("images/cygnet/*.jpg"))) == 101


ADD_FOR_EVER = """
import sys
from pathlib import Path
from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.metadata import Origin
from tests.support.photo_folders import check_totals
from tests.world import draw_photo, encode, near_copy

with PhotoFolder(Path(sys.argv[1])) as folder:
    for number in range(100_000):
        for label in ("cygnet", "duckling"):
            # Every fifth photo turns up under the other label as well, so that photos are taken back all the time
            kind = "cygnet" if number % 5 == 0 else label
            hit = Origin(f"https://photos.example/{label}/{number}.jpg", label, title="two\\nlines")
            if not folder.has_tried(hit.url, label):
                folder.add(hit, encode(draw_photo(kind, number, (96, 72))))
        print(number, flush=True)
"""


def test_killed_at_any_moment_the_folder_is_whole_and_goes_on(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    tried = 0
    for round_ in range(4):
        process = subprocess.Popen(
            [sys.executable, "-c", ADD_FOR_EVER, str(tmp_path)], stdout=subprocess.PIPE, env=environment, text=True
        )
        for _ in range(tried // 2 + 12):  # those it has already tried go by at once
            assert process.stdout.readline()
        time.sleep(0.007 * round_)  # another place in the loop each time
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with PhotoFolder(tmp_path) as folder:
            check_totals(folder)
            assert len(folder.rows) > tried
            tried = len(folder.rows)
            urls = {row.url for row in folder.photos + folder.rejected}
            labels = ("cygnet", "duckling")
            wanted = [f"https://photos.example/{label}/{n}.jpg" for n in range(tried) for label in labels]
            assert urls == set(wanted[:tried])  # nothing lost, nothing twice
            taken = {row.url for row in folder.rejected if row.reason == "same-photo-under-two-labels"}
            assert taken == {url for n in range(0, tried // 2, 5) for url in wanted[2 * n : 2 * n + 2]}
    for photo in read_photos(tmp_path / "metadata.csv"):
        with Image.open(photo.path(tmp_path)) as stored:
            stored.load()


def test_two_processes_cannot_write_at_once_but_a_dead_one_is_no_obstacle(tmp_path: Path) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", "import sys; from mirror.collect.photo_folder import PhotoFolder\n"
         "folder = PhotoFolder(sys.argv[1]); print('open', flush=True); sys.stdin.read()", str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    try:
        assert holder.stdout.readline() == b"open\n"
        with pytest.raises(DatasetError, match=rf"is being written by another process \(pid {holder.pid}\)"):
            PhotoFolder(tmp_path)
        assert read_photos(tmp_path / "metadata.csv") == []  # reading needs no lock
    finally:
        holder.kill()
        holder.communicate()
    with PhotoFolder(tmp_path) as folder:
        fill(folder, range(1))
    with PhotoFolder(tmp_path):
        pass


# ---- names and rows -------------------------------------------------------------------------------------------------

LABELS = [
    "cygnet", "baby swan", "Baby Swan", "baby-swan", "a/b", "a\\b", "a-b", "..", ".", "../..", "/etc", "C:\\x", "-rf",
    "con", "nul", "com1", "swan.", "天鹅", "天鵝", "Schwänchen", "schwanchen", "🦢", "a" * 100, "a" * 99, "train",
    ".hidden", "x~0123456789", "BIKE", "bike", "bike ~", "%2e%2e", "a:b", "a*b", "__pycache__",
]  # fmt: skip


def test_label_folders_stay_inside_and_never_meet(tmp_path: Path) -> None:
    names = [folder_name(label) for label in LABELS]
    assert len({name.lower() for name in names}) == len(LABELS)
    for name in names:
        assert (tmp_path / name).resolve().parent == tmp_path.resolve()
        assert name.isascii() and not set(name) & set('/\\:*?"<>| .') and name[0] not in "._-" and len(name) <= 64
    assert [folder_name(label) for label in ("cygnet", "trash-bin", "Baby Swan")] == [
        "cygnet", "trash-bin", "baby-swan~0d6b5bd7fd",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("label", "start"),
    [("train", "train~"), ("test-tube", "testtube~"), ("Dev", "dev~"), ("eval_2", "eval~"), ("my val.", "myval~")],
)
def test_no_label_folder_looks_like_a_split_to_hugging_face(label: str, start: str) -> None:
    """`load_dataset("imagefolder")` would read images/train and leave the other labels out."""
    assert folder_name(label).startswith(start)


def test_words_that_only_begin_like_a_split_are_plain() -> None:
    labels = ["trains", "valley", "testament", "device", "evaluator"]
    assert [folder_name(label) for label in labels] == labels


@pytest.mark.parametrize("label", ["", " ", "\t", " swan", "swan ", "a\nb", "a\0b", "x" * 101, "a\ud800"])
def test_labels_that_cannot_be_meant_are_refused(label: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError):
        check_label(label)
    with PhotoFolder(tmp_path) as folder, pytest.raises(DatasetError):
        folder.add(Origin("https://photos.example/1.jpg", label), body(1))
    assert rows_of(tmp_path / "metadata.csv") == []


def test_photos_of_awkward_labels_come_back(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        for number, label in enumerate(LABELS):
            folder.add(hit(number, label), encode(draw_photo("x", number)))
    with PhotoFolder(tmp_path) as folder:
        check_totals(folder)
        assert folder.labels == sorted(LABELS)
    assert {path.parent.parent for path in tmp_path.rglob("*.jpg")} == {tmp_path / "images"}


@pytest.mark.parametrize(
    "value", ["", "plain", "a,b", 'a "b"', '"', "a\nb", "a\rb", "a\r\nb", " padded ", "ü天🦢", "'", "=1", "\\n", ",,,"]
)
def test_any_text_survives_a_row(value: str) -> None:
    line = format_row([value, "x", value])
    assert next(csv.reader(io.StringIO(line, newline=""), strict=True)) == [value, "x", value]
    data = line.encode()
    assert complete_length(data, quoted=True) == len(data) == complete_length(data + data[:-1], quoted=True)
    assert complete_length(data + b'"' + data.replace(b'"', b"") * 3, quoted=True) == len(data)


def test_text_that_no_file_can_hold_is_cleaned(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        photo = folder.add(hit(1, title="a\0b\ud800c", license_filter=None), body(1))
        assert (photo.title, photo.license_filter) == ("ab?c", "")
        check_totals(folder)


# name: (what to do to a row of metadata.csv, words of the error)
SPOILED = {
    "a column is missing": (lambda text: text.replace(",phash,", ",", 1), "does not begin with the columns"),
    "empty": (lambda text: "\n", "does not begin with the columns"),
    "out of the folder": (lambda text: text.replace("images/cygnet/", "../cygnet/"), "leads out of the folder"),
    "absolute": (lambda text: text.replace("images/cygnet/", "/etc/"), "leads out of the folder"),
    "a width that is no number": (lambda text: text.replace(",320,", ",wide,"), "is no number"),
    "an unknown split": (lambda text: text[:-1] + "exam\n", "must be train, validation or empty"),
    "a field too few": (lambda text: text[:-2] + "\n", "13 fields instead of 14"),
    "stray quotes": (lambda text: text.replace("images/", '"images"/'), "not valid CSV"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_a_spoiled_table_is_named_not_guessed_at(tmp_path: Path, name: str) -> None:
    spoil, words = SPOILED[name]
    with PhotoFolder(tmp_path) as folder:
        fill(folder, range(1))
    text = (tmp_path / "metadata.csv").read_text()
    spoiled = spoil(text)
    assert spoiled != text
    (tmp_path / "metadata.csv").write_text(spoiled)
    with pytest.raises(DatasetError, match=words):
        PhotoFolder(tmp_path)
    assert (tmp_path / "metadata.csv").read_text() == spoiled
    with pytest.raises(DatasetError, match=words):  # and the lock was let go
        PhotoFolder(tmp_path)


def test_a_table_saved_by_a_spreadsheet_is_read(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        fill(folder, range(2))
        photos = folder.photos
    text = (tmp_path / "metadata.csv").read_bytes()
    (tmp_path / "metadata.csv").write_bytes(b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n"))
    with PhotoFolder(tmp_path) as folder:
        assert folder.photos == photos


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(DatasetError, match="is not a folder; move it away"):
        PhotoFolder(tmp_path / "x")
    with pytest.raises(DatasetError, match="cannot be read"):
        read_photos(tmp_path / "nowhere.csv")


def test_photo_lists_are_written_and_read_alike(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path / "x") as folder:
        fill(folder, range(2))
        folder.forget([])
        write_photos(tmp_path / "photos.csv", folder.photos)
        assert read_photos(tmp_path / "photos.csv") == folder.photos
    assert (tmp_path / "photos.csv").read_bytes() == (tmp_path / "x/metadata.csv").read_bytes()


def test_a_full_disk_leaves_no_half_row(tmp_path: Path) -> None:
    """A file size limit stands in for the disk: the kernel writes what fits, then refuses."""
    script = """
import resource, signal, sys
from pathlib import Path
from mirror.collect.metadata import append_rows, read_rejections, write_rows, REJECTED_COLUMNS, Rejection
from mirror.errors import DatasetError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
path, row = Path(sys.argv[1]), Rejection("https://x", "a", reason="timeout", detail="d" * 50)
write_rows(path, REJECTED_COLUMNS, [row])
resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 20, resource.RLIM_INFINITY))
before = path.read_bytes()
try:
    append_rows(path, REJECTED_COLUMNS, [row])
except DatasetError as error:
    print("file too large" in str(error), path.read_bytes() == before)
"""
    command = [sys.executable, "-c", script, str(tmp_path / "rejected.csv")]
    result = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert (result.stdout, result.stderr) == ("True True\n", "")
    append_rows(tmp_path / "rejected.csv", REJECTED_COLUMNS, read_rejections(tmp_path / "rejected.csv"))
    assert len(read_rejections(tmp_path / "rejected.csv")) == 2


def test_ten_thousand_rows_are_read_back(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        fill(folder, range(1))
        one = folder.photos[0]
    photos = [replace(one, url=f"https://photos.example/{n}", sha256=f"{n:064x}") for n in range(10_000)]
    write_photos(tmp_path / "many.csv", photos)
    assert read_photos(tmp_path / "many.csv") == photos
