"""The photo folder: what is added, what is refused, what a crash leaves behind, and that the totals always add up."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.photo_records import (
    REJECTED_COLUMNS,
    Photo,
    Rejection,
    read_photos,
    read_rejections,
    write_rows,
)
from mirror.errors import DatasetError
from tests.support.limits import LIMIT, read_line
from tests.support.photo_folders import check_totals, csv_rows, drawing, fill, origin
from tests.world import draw_photo, encode, near_copy

ROOT = Path(__file__).resolve().parents[2]


def test_a_photo_becomes_a_row_and_an_upright_jpeg(tmp_path: Path) -> None:
    block = Image.Exif()
    block[0x0112] = 6
    source = encode(draw_photo("cygnet", 1, (1600, 1200)), "JPEG", exif=block, quality=90)
    sha256 = hashlib.sha256(source).hexdigest()
    with PhotoFolder(tmp_path / "x") as folder:
        photo = folder.add(origin(1, title='A "swan",\nbaby'), source)
        check_totals(folder)
    assert csv_rows(tmp_path / "x/metadata.csv") == [{
        "file_name": f"images/cygnet/{sha256[:16]}.jpg", "label": "cygnet",
        "url": "https://photos.example/cygnet/1.jpg", "page_url": "https://pages.example/cygnet/1",
        "title": 'A "swan",\nbaby', "query": "baby swan", "engine": "test", "license_filter": "",
        "retrieved_at": photo.retrieved_at, "sha256": sha256, "width": "480", "height": "640", "phash": photo.phash,
        "split": "",
    }]  # fmt: skip
    with Image.open(photo.path(tmp_path / "x")) as stored:
        assert (stored.format, stored.size) == ("JPEG", (480, 640)) and not stored.getexif()
    assert (tmp_path / "x/rejected.csv").read_text() == ",".join(REJECTED_COLUMNS) + "\n"


# name: (body, reason)
REFUSED = {
    "html as .jpg": (b"<html>404</html>", "not-an-image"),
    "zero bytes": (b"", "empty-file"),
    "truncated": (encode(draw_photo("cygnet", 1))[:4000], "not-an-image"),
    "1 px": (encode(Image.new("RGB", (1, 1)), "PNG"), "too-small"),
    "63 px": (encode(draw_photo("cygnet", 1, (63, 200))), "too-small"),
    "bomb": (encode(Image.new("1", (10_000, 5_001)), "PNG"), "too-many-pixels"),
    "the same bytes": (drawing(1), "exact-duplicate"),
    "a near copy": (encode(near_copy(draw_photo("cygnet", 1))), "near-duplicate"),
}


def test_every_kind_of_defect_is_one_row_and_the_totals_add_up(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        fill(folder, range(1, 4))
        for number, (name, (data, reason)) in enumerate(REFUSED.items(), start=10):
            row = folder.add(origin(number), data)
            assert isinstance(row, Rejection) and row.reason == reason, name
            assert row.sha256 == hashlib.sha256(data).hexdigest()
        folder.reject(origin(30), "http-404", "the server says 404")
        check_totals(folder)
        assert (len(folder.photos), len(folder.rejected), len(folder.rows)) == (3, 9, 12)
        assert len(folder.rows) == 12 and folder.count("cygnet") == 3 and folder.labels == ["cygnet"]
    reasons = [row["reason"] for row in csv_rows(tmp_path / "rejected.csv")]
    assert reasons == [reason for _, reason in REFUSED.values()] + ["http-404"]


def test_a_second_try_of_a_url_changes_nothing(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        first = folder.add(origin(1), drawing(1))
        refused = folder.reject(origin(2), "timeout", "slow")
        before = (tmp_path / "metadata.csv").read_bytes(), (tmp_path / "rejected.csv").read_bytes()
        assert folder.add(origin(1), drawing(9)) == first
        assert folder.add(origin(2), drawing(2)) == refused
        assert folder.reject(origin(2), "http-404", "gone") == refused
        with pytest.raises(DatasetError, match="already stored"):
            folder.reject(origin(1), "http-404", "gone")
        assert (tmp_path / "metadata.csv").read_bytes(), (tmp_path / "rejected.csv").read_bytes() == before
        assert folder.has_tried(origin(1).url, "cygnet") and not folder.has_tried(origin(1).url, "duckling")
        assert folder.outcome(origin(2).url, "cygnet") == refused and folder.outcome("https://new", "cygnet") is None


@pytest.mark.parametrize("same", ["bytes", "near copy", "url"])
def test_a_photo_under_two_labels_is_dropped_from_both(tmp_path: Path, same: str) -> None:
    second = encode(near_copy(draw_photo("cygnet", 1))) if same == "near copy" else drawing(1)
    again = origin(1, "duckling") if same != "url" else replace(origin(1), label="duckling")
    with PhotoFolder(tmp_path) as folder:
        stored = folder.add(origin(1), drawing(1))
        fill(folder, range(2, 4))
        refused = folder.add(again, second)
        assert refused.reason == "same-photo-under-two-labels"
        assert refused.detail == f"also under cygnet: {origin(1).url}" and len(refused.phash) == 16
        assert [photo.url for photo in folder.photos] == [origin(2).url, origin(3).url]
        assert folder.outcome(origin(1).url, "cygnet").reason == "same-photo-under-two-labels"
        assert not stored.path(tmp_path).exists()
        check_totals(folder)
        assert len(folder.rows) == 4
    # A third copy is not taken either, not even after the folder was closed
    for number, data in ((7, drawing(1)), (8, encode(near_copy(draw_photo("cygnet", 1))))):
        with PhotoFolder(tmp_path) as folder:
            assert folder.add(origin(number), data).reason == "same-photo-under-two-labels"
            check_totals(folder)


def test_a_long_url_does_not_make_the_folder_forget_what_it_took_back(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        folder.add(replace(origin(1), url="https://photos.example/" + "a" * 900), drawing(1))
        folder.add(replace(origin(1, "duckling"), url="https://photos.example/" + "b" * 900), drawing(1))
    with PhotoFolder(tmp_path) as folder:
        copy = encode(near_copy(draw_photo("cygnet", 1)))
        assert folder.add(origin(2, "duckling"), copy).reason == "same-photo-under-two-labels"


def as_older(path: Path) -> None:
    """A rejected.csv as it was before its column `phash`: the hash began the detail."""
    rows = read_rejections(path)
    marked = [replace(row, detail=f"perceptual hash {row.phash}; {row.detail}") if row.phash else row for row in rows]
    write_rows(path, REJECTED_COLUMNS[:-1], marked)


def test_an_older_rejected_csv_is_read_as_it_is_and_renewed_when_it_is_written_to(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        fill(folder, range(2, 4))
        folder.add(origin(1), drawing(1))
        folder.add(origin(1, "duckling"), drawing(1))
        folder.reject(origin(9), "http-404", "perceptual hash, they say; gone")
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
        assert folder.add(origin(7), copy).reason == "same-photo-under-two-labels"
        assert folder.add(origin(8), encode(near_copy(draw_photo("cygnet", 2)))).reason == "removed-by-hand"
        check_totals(folder)


def test_a_closed_folder_writes_nothing(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        fill(folder, range(1))
    for change in (
        lambda: folder.add(origin(2), drawing(2)), lambda: folder.reject(origin(2), "timeout", "slow"),
        lambda: folder.save_splits(folder.photos), lambda: folder.forget([origin(1).url]),
    ):  # fmt: skip
        with pytest.raises(DatasetError, match="was closed; open it again"):
            change()
    assert len(read_photos(tmp_path / "metadata.csv")) == 1


def test_two_flat_photos_are_two_photos(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        for number, level in enumerate((20, 120, 240)):
            photo = folder.add(origin(number), encode(Image.new("RGB", (100, 100), (level,) * 3)))
            assert isinstance(photo, Photo) and photo.phash == ""
        assert folder.add(origin(9), encode(Image.new("RGB", (100, 100), (20, 20, 20)))).reason == "exact-duplicate"
    with PhotoFolder(tmp_path) as folder:
        assert len(folder.photos) == 3
        check_totals(folder)


def test_reopening_gives_the_same_and_adds_nothing_to_the_files(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        fill(folder, range(3))
        folder.reject(origin(5), "http-404", 'gone, "really"\r\nand for good')
        photos, rejected = folder.photos, folder.rejected
    metadata, refused = (tmp_path / "metadata.csv").read_bytes(), (tmp_path / "rejected.csv").read_bytes()
    with PhotoFolder(tmp_path) as folder:
        assert (folder.photos, folder.rejected, folder.notes) == (photos, rejected, [])
        assert (tmp_path / "metadata.csv").read_bytes() == metadata
        assert (tmp_path / "rejected.csv").read_bytes() == refused
        assert folder.add(origin(9), drawing(1)).reason == "exact-duplicate"
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
        folder.add(origin(1), drawing(1))
        whole = len((tmp_path / "metadata.csv").read_bytes())
        last = folder.add(origin(2, title='two\nlines, "quoted"'), drawing(2))
    data = (tmp_path / "metadata.csv").read_bytes()
    assert data.count(b"\n") == 4
    for length in range(whole + 1, len(data)):
        (tmp_path / "metadata.csv").write_bytes(data[:length])
        assert [photo.url for photo in read_photos(tmp_path / "metadata.csv")] == [
            origin(1).url
        ]  # but repairs nothing:
        assert (tmp_path / "metadata.csv").stat().st_size == length
        with PhotoFolder(tmp_path) as folder:
            assert len(folder.notes) == 1 and not last.path(tmp_path).exists()
            assert not folder.has_tried(origin(2).url, "cygnet")
            check_totals(folder)
        assert (tmp_path / "metadata.csv").stat().st_size == whole
    with PhotoFolder(tmp_path) as folder:
        again = folder.add(origin(2, title='two\nlines, "quoted"', retrieved_at=last.retrieved_at), drawing(2))
        assert again == last
    assert (tmp_path / "metadata.csv").read_bytes() == data


def test_a_torn_rejection_is_cut_too(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        folder.reject(origin(1), "timeout", "slow")
        folder.reject(origin(2), "http-404", "gone")
    data = (tmp_path / "rejected.csv").read_bytes()
    (tmp_path / "rejected.csv").write_bytes(data[:-7])
    with PhotoFolder(tmp_path) as folder:
        assert len(folder.rows) == 1 and folder.has_tried(origin(1).url, origin(1).label)
        folder.reject(origin(2), "http-404", "gone")
        check_totals(folder)


def test_taking_back_half_done_is_finished_on_opening(tmp_path: Path) -> None:
    """The process died after both rejections were written and before metadata.csv was."""
    with PhotoFolder(tmp_path) as folder:
        fill(folder, range(1, 4))
        metadata = (tmp_path / "metadata.csv").read_bytes()
        stored = folder.photos[0].path(tmp_path)
        picture = stored.read_bytes()
        folder.add(origin(1, "duckling"), drawing(1))
    (tmp_path / "metadata.csv").write_bytes(metadata)
    stored.write_bytes(picture)
    with PhotoFolder(tmp_path) as folder:
        check_totals(folder)
        assert (len(folder.photos), len(folder.rejected), stored.exists()) == (2, 2, False)


def test_taking_back_is_on_record_before_it_is_done(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        fill(folder, range(1, 4))
        aside = (tmp_path / "metadata.csv").rename(tmp_path / "kept.csv")
        (tmp_path / "metadata.csv").mkdir()  # stops the process at the moment when metadata.csv is replaced
        with pytest.raises(DatasetError, match="metadata.csv cannot be written"):
            folder.add(origin(1, "duckling"), drawing(1))
    (tmp_path / "metadata.csv").rmdir()
    aside.rename(tmp_path / "metadata.csv")
    with PhotoFolder(tmp_path) as folder:
        check_totals(folder)
        assert {row.key for row in folder.rejected} == {
            ("cygnet", origin(1).url),
            ("duckling", origin(1, "duckling").url),
        }


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
        assert folder.add(origin(2), drawing(2)).reason == "removed-by-hand"
        # Nor does it come back as a copy, except under another label
        assert folder.add(origin(7), encode(near_copy(draw_photo("cygnet", 2)))).reason == "removed-by-hand"
        assert isinstance(folder.add(origin(7, "duckling"), drawing(2)), Photo)
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
from mirror.collect.photo_records import Origin
from tests.support.photo_folders import check_totals, csv_rows, drawing, fill, origin
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
            assert read_line(process)
        time.sleep(0.007 * round_)  # another place in the loop each time
        process.send_signal(signal.SIGKILL)
        process.wait(LIMIT)
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
        assert read_line(holder) == b"open\n"
        with pytest.raises(DatasetError, match=rf"is being written by another process \(pid {holder.pid}\)"):
            PhotoFolder(tmp_path)
        assert read_photos(tmp_path / "metadata.csv") == []  # reading needs no lock
    finally:
        holder.kill()
        holder.communicate(timeout=LIMIT)
    with PhotoFolder(tmp_path) as folder:
        fill(folder, range(1))
    with PhotoFolder(tmp_path):
        pass


def test_a_file_where_the_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(DatasetError, match="is not a folder; move it away"):
        PhotoFolder(tmp_path / "x")
    with pytest.raises(DatasetError, match="cannot be read"):
        read_photos(tmp_path / "nowhere.csv")
