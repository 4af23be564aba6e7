"""The page with requirements.txt alone: everything that needs no torch works, the rest says so in one sentence.

.ci/run shows the same page from a fresh environment that holds nothing else.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError

from mirror.web.tabs.task_models import NOT_NOW
from tests.learners import plain_pickle
from tests.support.light_python import HEAVY, ROOT, only_the_light_set
from tests.web.serving import Served, serve

DUCKLING = ROOT / "examples" / "duckling.jpg"
INSTALL = "which is not here: `pip install -r requirements-train.txt`."
FORBIDDEN = (
    "is not on this machine, and HF_HUB_OFFLINE forbids to fetch it: unset that, or give a folder that holds the"
)
OFFLINE = {"HF_HUB_OFFLINE": "1"}


@pytest.fixture(scope="module")
def light(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("light")
    return only_the_light_set(folder) | OFFLINE | {"XDG_CACHE_HOME": str(folder / "cache"), "HF_HOME": str(folder)}


def run(light: dict[str, str], *arguments: str) -> subprocess.CompletedProcess:
    command = [sys.executable, *arguments]
    return subprocess.run(command, env=os.environ | light, cwd=ROOT, capture_output=True, text=True, timeout=300)


def test_the_stand_in_hides_every_package_of_training(light: dict[str, str]) -> None:
    program = f"from importlib.util import find_spec; print([name for name in {HEAVY} if find_spec(name)])"
    assert run(light, "-c", program).stdout == "[]\n"


@pytest.fixture(scope="module")
def page(light: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Served:
    """The page with the shipped models."""
    with serve(uploads=tmp_path_factory.mktemp("uploads"), **light) as page:
        yield page


@pytest.fixture(scope="module")
def client(page: Served) -> Client:
    return Client(page.url, verbose=False)


@pytest.mark.parametrize(("model", "label"), [("mirror", "duckling"), ("fashion", "Bag")])
def test_the_shipped_models_answer(client: Client, model: str, label: str) -> None:
    photo = DUCKLING if model == "mirror" else ROOT / "examples" / "garments" / "bag.jpg"
    answer = client.predict(handle_file(photo), model, api_name="/predict")
    assert answer["label"] == label


def test_the_shipped_model_shows_where_it_looked(client: Client) -> None:
    assert Path(client.predict(handle_file(DUCKLING), api_name="/explain")).is_file()


def test_faces_are_found(client: Client) -> None:
    assert client.predict(handle_file(DUCKLING), api_name="/face-detection") == []


def test_a_thousand_things_are_known(client: Client) -> None:
    assert client.predict(handle_file(DUCKLING), api_name="/image-classification")["label"] == "goose"


def test_tabs_that_the_page_cannot_answer_are_not_shown_and_the_log_says_so(page: Served, client: Client) -> None:
    tabs = [part["props"] for part in client.config["components"] if part["type"] == "tabitem"]
    assert [tab["label"] for tab in tabs if tab["visible"]] == [
        "The mirror",
        "Live",
        "What is this?",
        "Faces",
        "A photo",
        "Camera",
        "About this mirror",
    ]
    assert page.log().count("Not shown: the tabs “What is where?”, “Your own words”.") == 1


def test_a_tab_whose_model_was_named_is_shown(light: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> None:
    uploads = tmp_path_factory.mktemp("uploads")
    with serve("--task-model", "image-classification=models/mirror", uploads=uploads, **light) as page:
        client = Client(page.url, verbose=False)
        assert client.predict(handle_file(DUCKLING), api_name="/image-classification")["label"] == "duckling"
        tabs = [part["props"] for part in client.config["components"] if part["type"] == "tabitem"]
        assert next(tab["visible"] for tab in tabs if tab["label"] == "What is this?")


@pytest.mark.parametrize(
    ("endpoint", "words"),
    [("/object-detection", ()), ("/zero-shot-image-classification", ("a cat\na dog",))],
)
def test_a_visitor_is_told_that_it_cannot_be_now_and_the_log_why(
    page: Served, client: Client, endpoint: str, words: tuple[str, ...]
) -> None:
    for _ in range(2):
        with pytest.raises(AppError, match=re.escape(NOT_NOW)):
            client.predict(handle_file(DUCKLING), *words, api_name=endpoint)
    lines = [line for line in page.log().splitlines() if FORBIDDEN in line]
    assert len(lines) == len(set(lines)) and len(lines) >= 1


@pytest.mark.parametrize(
    "arguments",
    [
        ["compile", "learner.pkl"],
        ["compile", "--task", "object-detection", "facebook/detr-resnet-50"],
    ],
    ids=lambda arguments: arguments[-1],
)
def test_the_command_line_says_what_to_install(light: dict[str, str], tmp_path: Path, arguments: list[str]) -> None:
    arguments = [str(plain_pickle()) if argument == "learner.pkl" else argument for argument in arguments]
    arguments += ["--out", str(tmp_path / "out")]
    done = run(light, "-m", "mirror", *arguments)
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1), done.stderr
    assert done.stderr.startswith("mirror: ") and done.stderr.endswith(f"{INSTALL}\n")


def test_training_says_what_to_install_before_anything_else(light: dict[str, str]) -> None:
    done = run(light, "train.py", "--data", "no/such/folder")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"train.py: Training needs the package torch, {INSTALL}\n"


def test_a_pickle_among_the_models_is_shown_as_one_that_cannot_be_opened(light: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "plain.pkl").write_bytes(plain_pickle().read_bytes())
    with serve("--models", str(tmp_path), **light) as page:
        with pytest.raises(AppError, match="The model plain cannot answer"):
            Client(page.url, verbose=False).predict(handle_file(DUCKLING), "plain", api_name="/predict")
        assert INSTALL in page.log()


def test_photos_are_predicted_on_the_command_line(light: dict[str, str]) -> None:
    done = run(light, "-m", "mirror", "predict", "examples/duckling.jpg", "--format", "jsonl")
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["label"] == "duckling"
