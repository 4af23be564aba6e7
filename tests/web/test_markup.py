"""Whatever a model, a photo folder or a visitor calls things reaches the page and the studio as text, not as markup.

The class: text from outside (labels, titles, names of files and of models, addresses, options, what a training says)
in every template of HTML. Each template is filled by what fills it on the page, with every text it takes made hostile,
and parsed by Chromium, which must find no element and no attribute that the texts wanted. A template that no case
fills fails the first test.
"""

from __future__ import annotations

import ast
import dataclasses
import html
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jinja2.meta
import numpy as np
import pytest

from mirror import templates
from mirror.collect.corrections import RELABEL, record_corrections
from mirror.collect.photo_records import Origin, rejection
from mirror.collect.search_json import search_of
from mirror.collect.search_types import Hit, SearchTerm
from mirror.inference.classifier import Prediction
from mirror.inference.grad_cam import Explanation
from mirror.model_folder import read_model_folder
from mirror.model_schema import ModelInfo
from mirror.publish.hub_login import DeviceCode
from mirror.publish.publication import UNPUBLISHED
from mirror.publish.publication_record import PublicationRecord, Published
from mirror.report_page import HardPhoto, report_page
from mirror.search_doctor.contact_sheet import contact_sheet
from mirror.search_doctor.exclusions import StoredGroup, StoredHit, StoredLabel, StoredQuery
from mirror.search_doctor.hits_preview import HitGroup, LabelPreview, Preview, QueryResult, SeenHit
from mirror.search_doctor.image_embedding import Embedding
from mirror.static_site import site_files
from mirror.static_site.model_page import model_page
from mirror.tasks.detections import Box, Detection, Detections
from mirror.web import about, heat_map, link_preview, page
from mirror.web.served_models import ServedModel
from mirror.web.studio import gallery, render
from mirror.web.studio.state import Snapshot, StudioState
from mirror.web.tabs import mirror_tab, object_detection_tab
from mirror.web.workshop import (
    collect_step,
    publish_step,
    retrain,
    start_page,
    step,
    train_step,
    try_step,
    workshop_page,
)
from mirror.web.workshop.collected import Collected, collected_of
from mirror.web.workshop.long_run import Progress
from mirror.web.workshop.projects import Card, Project, Projects
from tests.web.studio.folders import model_of, photo_folder
from tests.web.tiny import tiny_model

# Breaks out of text, of either kind of quoted attribute, of an unquoted one, of a comment, of a script and of a style
HOSTILE = (
    """--></script></style></title></textarea></pre>'"><evil-mark onclick=alert(1)></evil-mark>"""
    """<img src=x onerror="window.taken=1"> x=y onmouseover=alert(1) ' onfocus='alert(1)' {{ 7 * 7 }}"""
)
KEPT = {"onnx", "preprocessing", "files", "format_version"}  # of model.json: names that are checked when it is read
NO_TEXT = (
    "begin_photos.html",
    "camera.html",
    "comparison.html",
    "question.html",
    "try_photo.html",
)  # numbers alone, or labels that are plain English nouns
LOOK = """html => {
    const area = document.createElement('div');
    document.body.replaceChildren(area);
    area.innerHTML = html;
    const all = [...area.querySelectorAll('*')];
    const report = e => e.matches('a[download]') && e.href.startsWith('data:text/html;charset=utf-8;base64,');
    return {
        marks: area.querySelectorAll('evil-mark, img[src="x"], script, style, textarea, title').length,
        handlers: all.flatMap(e => [...e.attributes]).filter(a => a.name.startsWith('on')).map(a => a.name),
        links: all.filter(e => !report(e))
            .flatMap(e => ['href', 'src', 'action'].map(name => e.getAttribute(name))).filter(
            a => a && !/^(https?:|data:image)/.test(new URL(a, 'https://here.example/').href)),
        text: area.textContent + all.flatMap(e => [...e.attributes]).map(a => a.value).join(' '),
    };
}"""


