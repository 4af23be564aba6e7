"""Which addresses answer: those that the page and gradio's clients need, and no other of gradio's.

The class: surface that a dependency brings along and nobody looked at (an open proxy, a way around the queue, files
written by anyone's request). So every address of the gradio that is installed is either open or closed by name, and
what is closed is tried on a real server.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from mirror.web.gateway.routes import API, PICTURE, find, page_routes, relative
from tests.support.limits import LIMIT
from tests.web.serving import Served, environment, serve
from tests.web.tiny import YELLOW, photo

STAND_IN = Path(__file__).with_name("app_with_a_stand_in.py")
OPEN = page_routes(20 << 20)

_OLD, _LOGIN, _HISTORY = "an older name of another", "nobody logs in here", "runs are not recorded"
_STREAM, _VIBE, _COUNTED = "nothing here is streamed", "it lets visitors rewrite the program", "nobody is counted"
# gradio 6.31's other addresses, and why each is closed
REFUSED: dict[str, str] = {
    f"{API}/run/{{api_name}}": "it goes around the queue; the page and both clients ask through it",
    f"{API}/run/{{api_name}}/": _OLD, f"{API}/api/{{api_name}}": _OLD, f"{API}/api/{{api_name}}/": _OLD,
    f"{API}/file/{{path:path}}": _OLD,
    f"{API}/proxy={{url_path:path}}": "it fetches other people's pages",
    f"{API}/process_recording": "it leaves a file in the system's folder for each request",
    f"{API}/deep_link": "it writes a visitor's session to the disk",
    f"{API}/dev/reload": "for developers", f"{API}/app_id/": _OLD,
    f"{API}/custom_component/{{id}}/{{environment}}/{{type}}/{{file_name}}": "there is no custom component",
    "/svelte/{path:path}": "there is no custom component",
    f"{API}/openapi.json": "neither the page nor a client asks for it", "/openapi.json": "it lists every address",
    f"{API}/queue/status": "neither the page nor a client asks for it",
    "/monitoring": _COUNTED, "/monitoring/summary": _COUNTED, "/monitoring/{key}": _COUNTED,
    "/manifest.json": "the page is not installed as an app", "/pwa_icon": "the page is not installed as an app",
    "/pwa_icon/{size}": "the page is not installed as an app; it draws a picture as large as it is told",
    "/login": _LOGIN, "/login/": _LOGIN, "/logout": _LOGIN, f"{API}/login_check": _LOGIN, f"{API}/login_check/": _LOGIN,
    f"{API}/token": _LOGIN, f"{API}/token/": _LOGIN, f"{API}/user": _LOGIN, f"{API}/user/": _LOGIN,
    f"{API}/runs": _HISTORY, f"{API}/runs/": _HISTORY, f"{API}/run-history/connect": _HISTORY,
    f"{API}/run-history/buckets": _HISTORY, f"{API}/run-history/records": _HISTORY,
    f"{API}/run-history/records/{{endpoint}}/{{record_id}}/assets/{{asset_id}}": _HISTORY,
    f"{API}/stream/{{event_id}}": _STREAM, f"{API}/stream/{{event_id}}/close": _STREAM,
    f"{API}/stream/{{session_hash}}/{{run}}/{{component_id}}/playlist-file": _STREAM,
    f"{API}/stream/{{session_hash}}/{{run}}/{{component_id}}/playlist.m3u8": _STREAM,
    f"{API}/stream/{{session_hash}}/{{run}}/{{component_id}}/{{segment_id}}.{{ext}}": _STREAM,
    f"{API}/vibe-edit": _VIBE, f"{API}/vibe-edit/": _VIBE, f"{API}/undo-vibe-edit": _VIBE,
    f"{API}/undo-vibe-edit/": _VIBE, f"{API}/vibe-code": _VIBE, f"{API}/vibe-code/": _VIBE,
    f"{API}/vibe-starter-queries": _VIBE, f"{API}/vibe-starter-queries/": _VIBE,
}  # fmt: skip

SCRIPT = b"<script>document.title = 'taken over'</script>"


@pytest.fixture(scope="module")
def stranger() -> Iterator[tuple[int, list[str]]]:
    """A stranger's server, and what it was asked for: everything there is a web page with a script."""
    asked: list[str] = []

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(SCRIPT)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port, asked
        server.shutdown()


@pytest.fixture(scope="module")
def served(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve("--models", str(models), app=STAND_IN, uploads=tmp_path_factory.mktemp("uploads")) as page:
        yield page


# every address of the gradio that is installed, with run history and monitoring; FastAPI keeps an included router whole
LISTING = """
import json, gradio
from gradio.routes import App
with gradio.Blocks() as blocks:
    pass
blocks.config, blocks.favicon_path, blocks.enable_monitoring = blocks.get_config_file(), None, True
found, left = set(), list(App.create_app(blocks).routes)
while left:
    route = left.pop()
    left += route.original_router.routes if hasattr(route, "original_router") else []
    found |= set() if hasattr(route, "original_router") else {route.path}
print(json.dumps(sorted(found)))
"""


def gradios() -> set[str]:
    command = [sys.executable, "-c", LISTING]
    told = subprocess.run(command, env=environment(), capture_output=True, text=True, check=True, timeout=LIMIT)
    return set(json.loads(told.stdout))


def test_each_address_of_this_gradio_is_either_open_or_closed_by_name():
    open_ones, there = {route.template for route in OPEN} - {PICTURE}, gradios()  # which is the page's own
    assert there - open_ones - set(REFUSED) == set(), "new in this gradio: look at them, and name them in REFUSED"
    assert open_ones & set(REFUSED) == set()
    assert (open_ones | set(REFUSED)) - there == set(), "no longer in this gradio"


@pytest.mark.parametrize("template", REFUSED)
def test_what_is_closed_answers_nothing(served, template):
    path = re.sub(r"\{\w+(:path)?\}", "predict", template)
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        told = httpx.request(method, served.url + path)
        assert told.status_code in (404, 405), (method, path)
        assert method == "HEAD" or "There is nothing at this address." in told.text


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/gradio_api/run/predict", {"data": [None], "session_hash": "abc"}),
        ("/gradio_api/api/predict", {"data": [None]}),
        ("/gradio_api/run/predict/", {"data": [None]}),
        ("/gradio_api/stream/1", {"data": []}),
        ("/login", {}),
    ],
)
def test_there_is_no_way_around_the_queue(served, path, body):
    assert httpx.post(served.url + path, json=body).status_code == 404


