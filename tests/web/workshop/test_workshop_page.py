"""The page over gradio's queue, as a browser asks it: start page, projects whole or not, and two of them at once."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from mirror.collect.photo_records import read_photos
from mirror.collect.search_json import read_search
from mirror.templates import data_url
from tests.web.serving import serve
from tests.web.studio.folders import model_of, photo_folder
from tests.web.tiny import YELLOW, photo


class Tab:
    """A browser's tab, without the browser: one session of the page."""

    def __init__(self, client: httpx.Client, session: str):
        self.client, self.session = client, session
        page = client.get("/").text
        found = re.search(r"window\.gradio_config = (\{.*?\});</script>", page, re.DOTALL)
        assert found is not None
        config = json.loads(found[1])
        self.calls = config["dependencies"]
        self.ids = {part["props"].get("elem_id"): part["id"] for part in config["components"]}

    def call(self, event: str, part: str | None, data: dict[int, Any] | None = None, carries: Any = None) -> Any:
        """(whether it went well, what is shown by the component's number, or the error)."""
        wanted = self.ids[part] if part else None
        one = next(
            one for one in self.calls
            if any(target[1] == event and (part is None or target[0] == wanted) for target in one["targets"])
        )  # fmt: skip
        values = [(data or {}).get(place) for place, _ in enumerate(one["inputs"])]
        body = {"data": values, "fn_index": one["id"], "session_hash": self.session, "event_data": carries}
        self.client.post("/gradio_api/queue/join", json=body).raise_for_status()
        with self.client.stream("GET", "/gradio_api/queue/data", params={"session_hash": self.session}) as stream:
            for line in stream.iter_lines():
                told = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
                if told.get("msg") == "process_completed":
                    if not told["success"]:
                        return False, told["output"].get("error")
                    return True, dict(zip(one["outputs"], told["output"]["data"], strict=True))
        raise AssertionError("no answer")

    def open(self, project: str, step: str = "") -> str:
        """All that is shown, as text."""
        well, shown = self.call("load", None, {0: project, 1: step})
        assert well, shown
        return json.dumps(shown, ensure_ascii=False)

    def press(self, part: str, carries: Any, event: str = "press") -> tuple[bool, str]:
        well, shown = self.call(event, part, None, carries)
        return well, json.dumps(shown, ensure_ascii=False)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("workshop")
    photos = photo_folder(place / "data" / "birds", each=6)
    (place / "models").mkdir()
    model_of(place / "models", "birds", photos)
    (place / "data" / "torn").mkdir()
    (place / "data" / "torn" / "metadata.csv").write_text("not,a,table\n")
    return place


@pytest.fixture(scope="module")
def client(home: Path) -> Iterator[httpx.Client]:
    with serve("--studio", "--models", str(home / "models")) as served, served.client() as client:
        yield client
        assert "Traceback" not in served.log()


def test_the_start_page_shows_every_project_and_a_name_for_a_new_one(client: httpx.Client) -> None:
    shown = Tab(client, "start").open("")
    assert "/?project=birds" in shown and "/?project=torn" in shown and "error 16.7" in shown
    assert 'name=\\"project\\"' in shown and "metadata.csv" in shown, "what is wrong with the torn one is on its card"
    name = re.search(r"/studio/thumbnails/birds/images/[\w/.-]+", shown)
    assert name and client.get(name[0]).headers["content-type"] == "image/jpeg"


@pytest.mark.parametrize(
    ("project", "step", "says"),
    [
        ("birds", "", "Disputed (2)"), ("birds", "train", "--collected"), ("birds", "nonsense", "Disputed (2)"),
        ("torn", "", "metadata.csv"), ("torn", "train", "metadata.csv"), ("torn", "begin", "What should it tell apart"),
        ("fresh", "", "What should it tell apart"), ("fresh", "look", "There are no words yet"),
        ("fresh", "train", "There are no photos yet"), ("fresh", "clean", "There are no photos yet"),
        ("../x", "", "cannot be a project"), (".hidden", "", "cannot be a project"),
    ],
)  # fmt: skip
def test_a_project_opens_whatever_is_there_of_it(client: httpx.Client, project: str, step: str, says: str) -> None:
    assert says in Tab(client, "open").open(project, step)


def test_two_tabs_show_two_projects_and_each_decides_about_its_own(client: httpx.Client, home: Path) -> None:
    one, two = Tab(client, "one"), Tab(client, "two")
    assert "data/birds" in one.open("birds") and "data/fresh" in two.open("fresh", "begin")
    picture = data_url(photo(YELLOW))
    well, shown = two.press("begin-photos", {"label": "sun", "name": "sun.jpg", "photo": picture}, "photo")
    assert well and "1 <bdi>sun</bdi>" in shown
    well, shown = two.press("begin-photos", {"label": "sun", "name": "no.jpg", "photo": "data:,x"}, "photo")
    assert well and 'class=\\"failure\\"' in shown and "1 <bdi>sun</bdi>" in shown
    (own,) = read_photos(home / "data" / "fresh" / "metadata.csv")
    assert (own.label, own.engine) == ("sun", "own")
    birds = read_photos(home / "data" / "birds" / "metadata.csv")
    well, shown = one.press("board", {"action": "remove", "names": [birds[0].file_name], "label": ""}, "decide")
    assert well and "1 photo removed" in shown
    assert (home / "data" / "birds" / "decisions.csv").exists() and "fresh" not in shown


def test_words_are_kept_where_the_command_finds_them(client: httpx.Client, home: Path) -> None:
    tab = Tab(client, "words")
    tab.open("fruit", "begin")
    rows = [["label", "apple"], ["queries", ""], ["label", "pear"], ["queries", "pear fruit, pear tree"]]
    well, shown = tab.press("begin-words", {"do": "collect", "fields": rows})
    assert well
    assert [(t.label, t.query) for t in read_search(home / "data" / "fruit").terms] == [
        ("apple", "apple"), ("pear", "pear fruit"), ("pear", "pear tree"),
    ]  # fmt: skip
    assert "pear fruit, pear tree" in Tab(client, "again").open("fruit", "begin")
    assert tab.press("begin-words", {"do": "look", "fields": rows[:2]}) == (
        False, '"A model tells things apart: give two names, or up to 50, as apple and pear."',
    )  # fmt: skip


@pytest.mark.parametrize(
    "carries", [None, {}, {"do": 1}, {"do": "nothing"}, {"do": "look", "fields": "x"}, {"do": "folder", "fields": []},
                *({"do": "folder", "fields": [["folder", path]]} for path in ("/no/such", "~nobody/x", "x" * 300)),
                {"do": "off-topic"}], ids=str,
)  # fmt: skip
def test_what_no_button_sends_is_one_sentence(client: httpx.Client, carries: Any) -> None:
    tab = Tab(client, "wrong")
    tab.open("nobody", "look")
    for part in ("begin-words", "look-top"):
        well, told = tab.press(part, carries)
        assert not well and told.endswith('."') and "\n" not in told, (part, carries, told)
        assert "went wrong" not in told, (part, carries, told)


def test_no_press_is_lost_while_another_is_answered(client: httpx.Client) -> None:
    """gradio drops an event of the same kind until the last one is answered, unless it is told to keep them all."""
    calls = Tab(client, "quick").calls
    carried = [one for one in calls if any(event in ("press", "photo", "look") for _, event in one["targets"])]
    assert len(carried) >= 8 and {one["trigger_mode"] for one in carried} == {"multiple"}
    ticks = [one for one in calls if any(event == "tick" for _, event in one["targets"])]
    assert [one["trigger_mode"] for one in ticks] == ["once"], "looks at what runs do not pile up"
