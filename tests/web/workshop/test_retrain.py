"""Training again: what train.py is told, and what is said of the model before and after."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from mirror.cli import train
from mirror.errors import UsageError
from mirror.metrics_schema import Metrics, Validation
from mirror.model_folder import read_model_folder
from mirror.templates import render
from mirror.web.studio.state import StudioState
from mirror.web.workshop.long_run import Progress
from mirror.web.workshop.report_route import report_link, report_route
from mirror.web.workshop.retrain import (
    comparison,
    recorded_options,
    render_outcome,
    render_plan,
    train_arguments,
)
from mirror.web.workshop.retrain_options import read_options
from mirror.wording import unbroken
from tests.web.studio.folders import QUICK, model_of, photo_folder


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (QUICK, list(QUICK)),
        (("--arch", "resnet18", "--folds", "5"), ["--arch", "resnet18", "--folds", "5"]),
        ((), ["--arch", "tf_efficientnet_lite0"]),
        (("--arch", "resnet18", "--weights", "mine.pth"), "made with --weights, and it does not say where that lies"),
        (("--others", "DIR", "--weights", "w", "--arch", "a"), "with --others and --weights, .*--arch a --others …"),
        (("--arch", "a", "--weights", "w", "--no-pickle"), "with --weights, .*--arch a --no-pickle --weights …`"),
        (("--no-pickle", "--arch", "a"), ["--no-pickle", "--arch", "a"]),
    ],
)
def test_a_model_is_trained_again_as_it_was_made(tmp_path: Path, options, expected) -> None:
    photos = photo_folder(tmp_path / "birds", each=3)
    info = read_model_folder(model_of(tmp_path, "model", photos, options=options)).info
    given = ["--name", "birds", "--collected", "data/birds", "--again"]
    if isinstance(expected, str):
        with pytest.raises(UsageError, match=expected):
            train_arguments(given, info)
        return
    told = train_arguments(given, info)
    assert told == [*given, *expected, "--no-photos-in-report"]  # its report shows no photo, so the next one shall not
    assert train_arguments(given, None) == given


OUTSIDE = (
    ("--models", "/elsewhere"), ("--collected", "/home/user/x"), ("--proxy", "http://evil.example"), ("--insecure",),
    ("--allow-private-hosts",), ("--name", "../x"), ("--data", "/"), ("--photos", "/x"), ("--search", "a=b"),
    ("--dataset", "fashion-mnist"), ("--license", "any"), ("--count", "5"), ("--models=/elsewhere",), ("--model", "/x"),
    ("--col", "/x"), ("--arc", "x"), ("--arch=resnet18",), ("--arch", "hf-hub:evil/model"), ("--arch", "../x"),
    ("--arch", "-x"), ("--arch", ""), ("--arch", "x" * 200), ("--arch", "--insecure"), ("--arch",), ("--size", "1e9"),
    ("--size", "999999999"), ("--size", "0"), ("--size", "-1"), ("--size", "٣٢"), ("--epochs", "9" * 5000),
    ("--folds", "1"), ("--folds", "x"), ("--seed", "-1"), ("--precision", "int4"), ("--precision", "auto\n--insecure"),
    ("--help",), ("-h",), ("--",), ("@file",), ("word",), ("",), ("--no-pickle=x",), ("--nope", "1"), ("--ARCH", "x"),
    ("--no-photos-in-report", "/x"),
)  # fmt: skip


@pytest.mark.parametrize("outside", OUTSIDE, ids=lambda words: " ".join(words)[:40] or "empty")
def test_nothing_of_model_json_reaches_the_command_line_but_checked_values(outside: tuple[str, ...]) -> None:
    """model.json may be a stranger's. The class: every word that is not a known option with a value of its kind."""
    for recorded in (outside, ("--seed", "7", *outside, "--folds", "5")):
        read = read_options(recorded)
        assert set(read.passed) <= {"--seed", "7", "--folds", "5"} and not read.local
        assert read.left_out and all(one.isprintable() and len(one) < 70 for one in read.left_out)
        assert read.note.startswith("The model's record also names ") and len(read.note) < 500


@pytest.mark.parametrize("word", ["--weights", "--weight", "--weights=/x", "--we=/x", "--others", "--other=/x"])
def test_an_option_whose_file_is_not_known_is_never_passed_and_never_dropped(word: str) -> None:
    for recorded in ((word, "/x"), (word,), ("--seed", "7", word, "/x", "--no-pickle")):
        read = read_options(recorded)
        assert read.local in (("--weights",), ("--others",)) and "/x" not in " ".join(read.passed)