PROXIES = (
    "/gradio_api/file={url}", "/gradio_api/file/{url}", "/gradio_api/file={quoted}", "/gradio_api/FILE={url}",
    "//gradio_api/file={url}", "/gradio_api//file={url}", "/./gradio_api/file={url}", "/x/../gradio_api/file={url}",
    "/gradio_api/file%3D{url}", "/gradio_api/%66ile={url}", "/gradio_api%2ffile={url}", "/gradio_api/proxy={url}",
    "/gradio_api/file=%20{url}", "/gradio_api/file=//evil.test:{port}/x.png", "/gradio_api/file=HTTP:{rest}",
    "/gradio_api/file=\\\\evil.test\\x.png", "/gradio_api/file=ftp:{rest}", "/gradio_api/file=file:///etc/passwd",
)  # fmt: skip


@pytest.mark.parametrize("trick", PROXIES)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_no_stranger_is_fetched_and_shown_as_ours(served, stranger, trick, method):
    port, asked = stranger
    url = f"http://evil.test:{port}/x.png"
    quoted = "".join(f"%{byte:02x}" for byte in url.encode())
    told = raw(served.port, method, trick.format(url=url, quoted=quoted, port=port, rest=url[5:]))
    assert re.match(rb"HTTP/1.1 (400|403|404|405) ", told), told[:200]
    assert SCRIPT not in told and asked == []


SPELLINGS = (
    "//config", "/config//", "/./config", "/x/../config", "/CONFIG", "/config%2f", "/%63onfig", "/config/.",
    "/config%00", "/assets/../config", "/assets/..%2f..%2fconfig", "/static//img/logo.svg", "/config;x", "/config\\",
)  # fmt: skip


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_an_address_is_written_in_one_way_only(served, spelling):
    assert re.match(rb"HTTP/1.1 (400|404|405) ", raw(served.port, "GET", spelling))


def test_each_open_address_takes_its_methods_only(served):
    join = "/gradio_api/queue/join"
    for path, allowed in (("/", "GET, HEAD, OPTIONS"), ("/config", "GET, HEAD, OPTIONS"), (join, "OPTIONS, POST")):
        for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "TRACE"):
            told = httpx.request(method, served.url + path)
            if method in allowed:
                assert told.status_code != 405, (method, path)
            else:
                assert (told.status_code, told.headers["allow"]) == (405, allowed), (method, path)


def test_a_websocket_is_an_ordinary_request(served):
    upgrade = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
    upgrade += "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
    assert raw(served.port, "GET", "/gradio_api/queue/join", upgrade).startswith(b"HTTP/1.1 405 ")
    assert raw(served.port, "GET", "/socket", upgrade).startswith(b"HTTP/1.1 404 ")
    assert "Unsupported upgrade" not in served.log()


def test_what_the_clients_need_is_there(served):
    assert httpx.get(f"{served.url}/gradio_api/info").json()["named_endpoints"]["/predict"]
    (path,) = httpx.post(f"{served.url}/gradio_api/upload", files={"files": ("a.jpg", photo(YELLOW))}).json()
    sent = {"data": [{"path": path, "meta": {"_type": "gradio.FileData"}}]}
    for call in ("call", "call/v2"):
        told = {"image": sent["data"][0]} if call == "call/v2" else sent
        event = httpx.post(f"{served.url}/gradio_api/{call}/predict", json=told).json()["event_id"]
        answer = httpx.get(f"{served.url}/gradio_api/{call}/predict/{event}", timeout=60).text
        assert json.loads(answer.split("data: ")[1])[0]["label"] == "duckling", answer


def test_a_page_mounted_below_another_address_keeps_its_routes():
    assert (relative("/mirror/config", "/mirror"), relative("/mirror", "/mirror")) == ("/config", "")
    assert (relative("/mirrors/config", "/mirror"), relative("/config", "")) == ("/mirrors/config", "/config")
    assert [route.template for route in find(OPEN, f"{API}/info", b"/mirror/gradio_api/info")] == [f"{API}/info"]
    assert find(OPEN, f"{API}/info", b"/gradio_api/%69nfo") == []


def raw(port: int, method: str, target: str, headers: str = "") -> bytes:
    """What the server says to a target that a client library would tidy up."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connection:
        headers += "Host: localhost\r\nConnection: close\r\n"
        connection.sendall(f"{method} {target} HTTP/1.1\r\n{headers}\r\n".encode())
        told = b""
        while chunk := connection.recv(65536):
            told += chunk
    return told


def test_a_page_that_lost_its_connection_learns_when_it_is_back(served):
    """gradio's page asks until it is answered, and then loads anew."""
    there, here = httpx.get(f"{served.url}{API}/app_id"), httpx.get(f"{served.url}/config")
    assert there.json() == {"app_id": here.json()["app_id"]}
