"""What nobody can mean is refused by every option of every command: at once, in one short sentence."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from mirror.cli import build_parser, main
from mirror.terminal import path_text

TOO_LONG = "x" * 5000  # for a file's name
LONGEST = 400  # characters of a sentence that repeats what was given
NO_NUMBERS = ("-1", "nan", "soon", "9" * 30)
TOO_MANY = {"--seed": 2**32, "--size": 1025, "--epochs": 10_001, "--folds": 1001, "--ray-workers": 10_001}
REST = {  # the arguments that each needs besides
    "predict": ["a.png"], "explain": ["a.png"], "compile": ["a.pkl"], "publish": ["models/a"], "train": [],
    "serve": [], "add-photo": ["data/a", "pear", "a.jpg"], "history": ["a"],
}  # fmt: skip


def odd() -> Iterator[tuple[str, str, str]]:
    """(command, option or the number of an argument, value)."""
    commands = next(action for action in build_parser()._actions if isinstance(action, argparse._SubParsersAction))
    for command, parser in commands.choices.items():
        places = [action for action in parser._actions if not action.option_strings]
        for action in parser._actions:
            if action.nargs == 0:
                continue
            name = action.option_strings[0] if action.option_strings else str(places.index(action))
            yield command, name, ""
            if action.type in (Path, path_text):
                yield command, name, TOO_LONG
            if action.choices:
                yield command, name, TOO_LONG
            if name in TOO_MANY:
                yield command, name, str(TOO_MANY[name])
            with suppress(Exception):
                if isinstance(action.type("9"), (int, float)):  # type: ignore[operator, misc]
                    yield from ((command, name, value) for value in NO_NUMBERS)


@pytest.mark.parametrize("command", REST)
def test_no_option_takes_what_nobody_can_mean(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    cases = [case for case in odd() if case[0] == command]
    assert cases
    for _, name, value in cases:
        rest = list(REST[command])
        if name.isdecimal():
            rest[int(name) : int(name) + 1] = [value]
            arguments = ["--", *rest]
        else:
            arguments = [*rest, *([f"{name}={value}"] if value else [name, value])]
        code = main([command, *arguments])
        said = capsys.readouterr()
        assert (code, said.out, said.err.count("\n")) == (2, "", 1), (name, value[:20], said)
        assert len(said.err) < LONGEST and (name.isdecimal() or name in said.err), said.err
        assert not list(tmp_path.iterdir()), name
