"""What is chosen before a training is options of train.py, which win over those of the model there is."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror.cli.options import require_used
from mirror.cli.train import parse
from mirror.cli.train_options import uses
from mirror.errors import UsageError
from mirror.model_folder import read_model_folder
from mirror.web.workshop.prerequisites import STANDS_IN
from mirror.web.workshop.retrain import settings
from mirror.web.workshop.training_choices import NETWORKS, NOTHING_CHOSEN, PACKAGED, TIMES, options_of, stands_in
from tests.web.studio.folders import model_of, photo_folder


def test_every_choice_is_a_command_line_that_train_takes(tmp_path: Path) -> None:
    for network in NETWORKS.values():
        for time in TIMES.values():
            for others in ("", str(tmp_path)):
                chosen = options_of((network, time, others), is_new=False)
                given = [word for option in chosen.items() for word in option]
                parsed = parse(["--collected", "data/x", *given])
                require_used(parsed, uses(parsed))
                assert (str(parsed.others or "") == others) and (not network or parsed.arch == network)


def test_without_weights_a_first_training_takes_the_network_that_comes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    there = "mirror.web.workshop.prerequisites.find_spec"
    monkeypatch.setattr(there, lambda name: name)
    assert options_of(NOTHING_CHOSEN, is_new=True, resnet=False) == {"--arch": PACKAGED}
    assert stands_in(NOTHING_CHOSEN, is_new=True, resnet=False) == STANDS_IN, "and that is said"
    assert stands_in(("resnet18", "", ""), is_new=True, resnet=False) == ""
    assert (
        stands_in(NOTHING_CHOSEN, is_new=False, resnet=False)
        == stands_in(NOTHING_CHOSEN, is_new=True, resnet=True)
        == ""
    )
    assert options_of(NOTHING_CHOSEN, is_new=True, resnet=True) == {}
    assert options_of(NOTHING_CHOSEN, is_new=False, resnet=False) == {}
    assert options_of(("resnet18", "", ""), is_new=True, resnet=False) == {"--arch": "resnet18"}
    monkeypatch.setattr(there, lambda name: None)
    assert options_of(NOTHING_CHOSEN, is_new=True, resnet=False) == {}


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        (("hf-hub:evil/model", "", ""), "a choice that it does not offer"),
        (("", "--insecure 1", ""), "a choice that it does not offer"),
        (("", "", "/no/such/folder"), "There is no folder /no/such/folder of photos of none of the labels"),
        (("", "", "~nobody/x"), "There is no folder ~nobody/x"),
        (("", "", "x" * 300), "There is no folder xxx"),
    ],
)
def test_what_the_page_does_not_offer_is_refused(choice: tuple[str, str, str], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        options_of(choice, is_new=True)


@pytest.mark.parametrize(
    ("recorded", "chosen", "expected"),
    [
        ("--arch resnet18 --size 96 --seed 7", {"--arch": "auto"}, "--seed 7 --arch auto"),
        ("--arch a --epochs 3 --no-pickle", {"--minutes": "5"}, "--arch a --no-pickle --minutes 5"),
        ("--arch a --epochs 3 --hold-out", {"--epochs": "0"}, "--arch a --hold-out --epochs 0"),
        ("--arch a --others DIR", {"--others": "/streets"}, "--arch a --others /streets"),
        ("--arch a --seed 7", {}, "--arch a --seed 7"),
    ],
)
def test_what_is_chosen_takes_the_place_of_what_the_model_was_made_with(
    tmp_path: Path, recorded: str, chosen: dict[str, str], expected: str
) -> None:
    photos = photo_folder(tmp_path / "birds", each=3)
    info = read_model_folder(model_of(tmp_path, "model", photos, options=recorded.split())).info
    assert settings([], info, chosen) == [*expected.split(), "--no-photos-in-report"]
    assert settings([], None, chosen) == [word for option in chosen.items() for word in option]


def test_a_first_training_fetches_nothing_where_a_package_brings_weights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it finds the machine, without being told what is there."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert options_of(NOTHING_CHOSEN, is_new=True) == {"--arch": PACKAGED}
    (tmp_path / "hub" / "checkpoints").mkdir(parents=True)
    (tmp_path / "hub" / "checkpoints" / "resnet18-f37072fd.pth").touch()
    assert options_of(NOTHING_CHOSEN, is_new=True) == {}
