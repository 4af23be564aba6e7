"""`python train.py --dataset fashion-mnist`: what cannot be meant, and what is said where the set is not to be had."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from mirror.cli.train import main
from mirror.cli.train_options import add_options
from mirror.fashion_mnist.fashion_settings import EPOCHS, SIZE
from mirror.preparation import published_dataset

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "train.md"
WHOLE = ("--dataset", "fashion-mnist")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (("--folds", "5"), "--dataset fashion-mnist is trained by a recipe of its own: leave out --folds."),
        (("--others", "x"), "--dataset fashion-mnist is trained by a recipe of its own: leave out --others."),
        (("--weights", "x"), "--dataset fashion-mnist is trained by a recipe of its own: leave out --weights."),
        (("--arch", "resnet50"), "--dataset fashion-mnist trains a resnet18 from random weights: leave out --arch"),
        (("--epochs", "0"), "--dataset fashion-mnist trains a resnet18 from random weights: leave out --epochs 0."),
    ],
)
def test_what_its_recipe_does_not_know_is_refused(capsys: pytest.CaptureFixture, given: tuple, told: str) -> None:
    assert main([*WHOLE, *given]) == 2
    said = capsys.readouterr()
    assert said.err.startswith(f"train.py: {told}") and not said.out


def actions() -> list[argparse.Action]:
    parser = argparse.ArgumentParser()
    add_options(parser, name="", search=(), size=1)
    return parser._actions


def test_every_option_is_followed_or_refused(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What a person asks for is done or said not to be; nothing is passed over."""
    monkeypatch.chdir(tmp_path)
    dataset = published_dataset("fashion-mnist")
    assert dataset
    values = {"near_duplicates": [], "count": ["7"], "folds": ["5"], "minutes": ["1"]}
    refused = set()
    for action in actions():
        if action.dest in ("help", "dataset", *dataset.options):
            continue
        given = [] if action.nargs == 0 else values.get(action.dest, ["a=b"])
        assert main([*WHOLE, *action.option_strings[-1:], *given]) == 2, action.dest
        refused.add(action.dest)
        said = capsys.readouterr()
        assert not said.out and (action.option_strings or ["a=b"])[-1] in said.err, said.err
    assert {"hold_out", "license", "count", "near_duplicates", "again", "no_photos_in_report"} <= refused
    assert set(dataset.options) <= {action.dest for action in actions()}


@pytest.mark.parametrize("given", [("--data", "x"), ("--search", "a=b"), ("--collected", "x"), ("--photos", "x.csv")])
def test_it_takes_the_place_of_photos(capsys: pytest.CaptureFixture, given: tuple) -> None:
    assert main([*WHOLE, *given]) == 2
    assert "not allowed with argument" in capsys.readouterr().err


def test_another_dataset_is_not_known(capsys: pytest.CaptureFixture) -> None:
    assert main(["--dataset", "cifar10"]) == 2
    assert "invalid choice: 'cifar10'" in capsys.readouterr().err


def test_help_and_readme_name_the_recipes_own_size_and_epochs(capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        main(["--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert f"of a --dataset {SIZE})" in said and f"of a --dataset {EPOCHS})" in said
    readme = DOCUMENT.read_text(encoding="utf-8")
    assert f"; {SIZE} with `--dataset`" in readme and f"With `--dataset` {EPOCHS} |" in readme
