"""Another page in the owner's browser, with the studio open and its cookie there: nothing that it does has any effect.

The class: everything a page can make a browser send to another address of this machine, from a name of its own
(cross-site), from localhost, and from another port of the studio's own name (same-site: its cookies go along).
"""

from __future__ import annotations

import contextlib
import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mirror.web.workshop.access import ELSEWHERE, NO_TOKEN
from tests.web.serving import Served, serve
from tests.web.studio.folders import photo_folder

pytestmark = pytest.mark.browser

# what answers the attack: the name of what went wrong for the attacker, or "taken" and what was had
ATTACKS = {
    "fetch": "fetch(S + '/', {credentials: 'include'}).then((a) => a.text()).then((t) => 'taken ' + t)",
    "read without cors": "fetch(S + '/', {credentials: 'include', mode: 'no-cors'}).then((a) => a.type + a.status)",
    "post text": "fetch(S + J, {method: 'POST', mode: 'no-cors', credentials: 'include', body: B}).then((a) => a.type)",
    "post json": "fetch(S + J, {method: 'POST', credentials: 'include', body: B, headers: {'Content-Type': "
    "'application/json'}}).then((a) => 'taken ' + a.status)",
    "beacon": "Promise.resolve(navigator.sendBeacon(S + J, new Blob([B], {type: 'text/plain'})) && 'sent')",
    "image": "load('img', {src: S + P})",
    "script": "load('script', {src: S + A})",
    "style": "load('link', {rel: 'stylesheet', href: S + '/theme.css'})",
    "video": "load('video', {src: S + P})",
    "events": "new Promise((done) => { const e = new EventSource(S + '/gradio_api/queue/data?session_hash=x', "
    "{withCredentials: true}); e.onopen = () => done('taken'); e.onerror = () => { e.close(); done('refused'); }; })",
    "websocket": "new Promise((done) => { const w = new WebSocket(S.replace('http', 'ws') + J); "
    "w.onopen = () => done('taken'); w.onerror = () => done('refused'); })",
    "worker": "new Promise((done) => { try { const w = new Worker(S + A); w.onerror = () => done('refused'); } "
    "catch (e) { done('refused'); } })",
    "form text": "post('text/plain')",
    "form": "post('application/x-www-form-urlencoded')",
    "form multipart": "post('multipart/form-data')",
}
FRAMES = ("iframe", "embed", "object")
HELP = """
const load = (tag, given) => new Promise((done) => {
  const one = Object.assign(document.createElement(tag), given);
  one.onload = one.onloadeddata = () => done('taken');
  one.onerror = () => done('refused');
  document.body.append(one);
});
const post = (enctype) => new Promise((done) => {
  const frame = Object.assign(document.createElement('iframe'), {name: 'f' + Math.random()});
  document.body.append(frame);
  const form = document.createElement('form');
  Object.assign(form, {action: S + J, method: 'POST', enctype, target: frame.name});
  form.append(Object.assign(document.createElement('input'), {name: B.slice(0, -1) + ',"x":"', value: '"}'}));
  document.body.append(form);
  frame.onload = () => { try { done(frame.contentDocument ? 'sent' : 'refused'); } catch (e) { done('refused'); } };
  form.submit();
  setTimeout(() => done('sent'), 3000);
});
"""


class _Evil(http.server.BaseHTTPRequestHandler):
    """Every address is the same empty page; what ends in .png is a page with a script, as in the finding."""

    def do_GET(self) -> None:
        body = b"<title>evil</title><body></body>"
        if self.path.endswith(".png"):
            body = b"<title>evil</title><script>document.title = 'ran on ' + location.origin</script>"
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def evil_server() -> Iterator[int]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Evil) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Path]]:
    place = tmp_path_factory.mktemp("pages")
    photo_folder(place / "data" / "birds", each=3)
    (place / "models").mkdir()
    with serve("--studio", str(place / "data" / "birds"), "--models", str(place / "models")) as page:
        yield page, place / "data" / "birds"


