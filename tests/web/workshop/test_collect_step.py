"""What the step says of a folder, whatever fills it; and the commands behind its buttons."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path

import pytest

from mirror.cli.options import require_used
from mirror.cli.train import parse
from mirror.cli.train_options import uses
from mirror.collect.search_json import search_of, write_search
from mirror.collect.search_types import SearchTerm
from mirror.web.workshop import train_step
from mirror.web.workshop.collect_step import ONLY, ending, render_sheet
from mirror.web.workshop.collected import read_collected
from mirror.web.workshop.long_run import CANCELLED, Progress
from mirror.web.workshop.projects import Project, Projects
from mirror.wording import unbroken
from tests.web.studio.folders import HOSTILE, QUICK, model_of, photo_folder

REST = Progress(False)
WORDS = [SearchTerm("baby swan", "cygnet"), SearchTerm("duckling", "duckling")]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    (tmp_path / "models").mkdir()
    return Projects(tmp_path).of("my birds")


def told(project: Project, progress: Progress = REST, holder: str | None = None) -> str:
    return render_sheet(project, read_collected(project.folder), progress, holder)


def test_each_state_of_a_folder_is_told_and_what_to_do_next(project: Project) -> None:
    assert "There are no words yet to search with" in told(project)
    write_search(project.folder, search_of(WORDS, count=9))
    assert "Nothing is collected yet." in told(project) and told(project).count("<progress") == 2
    photo_folder(project.folder, each=8, labels=["cygnet"])  # as when the engines refuse after the first label
    one = told(project)
    assert "8 of 9 photos of cygnet and 0 of 9 photos of duckling: it goes on from here.<" in one
    photo_folder(project.folder, each=8)
    half = told(project)
    assert "There are 8 of 9 photos of cygnet and 8 of 9 photos of duckling: it goes on from here, or with a" in half
    assert half.count("<img") == 16 and 'value="8" max="9"' in half
    assert "/studio/thumbnails/~" in half and "<img src=x" not in half  # its name and a hostile title are only text
    running = told(project, Progress(True, ("cygnet: 8 of 9 photos, collecting more.",), 8, 9, 1.0))
    assert "cygnet: 8 of 9 photos, collecting more." in running
    failed = told(project, Progress(False, ("train.py: x",), failure="The engine <refuses>."))
    assert 'role="alert">The engine &lt;refuses&gt;.</p>' in failed
    paused = told(project, Progress(False, ("…",), failure=CANCELLED, cancelled=True))
    assert CANCELLED not in paused and "it goes on from here" in paused
    assert "Another command (pid 7) works on these photos" in told(project, holder="pid 7")
    write_search(project.folder, replace(search_of(WORDS, count=9), exhausted=("cygnet", "duckling")))
    assert "the search finds no more of cygnet and duckling. Train on these, or give more words" in told(project)
    assert ending(project).endswith("; the search finds no more of cygnet and duckling.")
    write_search(project.folder, search_of(WORDS, count=8))
    assert "All that was asked for is there." in told(project)
    assert ending(project) == "Collecting has ended: 8 of 8 photos of cygnet and 8 of 8 photos of duckling."


def test_what_was_there_stays_at_its_place_as_more_arrives(project: Project, tmp_path: Path) -> None:
    """The class of a fault there was: whatever is drawn anew in another place flickers, closes or moves."""
    write_search(project.folder, search_of(WORDS, count=9))
    pieces = []
    for each in (2, 5):
        photo_folder(project.folder, each=each)
        pieces.append(told(project).split("<section>"))
    few, more = pieces
    assert len(few) == len(more)
    for before, after in zip(few[1:], more[1:], strict=True):
        photos = before.partition("<ul>")[2].partition("</ul>")[0]
        assert photos and after.partition("<ul>")[2].startswith(photos)


def test_photos_of_ones_own_are_not_searched_for_and_a_folder_elsewhere_is_not_added_to(
    project: Project, tmp_path: Path
) -> None:
    photo_folder(project.folder, each=1)
    assert "Photos of your own: 1 photo of cygnet and 1 photo of duckling. Nothing is searched for." in told(project)
    elsewhere = tmp_path / "elsewhere" / "birds"
    photo_folder(elsewhere, each=1)
    write_search(elsewhere, search_of(WORDS, count=9))
    alone = Projects(tmp_path, None, elsewhere).of("birds")
    assert "This folder lies elsewhere than train.py collects to" in told(alone)


def test_the_commands_are_ones_that_train_takes(project: Project, tmp_path: Path) -> None:
    write_search(project.folder, search_of(WORDS, count=9))
    photos = photo_folder(project.folder, each=8)
    for model in (False, True):
        if model:
            model_of(tmp_path / "models", project.name, photos)
        for command in (
            project.train(ONLY), project.train(ONLY, "--count", "50"), train_step.chained(project, "--count", "50"),
            train_step.arguments(project), train_step.arguments(project, ("auto", "--minutes 5", str(tmp_path))),
        ):  # fmt: skip
            parsed = parse(shlex.split(shlex.join(command)))
            require_used(parsed, uses(parsed))
            assert parsed.name == project.name
    assert train_step.chained(project)[-len(QUICK) - 1 : -1] == list(QUICK)


def test_doubts_lead_to_where_they_are_looked_at(project: Project, tmp_path: Path) -> None:
    photos = photo_folder(project.folder, each=8)
    assert train_step.render_doubts(project, project.state().snapshot()) == ""
    model_of(tmp_path / "models", project.name, photos)
    html = train_step.render_doubts(project, project.state().snapshot())
    assert html.count('<td class="') == 4 and unbroken("taken for duckling with 93 %") in html
    assert "Look through all 4 in Clean" in html and HOSTILE not in html
