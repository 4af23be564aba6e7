"""`python train.py --collect-only`, and `python train.py --name N`, which goes on with the words of data/N."""

from __future__ import annotations

import argparse
import signal
import subprocess
from pathlib import Path
from threading import Event

import pytest

from mirror.cli import build_parser
from mirror.cli.train import main, parse
from mirror.cli.train_options import COLLECT_USES
from mirror.cli.train_steps import search_terms
from mirror.collect.photo_records import read_photos
from mirror.collect.search_json import SEARCH_JSON, read_search, search_of, write_search
from mirror.collect.search_types import SearchTerm
from mirror.errors import UsageError
from tests.support.light_python import no_torch
from tests.support.limits import LIMIT, read_until
from tests.web.serving import REPOSITORY, environment
from tests.world import World, draw_photo, encode

WORDS = ("--search", "cygnet=baby swan", "--search", "duckling=duckling")
BIRDS = [SearchTerm("baby swan", "cygnet"), SearchTerm("duckling", "duckling")]


def test_it_collects_without_torch_pauses_at_ctrl_c_and_goes_on_with_its_words_and_more(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    host, gate = world.photo_host("photos.example"), Event()
    swans, ducks = host.photos("baby swan", 8), host.photos("duckling", 8)
    world.results(
        "baby swan", [*swans[:2], host.waits("/late.jpg", gate, encode(draw_photo("baby swan", 9))), *swans[2:]]
    )
    world.results("duckling", ducks)
    network = ("--proxy", world.proxy_url, "--insecure")
    command = [*no_torch(), str(REPOSITORY / "train.py"), *network]
    running = subprocess.Popen(
        [*command, "--name", "birds", "--collect-only", "--count", "4", *WORDS], cwd=tmp_path, text=True,
        env=environment(PYTHONPATH=str(REPOSITORY)), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
    )  # fmt: skip
    folder = tmp_path / "data" / "birds"
    read_until(running, "cygnet: 2 of 4 photos, ")  # a row that is only seen in the file may be taken back
    assert len(read_photos(folder / "metadata.csv")) == 2
    running.send_signal(signal.SIGINT)
    said, error = running.communicate(timeout=LIMIT)
    assert running.returncode == 130, error
    assert "2 of 4 photos of cygnet, 0 of 4 photos of duckling in data/birds so far." in said
    assert (read_search(folder).terms, read_search(folder).count) == (BIRDS, 4)

    gate.set()
    done = subprocess.run(
        [*command, "--name", "birds", "--collect-only"], cwd=tmp_path, env=environment(PYTHONPATH=str(REPOSITORY)),
        capture_output=True, text=True, timeout=LIMIT,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    first, last = done.stdout.splitlines()[0], done.stdout.splitlines()[-1]
    assert first == f"Going on with the words of data/birds/{SEARCH_JSON}: cygnet='baby swan', duckling=duckling."
    assert last == "data/birds: 8 photos (4 cygnet, 4 duckling). A model of them: python train.py --name birds"
    assert not (tmp_path / "models").exists()

    searches = len(world.searches())
    monkeypatch.chdir(tmp_path)
    assert main(["--name", "birds", "--collect-only", "--count", "6", *network]) == 0
    assert "data/birds: 12 photos (6 cygnet, 6 duckling)." in capsys.readouterr().out
    assert len(world.searches()) == searches and read_search(folder).count == 6
    asked = len(world.requests)
    assert main(["--name", "birds", "--collect-only", *network]) == 0  # as many as were asked for last
    assert len(world.requests) == asked and read_search(folder).count == 6


def test_a_folder_of_ones_own_is_collected_as_well_and_may_be_of_one_label(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine" / "duck").mkdir(parents=True)
    for seed in range(2):
        draw_photo("duckling", seed).save(tmp_path / "mine" / "duck" / f"{seed}.png")
    assert main(["--name", "my birds", "--collect-only", "--data", "mine"]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "data/my birds: 2 photos (2 duck). A model of them: python train.py --collected 'data/my birds'"
    assert read_search(Path("data/my birds")) is None


def test_what_is_given_wins_over_the_words_of_the_folder(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    default = ("a=b",)
    assert search_terms(parse([]), tmp_path, default) == [SearchTerm("b", "a")]
    write_search(tmp_path, search_of(BIRDS, count=60, license="Share"))
    kept = parse([])
    assert search_terms(kept, tmp_path, default) == BIRDS and (kept.count, kept.license) == (60, "Share")
    assert capsys.readouterr().out.startswith("Going on with the words of ")
    given = parse(["--count", "100", "--license", "any"])
    assert search_terms(given, tmp_path, default) == BIRDS and (given.count, given.license) == (100, "any")
    other = parse(["apple", "pear"])
    assert search_terms(other, tmp_path, default) == [SearchTerm("apple", "apple"), SearchTerm("pear", "pear")]
    assert (other.count, other.license) == (100, None)
    for elsewhere in ("--data", "--photos", "--collected"):
        assert search_terms(parse([elsewhere, "x"]), tmp_path, default) == []
    write_search(tmp_path, search_of(BIRDS[:1], count=60))
    with pytest.raises(UsageError, match="there is only 'cygnet'"):
        search_terms(parse([]), tmp_path, default)
    assert search_terms(parse(["--collect-only"]), tmp_path, default) == BIRDS[:1]


def test_every_option_has_an_effect_on_collecting_or_is_refused() -> None:
    commands = next(a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    there = {name for name in commands.choices["train"]._option_string_actions if name.startswith("--")}
    followed = (
        "name search data photos collect-only count license exclude keep-near-duplicates drop-near-duplicates "
        "follow-links proxy insecure allow-private-hosts"
    )
    elsewhere = "collected dataset preview"  # with which nothing is collected
    assert there - {"--help", "--version"} - COLLECT_USES.keys() == {
        f"--{name}" for name in f"{followed} {elsewhere}".split()
    }