def poisoned(value: Any) -> Any:
    """The same record with something hostile at the end of each text in it."""
    if isinstance(value, str):
        return value + HOSTILE
    if isinstance(value, tuple | list):
        return type(value)(poisoned(each) for each in value)
    if isinstance(value, dict):
        return {poisoned(key): poisoned(each) for key, each in value.items()}
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        changes = {each.name: poisoned(getattr(value, each.name)) for each in dataclasses.fields(value) if each.init}
        return dataclasses.replace(value, **{name: each for name, each in changes.items() if name not in KEPT})
    return value


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> ServedModel:
    """A model all of whose words are hostile."""
    folder = read_model_folder(tiny_model(tmp_path_factory.mktemp("models"), pictures=True))
    info: ModelInfo = poisoned(folder.info)
    return ServedModel(info.name, dataclasses.replace(folder, info=info))


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> StudioState:
    """A photo folder whose labels, titles, addresses and model are hostile."""
    place = tmp_path_factory.mktemp("studio")
    label = f"a{HOSTILE}"[:100].strip()
    photos = photo_folder(place / "birds", each=5, labels=(label, "b"))
    model_of(place / "models", "birds", photos, labels=(label, "b"))
    record_corrections(place / "birds", [(photos[0].file_name, RELABEL, f"c{HOSTILE}"[:100].strip())])
    return StudioState(place / "birds", place / "models")


def detected() -> Detections:
    return Detections((Detection(0.9, HOSTILE, Box(1, 1, 50, 50)), Detection(0.01, HOSTILE, Box(1, 1, 5, 5))))


def filled(served: ServedModel, studio: StudioState) -> dict[str, Callable[[], str]]:
    """Template → what fills it with hostile texts."""
    snapshot, bad = studio.snapshot(), HOSTILE
    image = mirror_tab.PLACEHOLDER.resize((64, 64))
    explanation = Explanation(bad, 0.9, np.eye(4, dtype=np.float32), (0.0, 0.0, 1.0, 1.0), image)
    running = Progress(True, (bad, bad), 1, 2)
    failed = Progress(False, (bad,), failure=bad)
    dry = Progress(False, (f"  {bad}", bad, UNPUBLISHED))
    record = PublicationRecord((Published("space", f"https://a.example/{bad}", f"https://b.example/{bad}", bad),))
    info = served.info
    return {
        "about.html": lambda: about.note(served),
        "answer.html": lambda: mirror_tab.card(bad, bad, bad) + mirror_tab.error_card(bad),
        "answered_by.html": lambda: templates.render("answered_by.html", name=bad, labels=1000),
        "bars.html": lambda: mirror_tab.bars(Prediction({bad: 0.9, "a": 0.1}, known=False)),
        "camera.html": lambda: templates.render("camera.html", seconds=bad, still=bad),
        "collect.html": lambda: collect_step.render_sheet(
            Project(bad, Path(), studio.models, Path()), gathered(snapshot, bad), failed
        ),
        "comparison.html": lambda: templates.render("comparison.html", **retrain.comparison(info, info, True)),
        "begin_counts.html": lambda: templates.render(
            "begin_counts.html", labels={bad: 1, "b": 2}, number=1, refused=1, problem=bad, ready=True, shut=False
        ),
        "begin_photos.html": lambda: templates.render("begin_photos.html"),
        "begin_words.html": lambda: templates.render("begin_words.html", rows=[(bad, bad)], command=bad, shut=False),
        "command.html": lambda: step.command([bad]),
        "training_doubts.html": lambda: train_step.render_doubts(Project(bad, Path(), studio.models, Path()), snapshot),
        "detection_table.html": lambda: object_detection_tab.answer(image, detected(), 0.5)[2],
        "detections.html": lambda: object_detection_tab.answer(image, detected(), 0.5)[1],
        "dialogs.html": lambda: templates.render("dialogs.html", keys=[(bad, bad)]),
        "examples.html": lambda: templates.render("examples.html", examples=[(bad, bad, "data:image/png;base64,")]),
        "gallery.html": lambda: "".join(
            render.render_gallery(snapshot, view)
            for tab in gallery.TABS
            for view in (gallery.View(tab), gallery.View(tab, bad), gallery.View(tab, "", (bad, "b")))
        ),
        "heat_map.html": lambda: heat_map.figure(explanation),
        "history.html": lambda: templates.render(
            "history.html", rows=[{"name": bad, "time": bad, "made": bad, "error": {}}], remark=bad, kept=5, command=bad
        ),
        "link_preview.html": lambda: link_preview.with_preview(lambda _: (bad, bad))(
            b'<head>"root":"http://x/y"', urlencode({"model": bad}).encode()
        ).decode(),
        "search_preview_sheet.html": lambda: templates.render(
            "search_preview_sheet.html", labels=looked(bad), running=False
        ),
        "search_preview_top.html": lambda: "".join(
            templates.render(
                "search_preview_top.html",
                progress=each,
                found=True,
                words=True,
                off_topic=1,
                command=bad,
                alike=[([bad, bad], 0.9)],
            )
            for each in (running, failed)
        ),
        "no_model.html": lambda: about.how_to_train(Path(bad.replace("/", "∕"))),
        "notices.html": lambda: templates.render("notices.html", notices=[bad]),
        "empty_step.html": lambda: templates.render("empty_step.html", what=bad),
        "pictures.html": lambda: (
            templates.render(
                "pictures.html", pictures=[(bad, "data:image/png;base64,")], report="data:image/png,", name=bad
            )
            + about.pictures(served)
        ),
        "search_preview.html": lambda: contact_sheet(searched(bad)),
        "projects.html": lambda: templates.render(
            "projects.html",
            cards=[start_page.shown_card(Card(bad, (bad, bad), 1, bad, bad, f"https://a.example/{bad}", bad, bad))],
            name=bad,
            icon=workshop_page._icon(),
        ),
        "publication.html": lambda: "".join(
            templates.render("publication.html", progress=one, plan=[bad], dry=one is dry, record=record, changed=True)
            for one in (running, failed, dry)
        ),
        "publish_login.html": lambda: "".join(
            templates.render(
                "publish_login.html",
                who=who,
                waiting=code is not None,
                code=code,
                failure=bad,
                variable=variable,
                by_browser=True,
                command=bad,
            )
            for who, code, variable in (
                (None, DeviceCode(f"https://a.example/{bad}", bad), ""),
                (publish_step.Who("", bad, bad), None, bad),
                (publish_step.Who("", "", bad), None, ""),
            )
        ),
        "question.html": lambda: page._question(served),
        "report.html": lambda: report_page(info, [HardPhoto(b"", loss) for loss in info.metrics.top_losses]),
        "sentence.html": lambda: (
            templates.render("sentence.html", kind=bad, sentence=bad)
            + templates.render("sentence.html", kind="status", sentence=bad)
        ),
        "static_page.html": lambda: site_files._index(
            "app",
            [{**model_page(info), "network": bad, "examples": []}],
            [{"name": name} for name in site_files.TITLES],
            bad,
            bad,
        ).decode(),
        "training.html": lambda: "".join(retrain.render_outcome(snapshot, each, None) for each in (running, failed)),
        "training_plan.html": lambda: (
            retrain.render_plan(snapshot, [bad], "", bad) + retrain.render_plan(snapshot, [], bad)
        ),
        "trial_link.html": lambda: templates.render("trial_link.html", address=f"http://127.0.0.1/?model={bad}"),
        "try_added.html": lambda: templates.render("try_added.html", told=bad, file_name=bad, name=bad),
        "try_answer.html": lambda: try_step._render(1, mirror_tab.card(bad, bad, bad), labels=(bad,)),
        "try_kept.html": lambda: templates.render("try_kept.html", number=1, few=[bad], command=bad),
        "try_photo.html": lambda: templates.render("try_photo.html"),
        "workshop_head.html": lambda: workshop_page._head(
            Project(bad, Path(HOSTILE.replace("/", "∕")), studio.models, Path()), Projects(Path()), bad
        ),
        "unopened_model.html": lambda: about.note(ServedModel(bad, problem=bad)),
    }