@pytest.mark.parametrize("judged", [{"folds": 5}, {"hold_out": True}], ids=str)
def test_every_option_that_is_recorded_is_passed_on_as_it_was(judged: dict) -> None:
    """What train.py writes into model.json, and what the studio reads, are one list."""
    from mirror.training.fine_tuning_plan import TuningPlan
    from mirror.training.photo_model import PhotoModel
    from mirror.training.settings import TrainingSettings

    settings = TrainingSettings("resnet18", Path("w.pth"), 96, epochs=3, seed=7, **judged)
    trained = SimpleNamespace(plan=TuningPlan(3, "Three epochs were asked for."))
    recorded = PhotoModel(trained, Path("."), None, settings, others=object()).options("int8", False)
    read = read_options(recorded)
    kept = [word for word in recorded if word not in ("--weights", "w.pth", "--others", "DIR")]
    assert list(read.passed) == kept and set(read.local) == {"--weights", "--others"} and not read.left_out
    given = ["train.py", *read.passed, "--name", "x"]
    parsed = train.parse(given[1:])
    assert (parsed.arch, parsed.seed, parsed.size, parsed.epochs) == ("resnet18", 7, 96, 3)
    assert (parsed.precision, parsed.no_pickle) == ("int8", True)
    assert (parsed.folds, parsed.hold_out) == (judged.get("folds"), judged.get("hold_out", False))


def test_what_is_left_out_is_said(tmp_path: Path) -> None:
    photos = photo_folder(tmp_path / "birds", each=3)
    options = (*QUICK, "--models", "/else<b>where", "--insecure")
    info = read_model_folder(model_of(tmp_path, "model", photos, options=options)).info
    told = render_plan(
        StudioState(tmp_path / "birds", tmp_path / "models").snapshot(), ["--x"], "", recorded_options(info).note
    )
    assert "also names --models /else&lt;b&gt;where, --insecure, which the studio does not pass on." in told


def test_a_model_has_a_report_to_download_whoever_trained_it(tmp_path: Path) -> None:
    photos = photo_folder(tmp_path / "birds", each=8)
    state = StudioState(tmp_path / "birds", tmp_path / "models")
    untrained = state.snapshot()
    model_of(tmp_path / "models", "birds", photos)
    snapshot = state.snapshot()
    for progress, there in (
        (Progress(False, ("models/birds: error 3.1 %",)), True),
        (Progress(False), True),  # as after a restart
        (Progress(True, ("looking at photos",)), False),
        (Progress(False, ("train.py: no.",), failure="no."), False),
    ):
        html = render_outcome(snapshot, progress, None)
        assert ('download="birds-report.html"' in html) is there, progress
    assert "download=" not in render_outcome(untrained, Progress(False, ("done",)), None)
    with TestClient(Starlette(routes=[report_route({"birds": state}.get)])) as client:
        told = client.get(report_link(snapshot)["report"])
        assert told.headers["content-disposition"] == "attachment" and "<h1>" in told.text
        assert client.get(report_link(snapshot)["report"] + "x").status_code == 404


def judged(info, rate: float, interval: tuple[float, float], photos: int = 200):
    validation = Validation(photos, round(rate * photos), rate, interval)
    return info.__class__(**{**vars(info), "metrics": Metrics(validation)})


@pytest.mark.parametrize(
    ("before", "now", "says"),
    [
        ((0.10, (0.06, 0.15)), (0.02, (0.01, 0.05)), "The intervals do not overlap: this is more than chance."),
        ((0.10, (0.06, 0.15)), (0.05, (0.03, 0.09)), "The intervals overlap: the difference may be chance."),
        ((0.10, (0.06, 0.15)), (0.10, (0.06, 0.15)), "The error is the same as before."),
    ],
)
def test_errors_are_compared_by_their_intervals(tmp_path: Path, before, now, says: str) -> None:
    photos = photo_folder(tmp_path / "birds", each=3)
    info = read_model_folder(model_of(tmp_path, "model", photos)).info
    shown = render("comparison.html", **comparison(judged(info, *before), judged(info, *now), cleaned=False))
    assert says in shown and "rough guess" not in shown and "decided about as well" not in shown
    interval = f"{100 * now[1][0]:.1f} % to {100 * now[1][1]:.1f} %"
    assert unbroken(f"{100 * before[0]:.1f} %") in shown and unbroken(interval) in shown
    few = render("comparison.html", **comparison(None, judged(info, 0.0, (0.0, 0.32), photos=8), cleaned=True))
    assert "On 8 photos an error rate is a rough guess" in few and "Before" not in few


def test_the_plan_is_the_command_that_it_runs(tmp_path: Path) -> None:
    photo_folder(tmp_path / "my birds", each=2)
    state = StudioState(tmp_path / "my birds", tmp_path)
    arguments = train_arguments(["--name", "my birds", "--collected", "data/my birds"], None)
    shown = render_plan(state.snapshot(), arguments)
    assert "python train.py --name &#39;my birds&#39; --collected &#39;data/my birds&#39;<" in shown
    assert "2 cygnet, 2 duckling" in shown
