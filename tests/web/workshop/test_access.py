"""For its owner only: whom the studio answers, for what, and which files it gives away.

The class: whatever reaches a server on one's own machine without its owner's will. Its members differ in who sends it
(another user, another page in the owner's browser, a name that was pointed here), in what is sent (every route of
gradio's, with every method), and in what lies in a photo folder that came from a stranger.
"""

from __future__ import annotations

import contextlib
import functools
import http.client
import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from mirror.collect.photo_records import write_photos
from mirror.web.gateway.middleware import NOT_HERE, NOT_SO
from mirror.web.workshop.access import ELSEWHERE, MAX_BODY_BYTES, NO_TOKEN
from tests.hostile.files import BOMBS, shared_tags
from tests.support.limits import LIMIT
from tests.web.serving import REPOSITORY, Served, environment, serve
from tests.web.studio.folders import photo_folder

HTML = "<script>document.title = 'taken'</script>"


SVG = f'<svg xmlns="http://www.w3.org/2000/svg">{HTML}</svg>'


GIF = b"GIF89a\x01\x00\x01\x00\x80\x00\x00\xff\xff\xff\x00\x00\x00!\xf9\x04\x01\x00\x00\x00\x00,"


INERT = "application/octet-stream"


# name in images/ants, what lies there, and as what it may be sent: None for not at all
STRANGE = {
    "evil.html": (HTML.encode(), INERT),
    "evil.svg": (SVG.encode(), INERT),
    "evil.jpg": (b"\n" + HTML.encode(), INERT),
    "evil.js": (b"alert(1)", INERT),
    "evil.xhtml.png": (f'<?xml version="1.0"?>{SVG}'.encode(), INERT),
    "evil.pdf": (b"%PDF-1.7 ", INERT),
    "empty.jpg": (b"", INERT),
    "photo.html": (b"\xff\xd8\xff\xe0" + HTML.encode(), "image/jpeg"),  # by its bytes, and nosniff
    "photo.svg": (GIF, "image/gif"),
    "picture.txt": (b"\x89PNG\r\n\x1a\n" + HTML.encode(), "image/png"),
    "tags.jpg": (shared_tags(2_000, 100_000), INERT),
    "comments.gif": (BOMBS["gif: 400,000 comment blocks"](), "image/gif"),
    "markers.jpg": (BOMBS["jpeg: 9 million start markers"](), "image/jpeg"),
    "pixels.webp": (BOMBS["webp: 50 megapixels in 34 bytes"](), "image/webp"),
    "link.jpg": ("OUTSIDE", None),
    "inside.jpg": ("evil.html", None),  # a link within the folder is none of the folder's photos either
    "pipe.jpg": ("PIPE", None),
    "folder.jpg": ("FOLDER", None),
    "huge.jpg": ("HUGE", None),
}


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, Path]]:
    """A studio whose metadata.csv also names what a stranger may have put there."""
    place = tmp_path_factory.mktemp("door")
    folder = place / "data" / "birds"
    photos = photo_folder(folder, each=2)
    (place / "models").mkdir()
    (folder / "images" / "secret.jpg").write_bytes(b"not a photo of metadata.csv")
    (place / "outside").mkdir()
    (place / "outside" / "secret.jpg").write_bytes(b"\xff\xd8\xffsecret")
    (folder / "images" / "ants").mkdir()
    for name, (what, _) in STRANGE.items():
        path = folder / "images" / "ants" / name
        if what == "PIPE":
            os.mkfifo(path)
        elif what == "FOLDER":
            path.mkdir()
        elif what == "HUGE":
            path.write_bytes(b"\xff\xd8\xff")
            os.truncate(path, 30 * 1024 * 1024)
        elif isinstance(what, str):
            path.symlink_to(place / "outside" / "secret.jpg" if what == "OUTSIDE" else what)
        else:
            path.write_bytes(what)
    (folder / "images" / "linked").symlink_to(place / "outside")
    named = [f"images/ants/{name}" for name in STRANGE] + ["images/linked/secret.jpg", "decisions.csv"]
    strange = [replace(photos[0], file_name=name, url=f"https://x.example/{name}") for name in named]
    write_photos(folder / "metadata.csv", [*photos, *strange])
    (folder / "decisions.csv").write_text("time,file_name,action,label\n")
    with serve("--studio", str(folder), "--models", str(place / "models"), anew=True) as page:
        yield page, folder