def looked(bad: str) -> list[StoredLabel]:
    """The same, as a folder's preview.json has it."""
    groups = [
        StoredGroup(n, bad, 0.5, 0.5, True, "", excluded, tuple(StoredHit(bad, bad, bad) for _ in range(n)))
        for n, excluded in ((1, True), (2, False))
    ]
    return [StoredLabel(bad, tuple(groups), (StoredQuery(bad, 9, 9, 0.5),), bad), StoredLabel(bad, ())]


def gathered(snapshot: Snapshot, bad: str) -> Collected:
    """What a search may have collected, and left out, for a label."""
    photos = [dataclasses.replace(photo, label=bad, title=bad) for photo in snapshot.photos.values()]
    left_out = [rejection(Origin(bad, bad, "javascript:alert(1)", bad), bad, f"nearly the same as {photos[0].url}")]
    return collected_of(search_of([SearchTerm(bad, bad)], count=9), photos, left_out)


def searched(bad: str) -> Preview:
    """What a search may find for a label that is tried with other words."""
    hit = SeenHit(
        Hit("", bad, query=bad, page_url="javascript:alert(1)", title=bad), b"", Embedding(np.ones(1), np.ones(1))
    )
    groups = [HitGroup(n, bad, bad, (hit,) * (2 - n), 0.5, 0.5, True, np.ones(1)) for n in (0, 1)]
    queries = QueryResult(bad, 9, 9, 0.5), QueryResult(bad, 9, 9, 0.1, tried=True)
    return Preview((LabelPreview(bad, queries, tuple(groups)),), ((bad, bad, 0.9),))


