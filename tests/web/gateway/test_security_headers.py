"""What every answer says to the browser, and to whom the page answers.

The class: an answer without the words that keep a browser from misusing it, and a question that another site makes a
browser ask. Members: every kind of answer, refusals included; names that are pointed at this machine; foreign origins;
forwarded names; credentials.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest

from mirror.web.gateway.routes import page_routes
from mirror.web.gateway.security_headers import host_name, hosts_of
from mirror.web.page import known_hosts
from tests.support.ports import free_port
from tests.web.serving import Served, serve
from tests.web.tiny import YELLOW, photo


@pytest.fixture(scope="module")
def public(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The page as a Space runs it."""
    port = free_port()
    space = {
        "SYSTEM": "spaces", "SPACE_ID": "someone/mirror", "SPACE_HOST": "someone-mirror.hf.space",
        "GRADIO_SERVER_NAME": "0.0.0.0", "GRADIO_SERVER_PORT": str(port), "MIRROR_MODELS": str(models),
    }  # fmt: skip
    with serve(port=port, uploads=tmp_path_factory.mktemp("uploads"), **space) as page:
        yield page


@pytest.fixture(params=["served", "public"])
def page(request: pytest.FixtureRequest) -> Served:
    return request.getfixturevalue(request.param)


ANSWERS = [
    ("GET", "/"), ("HEAD", "/"), ("GET", "/config"), ("GET", "/theme.css"), ("GET", "/favicon.ico"),
    ("GET", "/nowhere"), ("GET", "/gradio_api/info"), ("PUT", "/config"), ("GET", "/gradio_api/file=/etc/passwd"),
    ("POST", "/gradio_api/queue/join"), ("POST", "/gradio_api/upload"), ("OPTIONS", "/config"),
    ("POST", "/gradio_api/cancel"), ("GET", "/robots.txt"), ("GET", "/static/img/logo.svg"),
    ("GET", "/gradio_api/upload_progress"), ("GET", "/gradio_api/run/predict"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), ANSWERS)
def test_every_answer_is_careful(page, method, path):
    told = httpx.request(method, page.url + path, headers={"Origin": page.url, "Access-Control-Request-Method": "POST"})
    assert told.headers["x-content-type-options"] == "nosniff"
    assert told.headers["referrer-policy"] == "same-origin"
    assert "camera=(self)" in told.headers["permissions-policy"]
    policy = told.headers["content-security-policy"]
    assert ("script-src" if path == "/" else "default-src 'none'") in policy and "http" not in policy
    assert "access-control-allow-credentials" not in told.headers


def test_the_page_says_what_it_loads_and_may_be_framed(page):
    told = httpx.get(page.url)
    policy = dict(part.strip().partition(" ")[::2] for part in told.headers["content-security-policy"].split(";"))
    assert (policy["default-src"], policy["object-src"], policy["base-uri"]) == ("'self'", "'none'", "'self'")
    assert "unsafe-inline" not in policy["script-src"] and "frame-ancestors" not in policy
    assert "x-frame-options" not in told.headers
    nonce = policy["script-src"].split("'nonce-")[1].split("'")[0]
    assert told.text.count("<script") == told.text.count(f'<script nonce="{nonce}"') > 3
    assert nonce not in httpx.get(page.url).headers["content-security-policy"]


HOSTS = (
    "evil.test", "evil.test:7860", "127.0.0.1.evil.test", "localhost.evil.test", "10.0.0.1", "[::2]", "0.0.0.0", "",
    "127.0.0.1/evil.test", "127.0.0.1?.evil.test", "evil.test@127.0.0.1", "localhost#evil.test", "localhost,evil.test",
    "a b",
)  # fmt: skip
OURS = ("localhost", "127.0.0.1", "LOCALHOST:7860", "localhost.", "127.0.0.1:1", "[::1]:7860", "127.0.0.2")