@pytest.fixture(scope="module")
def client(studio: tuple[Served, Path]) -> Iterator[httpx.Client]:
    """Somebody with the token."""
    with studio[0].client() as client:
        yield client


def test_the_token_is_traded_for_a_cookie(studio: tuple[Served, Path]) -> None:
    page, _ = studio
    token = page.address.partition("?token=")[2]
    assert len(token) >= 43 and page.log().count(token) == 1
    told = httpx.get(f"{page.address}&__theme=dark")
    assert (told.status_code, told.headers["location"]) == (303, "/?__theme=dark")
    cookie = told.headers["set-cookie"]
    assert cookie.startswith(f"mirror-studio-{page.port}=") and token not in cookie
    assert {"HttpOnly", "Path=/", "SameSite=Strict"} <= set(cookie.split("; ")) and "Domain" not in cookie
    assert told.headers["referrer-policy"] == "no-referrer" and told.headers["cache-control"] == "no-store"
    with page.client() as client:
        shown = client.get("/")
        assert shown.status_code == 200 and token not in shown.text and client.cookies.jar
        for answer in (client.get("/nowhere"), client.get("/", headers={"Origin": "null"})):
            assert token not in answer.text
    command = Path(f"/proc/{page.process.pid}/cmdline")
    assert not command.exists() or token.encode() not in command.read_bytes()
    assert page.log().count(token) == 1


@functools.cache
def everything_of_gradios() -> list[tuple[str, str]]:
    """(method, address) of every route that the installed gradio has, with something for its parameters."""
    code = """
import gradio, json
with gradio.Blocks() as page: pass
page.launch(prevent_thread_lock=True, quiet=True, share=False, _frontend=False)
found, waiting = [], list(page.app.routes)
while waiting:
    one = waiting.pop()
    inner = getattr(one, "original_router", one)
    waiting += getattr(inner, "routes", None) or []
    found += [(method, one.path) for method in sorted(getattr(one, "methods", None) or ["GET"]) if hasattr(one, "path")]
print(json.dumps(found))
"""
    settings = {"cwd": REPOSITORY, "env": environment(GRADIO_ANALYTICS_ENABLED="False"), "text": True}
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, **settings, timeout=LIMIT)
    routes = [(method, re.sub(r"\{[^}]*\}", "x", path)) for method, path in json.loads(run.stdout.splitlines()[-1])]
    assert len(routes) > 50
    return routes


@pytest.mark.parametrize("host", ["::1", "[::1]"])
def test_the_other_name_of_this_machine_is_as_good(tmp_path: Path, host: str) -> None:
    with contextlib.suppress(OSError), socket.socket(socket.AF_INET6) as probe:
        probe.bind(("::1", 0))
        photo_folder(tmp_path / "birds", each=1)
        with serve("--studio", str(tmp_path / "birds"), "--models", str(tmp_path), "--host", host) as page:
            assert page.address.startswith(f"http://[::1]:{page.port}/?token=")
            told = httpx.get(page.address)
            assert told.status_code == 303
            assert httpx.get(f"http://[::1]:{page.port}/", cookies=told.cookies).status_code == 200
        return
    pytest.skip("this machine has no IPv6")


FILE = "/gradio_api/file="


OTHERS = [
    ("GET", f"{FILE}http://127.0.0.1:9/x.png"), ("GET", f"{FILE}https://evil.example/x"), ("GET", f"{FILE}/etc/passwd"),
    ("GET", f"{FILE}{REPOSITORY / 'app.py'}"), ("GET", "/gradio_api/proxy=https://x.hf.space/"), ("GET", "//config"),
    ("GET", "/Config"), ("GET", "/config/"), ("GET", "/assets/../config"), ("GET", "/assets/%2e%2e/config"),
    ("GET", "/static/..%2f..%2fpackage.json"), ("GET", "/gradio_api/startup-events"), ("PUT", "/"), ("DELETE", "/"),
    ("POST", "/"), ("TRACE", "/"), ("OPTIONS", "/"), ("OPTIONS", "/gradio_api/queue/join"), ("GET", "/docs"),
    ("GET", "/openapi.json"), ("GET", "/gradio_api/queue/data/"), ("POST", "/gradio_api/queue/data"),
]  # fmt: skip


