"""A job that is killed, disturbed or asked for twice: a process with its streams, exit code and file."""

from __future__ import annotations

import csv
import json
import os
import re
import resource
import shutil
import signal
import time
from pathlib import Path

import pyarrow.parquet
import pytest

from tests.support.batch_gate import Gate
from tests.support.batch_process import photos, rows_written, run, start, until
from tests.support.limits import LIMIT
from tests.web.tiny import GREY, photo, tiny_model

FORMATS = ("jsonl", "csv", "parquet")
ALSO = "--allow-private-hosts"
NOWHERE = "http://127.0.0.1:9/gated.png"  # where the gate was


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A working folder with models/mirror and two folders of photos, one of which is none."""
    tiny_model(tmp_path / "models")
    photos(tmp_path / "a", 30)
    photos(tmp_path / "b", 20)
    (tmp_path / "a" / "0007 broken.png").write_bytes(photo(GREY)[:200])
    return tmp_path


@pytest.fixture(scope="session")
def unfinished_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder with models/mirror, a folder of photos, and a job for x.jsonl that was killed."""
    path = tmp_path_factory.mktemp("unfinished") / "place"
    tiny_model(path / "models")
    photos(path / "b", 20)
    with Gate() as gate:
        process = start(path, "b", gate.url("gated.png"), ALSO, "--out", "x.jsonl")
        until(lambda: rows_written(path, "x.jsonl") == 20 and gate.reached.is_set())
        process.kill()
        process.communicate(timeout=LIMIT)
    state = path / ".x.jsonl.job" / "job.json"
    state.write_text(re.sub(r"http://[^\"]+", NOWHERE, state.read_text()))
    return path


@pytest.fixture
def unfinished(unfinished_once: Path, tmp_path: Path) -> Path:
    """A copy of it: moving it all leaves it the same job."""
    return Path(shutil.copytree(unfinished_once, tmp_path / "place"))


def files(path: Path) -> list[str]:
    """The column `file` of a finished file."""
    if path.suffix == ".parquet":
        return pyarrow.parquet.read_table(path)["file"].to_pylist()
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".csv":
        return [row["file"] for row in csv.DictReader(text.splitlines(keepends=True))]
    return [json.loads(line)["file"] for line in text.splitlines()]


@pytest.mark.parametrize("kind", FORMATS)
def test_a_killed_job_goes_on_to_the_same_bytes_and_redoes_nothing(place: Path, kind: str) -> None:
    with Gate() as gate:
        given = [gate.url("first.png"), "a", gate.url("gated.png"), "b", "nowhere.png", ALSO]
        process = start(place, *given, "--out", f"x.{kind}")
        until(lambda: rows_written(place, f"x.{kind}") == 32 and gate.reached.is_set())  # all before the gate
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=LIMIT)
        assert process.returncode == -signal.SIGKILL and not (place / f"x.{kind}").exists()
        gate.open.set()
        resumed = run(place, *given, "--out", f"x.{kind}")
        assert resumed.returncode == 1 and resumed.stdout == ""
        assert resumed.stderr == f"mirror: Going on with x.{kind}: 32 of 54 images are answered.\n"
        assert gate.asked["/first.png"] == 1
        assert run(place, *given, "--out", f"y.{kind}").returncode == 1
    assert (place / f"x.{kind}").read_bytes() == (place / f"y.{kind}").read_bytes()
    found = files(place / f"x.{kind}")
    assert len(found) == len(set(found)) == 54
    assert found[0] == given[0] and found[32] == given[2] and found[-1] == "nowhere.png"
    assert found[1:32] == sorted(found[1:32]) and found[33:53] == sorted(found[33:53])
    assert not (place / f".x.{kind}.job").exists()


def test_a_finished_job_is_done_anew(place: Path) -> None:
    """As with any command; what was there stays until the new file is whole."""
    (place / "x.jsonl").write_text("mine")
    with Gate() as gate:
        process = start(place, "b", gate.url("gated.png"), ALSO, "--out", "x.jsonl")
        assert gate.reached.wait(60) and (place / "x.jsonl").read_text() == "mine"
        gate.open.set()
        assert process.communicate(timeout=LIMIT) == ("", "")
    another_photo(place)
    again = run(place, "b", "--out", "x.jsonl", "--top", "1")
    assert (again.returncode, again.stdout, again.stderr) == (0, "", "")
    assert len(files(place / "x.jsonl")) == 21 and not (place / ".x.jsonl.job").exists()


def another_model(place: Path) -> None:
    shutil.rmtree(place / "models")
    tiny_model(place / "models", labels=("cygnet", "goose"))


def another_photo(place: Path) -> None:
    (place / "b" / "9999.png").write_bytes(photo(GREY))


def nothing(place: Path) -> None:
    pass


WAYS_OUT = "name another --out, or add --restart to begin anew."
OTHERS = {
    "model": (another_model, ["b", NOWHERE], "the model, --labels or --template"),
    "top": (nothing, ["b", NOWHERE, "--top", "1"], "--top"),
    "images": (nothing, ["b"], "the images asked for"),
    "two": (nothing, ["b", NOWHERE, "--threshold", "0.3", "--format", "csv"], "--threshold and --format"),
}