@pytest.mark.parametrize("name", ["evil.localhost", "localhost", "127.0.0.1"])
def test_another_page_can_do_nothing(chromium, studio: tuple[Served, Path], name: str) -> None:
    served, folder = studio
    journal = folder / "decisions.csv"
    context = chromium.new_context()
    with evil_server() as port, contextlib.closing(context):
        own = context.new_page()
        own.goto(served.address)
        own.locator(".board").wait_for()
        own.wait_for_url(f"{served.url}/?step=clean")
        with own.expect_request(lambda r: "remove" in (r.post_data or "")) as sent:
            own.keyboard.press("x")
        own.locator("#said p", has_text="removed").wait_for()
        decision = json.loads(sent.value.post_data)
        before = journal.read_bytes()
        known = {
            "S": served.url, "J": "/gradio_api/queue/join", "B": json.dumps(decision | {"session_hash": "evil"}),
            "P": own.locator(".tile img").first.get_attribute("src"),
            "A": own.evaluate("new URL(document.querySelector('script[src]').src).pathname"),
        }  # fmt: skip
        page = context.new_page()
        page.goto(f"http://{name}:{port}/")
        ready = HELP + "".join(f"const {one} = {json.dumps(value)};\n" for one, value in known.items())
        for attack, code in ATTACKS.items():
            told = page.evaluate(f"() => {{ {ready} return ({code}).catch((e) => 'refused'); }}")
            assert not told.startswith("taken"), (attack, told[:80])
        for tag in FRAMES:
            page.evaluate(
                "([tag, url]) => { const one = document.createElement(tag);"
                "one[tag === 'object' ? 'data' : 'src'] = url; document.body.append(one); }",
                [tag, f"{served.url}/"],
            )
        page.wait_for_timeout(500)
        assert not any("gradio" in frame.content() for frame in page.frames[1:])
        file = f"/gradio_api/file=http://{name}:{port}/studio.png"
        for path in ("/", "/?token=x", file, known["P"], "/gradio_api/queue/join", known["A"]):
            page.goto(f"http://{name}:{port}/")
            page.evaluate("(url) => { location.href = url; }", served.url + path)
            page.wait_for_url(lambda url: url.startswith(served.url))
            assert page.locator("body").inner_text() in (ELSEWHERE, NO_TOKEN), path
            assert "ran on" not in page.title()
        page.goto(f"http://{name}:{port}/")
        with context.expect_page() as opened:
            page.evaluate("(url) => { window.other = window.open(url); }", f"{served.url}/")
        opened.value.wait_for_load_state()
        assert opened.value.locator("body").inner_text() in (ELSEWHERE, NO_TOKEN)
        title = "() => { try { return window.other.document.title; } catch (e) { return 'out of reach'; } }"
        assert page.evaluate(title) == "out of reach"
        own.reload()  # and the studio itself still works
        own.locator(".board").wait_for()
        assert journal.read_bytes() == before
        own.keyboard.press("u")
        own.locator("#said p", has_text="Taken back").wait_for()
    assert "Traceback" not in served.log()


@pytest.mark.parametrize("name", ["evil.localhost", "127.0.0.1"])
@pytest.mark.parametrize("target", ["", "_blank"], ids=["here", "in a new tab"])
def test_the_printed_address_opens_from_a_link_in_another_page(chromium, studio, name: str, target: str) -> None:
    """A chat or a mail in the browser; the page that the link was on gets hold of nothing."""
    served, _ = studio
    with evil_server() as port, contextlib.closing(chromium.new_context()) as context:
        page = context.new_page()
        page.goto(f"http://{name}:{port}/")
        page.evaluate(
            "([href, target]) => document.body.append(Object.assign(document.createElement('a'), "
            "{href, target, rel: 'opener', textContent: 'the studio'}))",
            [served.address, target],
        )
        if target:
            with context.expect_page() as opened:
                page.get_by_text("the studio").click()
            shown = opened.value
        else:
            page.get_by_text("the studio").click()
            shown = page
        shown.locator(".board").wait_for()
        shown.wait_for_url(f"{served.url}/?step=clean")
        assert shown.evaluate("[window.opener, document.referrer]") == [None, ""]
        assert "token=" not in shown.evaluate("JSON.stringify(performance.getEntries().map((one) => one.name))")
        shown.go_back()
        assert "token=" not in shown.url  # the history does not keep it
        page.goto(f"http://{name}:{port}/")
        page.evaluate("(url) => { location.href = url; }", f"{served.url}/")
        page.wait_for_url(f"{served.url}/")
        assert page.locator("body").inner_text() == ELSEWHERE  # the cookie opens nothing from there


def test_the_studio_opens_only_where_its_address_was_opened(chromium, studio: tuple[Served, Path]) -> None:
    """The cookie is one browser's; localhost and 127.0.0.1 are two names; the address does not keep the token."""
    served, _ = studio
    with contextlib.closing(chromium.new_context()) as context:
        page = context.new_page()
        page.goto(served.url)
        assert page.locator("body").inner_text() == NO_TOKEN
        page.goto(served.address)
        page.locator(".board").wait_for()
        page.wait_for_url(f"{served.url}/?step=clean")
        assert "token=" not in page.evaluate("JSON.stringify(performance.getEntries().map((one) => one.name))")
        assert page.evaluate("document.cookie") == "" and page.evaluate("document.referrer") == ""
        page.goto(served.url.replace("127.0.0.1", "localhost"))
        assert page.locator("body").inner_text() == NO_TOKEN
        page.goto(served.address.replace("127.0.0.1", "localhost"))
        page.locator(".board").wait_for()