def raw(page: Served, method: str, path: str, headers: dict[str, str]) -> tuple[int, str, dict[str, str]]:
    """(status, text, headers) of a request whose address goes out as it is; httpx would tidy it up first."""
    connection = http.client.HTTPConnection("127.0.0.1", page.port, timeout=60)
    with contextlib.closing(connection):
        connection.request(method, path, body=b"{}" if method == "POST" else None, headers=headers)
        told = connection.getresponse()
        return told.status, told.read().decode(), {name.lower(): value for name, value in told.getheaders()}


def test_nobody_without_the_token_gets_anything(studio: tuple[Served, Path], client: httpx.Client) -> None:
    page, folder = studio
    photo = next(folder.glob("images/cygnet/*.jpg")).relative_to(folder).as_posix()
    own = [("GET", f"/studio/{kind}/{folder.name}/{photo}") for kind in ("photos", "thumbnails")] + [("HEAD", "/")]
    asset = re.search(r"\./(assets/[\w./-]+\.js)", client.get("/").text)[1]
    own += [("GET", f"/{asset}"), ("GET", "/theme.css"), ("GET", "/favicon.ico"), ("POST", "/gradio_api/queue/join")]
    preflight = {"Origin": page.url, "Access-Control-Request-Method": "POST"}
    wrong = {"Cookie": f"mirror-studio-{page.port}=x; mirror-studio-1=; =; other"}
    for method, path in [*everything_of_gradios(), *OTHERS, *own]:
        for headers in ({}, preflight, wrong):
            status, text, shown = raw(page, method, path, headers)
            assert status == 401 and (method == "HEAD" or NO_TOKEN in text), (method, path, status)
            assert "access-control-allow-origin" not in shown and "set-cookie" not in shown


@pytest.mark.parametrize(
    "query",
    ["?token=", "?token=x", "?token=TOKE", "?token=TOKEN%20", "?token=token", "?token=TOKEN&token=TOKEN",
     "?Token=TOKEN", "?token=%ff", "?token=%00", "?token=é", "?token=" + "x" * 5000, "?x=TOKEN", "assets/?token=TOKEN",
     "config?token=TOKEN"],
)  # fmt: skip
def test_a_token_that_is_not_the_one_opens_nothing(studio: tuple[Served, Path], query: str) -> None:
    page, _ = studio
    token = page.address.partition("?token=")[2]
    sent = query.replace("TOKEN", token).replace("TOKE", token[:-1])
    told = httpx.get(f"{page.url}/{sent}")
    assert (told.status_code, told.text, told.headers.get("set-cookie")) == (401, NO_TOKEN, None)
    assert "?token= in it" in NO_TOKEN and token not in told.text


