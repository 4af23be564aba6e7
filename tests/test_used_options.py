"""No option does nothing: with what else was said it has an effect, or it is refused in a sentence."""

from __future__ import annotations

import argparse
from importlib.util import find_spec
from pathlib import Path

import pytest

from mirror.cli import add_photo, build_parser, compile, explain, history, main, predict, publish, serve, train
from mirror.cli.options import NETWORK_USES, require_used
from mirror.cli.train_options import USES as TRAIN_USES
from mirror.errors import UsageError

# Without what training needs, the command says that first
TRAINS = pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed")
COMMANDS = {
    "train": (train, TRAIN_USES, []), "predict": (predict, predict.USES, ["a.png"]),
    "explain": (explain, NETWORK_USES, ["a.png"]), "compile": (compile, compile.USES, ["x.pkl"]),
    "publish": (publish, publish.USES, ["models/a"]), "serve": (serve, serve.USES, []),
    "add-photo": (add_photo, {}, ["data/a", "b", "c.jpg"]), "history": (history, {}, ["a"]),
}  # fmt: skip
VALUES = {
    "--count": "100", "--license": "any", "--minutes": "5", "--weights": "w.pth", "--proxy": "http://proxy:1",
    "--top": "5", "--ray-address": "auto", "--ray-workers": "1", "--default": "a", "--task-model": "face-detection=x",
    "--calibrate": "photos", "--as": "gradio", "--data": "data/a", "--exclude": "a=b",
    "--tabs": "things", "--labels": "a,b", "--template": "a", "--words-model": "hf:a/b",
}  # fmt: skip
# What has an effect whatever else is said, or is met anyway (--yes, where nothing is asked; --again without a model)
ALWAYS = {
    "train": "name search data photos collected dataset others proxy insecure arch size epochs folds hold-out seed "
    "models precision again no-pickle examples no-photos-in-report",
    "predict": "model task labels template threshold format out summary summary-picture summary-csv map engine",
    "explain": "model label out",
    "compile": "out task precision",
    "publish": "to what license own-photos yes out",
    "serve": "models studio host port",
    "add-photo": "",
    "history": "models restore",
}
OF_WORDS = "labels template words-model"
# Command → what else is said → the options that do nothing then
IDLE = {
    "train": {
        "": "follow-links",
        "apple pear": "follow-links",
        "--data x": "count license preview exclude allow-private-hosts",
        "--photos x": "count license preview exclude keep-near-duplicates drop-near-duplicates follow-links",
        "--collected x":
            "count license preview exclude collect-only keep-near-duplicates drop-near-duplicates follow-links "
            "allow-private-hosts",
        "--arch auto": "weights follow-links",
        "--epochs 0": "minutes follow-links",
        "--epochs 3": "minutes follow-links",
    },
    "predict": {
        "": "proxy insecure allow-private-hosts restart exif ray-address ray-workers",
        "https://a/b.jpg --engine ray": "restart exif",
        "--model hf:a/b": "allow-private-hosts restart exif ray-address ray-workers",
        "--model imagenet": "allow-private-hosts restart exif ray-address ray-workers",
        "--model models/a --out a.csv": "proxy insecure allow-private-hosts ray-address ray-workers",
        "--out a.txt": "proxy insecure allow-private-hosts restart exif ray-address ray-workers",
        "--out /dev/null --format csv": "proxy insecure allow-private-hosts restart ray-address ray-workers",
        "--task object-detection": "top allow-private-hosts restart exif ray-address ray-workers",
        "--task face-detection": "top proxy insecure allow-private-hosts restart exif ray-address ray-workers",
        "--task zero-shot-image-classification": "allow-private-hosts restart exif ray-address ray-workers",
    },
    "explain": {"": "proxy insecure allow-private-hosts"},
    "compile": {
        "": "", "--precision fp32": "calibrate", "--precision int8": "", "--task object-detection": "trust",
    },
    "publish": {
        "": f"{OF_WORDS}", "--what model": f"as again data tabs {OF_WORDS}",
        "--what model,dataset": f"as again tabs {OF_WORDS}", "--what space": f"data {OF_WORDS}",
        "--as static": f"again {OF_WORDS}", "--as zero": f"tabs {OF_WORDS}",
        "--out x": f"again private dry-run {OF_WORDS}", "models/b": f"again {OF_WORDS}",
        "--tabs faces --as auto": f"again {OF_WORDS}", "--tabs words --as auto": "again",
    },
    "serve": {"": "", "--studio x": "default task-model mcp allow-private-hosts"},
}  # fmt: skip


