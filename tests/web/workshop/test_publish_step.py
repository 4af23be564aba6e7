"""What the publish step starts, and what it says of who is logged in and of what has come of it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.cli import build_parser
from mirror.cli.options import require_used
from mirror.cli.publish import USES
from mirror.model_folder import read_model_folder
from mirror.publish.publication import UNPUBLISHED
from mirror.publish.publication_record import Published, keep_record, read_record
from mirror.web.workshop.long_run import Progress
from mirror.web.workshop.projects import Project, Projects
from mirror.web.workshop.publish_choices import BESIDE, PHOTOS, TABS, WAYS, Choices, publish_arguments
from mirror.web.workshop.publish_step import (
    HubAccount,
    Who,
    ending,
    render_login,
    render_publication,
)
from mirror.wording import unbroken
from tests.support.hub_home import hub_at_home
from tests.web.studio.folders import model_of, photo_folder
from tests.world.hub import Hub


@pytest.fixture
def project(tmp_path: Path) -> Project:
    photos = photo_folder(tmp_path / "data" / "birds", each=3)
    (tmp_path / "models").mkdir()
    model_of(tmp_path / "models", "birds", photos)
    return Projects(tmp_path).of("birds")


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with hub_at_home(tmp_path, monkeypatch) as hub:
        yield hub


@pytest.mark.parametrize(
    ("choices", "expected"),
    [
        (Choices(), []),
        (Choices(beside=()), ["--what", "space"]),
        (Choices(beside=("dataset",)), ["--what", "space,dataset"]),
        (Choices(photos="own"), ["--own-photos"]),
        (Choices(photos="cc-by-4.0"), ["--license", "cc-by-4.0"]),
        (Choices(tabs=("things", "faces")), ["--tabs", "things,faces"]),
        (Choices(way="zero", tabs=("things",)), []),
        (Choices(private=True, to=" club/birds "), ["--to=club/birds", "--private"]),
        (Choices(to="--yes"), ["--to=--yes"]),
    ],
    ids=str,
)
def test_what_is_chosen_is_a_command_line(project: Project, choices: Choices, expected: list[str]) -> None:
    told = publish_arguments(project, choices)
    assert told == ["publish", "models/birds", "--as", choices.way, *expected]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("photos", PHOTOS)
@pytest.mark.parametrize("beside", [(), tuple(BESIDE)], ids=str)
def test_no_choice_is_one_that_the_command_refuses(
    project: Project, way: str, photos: str, beside: tuple[str, ...]
) -> None:
    """The class: every option that the page gives is known to the command, and does something there."""
    choices = Choices(way, beside, photos, private=True, tabs=tuple(TABS), to="club/birds")
    for last in ("--yes", "--dry-run"):
        parsed = build_parser().parse_args([*publish_arguments(project, choices), last])
        require_used(parsed, USES)


def test_photos_that_lie_elsewhere_are_named(project: Project, tmp_path: Path) -> None:
    photos = photo_folder(tmp_path / "elsewhere", each=3)
    model_of(tmp_path / "models", "elsewhere", photos)
    told = publish_arguments(Projects(tmp_path, only=tmp_path / "elsewhere").of("elsewhere"), Choices())
    assert told[-2:] == ["--data", "elsewhere"]
    assert "--data" not in publish_arguments(project, Choices())


SAID = ("As ana, to http://hub:", "  space ana/birds: 9 files, 1 MB", "  No photo goes, only the list of them.")


def test_the_plan_is_told_as_the_command_tells_it(project: Project) -> None:
    shown = render_publication(project, Progress(False, (*SAID, UNPUBLISHED)))
    assert "<h2>This would go</h2>" in shown  # below the page's h1, no level is left out
    assert unbroken("<li>space ana/birds: 9 files, 1 MB</li>") in shown and "<a " not in shown


def test_where_it_is_published_is_known_after_a_restart(project: Project) -> None:
    assert project.publication() is None and project.card().published == ""
    model = read_model_folder(project.model)
    page, at_the_hub = "https://ana-birds.static.hf.space", [f"https://hub/{kind}ana/birds" for kind in ("", "spaces/")]
    for published in (Published("model", at_the_hub[0]), Published("space", at_the_hub[1], page)):
        keep_record(model, published)
    keep_record(model, Published("space", at_the_hub[1]))  # once more, whose trial has not ended
    shown = render_publication(project, Progress(False))
    assert re.findall(r'href="([^"]*)"', shown) == [page, at_the_hub[1], at_the_hub[0]] and "another one" not in shown
    card = project.card()
    assert card.published == page and card.last.startswith("published on 20")
    keep_record(model, Published("model", "javascript:alert(1)"))  # another part, later
    assert read_record(project.model).addresses == [page, at_the_hub[1], at_the_hub[0]]
    told = json.loads((project.model / "model.json").read_text())
    (project.model / "model.json").write_text(json.dumps(told | {"created_at": "2027-01-01T00:00:00+00:00"}))
    assert "The model is another one since" in render_publication(project, Progress(False))
    assert project.card().last == "trained on 2027-01-01, after it was published"
    assert "<a " not in render_publication(project, Progress(True, SAID))
    (project.models / ".published" / "birds.json").write_text("{")
    assert project.publication() is None and Projects(project.home).names() == ["birds"]


def test_who_is_logged_in_is_asked_once_a_token(hub: Hub, tmp_path: Path) -> None:
    account, token = HubAccount(), tmp_path / "token"
    assert account.known() == Who()  # nobody, which needs no asking
    token.write_text(hub.token, encoding="utf-8")
    assert account.known() is None
    account.ask()
    known = account.known()
    assert known is not None and (known.name, known.problem) == ("ana", "")
    assert hub.token not in repr(known)
    asked = len(hub.requests)
    assert account.known() is known and len(hub.requests) == asked
    hub.scope = "read"
    assert ending(account, Progress(False, SAID)) == "It is published." and account.known() is known
    assert ending(account, Progress(False, SAID, failure="It is refused.")) == "It is refused."
    assert account.known() is None, "it may be the account that was"
    account.ask()
    known = account.known()
    assert known is not None and known.name == "ana" and "may only read" in known.problem
    hub.scope = "expired"
    account.forget()
    account.ask()
    known = account.known()
    assert known is not None and known.name == "" and "has expired" in known.problem
    token.unlink()
    account.ask()
    assert account.known() == Who()


@pytest.mark.parametrize(
    ("who", "words"),
    [
        (Who(), "Nobody is logged in"),
        (None, "Asking Hugging Face who you are"),
        (Who("x", "ana"), "You are <b>ana</b>"),
        (Who("x", "", "It has expired."), "It has expired."),
    ],
    ids=str,
)
def test_who_is_logged_in_is_said(
    project: Project, monkeypatch: pytest.MonkeyPatch, who: Who | None, words: str
) -> None:
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    shown = render_login(project, who)
    assert words in shown
    assert ("Log out" in shown) is bool(who and who.name)
    assert ("Log in with the browser" in shown) is bool(who is not None and not who.name)
    monkeypatch.setenv("HF_TOKEN", "hf_x")
    assert "Log " not in render_login(project, who) and "hf_x" not in render_login(project, who)
