"""`python train.py --preview` and `--exclude` as a person types them."""

from __future__ import annotations

import argparse
import re
import subprocess
from pathlib import Path

import numpy as np

from mirror.cli import build_parser
from mirror.cli.train_options import PREVIEW_USES
from mirror.cli.train_preview import table
from mirror.collect.search_types import Hit
from mirror.search_doctor.hits_preview import HitGroup, LabelPreview, Preview, QueryResult, SeenHit
from mirror.search_doctor.image_embedding import Embedding
from tests.support.hit_lists import CHECKS, find
from tests.support.light_python import no_torch
from tests.support.limits import LIMIT
from tests.web.serving import REPOSITORY, environment
from tests.world import World


def test_a_preview_needs_no_torch_and_says_what_to_do_about_what_it_finds(world: World, tmp_path: Path) -> None:
    find(world, "duckling", [*(("duckling", n) for n in range(9)), *((CHECKS, n) for n in range(2))])
    network = ("--proxy", world.proxy_url, "--insecure")
    command = [*no_torch(), str(REPOSITORY / "train.py"), *network]
    done = subprocess.run(
        [*command, "--name", "birds", "--preview", "duckling", "--exclude", "duckling=off-topic"],
        cwd=tmp_path, env=environment(PYTHONPATH=str(REPOSITORY)), capture_output=True, text=True, timeout=LIMIT,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert done.stdout.startswith("1 search of 60 hits, and up to 2 with other words")
    assert re.search(r"“duckling”: 11 hits, 11 looked at, 18 % off topic; they agree 0\.\d\d with each", done.stdout)
    assert "--exclude duckling=off-topic" in done.stdout
    assert "Collecting leaves out what looks like “" in done.stdout
    assert done.stdout.splitlines()[-1] == "All of them to look at: data/birds/preview.html"
    kept = {file.name for file in (tmp_path / "data" / "birds").iterdir()}
    assert kept == {".lock", "hits.jsonl", "preview.html", "preview.json", "search.json"}


def test_a_label_whose_hits_have_nothing_in_common_is_told_as_well() -> None:
    hit = SeenHit(Hit("https://a.example/1.jpg", "x"), b"", Embedding(np.zeros(2), np.zeros(1000)))
    single = tuple(HitGroup(n, f"thing {n}", "thing", (hit,), 0.25, 0.1, n > 1, np.zeros(2)) for n in range(1, 5))
    lines = table(Preview((LabelPreview("x", (QueryResult("x", 4, 4, 0.75, among=0.5),), single),), (("x", "y", 0.9),)))
    assert "  and 4 single pictures, 3 of them off topic" in lines
    assert (
        lines[1]
        == "  “x”: 4 hits, 4 looked at, 75 % off topic; they agree 0.50 with each other, – with the other words'"
    )
    few = table(Preview((LabelPreview("x", (QueryResult("x", 3, 3, None),), ()),), ()))
    assert few[1].startswith("  “x”: 3 hits, 3 looked at, – off topic; they agree –"), "nothing is known of them"
    assert lines[-1].startswith("\nThe hits for x and y look alike (0.90;")


def test_every_option_has_an_effect_on_a_preview_or_is_refused() -> None:
    commands = next(a for a in build_parser()._actions if isinstance(a, argparse._SubParsersAction))
    there = {name for name in commands.choices["train"]._option_string_actions if name.startswith("--")}
    followed = "name search license preview exclude proxy insecure allow-private-hosts"
    elsewhere = "data photos collected dataset follow-links"  # with which there is no preview
    assert there - {"--help", "--version"} - PREVIEW_USES.keys() == {
        f"--{name}" for name in f"{followed} {elsewhere}".split()
    }