def parsed(command: str, said: str) -> argparse.Namespace:
    words = said.split()
    return build_parser().parse_args([command, *COMMANDS[command][2], *words])


@pytest.mark.parametrize("command", COMMANDS)
def test_of_every_option_it_is_known_when_it_has_an_effect(command: str) -> None:
    subparsers = next(a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    there = {name for name in subparsers.choices[command]._option_string_actions if name.startswith("--")}
    always = {f"--{name}" for name in ALWAYS[command].split()}
    assert there - {"--help", "--version"} == always | set(COMMANDS[command][1])
    assert not always & set(COMMANDS[command][1])


@pytest.mark.parametrize(("command", "said"), [(command, said) for command in IDLE for said in IDLE[command]])
def test_an_option_that_would_do_nothing_is_refused_and_every_other_is_not(command: str, said: str) -> None:
    _, uses, _ = COMMANDS[command]
    refused = set()
    for option in uses:
        given = f"{said} {option} {VALUES.get(option, '')}"
        if option in said.split():
            continue
        try:
            require_used(parsed(command, given), uses)
        except UsageError as error:
            assert (
                str(error).startswith(f"{option} is for ") and str(error).endswith(".") and "leave it out" in str(error)
            )
            refused.add(option)
    assert refused == {f"--{name}" for name in IDLE[command][said].split()}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ("train --data photos --count 100", "--count is for a search, and these photos come from elsewhere"),
        ("train --data photos --cou=100", "--count is for a search"),  # as argparse takes it
        ("train --data photos --license any", "--license is for a search"),
        ("train --collect-only --epochs 3 apple", "--epochs is for training, and --collect-only ends before it"),
        ("train --collect-only --weights w.pth apple", "--weights is for training, and --collect-only ends"),
        ("train --collect-only --collected .", "--collect-only is for photos that are yet to be collected"),
        ("train --collect-only --preview apple", "--collect-only is for collecting and training, and --preview does"),
        ("train --collect-only --license mine apple", "'mine' is no licence filter"),
        ("train --collect-only --exclude apple=wool apple", "Nothing is known of groups in data/mirror"),
        ("train --preview --data .", "--preview is for a search, and these photos come from elsewhere: leave it out"),
        ("train --preview --folds 5 apple", "--folds is for collecting and training, and --preview does neither"),
        pytest.param(
            "train --preview --dataset fashion-mnist",
            "--dataset fashion-mnist is trained by a recipe of its own",
            marks=TRAINS,
        ),
        pytest.param(
            "train --exclude wool apple pear",
            "--exclude 'wool' lacks a label or a group: write LABEL=GROUP",
            marks=TRAINS,
        ),
        pytest.param(
            "train --exclude apple=wool apple pear",
            "Nothing is known of groups in data/mirror: look at the hits",
            marks=TRAINS,
        ),
        ("predict a.png --insecure", "--insecure is for photos that are given by an address and models of the Hub"),
        ("explain a.png --proxy http://proxy:1", "--proxy is for photos that are given by an address"),
        ("compile a.pkl --calibrate photos --precision fp32", "--calibrate is for int8"),
        ("compile MODEL --precision int8", "is a compiled model already: give its learner pickle, or leave out --prec"),
        (
            "publish MODEL --out x --dry-run",
            "--dry-run is for publishing on the Hub, and --out builds the folders here",
        ),
        ("publish MODEL --to a/b/c --dry-run", "a/b/c cannot be the name of a repository: give one with --to"),
        ("serve --studio data/x --mcp", "--mcp is for the page, and --studio opens the studio: leave it out."),
    ],
)
def test_each_command_refuses_before_it_does_anything(
    arguments: str, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = Path(__file__).resolve().parents[1] / "models" / "mirror"
    assert main([str(shipped) if word == "MODEL" else word for word in arguments.split()]) == 2
    said = capsys.readouterr()
    assert says in said.err and said.err.count("\n") == 1 and not said.out and not list(tmp_path.iterdir())
