"""Labels counted folder by folder, against counts made by hand and by pandas; and the picture of them."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pandas
import pytest

from mirror.batch.summary import FOLDERS, LABELS, Score, Summary, check_picture, draw_summary, folder_of
from mirror.errors import UsageError
from mirror.images import load_image
from tests.pictures import for_the_readme
from tests.support.batch_process import photos, run
from tests.web.tiny import GREY, photo, tiny_model

ROOT = Path(__file__).parents[2]
BIKES = ROOT.parent / "shared" / "data" / "bikes_bins"


def summarise(rows: list[dict]) -> Summary:
    summary = Summary()
    for each in rows:
        summary.add(each)
    return summary


def row(file: str, label: str, probability: float, known: bool = True) -> dict:
    return {"file": file, "label": label, "probability": probability, "probabilities": {}, "known": known}


ROWS = [
    row("city/1/a.jpg", "bike", 0.9),
    row("city/1/b.jpg", "bike", 0.7),
    row("city/1/c.jpg", "bin", 0.6),
    row("city/1/d.jpg", "bike", 0.99, known=False),
    row("city/2/a.jpg", "bin", 0.5),
    {"file": "city/2/b.jpg", "error": "It is none."},
    row("top.jpg", "bike", 1.0),
]


def test_a_table_has_a_line_a_folder_and_a_column_for_none_of_these() -> None:
    assert str(summarise(ROWS)) == (
        "folder  images      bike       bin  none of these  not answered\n"
        "city/1       4  2 (0.80)  1 (0.60)              1             0\n"
        "city/2       2         0  1 (0.50)              0             1\n"
        ".            1  1 (1.00)         0              0             0\n"
        "all          7  3 (0.87)  2 (0.55)              1             1"
    )


def test_a_table_fits_the_screen_and_a_file_has_every_label(tmp_path: Path) -> None:
    rows = [row(f"{'deep/' * 9}place {n % 3}/{n}.jpg", f"a label of some length {n % 12:02}", 0.5) for n in range(40)]
    summary = summarise([*rows, row("a,b/1.jpg", '=say "x"', 0.25), {"file": "a,b/2.jpg", "error": "No."}])
    for width in (400, 200, 120, 80):
        text = summary.within(width)
        assert max(map(len, text.splitlines())) <= width, width
        assert len(text.splitlines()) == 6 and text.split()[-1] == "1"
    assert summary.within(400) == str(summary)
    narrow = summary.within(40).splitlines()
    assert max(map(len, narrow)) <= 40 and [line.split(":")[1] for line in narrow if not line.startswith(" ")] == [
        " 14 images", " 13 images", " 13 images", " 2 images", " 42 images",
    ]  # fmt: skip
    assert "  a label of some length 00  4 (0.50)" in narrow and narrow[-1].split() == ["not", "answered", "1"]
    summary.write_csv(tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_bytes().startswith(b"\xef\xbb\xbffolder,images,")
    frame = pandas.read_csv(tmp_path / "s.csv")
    assert len(frame) == 4 and frame["images"].sum() == 42 and frame["not answered"].sum() == 1
    labels = [f"a label of some length {n:02}" for n in range(12)]
    assert frame[labels].to_numpy().sum() == 40 and set(frame[f"{labels[0]}: mean score"].dropna()) == {0.5}
    assert frame.set_index("folder").loc["a,b", '=say "x"'] == 1


def test_a_long_label_does_not_widen_its_column() -> None:
    header = str(summarise([row("a/1.jpg", "a" * 24, 0.5), row("a/2.jpg", "b" * 25, 0.5)])).splitlines()[0]
    assert header.split() == ["folder", "images", "a" * 24, "b" * 23 + "…", "none", "of", "these"]


def test_one_folder_needs_no_sum_and_a_column_for_errors_is_there_when_there_are_any() -> None:
    assert str(summarise(ROWS[:3])) == (
        "folder  images      bike       bin  none of these\ncity/1       3  2 (0.80)  1 (0.60)              0"
    )


def test_detections_count_objects() -> None:
    box = {"xmin": 0, "ymin": 0, "xmax": 9, "ymax": 9}
    found = [
        {"score": score, "label": label, "box": box}
        for score, label in ((0.9, "bicycle"), (0.7, "bicycle"), (0.8, "car"))
    ]
    rows = [
        {"file": "a/1.jpg", "detections": found},
        {"file": "a/2.jpg", "detections": []},
        {"file": "b/1.jpg", "detections": found[:1]},
    ]
    assert str(summarise(rows)) == (
        "folder  images   bicycle       car  nothing found\n"
        "a            2  2 (0.80)  1 (0.80)              1\n"
        "b            1  1 (0.90)         0              0\n"
        "all          3  3 (0.83)  1 (0.80)              1"
    )


def test_many_labels_share_a_column_and_a_label_may_be_called_like_one() -> None:
    names = ["none of these", "not answered", "other labels", *(f"label {number}" for number in range(9))]
    rows = [row(f"a/{i}-{j}", name, 0.5) for i, name in enumerate(names) for j in range(len(names) - i)]
    columns, (line,) = summarise(rows).table()
    assert columns == [*names[:LABELS], "other labels", "none of these"]
    assert [cell.count for cell in line.cells] == [12, 11, 10, 9, 8, 7, 6, 5, 4 + 3 + 2 + 1, 0]
    assert line.cells[-2] == Score(10, 5.0) and line.images == sum(cell.count for cell in line.cells)


@pytest.mark.parametrize(
    "file, folder",
    [
        ("a.jpg", "."), ("/a.jpg", "/"), ("./a.jpg", "."), ("a/b/c.jpg", "a/b"), ("/a/b.jpg", "/a"),
        ("https://example.org/a.jpg", "https://example.org"), ("https://example.org/b/a.jpg?x=/y/z", "https://example.org/b"),
        ("https://example.org", "https://example.org"), ("http://[bad/a.jpg#/b", "http://[bad"), ("a?b/c.jpg", "a?b"),
    ],
)  # fmt: skip
def test_the_folder_of_a_file(file: str, folder: str) -> None:
    assert folder_of(file) == folder


def test_the_counts_are_those_that_pandas_finds() -> None:
    random = np.random.default_rng(0)
    folders, labels, known = random.integers(12, size=3000), random.integers(5, size=3000), random.random(3000) < 0.8
    rows = [
        row(f"f{folder}/{number}.jpg", f"l{label}", float(random.random()), bool(sure))
        for number, (folder, label, sure) in enumerate(zip(folders, labels, known, strict=True))
    ]
    columns, lines = summarise(rows).table()
    frame = pandas.DataFrame(rows).drop(columns="probabilities")
    frame["folder"] = frame["file"].str.split("/").str[0]
    known = frame[frame["known"]].groupby(["folder", "label"])["probability"].agg(["count", "sum"])
    assert sorted(columns[:-1]) == sorted(frame["label"].unique()) and lines[-1].folder == "all"
    for line in lines[:-1]:
        assert line.images == (frame["folder"] == line.folder).sum()
        assert line.cells[-1].count == (~frame["known"] & (frame["folder"] == line.folder)).sum()
        for label, cell in zip(columns[:-1], line.cells, strict=False):
            count, total = known.loc[(line.folder, label)]
            assert cell.count == count and cell.total == pytest.approx(total)


def test_the_command_prints_and_draws_it_for_a_job_and_a_stream(tmp_path: Path) -> None:
    tiny_model(tmp_path / "models")
    photos(tmp_path / "a", 8)
    photos(tmp_path / "b", 3)
    (tmp_path / "b" / "x.png").write_bytes(photo(GREY)[:200])
    table = (  # grey is as much the one as the other; yellow and red are ducklings, blue is neither
        "folder  images  duckling    cygnet  none of these  not answered\n"
        "a            8  4 (0.99)  2 (0.50)              2             0\n"
        "b            4  1 (1.00)  1 (0.50)              1             1\n"
        "all         12  5 (0.99)  3 (0.50)              3             1\n"
    )
    for out in ("x.csv", "x.txt"):
        new = run(tmp_path, "a", "b", "--out", out, "--summary")
        assert (new.returncode, new.stdout, new.stderr) == (1, table, "")
    again = run(tmp_path, "a", "b", "--out", "x.csv", "--summary-picture", "again.png")
    assert (again.stdout, again.stderr) == (table, "")
    assert (tmp_path / "again.png").read_bytes() == (tmp_path / "x.summary.png").read_bytes()
    assert sorted(path.name for path in tmp_path.glob("*.png")) == ["again.png", "x.summary.png"]
    streamed = run(tmp_path, "a", "b", "--summary")
    assert streamed.stdout.endswith(table) and streamed.stdout.count("\n") == 12 + 4
    rows_only = run(tmp_path, "a", "b", "--summary", "--format", "csv")
    assert len(list(csv.DictReader(rows_only.stdout.splitlines(keepends=True)))) == 12
    assert rows_only.stderr == table


def test_a_picture_among_the_photos_is_none_of_them(tmp_path: Path) -> None:
    photos(tmp_path / "a", 3)
    model = ("--model", str(tiny_model(tmp_path)))
    first = run(tmp_path / "a", ".", *model, "--out", "x.csv", "--summary")
    again = run(tmp_path / "a", ".", *model, "--out", "x.csv", "--summary-picture", "more.png")
    last = run(tmp_path / "a", ".", *model, "--out", "x.csv", "--summary-picture", "more.png")
    assert (tmp_path / "a" / "x.summary.png").exists() and (tmp_path / "a" / "more.png").exists()
    assert first.returncode == 0 and first.stderr == ""
    assert again.stdout == last.stdout == first.stdout and last.stderr == ""


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["--summary-picture", "x.jpg"], "The picture x.jpg must end in .png."),
        (["--summary-picture", "no/x.png"], "no/x.png cannot be written: there is no folder no."),
        (["--summary-csv", "no/x.csv"], "no/x.csv cannot be written: there is no folder no."),
        (["--summary-csv", "."], ". cannot be written: it is a folder."),
        (["--map", "x.svg"], "The picture x.svg must end in .png."),
        (
            ["--exif"],
            "--exif is for --format jsonl, csv or parquet: leave it out, or add one of them, or name an --out of that "
            "kind.",
        ),
        (
            ["--restart"],
            "--restart is for answers that go to a jsonl, csv or parquet file: leave it out, or name one by --out.",
        ),
    ],
)
def test_what_cannot_be_meant_is_said_before_the_work(tmp_path: Path, arguments: list[str], message: str) -> None:
    done = run(tmp_path, "a.png", *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"mirror: {message}\n")


def test_a_picture_has_every_folder_or_says_how_few(tmp_path: Path) -> None:
    small, large = Summary(), Summary()
    for each in ROWS:
        small.add(each | {"file": each["file"].replace("1", "$x$ \x1b ü 鴨")})
    for number in range(FOLDERS + 20):
        for count in range(number // 10 + 1):
            large.add(row(f"{'deep/' * 30}{number}/{count}.jpg", f"a long name for a label, no {count}", 0.5))
    for name, summary in {"small": small, "large": large}.items():
        check_picture(tmp_path / f"{name}.png")
        draw_summary(summary, tmp_path / f"{name}.png")
        first = (tmp_path / f"{name}.png").read_bytes()
        draw_summary(summary, tmp_path / f"{name}.png")
        assert (tmp_path / f"{name}.png").read_bytes() == first
    heights = {name: load_image(tmp_path / f"{name}.png").height for name in ("small", "large")}
    assert heights["small"] < 400 and 1000 < heights["large"] < 2000
    with pytest.raises(UsageError):
        check_picture(tmp_path / "x.svg")


@pytest.mark.skipif(not BIKES.is_dir(), reason="the folder of bikes and bins is not there")
def test_the_articles_folders_are_counted(tmp_path: Path) -> None:
    command = (BIKES.name, "--model", "imagenet", "--out", str(tmp_path / "city.parquet"), "--summary")
    done = run(BIKES.parent, *command, environment={"HF_HUB_OFFLINE": "1"})
    assert done.returncode == 0
    header, *lines = (re.split(r" {2,}", line) for line in done.stdout.splitlines())
    assert header[:3] == ["folder", "images", "ashcan, trash can, garb…"]
    assert [line[:2] for line in lines] == [
        ["bikes_bins/bike/1", "9"], ["bikes_bins/bike/2", "6"],
        ["bikes_bins/trash-bin/1", "25"], ["bikes_bins/trash-bin/2", "12"], ["all", "52"],
    ]  # fmt: skip
    bins = [int(line[2].split()[0]) for line in lines]
    assert bins[0] == bins[1] == 0 and bins[2] > bins[3] > 0
    for_the_readme("folders", load_image(tmp_path / "city.summary.png"))
