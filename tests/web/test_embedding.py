"""The page asked by other sites and shown within them, and as tools of the Model Context Protocol."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http.server import SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import gradio
import httpx
import pytest

from mirror.templates import data_url
from tests.support.limits import LIMIT
from tests.support.web_server import served as site_of
from tests.web.serving import Served, run_app, serve
from tests.web.tiny import BLUE, YELLOW, photo, tiny_model

PNG = data_url(photo(YELLOW, format="PNG"), "png")
ELSEWHERE = "https://school.example"


class QuietFiles(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def space(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The page as other machines reach it."""
    models = tmp_path_factory.mktemp("models")
    tiny_model(models, "mirror")
    with serve("--models", str(models), SYSTEM="spaces", SPACE_ID="ana/mirror") as page:
        yield page


def test_a_page_that_others_reach_answers_other_sites_without_cookies(space: Served) -> None:
    asked = {"origin": ELSEWHERE, "host": "ana-mirror.hf.space"}
    before = asked | {"access-control-request-method": "POST"}
    answers = [
        httpx.get(f"{space.url}/gradio_api/info", headers=asked),
        httpx.post(f"{space.url}/gradio_api/call/verdict", json={"data": [{"url": PNG}]}, headers=asked),
        httpx.options(f"{space.url}/gradio_api/call/verdict", headers=before),
    ]
    sent = httpx.post(f"{space.url}/gradio_api/upload", files={"files": ("a.jpg", photo(YELLOW))}, headers=asked)
    shown = httpx.get(f"{space.url}/gradio_api/file={sent.json()[0]}", headers=asked)
    for answer in (*answers, sent, shown):
        assert answer.status_code == 200, answer.text
        assert answer.headers["access-control-allow-origin"] in (ELSEWHERE, "*")
        assert "access-control-allow-credentials" not in answer.headers
    refused = httpx.post(f"{space.url}/gradio_api/upload", files={"other": ("a.jpg", b"x")}, headers=asked)
    assert refused.status_code == 400 and refused.headers["access-control-allow-origin"] == ELSEWHERE


def test_a_page_of_this_machine_alone_answers_its_own_pages_alone(served: Served) -> None:
    own, foreign = (
        httpx.get(f"{served.url}/gradio_api/info", headers={"origin": origin})
        for origin in ("http://localhost:3000", ELSEWHERE)
    )
    assert own.status_code == 200 and own.headers["access-control-allow-origin"] == "http://localhost:3000"
    sent = httpx.post(
        f"{served.url}/gradio_api/upload", files={"files": ("a.jpg", photo(YELLOW))}, headers={"origin": ELSEWHERE}
    )
    for answer in (foreign, sent):
        assert answer.status_code == 403 and "access-control-allow-origin" not in answer.headers


@pytest.mark.browser
def test_another_site_shows_the_page_in_a_frame_and_it_answers_there(
    chromium: Any, space: Served, tmp_path: Path
) -> None:
    shown = f'<iframe src="{space.url}" width="900" height="800"></iframe>'
    (tmp_path / "index.html").write_text(f"<!doctype html><title>School</title>{shown}")
    with site_of(partial(QuietFiles, directory=str(tmp_path))) as site:
        tab = chromium.new_page()
        tab.goto(site)
        page = tab.frame_locator("iframe")
        page.locator("#photo input[type=file]").set_input_files(
            {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo(YELLOW)}
        )
        page.locator("#answer .says", has_text="This is a duckling.").wait_for()
        tab.close()


@pytest.mark.browser
def test_another_site_shows_the_page_as_an_element_of_its_own(chromium: Any, space: Served, tmp_path: Path) -> None:
    """gradio's element, from the script that gradio brings along."""
    shutil.copytree(Path(gradio.__file__).parent / "templates" / "frontend", tmp_path, dirs_exist_ok=True)
    shown = f'<script type="module" src="gradio.js"></script><gradio-app src="{space.url}/"></gradio-app>'
    (tmp_path / "index.html").write_text(f"<!doctype html><title>School</title>{shown}")
    with site_of(partial(QuietFiles, directory=str(tmp_path))) as site:
        tab = chromium.new_page()
        tab.goto(site)
        tab.locator("#photo input[type=file]").set_input_files(
            {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo(YELLOW)}
        )
        tab.locator("#answer .says", has_text="This is a duckling.").wait_for()
        tab.close()


def test_a_program_that_speaks_mcp_finds_tools_that_say_what_they_do(tmp_path: Path) -> None:
    pytest.importorskip("mcp", reason="mcp is not installed: pip install mcp")
    tiny_model(tmp_path, "mirror")
    with serve("--models", str(tmp_path), GRADIO_MCP_SERVER="True") as page:
        tools, answers = ThreadPoolExecutor().submit(asyncio.run, _ask(page.url)).result(LIMIT)
        assert {"predict", "verdict", "predict_url", "explain", "face_detection"} <= tools.keys()
        assert not [name for name in tools if name.rstrip("0123456789").endswith("_")]
        for tool in tools.values():
            assert len(tool.description) > 40
            for name, argument in tool.inputSchema["properties"].items():
                assert argument.get("description"), (tool.name, name)
        known, strange, explained, refused = answers
        assert json.loads(_text(known)) | {"probability": 0, "probabilities": 0} == {
            "label": "duckling", "known": True, "probability": 0, "probabilities": 0,
        }  # fmt: skip
        assert json.loads(_text(strange))["known"] is False
        assert explained.content[0].type == "image"
        assert refused.isError and "cannot be fetched" in _text(refused)
        assert "Traceback" not in page.log()


def _text(answer: Any) -> str:
    return answer.content[0].text.replace("'", '"').replace("True", "true").replace("False", "false")


async def _ask(url: str) -> tuple[dict[str, Any], list[Any]]:
    """What a client of the protocol is told of the tools, and answered by them."""
    from mcp import ClientSession
    from mcp.client.streamable_http import streamable_http_client

    blue = data_url(photo(BLUE, format="PNG"), "png")
    async with streamable_http_client(f"{url}/gradio_api/mcp/") as (reading, writing, _):
        async with ClientSession(reading, writing) as session:
            await session.initialize()
            tools = {tool.name: tool for tool in (await session.list_tools()).tools}
            asked = [("verdict", PNG), ("verdict", blue), ("explain", PNG), ("verdict", "http://127.0.0.1:1/a.jpg")]
            return tools, [await session.call_tool(name, {"image": image}) for name, image in asked]


def test_tools_without_their_package_are_one_sentence(tmp_path: Path) -> None:
    tiny_model(tmp_path, "mirror")
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text("import sys; sys.modules['mcp'] = None")
    done = run_app("--models", str(tmp_path), "--mcp", PYTHONPATH=str(tmp_path / "site"))
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == 'The page\'s tools for other programs (MCP) need a package: pip install "gradio[mcp]".\n'
