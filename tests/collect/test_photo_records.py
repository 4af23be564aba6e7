"""metadata.csv and rejected.csv: what is written is read back, and nothing else is taken for one."""

from __future__ import annotations

import csv
import io
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.photo_records import (
    METADATA_COLUMNS,
    REJECTED_COLUMNS,
    append_rows,
    format_row,
    read_photos,
    read_rejections,
    write_photos,
)
from mirror.errors import DatasetError
from mirror.storage import complete_length
from tests.support.limits import LIMIT
from tests.support.photo_folders import check_totals, csv_rows, drawing, fill, origin

ROOT = Path(__file__).resolve().parents[2]


def test_the_columns_are_those_other_tools_rely_on() -> None:
    shared = "page_url,title,query,engine,license_filter,retrieved_at,sha256"
    assert ",".join(METADATA_COLUMNS) == f"file_name,label,url,{shared},width,height,phash,split"
    assert ",".join(REJECTED_COLUMNS) == f"url,label,reason,detail,{shared},phash"


def test_that_a_split_was_given_is_kept_as_every_version_reads_it(tmp_path: Path) -> None:
    with PhotoFolder(tmp_path) as folder:
        given = folder.add(origin(1, engine="folder", split="train", split_given=True), drawing(1))
        free = folder.add(origin(2, engine="folder", split="train"), drawing(2))
        folder.reject(origin(3, engine="folder", split="train", split_given=True), "too-small", "small")
    assert (given.engine, given.split_given, free.engine, free.split_given) == ("folder", True, "folder", False)
    assert [row["engine"] for row in csv_rows(tmp_path / "metadata.csv")] == ["folder-with-splits", "folder"]
    assert read_photos(tmp_path / "metadata.csv") == [given, free]
    assert [row["engine"] for row in csv_rows(tmp_path / "rejected.csv")] == ["folder-with-splits"]
    (refused,) = read_rejections(tmp_path / "rejected.csv")
    assert (refused.engine, refused.split_given) == ("folder", True)


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
        photo = folder.add(origin(1, title="a\0b\ud800c", license_filter=None), drawing(1))
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
from mirror.collect.photo_records import append_rows, read_rejections, write_rows, REJECTED_COLUMNS, Rejection
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
    result = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=LIMIT
    )
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
