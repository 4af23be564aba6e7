"""Try and History: a photo is answered, what is wrong is added to a label, an earlier model is put back."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mirror import model_history
from mirror.collect.corrections import read_corrections
from mirror.collect.own_photos import add_own_photos
from mirror.collect.photo_records import read_photos
from mirror.errors import MirrorError
from mirror.inference.classifier import Classifier
from mirror.model_folder import read_model_folder
from mirror.web.workshop.history_step import render_history
from mirror.web.workshop.projects import Project, Projects
from mirror.web.workshop.try_step import OpenedModel, answered, render_kept
from mirror.wording import unbroken
from tests.support.axe import AXE, LOOK
from tests.support.photo_folders import drawing
from tests.support.visits import OVERLAPS, TIMEOUT, Visit
from tests.web.serving import serve
from tests.web.studio.folders import model_of, photo_folder
from tests.web.tiny import YELLOW, photo

EARLIER = "2026-11-28T10-00-00Z"


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with photos, a model, and one that this has replaced."""
    photos = photo_folder(tmp_path / "data" / "birds", each=9)
    (tmp_path / "models").mkdir()
    model = model_of(tmp_path / "models", "birds", photos)
    earlier = tmp_path / "models" / ".history" / "birds" / EARLIER
    shutil.copytree(model, earlier)
    told = json.loads((earlier / "model.json").read_text())
    told["metrics"]["validation"] |= {"errors": 6, "error_rate": 6 / 18, "interval": [0.16, 0.56]}
    told["created_at"] = "2026-11-27T10:00:00+00:00"
    (earlier / "model.json").write_text(json.dumps(told))
    return Projects(tmp_path).of("birds")


def test_a_photo_is_answered_as_the_model_answers_it(project: Project) -> None:
    card, chances, picture, labels = answered(Classifier.load(project.model), photo(YELLOW))
    assert "duckling" in card and "duckling" in chances and picture.startswith(b"\xff\xd8")
    assert labels == ("duckling", "cygnet"), "the most probable first"
    assert answered(Classifier.load(project.model), photo(YELLOW), live=True)[2] == b""
    with pytest.raises(MirrorError):
        answered(Classifier.load(project.model), b"no photo")


def test_a_model_is_opened_once_and_anew_when_another_takes_its_place(project: Project) -> None:
    opened = OpenedModel()
    first = opened.of(project.model)
    assert opened.of(project.model) is first
    model_history.restore(project.model, EARLIER)
    assert opened.of(project.model) is not first
    shutil.rmtree(project.model)
    with pytest.raises(MirrorError, match="There is no model folder"):
        opened.of(project.model)


def test_what_waits_and_which_label_has_too_few_is_told(project: Project) -> None:
    assert "wait" not in render_kept(project) and "mirror add-photo data/birds LABEL PHOTO" in render_kept(project)
    add_own_photos(project.folder, "a <b>heron</b>", [("a.jpg", drawing(90)), ("b.jpg", drawing(91))])
    said = render_kept(project)
    assert "2 photos of your own wait for the next training" in said
    assert "a &lt;b&gt;heron&lt;/b&gt; has 2 photos of the 8 that a label needs" in said
    assert render_kept(Projects(project.home).of("nothing")) == ""


def test_the_models_stand_side_by_side_on_one_scale(project: Project) -> None:
    said = render_history(project)
    assert re.findall(r'class="rate">([^<]*)', said) == [unbroken("11.1 %"), unbroken("33.3 %")]
    assert re.findall("--high:([0-9.]*)", said) == [f"{0.301 / 0.56:.4f}", "1.0000"]
    assert "made on 2026-11-27" in said and "Until 2026-11-28 10:00 UTC" in said
    assert "mirror history birds<" in said and said.count(">Put back<") == 1
    shutil.rmtree(project.home / "models" / ".history")
    assert "It has replaced none yet" in render_history(project)
    shutil.rmtree(project.model)
    assert "There is no model yet" in render_history(project)