def test_with_the_token_only_what_the_page_needs_is_there(studio: tuple[Served, Path], client: httpx.Client) -> None:
    page, folder = studio
    needed = ("/", "/assets/", "/static/", "/favicon.ico", "/theme.css", "/gradio_api/queue/", "/gradio_api/heartbeat/",
              "/gradio_api/app_id", "/studio/")  # fmt: skip
    cookie = {"Cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items())}
    for method, path in [*everything_of_gradios(), *OTHERS]:
        if (method, path) in OTHERS or not (path == "/" or path.startswith(needed[1:])):
            status, text, _ = raw(page, method, path, cookie)
            assert status in (404, 405, 415), (method, path, status)
            assert method == "HEAD" or any(sentence in text for sentence in (NOT_HERE, NOT_SO, ELSEWHERE)), path
    for inside in (next(folder.glob("images/*/*.jpg")), folder / "metadata.csv"):
        assert client.get(f"{FILE}{inside}").status_code == 404


def test_photos_are_served_by_what_they_are(studio: tuple[Served, Path], client: httpx.Client) -> None:
    _, folder = studio
    photo = next(folder.glob("images/cygnet/*.jpg"))
    name = photo.relative_to(folder).as_posix()
    assert client.get(f"/studio/photos/{folder.name}/{name}").content == photo.read_bytes()
    assert client.get(f"/studio/thumbnails/{folder.name}/{name}").headers["content-type"] == "image/jpeg"
    for name, (what, kind) in STRANGE.items():
        told = client.get(f"/studio/photos/{folder.name}/images/ants/{name}")
        if kind is None:
            assert (told.status_code, told.text) == (404, "There is no such photo."), name
            continue
        assert (told.headers["content-type"], told.content) == (kind, what), name
        assert told.headers["x-content-type-options"] == "nosniff"
        assert told.headers["content-security-policy"] == "default-src 'none'; frame-ancestors 'none'; sandbox"
        assert told.headers.get("content-disposition") == ("attachment" if kind == INERT else None)
        assert client.get(f"/studio/thumbnails/{folder.name}/images/ants/{name}").status_code == 404
    others = ("images/secret.jpg", "images/linked/secret.jpg", "decisions.csv", "metadata.csv", "images", "images/ants",
              "images/..%2Fmetadata.csv", "..%2F..%2Fx", "%2Fetc%2Fpasswd", "images/x%00.jpg", "", ".")  # fmt: skip
    for kind in ("photos", "thumbnails"):
        for other in others:
            told = client.get(f"/studio/{kind}/{folder.name}/{other}")
            assert told.status_code == 404, other
        for project in ("other", "..", "%2e%2e", "~", "~Lw", "", f"{folder.name}/..", "~Li4v"):
            assert client.get(f"/studio/{kind}/{project}/{photo.relative_to(folder).as_posix()}").status_code == 404


SAME = {"Sec-Fetch-Site": "same-origin", "Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty"}


TYPED = {"Sec-Fetch-Site": "none", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}


JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        (SAME, 200),
        (TYPED, 200),
        (TYPED | {"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Host": "localhost:PORT"}, 200),
        ({"Origin": "http://127.0.0.1:PORT"}, 200),
        ({"Host": "evil.example:PORT"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "localhost.evil.example:PORT"}, 403),
        ({"Host": "evil.localhost:PORT"}, 403),
        ({"Host": "2130706433:PORT"}, 403),
        ({"Host": "0.0.0.0:PORT"}, 403),
        ({"Host": "evil.example@127.0.0.1:PORT"}, 400),
        ({"Host": ""}, 400),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:1"}, 403),
        ({"Origin": "https://127.0.0.1:PORT"}, 403),
        ({"Origin": "http://localhost:PORT"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Host": "evil.example", "Origin": "http://evil.example"}, 403),
        (SAME | {"Sec-Fetch-Site": "cross-site"}, 403),
        (SAME | {"Sec-Fetch-Site": "same-site"}, 403),
        (SAME | {"Sec-Fetch-Site": "something new"}, 403),
        (TYPED | {"Sec-Fetch-Site": "cross-site"}, 403),
        (TYPED | {"Sec-Fetch-Site": "same-site"}, 403),
        (TYPED | {"Sec-Fetch-Dest": "iframe"}, 403),
        (TYPED | {"Sec-Fetch-Dest": "embed"}, 403),
        (SAME | {"Sec-Fetch-Dest": "serviceworker"}, 403),
    ],
)
def test_only_the_studios_own_page_is_answered(
    studio: tuple[Served, Path], client: httpx.Client, headers: dict[str, str], status: int
) -> None:
    page, _ = studio
    sent = {name: value.replace("PORT", str(page.port)) for name, value in headers.items()}
    assert client.get("/", headers=sent).status_code == status
    assert client.get("/?token=x", headers=sent).status_code == (401 if status == 200 else status)
    posted = client.post("/gradio_api/queue/join", headers=sent | JSON, content=b"[]")
    navigates = headers.get("Sec-Fetch-Mode") == "navigate"  # a form; only a page may be gone to, not an endpoint
    assert posted.status_code == (status if status in (400, 403) else 403 if navigates else 422)


LINK = TYPED | {"Sec-Fetch-Site": "cross-site"}


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (LINK, 200),
        (LINK | {"Sec-Fetch-Site": "same-site", "Host": "localhost:PORT"}, 200),
        (LINK | {"Host": "evil.example:PORT"}, 403),
        (LINK | {"Origin": "https://evil.example"}, 403),
        (LINK | {"Origin": "http://127.0.0.1:PORT"}, 403),
        (LINK | {"Origin": "null"}, 403),
        *((LINK | {"Sec-Fetch-Dest": frame}, 403) for frame in ("iframe", "frame", "embed", "object", "empty")),
        *((LINK | {"Sec-Fetch-Mode": mode}, 403) for mode in ("no-cors", "cors", "same-origin", "websocket")),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
def test_a_link_in_another_sites_page_opens_the_studio_with_the_token_only(
    studio: tuple[Served, Path], client: httpx.Client, headers: dict[str, str], status: int
) -> None:
    """As in a mail or a chat. What a page loads by itself, or sends, is no click."""
    page, _ = studio
    sent = {name: value.replace("PORT", str(page.port)) for name, value in headers.items()}
    told = httpx.get(f"{page.address}&__theme=dark", headers=sent)
    assert (told.status_code, "set-cookie" in told.headers) == (status, status == 200)
    assert told.headers.get("refresh") == ("0; url=/?__theme=dark" if status == 200 else None)
    assert told.headers["x-frame-options"] == "DENY" and "frame-ancestors 'none'" in str(told.headers)
    for method, address in (
        ("GET", "/"), ("GET", "/?token=x"), ("GET", f"/theme.css?{page.address.partition('?')[2]}"),
        ("POST", page.address), ("PUT", page.address), ("GET", "/gradio_api/queue/data?session_hash=x"),
        ("GET", f"{page.address}&token=x"),
    ):  # fmt: skip
        told = client.request(method, address, headers=sent)  # with the cookie too
        assert told.status_code == 403 and ELSEWHERE in told.text and "set-cookie" not in told.headers, address


@pytest.mark.parametrize(
    ("kind", "status"),
    [("application/json", 422), ("text/plain", 415), ("application/x-www-form-urlencoded", 415), (None, 415),
     ("multipart/form-data; boundary=x", 415)],
)  # fmt: skip
def test_a_form_is_no_decision(client: httpx.Client, kind: str | None, status: int) -> None:
    headers = {"Content-Type": kind} if kind else {}
    assert client.post("/gradio_api/queue/join", headers=headers, content=b"[]").status_code == status


@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_is_bounded(studio: tuple[Served, Path], client: httpx.Client, chunked: bool) -> None:
    body = b'{"x":"' + b"x" * MAX_BODY_BYTES + b'"}'
    content = (body[i : i + 65536] for i in range(0, len(body), 65536)) if chunked else body
    told = client.post("/gradio_api/queue/join", headers=JSON, content=content)
    assert told.status_code == 413 and "too large" in told.text.lower()
    assert "Traceback" not in studio[0].log()


def test_a_websocket_is_refused(studio: tuple[Served, Path]) -> None:
    page, _ = studio
    asked = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    asked["Sec-WebSocket-Key"] = "dGhlIHNhbXBsZSBub25jZQ=="
    with page.client() as client:
        assert client.get("/gradio_api/queue/join", headers=asked).status_code == 405


def test_every_answer_says_how_it_may_be_used(studio: tuple[Served, Path], client: httpx.Client) -> None:
    page, _ = studio
    asked = [client.get("/"), client.get("/nowhere"), client.get("/theme.css"), httpx.get(page.url), client.post("/")]
    for told in [*asked, httpx.get(page.address), httpx.get(page.url, headers={"Host": "evil.example"})]:
        assert "frame-ancestors 'none'" in told.headers["content-security-policy"]
        expected = {
            "x-frame-options": "DENY", "x-content-type-options": "nosniff", "referrer-policy": "no-referrer",
            "cross-origin-resource-policy": "same-origin", "cross-origin-opener-policy": "same-origin",
        }  # fmt: skip
        assert expected.items() <= dict(told.headers).items(), told.url
    rules = asked[0].headers["content-security-policy"]
    assert "default-src 'self'" in rules and "object-src 'none'" in rules and "http" not in rules
    assert re.search(r"script-src 'self' 'nonce-[\w-]+' 'unsafe-eval';", rules)
    assert asked[0].headers["cache-control"] == "no-store"
    assert "Sec-Fetch-Site" in asked[0].headers["vary"] and "Sec-Fetch-Site" in asked[2].headers["vary"]


EVENTS = ("go", "decide")  # the board's


BOARD = {"go": {"label": "", "cell": None, "page": 0}, "decide": {"action": "keep", "names": [], "label": ""}}


WRONG_DATA: list[Any] = [[], [None], [{"tab": "labels"}], ["x" * 5000], [1, 2, 3], [["<b>"]], [{"path": "/etc/passwd"}]]


WRONG_EVENTS: list[Any] = [
    None, {}, {"label": 1}, {"label": "", "page": "2"}, {"label": "", "page": 0, "cell": "ab"},
    {"label": "", "page": 0, "cell": [1, 2]}, {"action": "erase", "names": ["a.jpg"], "label": ""},
    {"action": "keep", "names": "a.jpg", "label": ""}, {"action": "relabel", "names": [], "label": "a\x07b"},
    {"action": ["keep"], "names": [{}], "label": None}, {"action": "keep", "names": ["no-such.jpg"], "label": ""},
]  # fmt: skip


def ask_studio(client: httpx.Client, number: int, data: Any, event_data: Any) -> tuple[bool, Any]:
    """Joins the queue as the page does. Whether it went well, and what came of it."""
    body = {"data": data, "fn_index": number, "session_hash": "wrong", "event_data": event_data}
    posted = client.post("/gradio_api/queue/join", json=body)
    if posted.status_code != 200:
        return False, posted.json()["detail"] if posted.headers["content-type"] == "application/json" else posted.text
    with client.stream("GET", "/gradio_api/queue/data", params={"session_hash": "wrong"}) as stream:
        for line in stream.iter_lines():
            message = json.loads(line.removeprefix("data: ")) if line.startswith("data: ") else {}
            if message.get("msg") == "process_completed":
                return message["success"], message["output"].get("error")
    raise AssertionError("no answer")


def test_a_handler_called_with_wrong_arguments_answers_one_sentence_and_logs_no_traceback(
    studio: tuple[Served, Path], client: httpx.Client
) -> None:
    page, folder = studio
    before = (folder / "decisions.csv").read_text()
    config = re.search(r"window\.gradio_config = (\{.*?\});</script>", client.get("/").text, re.DOTALL)
    assert config is not None
    dependencies = json.loads(config[1])["dependencies"]
    numbers = {event: each["id"] for each in dependencies for _, event in each["targets"]}
    handlers = [each["id"] for each in dependencies if each["backend_fn"]]
    assert len(handlers) >= 10 and set(EVENTS) <= numbers.keys()
    for number in handlers:
        for data in WRONG_DATA:  # what is sent for the view is not looked at: it stays with the session
            well, told = ask_studio(client, number, data, {**BOARD["go"], **BOARD["decide"]})
            assert well or is_one_sentence(told), (number, data, told)
    for event in EVENTS:
        for given in WRONG_EVENTS:
            well, told = ask_studio(client, numbers[event], [None], given)
            assert not well and is_one_sentence(told), (event, given, told)
    for number in (-1, 10_000):
        well, told = ask_studio(client, number, [None], None)
        assert not well and is_one_sentence(told), (number, told)
    assert "Traceback" not in page.log() and "workshop_page" not in page.log(), page.log()
    assert (folder / "decisions.csv").read_text() == before


def is_one_sentence(told: Any) -> bool:
    return isinstance(told, str) and told.endswith(".") and "\n" not in told and len(told) < 500
