"""`--data DIR`: every file is accounted for, the originals are left alone, and a second run does only what is new."""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance

from mirror.collect.copies import LABELLED, SEARCHED
from mirror.collect.from_folder import collect_from_folder
from mirror.collect.photo_folder import PhotoFolder
from mirror.collect.photo_records import Origin
from mirror.collect.splits import assign_splits
from mirror.errors import DatasetError
from tests.support.label_folders import Lines, put, tree
from tests.support.limits import LIMIT, read_line
from tests.support.photo_folders import check_totals
from tests.world import draw_photo, encode, near_copy

ROOT = Path(__file__).resolve().parents[2]


SHARED = ROOT / "../shared/data"


def turned(orientation: int) -> bytes:
    block = Image.Exif()
    block[0x0112] = orientation
    return encode(draw_photo("turned", orientation), "JPEG", quality=90, exif=block)


def contents(folder: Path) -> dict[str, str]:
    """Every file below with its sha256 and modification time."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    digests = {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
    return {path.relative_to(folder).as_posix(): f"{digests[path]} {path.stat().st_mtime_ns}" for path in files}


DEFECTS = {
    "not-an-image": {
        "page.jpg": b"<html>404</html>", "notes.txt": b"hello", "cut.jpg": encode(draw_photo("x", 1))[:3000],
        "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    },
    "empty-file": {"empty.png": b""},
    "too-small": {
        "dot.png": encode(Image.new("RGB", (1, 1)), "PNG"), "thin.jpg": encode(draw_photo("x", 2, (7, 300))),
    },
    "too-many-pixels": {"bomb.png": encode(Image.new("1", (10_000, 5_001)), "PNG")},
    "exact-duplicate": {"z/again.jpg": encode(draw_photo("good", 1))},
}  # fmt: skip


SOUND = {
    **{f"turned{n}.jpg": turned(n) for n in range(1, 9)},
    "a1.jpg": encode(draw_photo("good", 1)),
    "a2.jpg": encode(draw_photo("good", 2)),
    "cmyk.jpg": encode(draw_photo("good", 3).convert("CMYK")),
    "clear.png": encode(draw_photo("good", 4).convert("RGBA"), "PNG"),
    "palette.gif": encode(draw_photo("good", 5).convert("P"), "GIF"),
    "deep.png": encode(draw_photo("good", 6).convert("L").convert("I;16").point(lambda level: level * 257), "PNG"),
    "z/copy.jpg": encode(near_copy(draw_photo("good", 2))),
    "sign.png": encode(draw_photo("x", 3, (32, 32)), "PNG"),
    "moving.webp": encode(draw_photo("good", 7), "WEBP", save_all=True, append_images=[draw_photo("good", 8)]),
}


def test_the_defect_set_end_to_end_every_file_counted_and_none_altered(tmp_path: Path) -> None:
    source = tmp_path / "in"
    for name, data in SOUND.items():
        put(source / "swan" / name, data)
    for files in DEFECTS.values():
        for name, data in files.items():
            put(source / "swan" / name, data)
    for litter in (".DS_Store", "Thumbs.db", "desktop.ini", "._a1.jpg", ".git/config", "__MACOSX/x.jpg"):
        put(source / "swan" / litter, b"litter")
    tree(source, goose=range(3))
    put(source / "goose/sub/sub/9.jpg", encode(draw_photo("goose", 9)))
    put(source / "loose.jpg", encode(draw_photo("loose", 1)))
    before, log = contents(source), Lines()
    with collect_from_folder(tmp_path / "out", source, log=log) as photos:
        check_totals(photos)
        assert Counter(row.reason for row in photos.rejected) == {
            **{reason: len(files) for reason, files in DEFECTS.items()},
            "no-label-folder": 1,
        }
        assert Counter(photo.label for photo in photos.photos) == {"swan": len(SOUND), "goose": 4}
        assert len(photos.rows) == len(SOUND) + sum(map(len, DEFECTS.values())) + 5
        assert {photo.url for photo in photos.photos if photo.label == "goose"} == {
            "goose/0.jpg", "goose/1.jpg", "goose/2.jpg", "goose/sub/sub/9.jpg",
        }  # fmt: skip
        sizes = {photo.url: (photo.width, photo.height) for photo in photos.photos}
        assert sizes["swan/sign.png"] == (32, 32)
        assert [sizes[f"swan/turned{n}.jpg"] for n in range(1, 9)] == [(320, 240)] * 4 + [(240, 320)] * 4
        assert {photo.engine for photo in photos.photos} == {"folder"}
        assert not any(str(tmp_path) in row.detail for row in photos.rejected)
    assert contents(source) == before
    assert "17 swan" in log[-2] and "4 not an image" in log[-2]
    assert "1 of 21 photos below 64 pixels" in log[-1]


def test_the_same_folder_gives_the_same_bytes_wherever_it_lies(tmp_path: Path) -> None:
    written = []
    for name in ("one", "two"):
        source = tree(tmp_path / name / "in", swan=range(5), goose=range(5))
        put(source / "swan/page.jpg", b"<html>")
        put(source / "swan/huge.jpg", b"\xff" * (20 * 1024 * 1024 + 1))
        for path in source.rglob("*.jpg"):
            os.utime(path, (1_600_000_000, 1_600_000_000))
        collect_from_folder(tmp_path / name / "out", source, log=Lines()).close()
        written.append({
            path.relative_to(tmp_path / name / "out").as_posix(): path.read_bytes()
            for path in (tmp_path / name / "out").rglob("*") if path.is_file() and path.name != ".lock"
        })  # fmt: skip
    assert written[0] == written[1] and len(written[0]) == 12
    assert written[0]["metadata.csv"].count(b",2020-09-13T12:26:40+00:00,") == 10


def test_a_second_run_decodes_nothing_and_changes_nothing(tmp_path: Path) -> None:
    source, seen = tree(tmp_path / "in", swan=range(4), goose=range(4)), []
    put(source / "swan/page.jpg", b"<html>")
    put(source / "swan/empty.jpg", b"")
    (source / "swan/gone.jpg").symlink_to("nowhere.jpg")
    collect_from_folder(tmp_path / "out", source, log=Lines(), progress=lambda *at: seen.append(at)).close()
    assert seen == [(done, 11) for done in range(1, 12)]
    os.utime(source / "swan/1.jpg", (1, 1))  # touched, but the same bytes
    before, again, log = contents(tmp_path / "out"), [], Lines()
    collect_from_folder(tmp_path / "out", source, log=log, progress=lambda *at: again.append(at)).close()
    assert again == [] and len(log) == 1
    assert {k: v for k, v in contents(tmp_path / "out").items() if k != ".lock"} == {
        k: v for k, v in before.items() if k != ".lock"
    }


def test_gone_and_changed_files_lose_their_rows_and_their_duplicates_are_judged_again(tmp_path: Path) -> None:
    source = tree(tmp_path / "in", swan=range(5), goose=range(4))
    put(source / "swan/twin.jpg", encode(near_copy(draw_photo("swan", 0))))
    put(source / "goose/stolen.jpg", encode(draw_photo("swan", 1)))
    put(source / "swan/page.jpg", b"<html>")
    drop = LABELLED.with_near(False)
    with collect_from_folder(tmp_path / "out", source, copies=drop, log=Lines()) as photos:
        assert Counter(row.reason for row in photos.rejected) == {"near-duplicate": 1, "not-an-image": 1}
    (source / "swan/0.jpg").unlink()  # its twin is now the only one
    (source / "goose/stolen.jpg").unlink()  # swan/1.jpg is no longer under two labels
    put(source / "swan/2.jpg", encode(draw_photo("swan", 77)))
    put(source / "swan/page.jpg", encode(draw_photo("swan", 78)))
    put(source / "swan/new.jpg", encode(draw_photo("swan", 79)))
    seen, log = [], Lines()
    progress = lambda *at: seen.append(at)  # noqa: E731
    with collect_from_folder(tmp_path / "out", source, copies=drop, log=log, progress=progress) as photos:
        check_totals(photos)
        assert photos.rejected == []
        assert sorted(photo.url for photo in photos.photos if photo.label == "swan") == [
            f"swan/{name}.jpg" for name in ("1", "2", "3", "4", "new", "page", "twin")
        ]
        assert {photo.sha256 for photo in photos.photos} == {
            hashlib.sha256(path.read_bytes()).hexdigest() for path in source.rglob("*.jpg")
        }
    assert "2 files have gone and 2 have changed" in str(log)
    assert len(seen) == 4  # twin, 2, page, new: the other seven were not decoded again


def test_a_run_killed_and_repeated_ends_as_an_undisturbed_one(tmp_path: Path) -> None:
    source = tree(tmp_path / "in", swan=range(40), goose=range(40))
    put(source / "swan/twin.jpg", encode(near_copy(draw_photo("swan", 0))))
    put(source / "goose/z.jpg", encode(draw_photo("swan", 1)))
    put(source / "swan/z.jpg", encode(draw_photo("swan", 2)))
    script = (
        "import sys; from pathlib import Path; from mirror.collect.from_folder import collect_from_folder\n"
        "collect_from_folder(Path(sys.argv[1]), Path(sys.argv[2]), progress=lambda done, _: print(done, flush=True))"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "killed"), str(source)]
    for stop_after in (5, 20, 9):
        process = subprocess.Popen(command, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)})
        for _ in range(stop_after):
            assert read_line(process)
        process.send_signal(signal.SIGKILL)
        process.wait(LIMIT)
        process.stdout.close()
    for name in ("killed", "undisturbed"):
        with collect_from_folder(tmp_path / name, source, log=Lines()) as photos:
            check_totals(photos)
            assert (len(photos.photos), len(photos.rejected)) == (82, 1)
    for name in ("metadata.csv", "rejected.csv"):
        assert (tmp_path / "killed" / name).read_bytes() == (tmp_path / "undisturbed" / name).read_bytes()


def test_a_photo_in_train_and_val_is_kept_once(tmp_path: Path) -> None:
    tree(tmp_path / "in/train", swan=range(3), goose=range(3))
    tree(tmp_path / "in/val", swan=range(2, 4), goose=range(3, 4))
    with collect_from_folder(tmp_path / "out", tmp_path / "in", log=Lines()) as photos:
        assert [(row.url, row.reason) for row in photos.rejected] == [("val/swan/2.jpg", "exact-duplicate")]


def webcam(source: Path, frames: int = 20) -> Path:
    """Frames of one fixed camera, two labels: all nearly alike."""
    scene, mug = draw_photo("desk", 1), draw_photo("mug", 1, (40, 60))
    for label in ("mug", "no mug"):
        for number in range(frames):
            frame = scene.copy()
            if label == "mug":
                frame.paste(mug, (240, 40))
            put(source / label / f"{number:03}.jpg", encode(ImageEnhance.Brightness(frame).enhance(0.9 + number / 100)))
    return source


@pytest.mark.parametrize("old", [False, True])
def test_frames_of_one_camera_are_all_kept(tmp_path: Path, old: bool) -> None:
    source = webcam(tmp_path / "in")
    if old:  # a folder that was read by the rule for searches, as all were once
        with collect_from_folder(tmp_path / "out", source, copies=SEARCHED, log=Lines()) as photos:
            assert len(photos.photos) < 10
    with collect_from_folder(tmp_path / "out", source, log=Lines()) as photos:
        check_totals(photos)
        assert Counter(photo.label for photo in photos.photos) == {"mug": 20, "no mug": 20}
        assert photos.rejected == []


def test_near_copies_are_dropped_where_that_is_asked_for_and_come_back_where_it_no_longer_is(tmp_path: Path) -> None:
    source = tree(tmp_path / "in", swan=range(4), goose=range(4))
    put(source / "swan/copy.jpg", encode(near_copy(draw_photo("swan", 1))))
    put(source / "goose/copy.jpg", encode(near_copy(draw_photo("swan", 2))))
    for rule, rejected in ((LABELLED, []), (LABELLED.with_near(False), ["swan/copy.jpg"]), (LABELLED, [])):
        with collect_from_folder(tmp_path / "out", source, copies=rule, log=Lines()) as photos:
            check_totals(photos)
            assert [row.url for row in photos.rejected] == rejected


def test_a_photo_under_two_labels_stays_under_both_and_is_told(tmp_path: Path) -> None:
    source = tree(tmp_path / "in", swan=range(4), goose=range(4))
    put(source / "goose/stolen.jpg", encode(draw_photo("swan", 1)))
    put(source / "goose/again.jpg", encode(draw_photo("goose", 1)))  # the same bytes under the same label: once
    for rule in (LABELLED, LABELLED.with_near(False)):
        log = Lines()
        with collect_from_folder(tmp_path / "out", source, copies=rule, log=log) as photos:
            check_totals(photos)
            assert Counter(photo.label for photo in photos.photos) == {"swan": 4, "goose": 5}
        assert "1 photo under two labels, goose/stolen.jpg and swan/1.jpg being the same file" in log[-1]
        assert f"python app.py --studio {tmp_path / 'out'}" in log[-1]


def test_photos_of_a_search_are_not_mixed_with_a_folder(tmp_path: Path) -> None:
    source = tree(tmp_path / "in", swan=range(2))
    with PhotoFolder(tmp_path / "out") as photos:
        photos.add(Origin("https://photos.example/1.jpg", "swan", engine="duckduckgo"), encode(draw_photo("swan", 9)))
    before = contents(tmp_path / "out")
    with pytest.raises(DatasetError, match="holds photos from a search; choose another --name"):
        collect_from_folder(tmp_path / "out", source, log=Lines())
    assert {k: v.split()[0] for k, v in contents(tmp_path / "out").items() if k != ".lock"} == {
        k: v.split()[0] for k, v in before.items() if k != ".lock"
    }


@pytest.mark.parametrize("out", ["in", "in/swan", "."])
def test_the_photo_folder_must_not_overlap_the_originals(tmp_path: Path, out: str) -> None:
    source = tree(tmp_path / "in", swan=range(2))
    before = contents(tmp_path)
    with pytest.raises(DatasetError, match="overlaps"):
        collect_from_folder(tmp_path / out, source, log=Lines())
    assert contents(tmp_path) == before


@pytest.mark.skipif(not SHARED.exists(), reason="../shared/data is not here")
def test_the_bikes_and_bins_of_two_places_are_two_labels(tmp_path: Path) -> None:
    with collect_from_folder(tmp_path / "out", SHARED / "bikes_bins", log=Lines()) as photos:
        check_totals(photos)
        assert Counter(photo.label for photo in photos.photos) == {"bike": 15, "trash-bin": 37}
        assert photos.rejected == []
        splits = Counter((photo.label, photo.split) for photo in assign_splits(photos.photos, seed=42))
        assert (splits["bike", "validation"], splits["trash-bin", "validation"]) == (3, 7)
