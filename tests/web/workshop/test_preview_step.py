"""A click leaves a group out, or takes it in again, and nothing else is changed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mirror.collect.search_types import Hit
from mirror.errors import UsageError
from mirror.search_doctor.exclusions import StoredLabel, StoredQuery, read_preview, write_preview
from mirror.search_doctor.hits_preview import HitGroup, LabelPreview, Preview, QueryResult, SeenHit
from mirror.search_doctor.image_embedding import Embedding
from mirror.templates import render
from mirror.web.workshop.preview_step import leave_out
from mirror.web.workshop.projects import Project, Projects
from mirror.wording import unbroken


class BlindEye:
    network = "0" * 64


def group(
    number: int, name: str, share: float, off: bool, pages: tuple[str, ...] = ("https://a.example/",)
) -> HitGroup:
    look = Embedding(np.ones(4, np.float32), np.ones(3, np.float32))
    hits = tuple(
        SeenHit(Hit("https://x.example/1.jpg", "cygnet", title="<b>", page_url=p), b"jpeg", look) for p in pages
    )
    return HitGroup(number, name, name, hits, share, 0.5, off, np.full(4, 0.5))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    project = Projects(tmp_path).of("birds")
    project.folder.mkdir(parents=True)
    queries = (
        QueryResult("cygnet", 60, 58, 0.3, among=0.91, between=0.4),
        QueryResult("cygnet bird", 60, 60, 0.1, tried=True),
    )
    groups = (
        group(1, "waterfowl", 0.7, False, ("https://a.example/", "javascript:alert(1)")),
        group(2, "wool", 0.3, True),
    )
    labels = (
        LabelPreview("cygnet", queries, groups),
        LabelPreview("duckling", queries[:1], (group(1, "duck", 1.0, False),)),
    )
    write_preview(project.folder, Preview(labels, (("cygnet", "duckling", 0.9),)), BlindEye())
    return project


def out(project: Project) -> list[str]:
    return [f"{one.label}={g.number}" for one in read_preview(project.folder).labels for g in one.groups if g.excluded]


def test_what_was_found_is_read_again_as_it_was(project: Project) -> None:
    found = read_preview(project.folder)
    cygnet, duckling = found.labels
    assert (cygnet.better, duckling.better) == ("cygnet bird", "")
    assert [(q.query, q.seen, q.off_topic, q.tried) for q in cygnet.queries][1] == ("cygnet bird", 60, 0.1, True)
    assert (found.alike[0].label, found.alike[0].other, found.alike[0].share) == ("cygnet", "duckling", 0.9)
    assert cygnet.groups[0].hits[0].picture == "anBlZw==" and cygnet.groups[0].hits[0].page == "https://a.example/"
    sheet = render("search_preview_sheet.html", labels=found.labels, running=False)
    assert "javascript:" not in sheet and "&lt;b&gt;" in sheet and sheet.count('href="https://a.example/"') == 3
    assert "Search for “cygnet bird” instead" in sheet and "Leave out: wool" in sheet
    said = "58 pictures, 30 % off topic; they agree 0.91 with each other, 0.40 with those of the other words."
    assert unbroken(said) in sheet
    few = [StoredLabel("x", (), (StoredQuery("x", 3, 3), StoredQuery("y", 0, 0)))]
    said = render("search_preview_sheet.html", labels=few, running=False)
    assert "3 pictures." in said and "the search finds nothing" in said and unbroken("0 % off topic") not in said


def test_a_click_leaves_a_group_out_and_another_takes_it_in_again(project: Project) -> None:
    assert "left out" in leave_out(project, "out", {"label": "cygnet", "group": 1}) and out(project) == ["cygnet=1"]
    with pytest.raises(UsageError, match="keep one"):
        leave_out(project, "out", {"label": "cygnet", "group": 2})
    assert out(project) == ["cygnet=1"]
    assert leave_out(project, "in", {"label": "cygnet", "group": 1}) == "Nothing is left out." and out(project) == []
    assert "wool" in leave_out(project, "off-topic", {}) and out(project) == ["cygnet=2"]


@pytest.mark.parametrize(
    "pressed", [{}, {"label": "cygnet"}, {"label": 1, "group": 1}, {"label": "cygnet", "group": True},
                {"label": "goose", "group": 1}, {"label": "cygnet", "group": 9}], ids=str,
)  # fmt: skip
def test_what_no_button_sends_is_one_sentence(project: Project, pressed: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        leave_out(project, "out", pressed)
    assert out(project) == []


def test_before_anything_was_looked_at_there_is_nothing_to_leave_out(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="look first"):
        leave_out(Projects(tmp_path).of("new"), "off-topic", {})
