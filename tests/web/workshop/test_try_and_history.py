"""Try and History: a photo is answered, what is wrong is added to a label, an earlier model is put back."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from mirror import model_history
from mirror.collect.own_photos import add_own_photos
from mirror.errors import MirrorError
from mirror.inference.classifier import Classifier
from mirror.web.workshop.history_step import render_history
from mirror.web.workshop.projects import Project, Projects
from mirror.web.workshop.try_step import OpenedModel, answered, render_kept
from tests.support.photo_folders import drawing
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
    assert re.findall(r'class="rate">([^<]*)', said) == ["11.1 %", "33.3 %"]
    assert re.findall("--high:([0-9.]*)", said) == [f"{0.301 / 0.56:.4f}", "1.0000"]
    assert "made on 2026-11-27" in said and "Until 2026-11-28 10:00 UTC" in said
    assert "mirror history birds<" in said and said.count(">Put back<") == 1
    shutil.rmtree(project.home / "models" / ".history")
    assert "It has replaced none yet" in render_history(project)
    shutil.rmtree(project.model)
    assert "There is no model yet" in render_history(project)