@pytest.mark.parametrize("host", HOSTS)
def test_a_name_that_was_pointed_here_is_not_answered(served, host):
    for method, path in (("GET", "/"), ("GET", "/config"), ("POST", "/gradio_api/upload"), ("OPTIONS", "/config")):
        told = httpx.request(method, served.url + path, headers={"Host": host})
        assert told.status_code in (400, 403) and "cygnet" not in told.text, (method, path)


@pytest.mark.parametrize("host", OURS)
def test_this_machines_own_names_are_answered(served, host):
    assert httpx.get(f"{served.url}/config", headers={"Host": host}).status_code == 200


def test_a_public_page_has_any_name(public):
    assert httpx.get(f"{public.url}/config", headers={"Host": "someone-mirror.hf.space"}).status_code == 200
    assert httpx.get(f"{public.url}/gradio_api/deep_link?session_hash=a").status_code == 404  # the gate is there too


@pytest.mark.parametrize(
    "origin", ["http://evil.test", "null", "https://localhost.evil.test", "file://", "http://10.0.0.1"]
)
def test_another_sites_page_is_not_answered(served, origin):
    body = {"data": [None], "session_hash": "a"}
    told = httpx.post(f"{served.url}/gradio_api/queue/join", json=body, headers={"Origin": origin})
    assert told.status_code == 403 and "access-control-allow-origin" not in told.headers
    assert httpx.get(f"{served.url}/config", headers={"Origin": origin}).status_code == 403


def test_a_public_page_answers_other_sites_without_their_visitors_credentials(public):
    sent = {"Origin": "https://blog.example", "Host": "someone-mirror.hf.space"}
    told = httpx.get(f"{public.url}/config", headers=sent)
    assert told.headers["access-control-allow-origin"] == "https://blog.example"
    assert "access-control-allow-credentials" not in told.headers


def test_no_stranger_says_what_the_page_is_called(served, public):
    for header in ("X-Forwarded-Host", "X-Gradio-Server"):
        for value in ("evil.test", "http://evil.test", '"><script>', "localhost, evil.test"):
            for path in ("/", "/config", "/gradio_api/info"):
                assert "evil.test" not in httpx.get(served.url + path, headers={header: value}).text
    told = httpx.get(f"{public.url}/config", headers={"X-Forwarded-Host": "someone-mirror.hf.space"}).json()
    assert told["root"] == "http://someone-mirror.hf.space"  # a Space's proxy says it this way
    for value in ("a b", '"><script>', "a/b", "a?b"):
        root = httpx.get(f"{public.url}/config", headers={"X-Forwarded-Host": value}).json()["root"]
        assert root.startswith(public.url.replace("127.0.0.1", "")[:4]) and value not in root


def test_nothing_of_one_visitors_host_is_told_to_another(public):
    """The class: what is kept for everybody from whoever asks first."""
    addresses = [each.template for each in page_routes(1) if "GET" in each.methods and "{" not in each.template]
    addresses += ["/gradio_api/info?all_endpoints=true", "/gradio_api/info?page=", "/gradio_api/info?page=x"]
    for number, way in enumerate(("Host", "X-Forwarded-Host")):
        sent = {way: f"first{number}.example"}
        httpx.post(f"{public.url}/gradio_api/call/v2/predict", json={}, headers=sent)
        for path in addresses:
            if "startup" not in path and "data" not in path and "progress" not in path:
                httpx.get(public.url + path, headers=sent)
    for path in addresses:
        if "startup" not in path and "data" not in path and "progress" not in path:
            told = httpx.get(public.url + path, headers={"Host": "second.example"})
            assert "first" not in "".join(re.findall(r"first\d?\.example", told.text)), path
    told = httpx.get(f"{public.url}/gradio_api/info", headers={"Host": "second.example"})
    assert "http://second.example" in told.text and "/predict" in told.json()["named_endpoints"]


