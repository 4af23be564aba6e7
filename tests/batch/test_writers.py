"""Detections written down in every format, and read back by other people's readers."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet
import pytest

from mirror.batch.job import Job, JobResult, run_job
from mirror.batch.summary import Summary, draw_summary
from mirror.batch.writers import NOTHING, OutputFilter, open_writer, to_row
from mirror.errors import MirrorError, NotAnImage
from mirror.image_sources import ImageSource
from mirror.images import load_image
from mirror.tasks.detections import Box, Detection, Detections
from mirror.tasks.predictor import Predictor
from tests.support.batch_process import photos

CAT = Detection(0.9988763332366943, 'cat "ü",\n', Box(-1, 52, 317, 480))  # a box may reach over the edge
REMOTE = Detection(0.5, "remote", Box(40, 70, 175, 117))
ANSWERS = {
    "two.jpg": Detections((REMOTE, CAT)),
    "none.jpg": Detections(()),
    "below.jpg": Detections((REMOTE,)),
    "broken.jpg": NotAnImage("It is none, \udcff."),
}
SHOWN = OutputFilter(threshold=0.5, detections=True)
CAT_ROW = {"score": CAT.score, "label": CAT.label, "box": {"xmin": -1, "ymin": 52, "xmax": 317, "ymax": 480}}
FOUND = {"two.jpg": [CAT_ROW], "none.jpg": [], "below.jpg": [], "broken.jpg": None}  # a score has to be above


def written(kind: str, out: Path) -> Path:
    with open_writer(kind, out, SHOWN) as writer:
        for file, answer in ANSWERS.items():
            writer.write(to_row(file, answer, SHOWN))
    return out


def test_jsonl_is_the_articles_json(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in written("jsonl", tmp_path / "x").read_text("utf-8").splitlines()]
    assert rows == [
        {"file": file, "error": "It is none, \udcff."} if found is None else {"file": file, "detections": found}
        for file, found in FOUND.items()
    ]


def test_csv_holds_the_same_json_in_a_column(tmp_path: Path) -> None:
    with open(written("csv", tmp_path / "x"), encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [list(row) for row in rows] == [["file", "detections", "error"]] * 4
    assert {row["file"]: json.loads(row["detections"] or "null") for row in rows} == FOUND
    assert [row["error"] for row in rows] == ["", "", "", "It is none, \\udcff."]


def test_parquet_holds_records_that_other_programs_read(tmp_path: Path) -> None:
    table = pyarrow.parquet.read_table(written("parquet", tmp_path / "x"))
    assert {row["file"]: row["detections"] for row in table.to_pylist()} == FOUND
    assert table["error"].to_pylist() == [None, None, None, "It is none, \\udcff."]
    box = "struct<xmin: int32, ymin: int32, xmax: int32, ymax: int32>"
    assert str(table.schema.field("detections").type).endswith(f"struct<score: double, label: string, box: {box}>>")


def test_a_table_says_what_is_where(tmp_path: Path) -> None:
    lines = written("table", tmp_path / "x").read_text("utf-8").split("\n")
    assert lines[0] == f'{"two.jpg":<24}  cat "ü",\N{REPLACEMENT CHARACTER} 99.9 % (-1, 52)–(317, 480)'
    assert [line.split("  ")[-1].strip() for line in lines[1:3]] == [NOTHING] * 2
    assert lines[3].startswith("broken.jpg") and lines[3].endswith("error: It is none, \\udcff.")


class Squares(Predictor):
    """Finds a square in each photo that it can open, sure of it by the photo's brightness."""

    identity = "squares"

    def answer_all(self, sources: Iterator[ImageSource]) -> Iterator[tuple[ImageSource, Detections | MirrorError]]:
        for source in sources:
            try:
                if isinstance(source.location, MirrorError):
                    raise source.location
                brightness = sum(load_image(source.location).getpixel((0, 0))) / 765
            except MirrorError as error:
                yield source, error
                continue
            yield source, Detections((Detection(brightness, "square", Box(0, 0, 8, 8)),) * 2)


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_a_job_of_detections_is_counted_as_it_is_written(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of grey, yellow, blue and red squares the first two are bright enough."""
    photos(tmp_path / "a", 6)
    monkeypatch.chdir(tmp_path)
    job = Job.of(["a", "no.png"], "squares", Path(f"x.{kind}"), task="object-detection", format=kind, output=SHOWN)
    summary = Summary(objects=True)
    assert run_job(job, Path(f"x.{kind}"), Squares().answer_all, on_row=summary.add) == JobResult(7, 1)
    grey, yellow = 128 / 255, (240 + 220 + 40) / 765
    mean = (4 * grey + 4 * yellow) / 8
    assert str(summary).splitlines() == [
        "folder  images    square  nothing found  not answered",
        f"a            6  8 ({mean:.2f})              2             0",
        ".            1         0              0             1",
        f"all          7  8 ({mean:.2f})              2             1",
    ]
    draw_summary(summary, tmp_path / "x.png")
    assert load_image(tmp_path / "x.png").width > 200
