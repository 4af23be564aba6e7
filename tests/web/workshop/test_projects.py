"""What lies in data/ and models/ is the list of projects, whole or not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mirror.collect.search_json import search_of, write_search
from mirror.collect.search_types import SearchTerm
from mirror.errors import DatasetError, MirrorError, UsageError
from mirror.web.studio.photo_routes import in_address, name_in
from mirror.web.workshop import train_step
from mirror.web.workshop.history_step import render_history
from mirror.web.workshop.projects import Projects
from mirror.web.workshop.publish_choices import Choices, publish_arguments
from mirror.web.workshop.step import command_line
from mirror.web.workshop.try_step import render_kept
from tests.web.studio.folders import model_of, photo_folder

WORDS = [SearchTerm("apple", "apple"), SearchTerm("pear fruit", "pear")]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("home")
    photos = photo_folder(place / "data" / "birds", each=6)
    (place / "models").mkdir()
    model_of(place / "models", "birds", photos)
    model_of(place / "models", "lone", photos)
    photo_folder(place / "data" / "only photos", each=2)
    write_search(place / "data" / "words", search_of(WORDS, count=100))
    for broken in ("data/torn", "models/damaged", "data/empty", "data/.hidden", "models/.history"):
        (place / broken).mkdir(parents=True)
    (place / "data" / "torn" / "metadata.csv").write_text("not,a,table\n")
    (place / "data" / "a file").write_text("")
    (place / "models" / "damaged" / "model.json").write_text("{")
    return place


def test_there_is_a_card_for_whatever_is_there(home: Path) -> None:
    cards = {card.name: card for card in Projects(home).cards()}
    assert list(cards) == ["birds", "damaged", "lone", "only photos", "torn", "words"]
    birds, lone, photos, words = (cards[name] for name in ("birds", "lone", "only photos", "words"))
    assert birds.labels == lone.labels == photos.labels == ("cygnet", "duckling") and words.labels == ("apple", "pear")
    assert (birds.photos, lone.photos, photos.photos, words.photos) == (12, None, 4, None)
    assert "error 16.7 %" in birds.error and "error 16.7 %" in lone.error and photos.error == ""
    assert birds.last.startswith("trained on 20") and photos.last.startswith("collected on 20")
    assert words.last.startswith("words chosen on 20") and birds.picture.startswith("images/")
    assert not any(card.problem for card in (birds, lone, photos, words))
    assert "model.json" in cards["damaged"].problem and "metadata.csv" in cards["torn"].problem


def test_a_project_is_what_lies_under_its_name_and_may_be_new(home: Path) -> None:
    projects = Projects(home)
    assert projects.of("birds") is projects.of("birds")
    new = projects.of("a new one")
    assert new.is_new and new.state() is None and new.info() is None and new.words() == () and not new.running
    assert [term.label for term in projects.of("words").words()] == ["apple", "pear"]
    assert projects.of("lone").state() is None and projects.of("lone").info().labels == ("cygnet", "duckling")
    with pytest.raises(DatasetError, match="metadata.csv"):
        projects.of("torn").state()
    with pytest.raises(MirrorError, match="model.json"):
        projects.of("damaged").info()
    assert projects.free_name("birds") == "birds-2" and projects.free_name("fish") == "fish"


def test_a_project_that_was_not_there_is_seen_once_it_is(tmp_path: Path) -> None:
    projects = Projects(tmp_path)
    project = projects.of("birds")
    assert projects.names() == [] and project.state() is None
    photo_folder(tmp_path / "data" / "birds", each=1)
    assert projects.names() == ["birds"] and len(project.state().snapshot().photos) == 2


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "a\\b",
        ".hidden",
        "a:b",
        "a*",
        "nul\0",
        "-rf",
        "--help",
        "a\tb",
        "a.",
        "a ",
        " a",
        "CON",
        "lpt1.txt",
        "x" * 201,
        "🦆" * 51,
        os.fsdecode(b"\xff"),
    ],
    ids=ascii,
)
def test_what_can_be_no_folders_name_can_be_no_projects(home: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a project's name"):
        Projects(home).of(name)


def test_a_studio_of_one_folder_knows_no_other(home: Path, tmp_path: Path) -> None:
    folder = home / "data" / "birds"
    projects = Projects(home, home / "models", folder)
    assert projects.names() == ["birds"] and projects.of("birds").collectable
    with pytest.raises(UsageError, match="for birds alone"):
        projects.of("lone")
    elsewhere = tmp_path / "mine"
    photo_folder(elsewhere, each=1)
    assert not Projects(home, None, elsewhere).of("mine").collectable
    assert Projects(home, None, home / "data" / "words").of("words").words()
    with pytest.raises(DatasetError, match="holds no metadata.csv"):
        Projects(home, None, home / "data" / "empty")
    with pytest.raises(DatasetError, match="metadata.csv"):
        Projects(home, None, home / "data" / "torn")


def test_a_linked_photo_folder_keeps_the_name_it_has_here(home: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "feathers").symlink_to(home / "data" / "birds")
    assert Projects(tmp_path, home / "models").of("feathers").state().name == "feathers"


def test_models_elsewhere_are_named_to_the_command(home: Path, tmp_path: Path) -> None:
    assert Projects(home).of("fish").train("--again") == ["--name", "fish", "--again"]
    assert Projects(home, tmp_path).of("fish").train() == ["--name", "fish", "--models", str(tmp_path)]
    assert Projects(home).of("fish").learn() == ["--name", "fish", "--collected", "data/fish", "--again"]


def test_what_a_person_reads_and_types_holds_no_more_of_a_path_than_they_need(
    home: Path, tmp_path: Path, monkeypatch
) -> None:
    """The project's own folders as they lie there, others of the person from ~."""
    monkeypatch.setenv("HOME", str(tmp_path))
    elsewhere = tmp_path / "my photos" / "mine"
    photo_folder(elsewhere, each=8)
    shown = []
    for project in (Projects(home).of("birds"), Projects(home, home / "models", elsewhere).of("mine")):
        shown += [project.shown_folder, command_line(train_step.arguments(project))]
        told = render_kept(project) + render_history(project) + command_line(publish_arguments(project, Choices()))
        assert str(home) not in told and str(tmp_path) not in told
    assert shown[0] == "data/birds" and "--collected data/birds" in shown[1]
    assert shown[2] == "~/'my photos/mine'" and "--collected ~/'my photos/mine'" in shown[3]


@pytest.mark.parametrize("name", ["birds", "my birds", "öde Vögel", "~tilde", "a%2fb", "x" * 200, os.fsdecode(b"\xff")])
def test_a_name_goes_into_an_address_and_back_without_a_percent_sign(name: str) -> None:
    assert name_in(in_address(name)) == name and "%" not in in_address(name) and "/" not in in_address(name)