@pytest.mark.parametrize("name", OTHERS)
def test_another_job_does_not_throw_away_what_is_answered(unfinished: Path, name: str) -> None:
    change, arguments, what = OTHERS[name]
    change(unfinished)
    refused = run(unfinished, *arguments, "--out", "x.jsonl")
    message = f"mirror: Another job for x.jsonl is unfinished, which differs in {what}: {WAYS_OUT}\n"
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", message)
    assert rows_written(unfinished, "x.jsonl") == 20


def test_restart_begins_anew(unfinished: Path) -> None:
    another_photo(unfinished)
    anew = run(unfinished, "b", "--out", "x.jsonl", "--restart")
    assert (anew.returncode, anew.stderr) == (0, "") and len(files(unfinished / "x.jsonl")) == 21


def test_folders_that_change_in_between_do_not_change_the_rows(place: Path) -> None:
    with Gate() as gate:
        given = ["a", gate.url("gated.png"), "b", ALSO, "--out", "x.jsonl"]
        process = start(place, *given)
        until(lambda: rows_written(place, "x.jsonl") == 31 and gate.reached.is_set())
        process.kill()
        process.communicate(timeout=LIMIT)
        gate.open.set()
        vanished = sorted((place / "b").glob("0003 *"))[0]
        vanished.unlink()
        sorted((place / "a").glob("0003 *"))[0].unlink()  # answered before
        for number in range(5):
            (place / "b" / f"new {number}.png").write_bytes(photo(GREY))
        resumed = run(place, *given)
    assert "It began with 52 images, and now there are 55. The job goes on with those; --restart" in resumed.stderr
    rows = [json.loads(line) for line in (place / "x.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == len({row["file"] for row in rows}) == 52
    errors = [row["file"] for row in rows if "error" in row]
    assert errors == ["a/0007 broken.png", f"b/{vanished.name}"] and resumed.returncode == 1


def test_one_process_at_a_time_writes_a_file(place: Path) -> None:
    with Gate() as gate:
        given = ["b", gate.url("gated.png"), ALSO, "--out", "x.csv"]
        first = start(place, *given)
        assert gate.reached.wait(60)
        second = run(place, *given)
        also = run(place, *given, "--restart")
        gate.open.set()
        assert first.communicate(timeout=LIMIT) == ("", "") and first.returncode == 0
    for refused in (second, also):
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr == (
            "mirror: x.csv is being written by another process: wait for it to end, or name another --out.\n"
        )
    assert len(files(place / "x.csv")) == 21


def test_a_stopped_job_says_how_to_go_on(place: Path) -> None:
    with Gate() as gate:
        process = start(place, "b", gate.url("gated.png"), ALSO, "--out", "x.csv")
        until(lambda: rows_written(place, "x.csv") == 20 and gate.reached.is_set())
        process.send_signal(signal.SIGINT)
        time.sleep(1)  # it hears of the signal before its last photo comes
        gate.open.set()
        _, told = process.communicate(timeout=LIMIT)
    assert process.returncode == 130
    assert told == ("mirror: 20 of 21 images are answered: the same command goes on from there.\nmirror: stopped.\n")


@pytest.mark.parametrize("kind, limit", [("jsonl", 600), ("csv", 4000)], ids=["listing", "rows"])
def test_a_full_disk_is_one_sentence_and_loses_no_row(place: Path, kind: str, limit: int) -> None:
    """A limit on the size of a file stands for the full disk: write() fails in the middle of a line."""
    out = f"x.{kind}"
    limited = {"preexec_fn": lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))}
    full = run(place, "a", "b", "--out", out, **limited)
    assert full.returncode == 1 and full.stderr.startswith(f"mirror: {out} cannot be written (File too large): ")
    assert full.stderr.count("\n") == 1 and not (place / out).exists()
    assert (rows_written(place, out) > 10) is (limit > 600)
    resumed = run(place, "a", "b", "--out", out)
    assert resumed.returncode == 1 and ("Going on" in resumed.stderr) is (limit > 600)
    found = files(place / out)
    assert len(found) == len(set(found)) == 51


def test_the_same_words_in_another_folder_are_another_job(unfinished: Path) -> None:
    (unfinished / "c").mkdir()
    shutil.copytree(unfinished / "b", unfinished / "c" / "b")
    given = ["b", NOWHERE, "--model", "../models/mirror", "--out", str(unfinished / "x.jsonl")]
    elsewhere = run(unfinished / "c", *given)
    assert elsewhere.returncode == 2 and "differs in the folder it is run in" in elsewhere.stderr


def test_a_link_is_followed_and_a_pipe_takes_a_stream(place: Path) -> None:
    (place / "far").mkdir()
    (place / "x.jsonl").symlink_to("far/real.jsonl")
    assert run(place, "b", "--out", "x.jsonl").returncode == 0
    assert (place / "x.jsonl").is_symlink() and len(files(place / "far" / "real.jsonl")) == 20
    piped = run(place, "b", "--out", "/dev/stdout", "--format", "jsonl")
    assert piped.stdout == (place / "far" / "real.jsonl").read_text(encoding="utf-8") and piped.returncode == 0


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    tiny_model(tmp_path / "models")
    peaks = {}
    for count in (200, 2000):
        photos(tmp_path / str(count), count)
        process = start(tmp_path, str(count), "--out", f"{count}.parquet", "--summary")
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        process.communicate(timeout=LIMIT)
        assert process.returncode == 0
        peaks[count] = used.ru_maxrss / 1024
    assert len(files(tmp_path / "2000.parquet")) == 2000
    assert peaks[2000] < peaks[200] + 8, peaks  # MB; all 2,000 rows and images at once take more
