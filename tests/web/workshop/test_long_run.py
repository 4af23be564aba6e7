"""A command as a child: how far it is said to be, and how it ends when it does not end well."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror.errors import UsageError
from mirror.model_folder import read_model_folder
from mirror.web.studio.state import StudioState
from mirror.web.workshop.long_run import CANCELLED, KILLED, LongRun, Program, Progress, parse_count
from mirror.web.workshop.retrain import render_outcome, train_arguments
from tests.web.studio.folders import model_of, photo_folder
from tests.world import wait_until


def told(state: StudioState) -> list[str]:
    return ["--name", state.name, "--collected", str(state.folder), "--models", str(state.models), "--again"]


@pytest.mark.parametrize(
    ("line", "counted"),
    [
        ("looking at photos: 30 of 120 views", (30, 120)),
        ("looking at photos: 1,030 of 2,120 views", (1030, 2120)),
        ("40 photos (18 cygnet, 22 duckling); 8 of them are held out to judge by.", (None, None)),
        ("5 of 3 is nothing that a bar can show", (None, None)),
        ("", (None, None)),
    ],
)
def test_the_bar_follows_what_the_training_counts(line: str, counted) -> None:
    assert parse_count(line) == counted


def test_a_training_that_fails_says_its_sentence_and_another_can_begin(tmp_path: Path) -> None:
    photos = photo_folder(tmp_path / "birds", each=3)
    info = read_model_folder(model_of(tmp_path / "models", "birds", photos)).info
    state = StudioState(tmp_path / "birds", tmp_path / "models")
    training = LongRun()
    assert training.progress() == Progress(False)
    for _ in range(2):
        training.start(train_arguments(told(state), info))
        with pytest.raises(UsageError, match="This runs already"):
            training.start([])
        wait_until(lambda: not training.progress().running)
        failure = training.progress().failure
        assert failure.startswith("Training needs at least 8 usable photos of every label but 'cygnet' has 3")
        assert failure in render_outcome(state.snapshot(), training.progress(), None).replace("&#39;", "'")


def test_a_cancelled_training_leaves_the_model_alone(tmp_path: Path) -> None:
    photos = photo_folder(tmp_path / "birds", each=8)
    model = model_of(tmp_path / "models", "birds", photos)
    before = {path.name: path.read_bytes() for path in model.rglob("*") if path.is_file()}
    training = LongRun()
    state = StudioState(tmp_path / "birds", tmp_path / "models")
    training.start(train_arguments(told(state), state.snapshot().info))
    wait_until(lambda: state.snapshot().busy)
    assert training.progress().running
    training.cancel()
    wait_until(lambda: not training.progress().running)
    assert training.progress().failure == CANCELLED and state.snapshot().busy is None
    assert {path.name: path.read_bytes() for path in model.rglob("*") if path.is_file()} == before


def test_of_what_counts_on_and_on_one_line_is_kept(tmp_path: Path) -> None:
    said = ["Loading …", "a: 0 of 9 photos", *(f"a: {n:,} of 9 photos" for n in range(1, 9)), "b: 1 of 9", "b: 2 of 9"]
    run = LongRun(tmp_path)
    run.start([], Program(f"print('\\n'.join({said!r}))", "tool: "))
    wait_until(lambda: not run.progress().running)
    assert run.progress().lines == ("Loading …", "a: 8 of 9 photos", "b: 2 of 9")


def test_a_run_is_started_in_its_folder_and_says_what_it_fails_with(tmp_path: Path) -> None:
    run = LongRun(tmp_path)
    says = Program("import os, sys; print(os.getcwd(), sys.argv[1:]); sys.exit('tool: no such thing.')", "tool: ")
    run.start(["a b"], says)
    wait_until(lambda: not run.progress().running)
    progress = run.progress()
    assert f"{tmp_path} ['a b']" in progress.lines and progress.failure == "no such thing." and not progress.cancelled
    run.start(
        [], Program("import os, signal; print('half', flush=True); os.kill(os.getpid(), signal.SIGKILL)", "tool: ")
    )
    wait_until(lambda: not run.progress().running)
    assert run.progress().failure == f"{KILLED.format(signal='SIGKILL')} The last that it said: half"
    run.start([], Program("raise SystemExit(0)", "tool: "))
    wait_until(lambda: not run.progress().running)
    assert run.progress().failure == "" and run.progress().lines == ()
