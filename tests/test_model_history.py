"""The models that a model has replaced: kept whole, the last five, hidden from who lists models, put back at will."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from mirror import model_history
from mirror.cli import main
from mirror.errors import MirrorError, UsageError
from mirror.metrics_schema import Metrics, Validation
from mirror.model_folder import list_models, read_model_folder, write_model_folder
from mirror.model_schema import ModelInfo, Preprocessing
from tests.support.limits import LIMIT, read_line

INFO = ModelInfo("m", ("a", "b"), Preprocessing("crop", (8, 8), (0.0,) * 3, (1.0,) * 3))


def train(model: Path, errors: int = 0) -> None:
    """What a training does to its model folder."""

    def build(folder: Path) -> ModelInfo:
        (folder / "model.onnx").write_bytes(f"network {errors}".encode())
        judged = Validation(40, errors, errors / 40, (0.0, 0.2))
        return replace(INFO, metrics=Metrics(judged), created_at="2026-11-29T02:10:00+00:00")

    write_model_folder(model, build, lambda: model_history.place_for(model))
    model_history.shorten(model)


def errors_of(model: Path) -> list[int]:
    """Of the model of now, then of those that it replaced, each read whole."""
    found = []
    for path in (model, *(entry.path for entry in model_history.history(model))):
        folder = read_model_folder(path)
        assert (
            folder.info.metrics
            and folder.read("model.onnx") == f"network {folder.info.metrics.validation.errors}".encode()
        )
        found.append(folder.info.metrics.validation.errors)
    return found


@pytest.fixture(params=["in one step", "in two"])
def model(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a model goes; on a system that exchanges two folders, and on one that cannot."""
    if request.param == "in two":
        monkeypatch.setattr(ctypes, "CDLL", lambda name: object())  # a system whose library has no such call
    return tmp_path / "models" / "m"


def test_what_a_training_replaces_is_kept_and_nobody_lists_it(model: Path) -> None:
    train(model, 1)
    assert model_history.history(model) == [] and model_history.previous(model) is None
    train(model, 2)
    train(model, 3)
    assert errors_of(model) == [3, 2, 1]
    assert model_history.previous(model).metrics.validation.errors == 2
    assert [entry.name for entry in list_models(model.parent)] == ["m"]
    assert sorted(path.name for path in model.parent.iterdir()) == [".history", "m"]
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ(-\d\d)?", e.time) for e in model_history.history(model))


def test_the_last_five_stay(model: Path) -> None:
    for errors in range(9):
        train(model, errors)
    assert errors_of(model) == [8, 7, 6, 5, 4, 3]
    assert len(list((model.parent / ".history" / "m").iterdir())) == 5


def test_one_is_put_back_and_the_one_of_now_goes_into_the_history_first(model: Path) -> None:
    for errors in (1, 2, 3):
        train(model, errors)
    first = model_history.history(model)[-1]
    assert model_history.restore(model, first.time).metrics.validation.errors == 1
    assert errors_of(model) == [1, 3, 2]
    assert model_history.previous(model).metrics.validation.errors == 3, "what it took the place of"
    with pytest.raises(UsageError, match="mirror history m"):
        model_history.restore(model, first.time)
    model.rename(model.parent / "elsewhere")
    model_history.restore(model, model_history.history(model)[0].time)
    assert errors_of(model) == [3, 2]


@pytest.mark.parametrize("time", ["", ".", "..", "../../m", "2026-01-01T00-00-00Z"])
def test_no_time_but_one_of_the_history_leads_anywhere(tmp_path: Path, time: str) -> None:
    model = tmp_path / "m"
    train(model, 1)
    train(model, 2)
    with pytest.raises(UsageError):
        model_history.restore(model, time)
    assert errors_of(model) == [2, 1]


def test_a_history_that_cannot_be_is_in_no_training_s_way_and_no_link_is_followed(tmp_path: Path) -> None:
    model, away = tmp_path / "models" / "m", tmp_path / "away"
    train(model, 1)
    away.mkdir()
    (model.parent / ".history").symlink_to(away)
    train(model, 2)
    assert errors_of(model) == [2] and not any(away.iterdir())
    (model.parent / ".history").unlink()
    (model.parent / ".history").write_text("a file")
    train(model, 3)
    assert errors_of(model) == [3]


def test_what_is_damaged_is_passed_over(tmp_path: Path) -> None:
    for errors in (1, 2, 3):
        train(tmp_path / "m", errors)
    (model_history.history(tmp_path / "m")[0].path / "model.json").write_text("{")
    assert errors_of(tmp_path / "m") == [3, 1]


WRITER = """
import sys
from pathlib import Path
from mirror import model_history
from mirror.model_folder import write_model_folder
from mirror.model_schema import ModelInfo, Preprocessing
model, count = Path(sys.argv[1]), int(sys.argv[2])
def build(folder):
    (folder / "model.onnx").write_bytes(b"%d" % count * 1000)
    return ModelInfo("m", ("a", "b"), Preprocessing("crop", (8, 8), (0, 0, 0), (1, 1, 1)), extra={"count": count})
print("ready", flush=True)
while True:
    count += 1
    write_model_folder(model, build, lambda: model_history.place_for(model))
    model_history.shorten(model)
    if count % 3 == 0:
        model_history.restore(model, model_history.history(model)[-1].time)
    print(count, flush=True)
"""


def test_a_writer_killed_anywhere_leaves_a_whole_model_and_a_whole_history(tmp_path: Path) -> None:
    model, count = tmp_path / "models" / "m", 0
    for moment in range(12):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(model), str(count)], stdout=subprocess.PIPE, text=True,
            env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[1])},
        )  # fmt: skip
        assert read_line(writer) == "ready\n"
        count = int(read_line(writer))
        time.sleep(moment * 0.0007)
        writer.send_signal(signal.SIGKILL)
        rest = writer.stdout.read().split()
        writer.wait(LIMIT)
        writer.stdout.close()
        count = int(rest[-1]) if rest else count
        for path in (model, *(entry.path for entry in model_history.history(model))):
            folder = read_model_folder(path)
            assert folder.read("model.onnx") == b"%d" % folder.info.extra["count"] * 1000
        kept = {read_model_folder(entry.path).info.extra["count"] for entry in model_history.history(model)}
        assert kept or count < 2


def test_the_command_lists_and_puts_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    train(Path("models/m"), 4)
    assert main(["history", "m"]) == 0
    assert "It has replaced none yet." in capsys.readouterr().out
    train(Path("models/m"), 2)
    assert main(["history", "m"]) == 0
    now, before = capsys.readouterr().out.splitlines()
    assert now.startswith("now ") and "made on 2026-11-29: error 5.0 %" in now and "error 10.0 %" in before
    assert main(["history", "m", "--restore", before.split()[0]]) == 0
    assert "error 10.0 %" in capsys.readouterr().out and errors_of(Path("models/m")) == [4, 2]
    for arguments in (["nothing"], ["../m"], ["m", "--restore", "never"]):
        assert main(["history", *arguments]) == 2
        assert len(capsys.readouterr().err.splitlines()) == 1
    assert model_history.command(Path("elsewhere/m"), "T") == "mirror history m --restore T --models elsewhere"


def test_a_model_that_cannot_be_read_says_so(tmp_path: Path) -> None:
    train(tmp_path / "m", 1)
    (tmp_path / "m" / "model.json").write_text("{")
    with pytest.raises(MirrorError):
        read_model_folder(tmp_path / "m")
    train(tmp_path / "m", 2)
    assert errors_of(tmp_path / "m") == [2]
