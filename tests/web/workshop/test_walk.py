"""The whole way in one browser: two words, a look at what they find, photos, a kill in the middle, a model, two photos
corrected, a second model, and the page that everyone can ask.
"""

from __future__ import annotations

import mimetypes
import threading
from http.server import BaseHTTPRequestHandler
from importlib.util import find_spec
from pathlib import Path

import pytest

from mirror.collect.photo_records import read_photos
from mirror.collect.search_json import read_search
from mirror.model_folder import read_model_folder
from mirror.model_history import history
from tests.pictures import for_the_readme
from tests.support.hit_lists import picture
from tests.support.web_server import served
from tests.support.workshop_walk import (
    TRAINING,
    WORDS,
    kill,
    variables,
    walking,
    workshop,
    world_of_two,
)
from tests.world import World
from tests.world.hub import Hub

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(find_spec("torch") is None, reason="torch is not installed"),
]
PROJECT = "mirror"  # as the start page proposes
MOST_CLICKS = 10  # from opening the workshop to a classifier that answers
EACH = 14  # photos a word


def showing(hub: Hub, repository: str) -> type[BaseHTTPRequestHandler]:
    """A web server of a static Space as it was published last."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0].strip("/") or "index.html"
            body = hub.repositories["space", repository].files.get(path)
            self.send_response(200 if body is not None else 404)
            self.send_header("Content-Type", mimetypes.guess_type(path)[0] or "application/octet-stream")
            self.send_header("Content-Length", str(len(body or b"")))
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    return Handler


def test_from_two_words_to_a_page_that_everyone_can_ask(chromium, world: World, tmp_path: Path) -> None:
    gate, folder, model = threading.Event(), tmp_path / "data" / PROJECT, tmp_path / "models" / PROJECT
    world_of_two(world, EACH, gate=gate)
    with Hub() as hub, served(showing(hub, f"ana/{PROJECT}")) as site:
        hub.hosts[f"ana/{PROJECT}"] = site
        environment = variables(world, hub, tmp_path)
        with workshop(tmp_path, **environment) as page, walking(chromium, page.address) as walk:
            walk.begin()
            walk.says("This is what the search finds.")
            for_the_readme("workshop", walk.page, whole=False)
            walk.click("Leave out all that is off topic")
            walk.says("are left out when they are collected")
            walk.click("Collect photos")
            walk.click("Collect", "#collect-buttons")
            walk.wait(f"#collect-sheet img >> nth={EACH // 2}")
            walk.shot("collect")
            kill(page)
            clicks = walk.clicks
        gate.set()
        search = read_search(folder)
        assert search is not None and [one.label for one in search.labels] == list(WORDS)
        assert not model.exists()

        with workshop(tmp_path, **environment) as page, walking(chromium, page.address) as walk:
            walk.clicks = clicks
            walk.page.goto(f"{page.url}/?project={PROJECT}&step=collect")
            walk.click("Collect, then train", "#collect-buttons")
            walk.says("The training has ended", TRAINING)
            walk.shot("collected")
            walk.step("Train")
            walk.wait("#training-outcome .judged")
            walk.shot("trained")
            walk.step("Try")
            walk.show(WORDS[0], 100)
            walk.shot("try")
            assert walk.clicks <= MOST_CLICKS
            stored = [photo.label for photo in read_photos(folder / "metadata.csv")]
            assert {label: stored.count(label) for label in WORDS} == dict.fromkeys(WORDS, EACH)

            for number in (101, 102):
                walk.show(WORDS[1], number)
                walk.page.locator("#try-answer").get_by_role("button", name=WORDS[0], exact=True).click()
                walk.page.locator("#try-answer").get_by_text(f"Added to {WORDS[0]}.").wait_for()
            walk.shot("corrected")
            first = read_model_folder(model).info.created_at
            walk.step("Train")
            walk.click("Train again", "#training-buttons")
            walk.says("The training has ended", TRAINING)
            walk.wait("#training-outcome .judged >> nth=1")
            walk.shot("trained-again")
            info = read_model_folder(model).info
            assert info.created_at != first and info.data.counts == {WORDS[0]: EACH + 2, WORDS[1]: EACH}
            assert [entry.info.created_at for entry in history(model)] == [first]
            walk.step("History")
            walk.wait("#history-models .rate >> nth=1")
            walk.shot("history")

            walk.step("Publish")
            walk.click("Log in with the browser", "#publish-login")
            walk.wait("#publish-login .code")
            walk.shot("login")
            hub.device = ""
            walk.page.get_by_text("You are ana").wait_for()
            walk.click("Publish", "#publish-buttons")
            link = walk.wait("#publish-outcome .addresses a", TRAINING)
            walk.shot("published")
            assert link.get_attribute("href") == site
            assert hub.commits == [(kind, f"ana/{PROJECT}") for kind in ("model", "dataset", "space")]
            assert not [path for path in hub.repositories["dataset", f"ana/{PROJECT}"].files if path.endswith(".jpg")]
            assert hub.token not in walk.page.content() + page.log() and "Traceback" not in page.log()

            walk.page.goto(site)
            walk.page.evaluate("window.mirror.ready")
            answer = walk.page.evaluate(
                "bytes => window.mirror.predict(new Blob([new Uint8Array(bytes)], {type: 'image/jpeg'}))",
                list(picture(WORDS[1], 200)),
            )
            assert answer["label"] in WORDS and set(answer["probabilities"]) == set(WORDS)
            walk.shot("site")
