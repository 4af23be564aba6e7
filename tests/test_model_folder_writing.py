"""A model folder while it is written: a writer that is killed, what it leaves, and readers meanwhile."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mirror.errors import ModelFolderError
from mirror.folders import hold_folder
from mirror.model_folder import find_model, list_models, read_model_folder, write_model_folder
from mirror.model_schema import ModelInfo
from tests.support.limits import LIMIT, read_line
from tests.support.model_folders import INFO, write


def test_a_build_that_fails_leaves_the_old_folder_and_no_trace(tmp_path: Path) -> None:
    path = write(tmp_path / "m")

    def fails(folder: Path) -> ModelInfo:
        (folder / "model.onnx").write_bytes(b"half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_model_folder(path, fails)
    with pytest.raises(ModelFolderError, match="labels holds 'a' more than once"):
        write(path, replace(INFO, labels=("a", "a")))
    with pytest.raises(ModelFolderError, match="names model.onnx, which was not written"):
        write_model_folder(path, lambda folder: INFO)
    assert read_model_folder(path).read("model.onnx") == b"network"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["m"]


def test_a_folder_set_aside_by_a_killed_writer_comes_back(tmp_path: Path) -> None:
    for reader in (read_model_folder, lambda path: list_models(path.parent), find_model):
        path = write(tmp_path / "models" / "m")
        path.rename(path.parent / ".m.old")
        assert reader(path)
        assert read_model_folder(path).read("model.onnx") == b"network"


def test_leftovers_of_killed_writers_are_swept_and_those_of_live_ones_stay(tmp_path: Path) -> None:
    """Those that no lock tells of are known by their age."""
    for name in ("12-abc", "13-abc"):
        (tmp_path / f".m.tmp-{name}").mkdir()
    os.utime(tmp_path / ".m.tmp-12-abc", (1, 1))
    (tmp_path / ".m.old").mkdir()
    write(tmp_path / "m")
    assert sorted(p.name for p in tmp_path.iterdir()) == [".m.tmp-13-abc", "m"]


def test_a_writer_is_known_by_its_lock_and_not_by_its_number(tmp_path: Path) -> None:
    """In a space of processes of its own a compiler has number 1, which some process has everywhere else."""
    prefix = ".m.tmp-"
    code = "import sys, pathlib, mirror.folders; mirror.folders.hold_folder(pathlib.Path(sys.argv[1]), '.m.tmp-')"
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=True, cwd=Path(__file__).parents[1], timeout=LIMIT
    )
    killed = next(tmp_path.glob(f"{prefix}*"))
    (killed / "model.onnx").write_bytes(b"half")
    alive, lock = hold_folder(tmp_path, prefix)
    write(tmp_path / "m")
    assert not killed.exists() and alive.is_dir()
    os.close(lock)
    write(tmp_path / "m")
    assert [path.name for path in tmp_path.iterdir()] == ["m"]


WRITER = """
import sys
from pathlib import Path
from mirror.model_folder import write_model_folder
from mirror.model_schema import ModelInfo, Preprocessing
pixels = Preprocessing("crop", (8, 8), (0, 0, 0), (1, 1, 1))
def build(folder):
    number = str(count).encode()
    (folder / "model.onnx").write_bytes(number * 200_000)
    (folder / "learner.pkl").write_bytes(number)
    return ModelInfo("m", ("a", "b"), pixels, extra={"count": count})
count = int(sys.argv[2])
print("ready", flush=True)
while True:
    count += 1
    write_model_folder(Path(sys.argv[1]), build)
    print(count, flush=True)
"""


def start_writer(path: Path, count: int) -> subprocess.Popen:
    """A process that replaces the folder again and again, numbered from count + 1, and prints each finished number."""
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(count)], stdout=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
    )  # fmt: skip


def test_a_writer_killed_anywhere_leaves_a_whole_folder(tmp_path: Path) -> None:
    """Writers are killed after 0 to 30 quarter milliseconds' more work; what is read is the last folder or the next."""
    path, written = tmp_path / "models" / "m", 0
    for moment in range(31):
        writer = start_writer(path, written)
        assert read_line(writer) == "ready\n"
        first = read_line(writer)
        time.sleep(moment * 0.00025)
        writer.send_signal(signal.SIGKILL)
        printed = [first, *writer.stdout.readlines()]
        writer.wait(LIMIT)
        writer.stdout.close()
        written = max(int(line) for line in printed if line.endswith("\n"))
        folder = read_model_folder(path)
        found = folder.info.extra["count"]
        assert found in (written, written + 1)
        assert folder.read("learner.pkl") == str(found).encode()
        assert folder.read("model.onnx") == str(found).encode() * 200_000
        written = found
    write(path)
    assert sorted(p.name for p in path.parent.iterdir()) == ["m"]


def test_readers_always_find_a_folder_while_it_is_being_replaced(tmp_path: Path) -> None:
    path = write(tmp_path / "models" / "m", replace(INFO, extra={"count": 0}))
    writer = start_writer(path, 0)
    try:
        seen = set()
        while len(seen) < 10:
            (entry,) = list_models(path.parent)
            seen.add(read_model_folder(entry.path).info.extra["count"])
        assert writer.poll() is None, "the writer must survive its readers"
    finally:
        writer.kill()
        writer.communicate(timeout=LIMIT)
