"""The Gradio Space as the Hub runs it: the built folder, in an environment of its requirements and nothing else.

MIRROR_SPACE_PYTHON names the interpreter of such an environment where there is one (.ci/run makes it); otherwise it is
made here, by the line with which a Space's builder installs.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file

from mirror.inference.classifier import Classifier
from mirror.model_folder import read_model_folder
from mirror.publish.publication import Publication
from mirror.publish.space_gradio import BUILDER
from tests.publish.conftest import ROOT
from tests.support.authorities import as_outside
from tests.support.limits import LIMIT
from tests.support.web_server import served
from tests.web.serving import Served, serve

ON_A_SPACE = {"SYSTEM": "spaces", "SPACE_ID": "ana/mirror", "HF_HUB_OFFLINE": "1", "PYTHONNOUSERSITE": "1"}
INSTALLING = re.compile(r"pip |install|requirements(-train)?\.txt|train\.py", re.I)


@pytest.fixture(scope="module", params=["mirror", "fashion"])
def space(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a shipped model's Space."""
    folder = tmp_path_factory.mktemp("built")
    model = read_model_folder(ROOT / "models" / request.param)
    Publication(model, "gradio", ("space",)).write(folder, "ana/mirror", lambda _: None)
    return folder / "space"


@pytest.fixture(scope="module")
def interpreter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if given := os.environ.get("MIRROR_SPACE_PYTHON"):
        return Path(given)
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True, timeout=LIMIT)
    model = read_model_folder(ROOT / "models" / "mirror")
    Publication(model, "gradio", ("space",)).write(folder / "built", None, lambda _: None)
    command = [
        folder / "bin" / "pip",
        "install",
        "--quiet",
        "--no-compile",
        "-r",
        folder / "built/space/requirements.txt",
    ]
    subprocess.run([*map(str, command), *BUILDER], env=as_outside(), check=True, timeout=LIMIT)
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def page(space: Path, interpreter: Path) -> Iterator[Served]:
    with serve(app=space / "app.py", cwd=space, interpreter=interpreter, **ON_A_SPACE) as page:
        yield page


@pytest.fixture(scope="module")
def client(page: Served) -> Client:
    return Client(page.url, verbose=False)


def test_torch_and_what_is_built_on_it_are_not_there(interpreter: Path) -> None:
    program = (
        "from importlib.util import find_spec; print([n for n in ('torch', 'fastai', 'onnx', 'scipy') if find_spec(n)])"
    )
    done = subprocess.run([str(interpreter), "-c", program], capture_output=True, text=True, check=True, timeout=LIMIT)
    assert done.stdout == "[]\n"


def test_every_example_is_answered_as_here(space: Path, client: Client) -> None:
    (name,) = (path.name for path in (space / "models").iterdir())
    here = Classifier.load(read_model_folder(ROOT / "models" / name))
    pictures = sorted(path for path in (space / "examples").rglob("*") if path.is_file())
    assert len(pictures) >= 3
    for picture in pictures:
        answer = client.predict(handle_file(picture), api_name="/predict")
        found = {entry["label"]: entry["confidence"] for entry in answer["confidences"]}
        expected = here.predict(picture).probabilities
        assert found.keys() == expected.keys()
        assert max(abs(found[label] - expected[label]) for label in found) < 1e-6


def test_the_readmes_program_for_a_page_of_ones_own_works_as_printed(space: Path, page: Served) -> None:
    """But for where the client comes from: a CDN there, npm here."""
    if not (ROOT / "node_modules" / "@gradio" / "client").is_dir():
        pytest.skip("@gradio/client is not installed: npm ci")
    program = (space / "README.md").read_text("utf-8").split("```javascript\n")[1].split("```")[0]
    cdn = '"https://cdn.jsdelivr.net/npm/@gradio/client/dist/index.min.js"'
    assert cdn in program and '"ana/mirror"' in program
    picture = next(path for path in (space / "examples").rglob("*") if path.is_file())
    lines = [
        'import { readFileSync } from "node:fs";',
        program.replace(cdn, '"@gradio/client"').replace('"ana/mirror"', f'"{page.url}"'),
        "console.log(JSON.stringify([label, confidences.length]));",
        "process.exit();",
    ]
    lines.insert(1, f"const photo = new Blob([readFileSync({json.dumps(str(picture))})]);")
    done = subprocess.run(
        ["node", "--input-type=module", "-e", "\n".join(lines)], cwd=ROOT, capture_output=True, text=True, timeout=LIMIT
    )
    expected = Classifier.load(next((space / "models").iterdir())).predict(picture)
    assert json.loads(done.stdout) == [expected.label, len(expected.probabilities)], done.stderr


def test_it_shows_where_it_looked(space: Path, client: Client) -> None:
    picture = next(path for path in (space / "examples").rglob("*") if path.is_file())
    assert Path(client.predict(handle_file(picture), api_name="/explain")).stat().st_size > 1000


def test_the_description_of_its_endpoints_is_answered_and_each_can_work_there(page: Served) -> None:
    said = httpx.get(f"{page.url}/gradio_api/info", timeout=60).json()
    endpoints = set(said["named_endpoints"])
    assert {"/predict", "/explain", "/image-classification", "/face-detection"} <= endpoints
    assert not {"/object-detection", "/zero-shot-image-classification"} & endpoints


def test_there_are_the_tabs_that_can_work_and_no_others(client: Client) -> None:
    tabs = [part["props"]["label"] for part in client.config["components"] if part["type"] == "tabitem"]
    assert tabs == ["The mirror", "Live", "What is this?", "Faces", "A photo", "Camera", "About this mirror"]


def test_no_visitor_is_told_to_install_anything(page: Served, client: Client) -> None:
    texts = json.dumps(client.config["components"], ensure_ascii=False)
    assert not INSTALLING.findall(re.sub(r"<pre>.*?</pre>|<code>.*?</code>", "", texts))
    assert "pip install" not in texts


def test_nothing_goes_wrong_unseen(page: Served, client: Client, space: Path) -> None:
    picture = next(path for path in (space / "examples").rglob("*") if path.is_file())
    assert client.predict(handle_file(picture), api_name="/face-detection") is not None
    log = page.log()
    assert not [line for line in log.splitlines() if re.search("Traceback|Error|Warning|pip install", line)], log


@pytest.fixture
def device_api() -> Iterator[tuple[str, list[str]]]:
    """What a Space on ZeroGPU reports to when it starts: its address, and what was asked."""
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST

        def log_message(self, *_: object) -> None:
            pass

    with served(Handler) as address:
        yield address, asked


def test_zerogpu_is_told_of_a_function_for_a_gpu_and_the_page_answers(
    space: Path, interpreter: Path, device_api: tuple[str, list[str]]
) -> None:
    """Without that report ZeroGPU says “No @spaces.GPU function detected” and starts nothing."""
    address, asked = device_api
    variables = ON_A_SPACE | {"SPACES_ZERO_GPU": "true", "SPACES_ZERO_DEVICE_API_URL": address}
    picture = next(path for path in (space / "examples").rglob("*") if path.is_file())
    with serve(app=space / "app.py", cwd=space, interpreter=interpreter, **variables) as page:
        assert Client(page.url, verbose=False).predict(handle_file(picture), api_name="/predict")["label"]
    assert "/startup-report" in asked