def test_which_names_a_page_has():
    loopback = {"localhost", "127.0.0.1", "::1"}
    for host, environ, known in (
        (None, {}, loopback), ("127.0.0.1", {}, loopback), ("localhost", {}, loopback), ("::1", {}, loopback),
        ("[::1]", {}, loopback), ("0.0.0.0", {}, None), ("192.168.1.2", {}, None), (None, {"SYSTEM": "spaces"}, None),
        (None, {"SPACE_ID": "a/b"}, None), (None, {"GRADIO_SHARE": "True"}, None),
        (None, {"GRADIO_SERVER_NAME": "0.0.0.0"}, None), ("127.0.0.1", {"GRADIO_SERVER_NAME": "0.0.0.0"}, loopback),
        (None, {"MIRROR_ALLOWED_HOSTS": "a.example, B.example"}, loopback | {"a.example", "b.example"}),
        (None, {"MIRROR_ALLOWED_HOSTS": "*"}, None),
    ):  # fmt: skip
        assert known_hosts(host, environ) == known, (host, environ)
    assert hosts_of(None) == loopback and host_name(b"LocalHost.:80") == "localhost"


def test_a_name_that_a_proxy_passes_on_is_answered_where_it_was_allowed(models):
    with serve("--models", str(models), MIRROR_ALLOWED_HOSTS="mirror.example") as page:
        told = httpx.get(f"{page.url}/config", headers={"Host": "mirror.example", "X-Forwarded-Host": "mirror.example"})
        assert told.json()["root"] == "http://mirror.example"
        assert httpx.get(f"{page.url}/config", headers={"Host": "evil.test"}).status_code == 403


@pytest.mark.browser
@pytest.mark.parametrize("where", ["served", "public"])
def test_the_page_works_in_a_strangers_frame_and_loads_nothing_from_elsewhere(chromium, request, where):
    """In Chromium: the page in a frame, a photo, every tab; no violation of its policy, no other origin asked."""
    page = request.getfixturevalue(where)

    class Blog(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f'<iframe src="{page.url}" style="width:1200px;height:900px"></iframe>'.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    complaints, foreign = [], []
    with ThreadingHTTPServer(("127.0.0.1", 0), Blog) as blog:
        Thread(target=blog.serve_forever, daemon=True).start()
        visit = chromium.new_page()
        try:
            visit.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
            visit.on("request", lambda asked: foreign.append(asked.url))
            visit.goto(f"http://localhost:{blog.server_port}/")
            frame = visit.frame_locator("iframe")
            frame.locator("#photo button.upload-container").wait_for()
            sent = {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": photo(YELLOW)}
            frame.locator("#photo input[type=file]").set_input_files(sent)
            frame.locator("#answer .says", has_text="duckling").wait_for()
            tabs = frame.get_by_role("tab")
            for number in range(tabs.count()):
                if tabs.nth(number).is_visible():
                    tabs.nth(number).click()
                    visit.wait_for_timeout(200)
            frame.locator("footer button", has_text="API").first.click()
            frame.locator(".api-docs").first.wait_for()
        finally:
            visit.close()
            blog.shutdown()
    assert [said for said in complaints if "Content Security Policy" in said or "violates" in said] == []
    ours = (page.url, f"http://localhost:{blog.server_port}", "data:", "blob:")
    assert [url for url in foreign if not url.startswith(ours)] == []


@pytest.mark.browser
def test_text_that_found_its_way_into_the_page_runs_no_script(chromium, served):
    visit = chromium.new_page()
    try:
        visit.goto(served.url)
        visit.locator("#photo button.upload-container").wait_for()
        visit.evaluate(
            """() => { const made = document.createElement('div');
                made.innerHTML = '<img src=x onerror="window.ran = 1">'; document.body.append(made);
                const script = document.createElement('script'); script.textContent = 'window.ran = 2';
                document.body.append(script); }"""
        )
        visit.wait_for_timeout(500)
        assert visit.evaluate("window.ran") is None
        (path,) = httpx.post(f"{served.url}/gradio_api/upload", files={"files": ("a.jpg", b"window.ran = 3")}).json()
        visit.evaluate(
            "address => { const s = document.createElement('script'); s.src = address; document.body.append(s); }",
            f"/gradio_api/file={path}",
        )
        visit.wait_for_timeout(500)
        assert visit.evaluate("window.ran") is None
    finally:
        visit.close()
