"""When and where photos were taken, against what Pillow writes; and the map of it."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import pyarrow.parquet
import pytest
from PIL import Image
from pillow_heif import register_heif_opener

from mirror.batch.exif import EXIF_COLUMNS, taken
from mirror.batch.place_map import PlaceMap, draw_map
from mirror.errors import MirrorError
from mirror.images import load_image
from tests.support.batch_process import run
from tests.web.tiny import tiny_model

NONE = dict.fromkeys(EXIF_COLUMNS)


def exif(
    time: str = "2026:05:01 12:30:00", south: bool = False, degrees: tuple = (33, 52, 4.5), **more: str
) -> Image.Exif:
    written = Image.Exif()
    written.get_ifd(0x8769).update({36867: time} | ({36881: more["offset"]} if "offset" in more else {}))
    written.get_ifd(0x8825).update({1: "S" if south else "N", 2: degrees, 3: "E", 4: (151.0, 12.0, 36.0)})
    return written


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "HEIF", "AVIF"])
def test_what_the_camera_wrote_is_read_from_every_format(kind: str, tmp_path: Path) -> None:
    register_heif_opener()
    path = tmp_path / "photo"
    Image.new("RGB", (64, 48), "red").save(path, kind, exif=exif(south=True, offset="+10:00").tobytes())
    assert taken(path) == {"taken": "2026-05-01T12:30:00+10:00", "latitude": -33.867917, "longitude": 151.21}


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (exif(time="0000:00:00 00:00:00"), NONE | {"latitude": 33.867917, "longitude": 151.21}),
        (exif(degrees=(200.0, 0.0, 0.0)), NONE | {"taken": "2026-05-01T12:30:00"}),
        (exif(time="soon", degrees=(1.0, 2.0)), NONE),
        (Image.Exif(), NONE),
    ],
    ids=["a clock that was never set", "beyond the pole", "damaged", "nothing"],
)
def test_what_says_nothing_is_none(written: Image.Exif, expected: dict, tmp_path: Path) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "a.jpg", exif=written.tobytes())
    assert taken(tmp_path / "a.jpg") == expected


def test_hostile_and_missing_files_have_none(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no photo")
    (tmp_path / "rounds.jpg").write_bytes(
        b"\xff\xd8\xff\xe1\0\x20Exif\0\0II*\0\x08\0\0\0" + struct.pack("<HHHII", 1, 0x8825, 4, 1, 8)
    )
    for image in (
        tmp_path / "text",
        tmp_path / "rounds.jpg",
        tmp_path / "gone",
        tmp_path,
        "https://a.example/x.jpg",
        MirrorError("x"),
    ):
        assert taken(image) == NONE


@pytest.mark.slow
def test_the_command_writes_it_in_every_format_and_draws_the_map(tmp_path: Path) -> None:
    tiny_model(tmp_path / "models")
    (tmp_path / "city").mkdir()
    for number, colour in enumerate(("red", "blue", "yellow")):
        written = exif(degrees=(33.0, 52.0, float(number)))
        Image.new("RGB", (64, 48), colour).save(tmp_path / "city" / f"{number}.jpg", exif=written.tobytes())
    Image.new("RGB", (64, 48), "red").save(tmp_path / "city" / "plain.jpg")
    done = run(tmp_path, "city", "--exif", "--format", "jsonl", "--map", "map.png")
    assert (done.returncode, done.stderr) == (0, "")
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["latitude"] for row in rows] == [33.866667, 33.866944, 33.867222, None]
    assert [*rows[0]][-3:] == ["taken", "latitude", "longitude"] and rows[3]["taken"] is None
    first = (tmp_path / "map.png").read_bytes()
    for name in ("a.csv", "a.parquet", "a.jsonl"):
        done = run(tmp_path, "city", "--exif", "--out", name, "--map", "map.png")
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
        assert (tmp_path / "map.png").read_bytes() == first
    assert (tmp_path / "a.csv").read_text().splitlines()[0].endswith(",error,taken,latitude,longitude")
    assert pyarrow.parquet.read_table(tmp_path / "a.parquet")["longitude"].to_pylist() == [151.21] * 3 + [None]
    assert [json.loads(line) for line in (tmp_path / "a.jsonl").read_text().splitlines()] == rows


def test_a_map_is_drawn_of_whatever_knows_its_place(tmp_path: Path) -> None:
    places = PlaceMap()
    with pytest.raises(MirrorError, match="0 of 0 images know where they were taken"):
        draw_map(places, tmp_path / "none.png")
    for number in range(40):
        row = {"file": "x", "label": f"$label_{number % 9} 鴨 🦆", "probability": 0.5, "known": number % 5 > 0}
        places.add(row | {"latitude": 59 + number / 9_000, "longitude": 18.0})
    places.add({"file": "x", "detections": [], "latitude": 89.9, "longitude": -179.0})
    places.add({"file": "x", "error": "No.", "latitude": 1.0, "longitude": 1.0})
    draw_map(places, tmp_path / "map.png")
    assert load_image(tmp_path / "map.png").width > 600 and str(places).startswith("41 of 42 images")
