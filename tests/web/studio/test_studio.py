"""The studio as a person uses it, in a real Chromium."""

from __future__ import annotations

import contextlib
import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

from mirror.collect.corrections import read_corrections
from mirror.collect.photo_records import Photo
from mirror.model_folder import read_model_folder
from mirror.web.studio.gallery import LABELS, TABS
from tests.pictures import shot
from tests.support.visits import TIMEOUT, Visit, spoken
from tests.web.serving import serve
from tests.web.studio.folders import HOSTILE, QUICK, model_of, photo_folder

pytestmark = pytest.mark.browser

TRAINING = 240_000  # ms; twelve seconds where nothing else runs


@dataclass
class Studio:
    """The page, the files behind it, and what the browser complained about."""

    page: Any
    folder: Path
    models: Path
    photos: list[Photo]
    complaints: list[str] = field(default_factory=list)

    def tab(self, name: str) -> None:
        """A step, or a tab of the one that cleans."""
        self.page.get_by_role("tab", name=re.compile(f"^{name}")).click()
        tab = next((tab for tab, said in TABS.items() if said == name), LABELS)
        self.page.locator(".training" if name == "Train" else f".board[data-tab={tab}]").locator(
            "visible=true"
        ).first.wait_for()

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def says(self, pattern: str) -> None:
        self.page.locator("#said p").filter(has_text=re.compile(pattern)).wait_for()

    def tiles(self) -> list[str]:
        return [tile.get_attribute("data-name") for tile in self.page.locator(".tile").all()]

    def tile(self, photo: Photo) -> Any:
        return self.page.locator(f'.tile[data-name="{photo.file_name}"]')

    def at(self) -> int:
        """The place of the photo that the keys act on."""
        return self.page.evaluate("[...document.querySelectorAll('.tile')].indexOf(document.activeElement)")

    def journal(self) -> list[tuple[str, str, str]]:
        return [(one.file_name, one.action, one.label) for one in read_corrections(self.folder)]

    def shot(self, name: str) -> None:
        shot(self.page, f"studio-{name}", whole=False)


