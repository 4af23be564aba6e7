"""What each tab shows, what a click decides, and that nothing of a photo or model gets into the page as HTML."""

from __future__ import annotations

import json
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from mirror.collect.corrections import RELABEL, REMOVE, read_corrections
from mirror.collect.issue_files import DISPUTED, LOOK_ALIKE, OUTLIER, SUSPECTS_CSV
from mirror.collect.photo_records import write_photos
from mirror.errors import DatasetError, UsageError
from mirror.web.studio import actions, render
from mirror.web.studio.gallery import CONFUSION, DECIDED, LABELS, TABS, TILES_A_PAGE, View, lay_out, undecided_count
from mirror.web.studio.state import StudioState
from tests.support.photo_folders import correct, make_photo
from tests.web.studio.folders import HOSTILE, model_of, photo_folder


class Page(HTMLParser):
    """Every element of some HTML with its attributes, and its text."""

    def __init__(self, html: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def all(self, **attributes: str) -> list[dict[str, str | None]]:
        return [found for _, found in self.elements if attributes.items() <= found.items()]


@pytest.mark.parametrize(
    ("address", "linked"),
    [
        ("https://pages.example/a?b=c#d", True), ("http://93.184.216.34/", True), ("https://[2606:4700::1111]/x", True),
        ("javascript:alert(1)", False), ("JavaScript:alert(1)", False), ("data:text/html,x", False), ("", False),
        ("//evil.example", False), ("file:///etc/passwd", False), ("vbscript:x", False), ("http:///x", False),
        ("https://[", False), ("http://localhost:7860/x", False), ("http://a.localhost/", False),
        ("http://127.0.0.1:7860/studio/photos/x", False), ("http://127.1/", False), ("http://2130706433/", False),
        ("http://0x7f000001/", False), ("http://0x7f.1/", False), ("http://[::1]:7860/", False),
        ("http://[::ffff:127.0.0.1]/", False), ("http://10.0.0.5/reboot", False), ("http://192.168.1.1/", False),
        ("http://169.254.169.254/", False), ("http://router/", False), ("http://printer.local/", False),
        ("http://127.0.0.1./", False), ("http://user@127.0.0.1/", False),
    ],
)  # fmt: skip
def test_only_an_address_on_the_web_is_a_link(address: str, linked: bool) -> None:
    """Where a photo was found is whatever a stranger's list says: no script, no file, nothing of this machine."""
    assert render.is_web_link(address) == linked


@pytest.fixture
def state(tmp_path: Path) -> StudioState:
    photos = photo_folder(tmp_path / "data" / "birds", each=6)
    model_of(tmp_path / "models", "birds", photos)
    return StudioState(tmp_path / "data" / "birds", tmp_path / "models")


def names(state: StudioState, view: View) -> list[str]:
    return [tile.photo.file_name for tile in lay_out(state.snapshot(), view).tiles]


def test_each_tab_shows_its_photos(state: StudioState) -> None:
    photos = [photo.file_name for photo in state.snapshot().folder_state.photos]
    assert names(state, View(LABELS)) == photos
    assert names(state, View(LABELS, "duckling")) == photos[6:]
    assert names(state, View(DISPUTED)) == photos[1:3]
    assert names(state, View(DISPUTED, "duckling")) == []
    assert names(state, View(OUTLIER)) == photos[3:4]
    assert names(state, View(LOOK_ALIKE)) == photos[4:6]
    assert names(state, View(CONFUSION)) == []
    assert set(names(state, View(CONFUSION, cell=("cygnet", "duckling")))) == set(photos[1:3])
    assert names(state, View(DECIDED)) == []
    assert [undecided_count(state.snapshot(), tab) for tab in (DISPUTED, OUTLIER, LOOK_ALIKE, DECIDED)] == [
        2,
        1,
        1,
        0,
    ]


def test_what_was_decided_is_no_longer_asked_about(state: StudioState) -> None:
    photos = [photo.file_name for photo in state.snapshot().folder_state.photos]
    assert (
        actions.perform(state.folder, state.snapshot(), "accept", photos[1:2])
        == "1 photo relabelled as the model suggests."
    )
    assert actions.perform(state.folder, state.snapshot(), "keep", photos[2:4]) == "2 photos kept as labelled."
    assert (
        actions.perform(state.folder, state.snapshot(), "remove", photos[5:6])
        == "1 photo removed; no file was deleted."
    )
    snapshot = state.snapshot()
    assert [undecided_count(snapshot, tab) for tab in (DISPUTED, OUTLIER, LOOK_ALIKE, DECIDED)] == [0, 0, 0, 4]
    assert snapshot.counts == {"cygnet": 4, "duckling": 7} and snapshot.removed == 1
    assert names(state, View(DECIDED)) == [photos[5], photos[3], photos[2], photos[1]]
    assert photos[5] not in names(state, View(LABELS))
    assert actions.perform(state.folder, snapshot, "undo", []) == "Taken back: 1 photo removed; no file was deleted."
    assert undecided_count(state.snapshot(), LOOK_ALIKE) == 1


@pytest.mark.parametrize(
    ("steps", "label", "removed"),
    [
        ([("relabel", "goose")], "goose", False),
        ([("relabel", "goose"), ("remove", "")], "goose", True),
        ([("relabel", "goose"), ("remove", ""), ("back", "")], "cygnet", False),
        ([("relabel", "goose"), ("remove", ""), ("back", ""), ("undo", "")], "goose", True),
        ([("relabel", "goose"), ("back", "")], "cygnet", False),
        ([("accept", "")], "duckling", False),
        ([("keep", "")], "cygnet", False),
    ],
)
def test_actions_are_lines_of_the_journal(state: StudioState, steps, label: str, removed: bool) -> None:
    photo = state.snapshot().folder_state.photos[1]
    for action, given in steps:
        actions.perform(state.folder, state.snapshot(), action, [photo.file_name], given)
    standing = state.snapshot().folder_state.current_label(photo)
    assert (standing.label, standing.removed) == (label, removed)
    assert len(read_corrections(state.folder)) >= len(steps)


@pytest.mark.parametrize(
    ("action", "given", "label", "error"),
    [
        ("remove", ["../../etc/passwd"], "", UsageError),
        ("accept", ["images/cygnet/none.jpg"], "", UsageError),
        ("format disk", [], "", UsageError),
        ("relabel", None, "two\nlines", DatasetError),
        ("undo", [], "", DatasetError),
    ],
)
def test_what_the_page_cannot_have_meant_is_refused(state: StudioState, action, given, label, error) -> None:
    snapshot = state.snapshot()
    chosen = [snapshot.folder_state.photos[0].file_name] if given is None else given
    with pytest.raises(error):
        actions.perform(state.folder, snapshot, action, chosen, label)
    assert not (state.folder / "decisions.csv").exists()


@pytest.mark.parametrize("tab", [LABELS, DISPUTED, OUTLIER, LOOK_ALIKE, CONFUSION, DECIDED])
def test_texts_of_the_web_stay_text(state: StudioState, tab: str) -> None:
    snapshot = state.snapshot()
    first = snapshot.folder_state.photos[0].file_name
    correct(state.folder, [first, snapshot.folder_state.photos[3].file_name], RELABEL, '<b onclick="x">&goose')
    view = View(tab, cell=("cygnet", "cygnet") if tab == CONFUSION else None)
    page = Page(render.render_gallery(state.snapshot(), view))
    assert not any(name.startswith("on") for _, attributes in page.elements for name in attributes)
    assert not {"b", "script", "iframe"} & {tag for tag, _ in page.elements}
    sources = [found["src"] or "" for found in page.all() if "src" in found]
    own = ("/studio/photos/birds/images/", "/studio/thumbnails/birds/images/")
    assert all(source.startswith(own) for source in sources)
    assert all((found["href"] or "").startswith("https://") for found in page.all() if "href" in found)
    if tab in (LABELS, DECIDED):
        assert page.all(title=HOSTILE) and HOSTILE in page.text and "javascript:alert(1)" in page.text


def test_ten_thousand_photos_are_shown_a_page_at_a_time(tmp_path: Path) -> None:
    photos = [make_photo(number, label) for label in ("cygnet", "duckling") for number in range(5000)]
    write_photos(tmp_path / "metadata.csv", photos)
    state = StudioState(tmp_path, tmp_path)
    for number in (0, 1, 207):
        shown = photos[number * TILES_A_PAGE : (number + 1) * TILES_A_PAGE]
        assert names(state, View(page=number)) == [photo.file_name for photo in shown]
    last = lay_out(state.snapshot(), View(page=10**6))
    assert last.view.page == 208 and len(last.tiles) == 10000 % TILES_A_PAGE == 16
    html = render.render_gallery(state.snapshot(), View(page=100))
    assert "4,801–4,848 of 10,000 photos" in html and len(html) < 150_000 and "base64" not in html


def test_a_photo_whose_file_has_gone_is_shown_as_missing(state: StudioState) -> None:
    gone = state.snapshot().folder_state.photos[1]
    gone.path(state.folder).unlink()
    page = Page(render.render_gallery(state.snapshot(), View()))
    assert page.text.count("its file is missing") == 1
    assert len([found for found in page.all(role="option")]) == 12
    correct(state.folder, [gone.file_name], REMOVE)
    assert state.snapshot().removed == 1


def test_buttons_lead_where_they_say(state: StudioState) -> None:
    page = Page(render.render_gallery(state.snapshot(), View(CONFUSION)))
    (cell,) = page.all(**{"aria-label": "2 photos of cygnet taken for duckling"})
    assert json.loads(cell["data-go"] or "") == {"label": "", "cell": ["cygnet", "duckling"], "page": 0}
    (empty,) = page.all(**{"aria-label": "0 photos of duckling taken for cygnet"})
    assert "disabled" in empty


@pytest.mark.parametrize(
    ("model", "says", "is_foreign"),
    [
        (None, "There is no model yet.", False),
        ({"report": False}, "report/suspects.csv cannot be read", False),
        ({"labels": ("apple", "pear")}, "tells apple, pear apart, which is not what this folder's photos show", True),
        ({"labels": ("cygnet", "duckling", "goose")}, "tells cygnet, duckling, goose apart", True),
    ],
)
def test_a_model_that_says_nothing_of_these_photos_says_why(tmp_path: Path, model, says: str, is_foreign: bool) -> None:
    photos = photo_folder(tmp_path / "birds", each=3)
    if model is not None:
        model_of(tmp_path / "models", "birds", photos, **model)
    state = StudioState(tmp_path / "birds", tmp_path / "models")
    snapshot = state.snapshot()
    assert says in snapshot.problem and snapshot.is_foreign is is_foreign and snapshot.issues == []
    for tab in TABS:
        render.render_gallery(snapshot, View(tab))
    assert says in Page(render.render_gallery(snapshot, View(DISPUTED))).text
    assert says not in render.render_gallery(snapshot, View(LABELS))
    if model and "goose" in model.get("labels", ()):  # a label that is only decided is known to the folder
        correct(state.folder, [photos[0].file_name], RELABEL, "goose")
        assert not state.snapshot().is_foreign


def test_a_torn_report_is_one_sentence(state: StudioState) -> None:
    (state.model / SUSPECTS_CSV).write_text("file_name,issue\nx,y\n")
    assert "does not begin with the columns" in state.snapshot().problem


def test_suspects_of_photos_that_are_not_here_are_passed_over(state: StudioState) -> None:
    photos = state.snapshot().folder_state.photos
    write_photos(state.folder / "metadata.csv", [replace(photo) for photo in photos if photo != photos[4]])
    snapshot = state.snapshot()
    assert [undecided_count(snapshot, tab) for tab in (DISPUTED, OUTLIER, LOOK_ALIKE)] == [2, 1, 0]


def test_a_folder_that_was_moved_away_is_one_sentence(state: StudioState) -> None:
    state.folder.rename(state.folder.with_name("elsewhere"))
    with pytest.raises(DatasetError, match="birds does not exist; give a photo folder that train.py made"):
        state.snapshot()
