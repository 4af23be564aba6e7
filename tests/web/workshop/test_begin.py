"""Beginning with photos of one's own on a phone, by keys: the camera while a key is held, and a folder of folders."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from mirror.collect.photo_records import read_photos
from tests.pictures import shot
from tests.support.visits import CONTRAST, OVERLAPS, TIMEOUT, UNREACHED, drop_files
from tests.web.serving import serve
from tests.web.studio.folders import photo_folder
from tests.world import draw_photo, encode

pytestmark = pytest.mark.browser

PHONE = {"width": 390, "height": 664}


def looks_right(page: Any) -> None:
    assert page.evaluate(CONTRAST) == [] and page.evaluate(OVERLAPS) == [] and page.evaluate(UNREACHED) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_photos_of_ones_own_from_the_camera_and_from_a_folder(chromium: Any, tmp_path: Path) -> None:
    photo_folder(tmp_path / "data" / "birds", each=2)
    (tmp_path / "models").mkdir()
    mine = tmp_path / "mine"
    for label in ("apple", "pear"):
        (mine / label).mkdir(parents=True)
        for seed in range(2):
            (mine / label / f"{seed}.jpg").write_bytes(encode(draw_photo(label, seed, (160, 128))))
        (mine / label / "notes.txt").write_text("no photo")
    (mine / "all.zip").write_bytes(b"PK")
    with serve("--studio", "--models", str(tmp_path / "models")) as served:
        context = chromium.new_context(viewport=PHONE, color_scheme="dark", permissions=["camera"])
        page = context.new_page()
        page.set_default_timeout(TIMEOUT)
        faults: list[str] = []
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.on("response", lambda answer: faults.append(answer.url) if answer.status >= 400 else None)
        page.goto(served.address)
        page.get_by_role("link", name="birds").wait_for()
        looks_right(page)
        page.get_by_label("A new project, called").fill("fruit")
        page.keyboard.press("Enter")
        page.get_by_label("Name 1", exact=True).wait_for()
        page.wait_for_url("**/?project=fruit&step=begin")
        looks_right(page)

        page.get_by_role("button", name="Open the camera").click()
        page.wait_for_function("document.querySelector('#begin-photos video').videoWidth")
        burst = page.get_by_role("button", name="Hold to take photos")
        burst.focus()
        page.keyboard.down("Space")
        page.get_by_text("Say first what they show.").wait_for()
        page.keyboard.up("Space")
        page.get_by_label("They show").fill("hand")
        burst.focus()
        page.keyboard.down("Space")
        page.locator("#begin-counts").filter(has_text=re.compile(r"There are \d+ hand")).wait_for()
        page.keyboard.up("Space")
        shot(page, "workshop-begin-phone")
        page.get_by_role("tab", name="Look").click()
        page.wait_for_url("**/?project=fruit&step=look")
        assert page.evaluate("document.querySelector('#begin-photos video').srcObject") is None, "no camera stays open"
        page.go_back()
        page.wait_for_url("**/?project=fruit&step=begin")
        page.get_by_role("button", name="Open the camera").wait_for()
        burst.wait_for(state="hidden")

        page.locator("#begin-photos input[webkitdirectory]").set_input_files(mine / "apple")
        page.locator("#begin-counts").filter(has_text="2 apple").wait_for()
        page.get_by_text("Left aside, as no photos: notes.txt.").wait_for()
        (mine / "pear" / "broken.jpg").write_bytes(b"no photo")
        drop_files(page, "#begin-photos .drop", mine / "pear", mine / "all.zip")
        page.locator("#begin-counts").filter(has_text="2 pear").wait_for()
        page.get_by_text("Left aside, as no photos: notes.txt, all.zip.").wait_for()
        page.get_by_text("Of your own 1 photo could not be taken; Collect says why.").wait_for()
        looks_right(page)
        page.get_by_role("button", name="Train on these").click()
        page.wait_for_url("**/?project=fruit&step=train")
        assert faults == [] and "Traceback" not in served.log()
        context.close()
    labels = [photo.label for photo in read_photos(tmp_path / "data" / "fruit" / "metadata.csv")]
    assert labels.count("apple") == labels.count("pear") == 2 and "hand" in labels
