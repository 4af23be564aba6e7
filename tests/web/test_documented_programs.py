"""The programs that docs/page.md shows, run as they are printed against the real page."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file

from tests.support.limits import LIMIT
from tests.web.serving import Served
from tests.web.tiny import BLUE, YELLOW, photo

ROOT = Path(__file__).resolve().parents[2]
PATHS = {**os.environ, "PYTHONPATH": str(ROOT)}
DOCUMENT = (ROOT / "docs" / "page.md").read_text(encoding="utf-8")


def printed(language: str, page: Served) -> str:
    """The program in that language, for the page of this test."""
    found = re.search(rf"<!-- {language} -->\n```\w+\n(.+?)\n```", DOCUMENT, re.DOTALL)
    assert found and "http://127.0.0.1:7860" in found[1]
    return found[1].replace("http://127.0.0.1:7860", page.url)


def run(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=LIMIT, check=False, env=PATHS)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "photo.jpg").write_bytes(photo(YELLOW, (1600, 1200)))
    return tmp_path


def test_the_shell_commands_print_the_verdict(served: Served, folder: Path) -> None:
    said = run(["bash", "-c", printed("curl", served)], folder)
    assert "event: complete" in said
    is_verdict(json.loads(said.partition("data: ")[2])[0])


def test_the_python_program_prints_the_verdict(served: Served, folder: Path) -> None:
    (folder / "ask.py").write_text(printed("python", served))
    *_, last = run([sys.executable, "ask.py"], folder).splitlines()
    is_verdict(json.loads(last.replace("'", '"').replace("True", "true")))


@pytest.mark.skipif(not shutil.which("node"), reason="node is not installed")
def test_the_javascript_program_prints_the_verdict(served: Served, folder: Path) -> None:
    if not (ROOT / "node_modules" / "@gradio").is_dir():
        pytest.skip("@gradio/client is not installed: npm ci")
    (folder / "node_modules").symlink_to(ROOT / "node_modules")
    (folder / "ask.mjs").write_text(printed("javascript", served))
    *_, last = run(["node", "ask.mjs"], folder).splitlines()
    is_verdict(json.loads(last))


def is_verdict(said: dict) -> None:
    assert list(said) == ["label", "probability", "probabilities", "known"]
    assert (said["label"], said["known"]) == ("duckling", True)
    assert list(said["probabilities"]) == ["cygnet", "duckling"]
    assert said["probability"] == said["probabilities"]["duckling"] > 0.5


def test_the_mirror_comes_first_and_every_argument_has_a_name(served: Served) -> None:
    endpoints = httpx.get(f"{served.url}/gradio_api/info").json()["named_endpoints"]
    assert list(endpoints)[:4] == ["/predict", "/verdict", "/predict_url", "/explain"]
    for name, endpoint in endpoints.items():
        assert endpoint["description"], name
        labels = [each["label"] for each in (*endpoint["parameters"], *endpoint["returns"])]
        names = [each["parameter_name"] for each in endpoint["parameters"]]
        assert not [label for label in (*labels, *names) if re.search(r"_\d+$|^$", label)], name
    assert len({endpoint["description"] for endpoint in endpoints.values()}) == len(endpoints)


def test_a_verdict_is_a_line_of_predict_and_says_when_a_photo_is_none_of_the_labels(
    served: Served, models: Path, tmp_path: Path
) -> None:
    client = Client(served.url, verbose=False)
    for colour, known in ((YELLOW, True), (BLUE, False)):
        (tmp_path / "photo.png").write_bytes(photo(colour, format="PNG"))
        answer = client.predict(handle_file(tmp_path / "photo.png"), api_name="/verdict")
        asked = ["predict", "--model", str(models / "mirror"), "--format", "jsonl", "photo.png"]
        line = json.loads(run([sys.executable, "-m", "mirror", *asked], tmp_path))
        assert line.pop("file") == "photo.png" and line["known"] is known
        assert answer == line | {
            "probability": pytest.approx(line["probability"], abs=1e-6),
            "probabilities": pytest.approx(line["probabilities"], abs=1e-6),
        }