@contextlib.contextmanager
def on_a_phone(chromium: Any, project: Project, step: str) -> Iterator[Visit]:
    """The project's step on a small screen, whose browser must have nothing to complain of in the end."""
    with serve("--studio", str(project.folder), "--models", str(project.models)) as served:
        context = chromium.new_context(viewport={"width": 390, "height": 664}, permissions=["camera"])
        page = context.new_page()
        page.set_default_timeout(TIMEOUT)
        visit = Visit(page)
        page.on("console", lambda said: visit.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: visit.complaints.append(f"uncaught: {error}"))
        page.on("response", lambda r: visit.complaints.append(f"{r.status} {r.url}") if r.status >= 400 else None)
        page.on("request", lambda r: visit.pending.add(r) if "/heartbeat/" not in r.url else None)
        for ended in ("requestfinished", "requestfailed"):
            page.on(ended, lambda request: visit.pending.discard(request))
        page.goto(f"{served.address}&step={step}")
        yield visit
        visit.rest()
        context.close()
        assert visit.complaints == [] and "Traceback" not in served.log()


def look_over(visit: Visit, name: str) -> list[str]:
    """A screenshot, and what is wrong with the screen: for axe, where it is installed, and where words overlap."""
    visit.shot(name)
    found = list(visit.page.evaluate(OVERLAPS))
    if AXE.is_file():
        visit.page.evaluate(AXE.read_text("utf-8"))
        found += visit.page.evaluate(LOOK)
    return found


@pytest.mark.browser
def test_a_wrong_answer_is_corrected_and_an_earlier_model_put_back(chromium, project: Project) -> None:
    """A photo is chosen, dropped, taken by the camera; named, taken back, given a label of its own; on a phone."""
    folder = project.folder
    with on_a_phone(chromium, project, "try") as visit:
        page = visit.page
        answer, kept = page.locator("#try-answer"), page.locator("#try-kept")
        page.get_by_role("button", name="Choose a photo").wait_for()
        page.set_input_files("#try-photo input[type=file]", {
            "name": "garden.jpg", "mimeType": "image/jpeg", "buffer": photo(YELLOW)})  # fmt: skip
        answer.get_by_role("group", name="Wrong, or worth learning? It is").wait_for()
        assert look_over(visit, "workshop-try") == []
        answer.get_by_role("button", name="cygnet").click()
        answer.get_by_text("Added to cygnet.").wait_for()
        kept.get_by_text("1 photo of your own waits for the next training.").wait_for()
        (own,) = [row for row in read_photos(folder / "metadata.csv") if row.is_own]
        assert (own.label, own.title) == ("cygnet", "garden.jpg")
        answer.get_by_role("button", name="Take it back").click()
        kept.get_by_text("your own").wait_for(state="detached")
        assert [one.action for one in read_corrections(folder)] == ["relabel", "remove"]

        visit.hand_over("#try-photo .try-photo", ["dragover", "drop"], "heron.jpg", drawing(90), "image/jpeg")
        answer.get_by_placeholder("something else").fill("heron")
        page.keyboard.press("Enter")
        kept.get_by_text("heron has 1 photo of the 8 that a label needs").wait_for()

        page.get_by_role("button", name="Open the camera").click()
        answer.locator(".tried[data-number] .verdict").wait_for()
        first = answer.locator(".tried").get_attribute("data-number")
        page.wait_for_function("n => +document.querySelector('.tried')?.dataset.number > +n + 2", arg=first)
        page.get_by_role("button", name="Take this picture").click()
        answer.get_by_role("group", name="Wrong, or worth learning? It is").wait_for()
        page.get_by_role("button", name="Open the camera").wait_for()
        visit.paste("notes.png", b"no photo")
        answer.locator(".verdict.trouble").wait_for()

        page.get_by_role("tab", name="History").click()
        back = page.get_by_role("button", name="Put back: Until 2026-11-28 10:00 UTC")
        back.wait_for()
        assert look_over(visit, "workshop-history") == []
        back.focus()
        page.keyboard.press("Enter")
        page.locator("#said p", has_text="Put back: the model made on 2026-11-27").wait_for()
        page.locator("#history-models .rate", has_text="33.3 %").first.wait_for()
    assert read_model_folder(project.model).info.metrics.validation.errors == 6
    assert [entry.info.metrics.validation.errors for entry in model_history.history(project.model)] == [2]