@contextlib.contextmanager
def working(chromium: Any, place: Path, *, model: bool = True, each: int = 10, dark: bool = False) -> Iterator[Studio]:
    """The studio of a new photo folder, open in a browser that must have nothing to complain of in the end."""
    folder, models = place / "data" / "birds", place / "models"
    photos = photo_folder(folder, each=each)
    models.mkdir()
    if model:
        model_of(models, "birds", photos)
    with serve("--studio", str(folder), "--models", str(models)) as served:
        context = chromium.new_context(
            viewport={"width": 1280, "height": 860}, color_scheme="dark" if dark else "light"
        )
        page = context.new_page()
        studio = Studio(page, folder, models, photos)
        note = studio.complaints.append
        page.on("console", lambda message: note(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: note(f"uncaught: {error}"))
        page.on("response", lambda answer: note(f"{answer.status} {answer.url}") if answer.status >= 400 else None)
        page.on(
            "request",
            lambda r: note(f"asked {r.url}") if not r.url.startswith((served.url, "data:", "blob:")) else None,
        )
        page.set_default_timeout(TIMEOUT)
        visit = Visit(page)
        page.goto(served.address)
        page.locator("[data-keys] .board").wait_for()
        visit.rest(quiet=500)  # opening a step draws it once more: tests change the folder once it is drawn
        yield studio
        context.close()
        assert studio.complaints == [] and "Traceback" not in served.log()


def rows(path: Path) -> dict[str, str]:
    with open(path, encoding="utf-8", newline="") as file:
        return {row["file_name"]: row["label"] for row in csv.DictReader(file)}


def test_relabel_two_remove_one_reload_and_train_again(chromium, tmp_path: Path) -> None:
    with working(chromium, tmp_path, each=11) as studio:
        first, second, third = studio.photos[1], studio.photos[2], studio.photos[3]
        metadata = (studio.folder / "metadata.csv").read_bytes()
        files = {path: path.read_bytes() for path in studio.folder.rglob("*.jpg")}
        for name in ("Remove", "duckling"):  # a mouse means what it chose
            studio.page.locator(".bar").get_by_role("button", name=name).last.click()
            studio.page.locator(".chosen", has_text="Choose a photo first.").wait_for()
            studio.page.locator(".chosen").evaluate("element => element.textContent = ''")
        assert not (studio.folder / "decisions.csv").exists()
        studio.tile(first).click()
        studio.tile(second).click()
        assert studio.page.locator(".chosen").inner_text() == "2 chosen"
        studio.shot("chosen")
        studio.page.get_by_role("button", name="duckling").last.click()
        studio.says("^2 photos relabelled duckling.$")
        studio.tile(third).click()
        studio.page.get_by_role("button", name="Remove").click()
        studio.says("^1 photo removed; no file was deleted.$")
        expected = [(first.file_name, "relabel", "duckling"), (second.file_name, "relabel", "duckling")]
        assert studio.journal() == [*expected, (third.file_name, "remove", "")]

        studio.page.reload()
        studio.page.locator("[data-keys] .board").wait_for()
        assert third.file_name not in studio.tiles()
        assert "cygnet → duckling" in studio.tile(first).inner_text()
        assert "21 photos, 1 removed" in studio.page.locator("#studio p").inner_text()
        assert (studio.folder / "metadata.csv").read_bytes() == metadata
        assert {path: path.read_bytes() for path in studio.folder.rglob("*.jpg")} == files

        studio.tab("Train")
        shown = studio.page.locator(".training code").inner_text()
        assert "--collected" in shown and "--arch tf_efficientnet_lite0 --seed 7 --size 96" in shown
        studio.page.get_by_role("button", name="Train again").click()
        studio.page.locator(".progress progress").wait_for()
        studio.tab("Clean")
        studio.page.locator(".notice", has_text="are being trained on").wait_for()
        studio.press("x")
        studio.page.get_by_text("is in use by another process").wait_for()
        studio.shot("while-training")
        studio.tab("Train")
        studio.page.locator(".judged h3", has_text="Before").wait_for(timeout=TRAINING)
        before, now = (spoken(card.inner_text()) for card in studio.page.locator(".judged").all())
        assert "9.1 %" in before and "2.8 % to 30.1 %" in before and "95 % interval" in now
        assert "2 photos relabelled, 1 removed by decisions.csv." in studio.page.locator(".said").text_content()
        studio.shot("compared")
        studio.says(r"^The training has ended: error \d+\.\d\s% .* on \d+ photos\.$")
        assert studio.page.locator("#said [role=status][aria-live=polite]").count() == 1
        studio.page.get_by_role("button", name="Try it").click()
        studio.page.get_by_role("button", name="Open the page").click()
        link = studio.page.get_by_role("link", name="?model=birds")
        link.wait_for(timeout=TRAINING)
        assert "am I a duckling or a cygnet after all?" in httpx.get(link.get_attribute("href")).text

        trained = rows(studio.models / "birds" / "photos.csv")
        assert trained[first.file_name] == trained[second.file_name] == "duckling"
        assert third.file_name not in trained and len(trained) == 21
        assert rows(studio.folder / "metadata.csv")[first.file_name] == "cygnet"
        info = read_model_folder(studio.models / "birds").info
        assert info.data.counts == {"cygnet": 8, "duckling": 13} and info.data.source == "search"
        assert (info.data.relabelled, info.data.removed) == (2, 1)
        assert "By hand, 2 were relabelled and 1 removed." in (studio.models / "birds" / "README.md").read_text()
        assert sorted(info.training.options) == sorted(QUICK)
        assert len(studio.journal()) == 3, "what was refused was not written"


def test_everything_by_keys(chromium, tmp_path: Path) -> None:
    with working(chromium, tmp_path, dark=True) as studio:
        photos = [photo.file_name for photo in studio.photos]
        studio.press("ArrowRight", "ArrowRight", "2")
        studio.says("^1 photo relabelled duckling.$")
        assert studio.journal()[-1] == (photos[2], "relabel", "duckling")
        studio.press("x")  # the keys go on where they were
        studio.says("removed")
        assert studio.journal()[-1] == (photos[2], "remove", "")
        assert studio.tiles()[studio.at()] == photos[3]
        studio.press("u")
        studio.says("^Taken back: 1 photo removed")
        studio.press("u")
        studio.says("^Taken back: 1 photo relabelled duckling.$")
        assert studio.tiles() == photos
        below = studio.at()
        studio.press("ArrowDown")
        assert studio.at() > below + 1
        studio.press("ArrowUp", "Home")
        assert studio.at() == 0
        studio.press("Space", "Shift+ArrowRight", "Shift+ArrowRight")
        assert studio.page.locator(".chosen").inner_text() == "3 chosen"
        studio.press("n")
        studio.page.keyboard.type("goose 1x")  # in the field these keys are letters
        studio.press("Enter")
        studio.says("^3 photos relabelled goose 1x.$")
        assert [one[0] for one in studio.journal()[-3:]] == photos[:3]
        studio.press("?")
        assert studio.page.locator("dialog.keys").is_visible()
        studio.shot("keys")
        studio.press("x", "Escape")
        assert studio.journal()[-1][1] == "relabel" and not studio.page.locator("dialog.keys").is_visible()
        studio.tab("Disputed")
        studio.press("u")
        studio.says("^Taken back: 3 photos")
        studio.press("a")
        studio.says("^1 photo relabelled as the model suggests.$")
        studio.press("k")
        studio.says("^1 photo kept as labelled.$")
        assert [one[:2] for one in studio.journal()[-2:]] == [(photos[1], "relabel"), (photos[2], "relabel")]
        studio.page.locator(".nothing").wait_for()
        studio.tab("Decided")
        studio.press("*", "b")
        studio.says("^1 photo put back as collected.$|^2 photos put back as collected.$")
        studio.shot("decided")


def test_each_tab_by_mouse(chromium, tmp_path: Path) -> None:
    with working(chromium, tmp_path, each=30) as studio:
        photos = studio.photos
        assert studio.page.get_by_role("tablist").last.get_by_role("tab").all_inner_texts()[:5] == [
            "Photos", "Disputed (2)", "Outliers (1)", "Look-alikes (1)", "Mix-ups",
        ]  # fmt: skip
        assert len(studio.tiles()) == 48
        studio.page.get_by_role("button", name="On", exact=True).click()
        studio.page.get_by_text("49–60 of 60 photos").wait_for()
        assert studio.tiles() == [photo.file_name for photo in photos[48:]]
        studio.page.get_by_role("group", name="Labels").get_by_role("button", name="duckling").click()
        studio.page.get_by_text("1–30 of 30 photos").wait_for()
        studio.tab("Look-alikes")
        assert studio.tiles() == [photos[4].file_name, photos[5].file_name]
        studio.shot("pairs")
        studio.tab("Mix-ups")
        studio.page.get_by_role("button", name="2 photos of cygnet taken for duckling").click()
        studio.page.get_by_text("1–2 of 2 photos").wait_for()
        assert set(studio.tiles()) == {photos[1].file_name, photos[2].file_name}
        studio.shot("mix-ups")


def test_a_hostile_title_is_only_text(chromium, tmp_path: Path) -> None:
    with working(chromium, tmp_path) as studio:
        title = studio.page.title()
        studio.tile(studio.photos[0]).dblclick()
        details = studio.page.locator("dialog.closer .details")
        details.wait_for()
        assert HOSTILE in details.inner_text() and "javascript:alert(1)" in details.inner_text()
        links = [link.get_attribute("href") for link in details.locator("a").all()]
        assert links == [studio.photos[0].url]
        studio.shot("closer")
        studio.press("Escape")
        studio.tab("Outliers")
        assert studio.page.title() == title and studio.page.locator("#board b").count() == 0


def test_a_folder_that_is_moved_away_is_one_sentence_and_comes_back(chromium, tmp_path: Path) -> None:
    place = tmp_path / ("a-name-of-some-length-" * 5)  # which the owner reads whole
    place.mkdir()
    with working(chromium, place, model=False) as studio:
        studio.page.wait_for_function("[...document.querySelectorAll('.tile > img')].every((image) => image.complete)")
        away = studio.folder.with_name("away")
        studio.folder.rename(away)
        studio.press("x")
        studio.page.get_by_text(f"{studio.folder} does not exist").wait_for()
        away.rename(studio.folder)
        studio.press("x")
        studio.says("removed")
        studio.tab("Disputed")
        studio.page.locator(".notice", has_text="There is no model yet.").wait_for()
        assert studio.tiles() == []