TEMPLATES = sorted(path.name for path in templates.FOLDER.glob("*.html") if path.name != "macros.html")


def test_every_template_is_filled_and_escapes(served: ServedModel, studio: StudioState) -> None:
    assert sorted(filled(served, studio)) == TEMPLATES
    environment = templates._ENVIRONMENT
    assert environment.autoescape is True
    for path in templates.FOLDER.glob("*.html"):
        source = path.read_text(encoding="utf-8")
        assert "|safe" not in source.replace(" ", "") and "autoescape" not in source, path.name


def test_no_template_lets_a_line_end_between_a_number_and_its_unit(served: ServedModel, studio: StudioState) -> None:
    units = 0
    for name, fill in filled(served, studio).items():
        text = re.sub(r"<(style|script|pre|code|textarea|option)\b.*?</\1>|<[^>]*>", "", fill(), flags=re.S)
        assert not re.search(r"\d (%|px|MB|kB)(?!\w)", text), name
        units += len(re.findall(r"\d\u00a0(?:%|px|MB|kB)", text))
    assert units > 10


def test_a_command_and_what_a_choice_is_called_are_copied_as_they_are() -> None:
    assert "--share 5 %" in templates.render("command.html", command="--share 5 %")


def test_no_call_gives_a_template_what_it_does_not_know() -> None:
    """… as where a value was renamed on one side."""
    calls = 0
    for path in templates.FOLDER.parent.rglob("*.py"):
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(call, ast.Call) or getattr(call.func, "id", "") != "render" or not call.args:
                continue
            if not isinstance(call.args[0], ast.Constant):
                continue
            name, given = call.args[0].value, {each.arg for each in call.keywords}
            needed = jinja2.meta.find_undeclared_variables(templates._ENVIRONMENT.parse(source_of(name)))
            calls += 1
            assert given - {None} <= needed, (path.name, call.lineno)
    assert calls >= len(TEMPLATES)


def source_of(name: str) -> str:
    """A template with those that it includes."""
    text = (templates.FOLDER / name).read_text(encoding="utf-8")
    return re.sub(r'{% include "(.*?)" %}', lambda found: source_of(found[1]), text)


def test_no_html_is_written_in_python() -> None:
    """… which nothing escapes."""
    written = re.compile(
        r"""["'>\s]<(?:a|b|button|dd|div|dl|figure|h[1-6]|i|img|li|ol|p|pre|section|small|span|table|td|th|tr|ul)\b"""
    )
    folder = templates.FOLDER.parent
    assert {
        path.name for path in (folder / "web").rglob("*.py") if written.search(path.read_text(encoding="utf-8"))
    } == set()


@pytest.fixture(scope="module")
def blank(chromium: Any) -> Iterator[Any]:
    tab = chromium.new_page()
    tab.on("dialog", lambda dialog: dialog.dismiss())
    yield tab
    tab.close()


@pytest.mark.browser
@pytest.mark.parametrize("name", TEMPLATES)
def test_hostile_text_stays_text(blank: Any, served: ServedModel, studio: StudioState, name: str) -> None:
    found = blank.evaluate(LOOK, filled(served, studio)[name]())
    own = len(re.findall("<(?:script|style|textarea|title)", (templates.FOLDER / name).read_text(encoding="utf-8")))
    assert (found["marks"], found["handlers"], found["links"]) == (own, [], [])
    assert "evil-mark" in found["text"] or name in NO_TEXT, "nothing hostile was shown"
    blank.wait_for_timeout(50)
    assert blank.evaluate("window.taken") is None


@pytest.mark.browser
def test_the_look_finds_what_it_looks_for(blank: Any) -> None:
    found = blank.evaluate(LOOK, f"<p title='{HOSTILE}'>{HOSTILE}</p><a href='javascript:alert(1)'>x</a>")
    assert found["marks"] > 0 and found["handlers"] and found["links"]
    assert blank.evaluate(LOOK, f"<p>{html.escape(HOSTILE)}</p>")["marks"] == 0
