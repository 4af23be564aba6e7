"""What a visitor sends as a photo. The class: a path, an address, a size or a shape that a client supplies is trusted.

The reader alone first, with files that lie beside, below and behind the folder of uploads; then the page as a process,
asked over HTTP through every handler that takes a photo.
"""

from __future__ import annotations

import base64
import io
import os
import random
import re
import threading
import tracemalloc
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from PIL import Image

from mirror.errors import ImageTooLarge, MirrorError, NotAnImage
from mirror.web import uploads
from mirror.web.uploads import MAX_UPLOAD_BYTES, NOT_HERE, Address, InlinePhoto, given_address
from tests.hostile import requests
from tests.support.limits import join
from tests.web.asking import ask, ask_by_number, handlers
from tests.web.serving import Served
from tests.web.tiny import BLUE, YELLOW, photo

PNG = photo(YELLOW, format="PNG")


def parse_sent(sent, folder):
    """The bytes, as a handler reads them; an address as text; None."""
    found = uploads.parse_sent(sent, folder)
    return found if found is None else found.url if isinstance(found, Address) else found.read()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "uploads"
    (folder / "a1").mkdir(parents=True)
    (folder / "a1" / "photo.png").write_bytes(PNG)
    (tmp_path / "secret.png").write_bytes(PNG)
    return folder


# ---- what is understood ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "payload"), list(requests.spellings(PNG)), ids=lambda value: str(value)[:20])
def test_a_photo_in_a_data_url_is_read_however_it_is_spelt(folder, name, payload):
    assert parse_sent(payload, folder) == PNG


@pytest.mark.parametrize(
    "sent",
    [
        {"path": "{file}"}, {"path": "{file}", "url": "http://127.0.0.1:7860/gradio_api/file={file}"},
        {"path": "{file}", "orig_name": "p.png", "meta": requests.META}, "{file}", {"url": "/gradio_api/file={file}"},
        {"url": "http://mirror.example/gradio_api/file={file}"}, {"path": None, "url": "/file={file}"},
        {"path": "{folder}/./a1//photo.png"}, {"url": "https://x.hf.space/--replicas/a/gradio_api/file={file}"},
        {"path": "{folder}/a1/../a1/photo.png"},
    ],
    ids=lambda sent: str(sent)[:60],
)  # fmt: skip
def test_an_upload_is_read_by_its_path_and_by_its_address_here(folder, sent):
    file = str(folder / "a1" / "photo.png")

    def filled(text):
        return text.replace("{file}", file).replace("{folder}", str(folder)) if isinstance(text, str) else text

    sent = {name: filled(value) for name, value in sent.items()} if isinstance(sent, dict) else filled(sent)
    assert parse_sent(sent, folder) == PNG


def test_the_folder_itself_may_be_reached_through_a_link(folder, tmp_path):
    (tmp_path / "tmp").symlink_to(folder)  # /tmp is one on macOS
    for root in (folder, tmp_path / "tmp"):
        for named in (folder, tmp_path / "tmp"):
            expected = PNG if root != folder or named == folder else NOT_HERE
            try:
                assert parse_sent({"path": f"{named}/a1/photo.png"}, root) == expected
            except NotAnImage as error:
                assert str(error) == expected


def test_an_address_is_handed_over_as_it_is(folder):
    address = "https://example.org/a%20b.jpg?x=1"
    for sent in ({"path": address}, {"url": address}, address, f" {address}\n", {"path": None, "url": address}):
        assert parse_sent(sent, folder) == address
    assert parse_sent("HTTP://example.org/a.jpg", folder) == "HTTP://example.org/a.jpg"
    other = "https://other.example/gradio_api/file=/tmp/gradio/a.png"  # another page's upload is fetched there
    assert parse_sent({"url": other}, folder) == other


def test_nothing_is_nothing(folder):
    for sent in (None, "", {}, {"path": None}, {"path": "", "url": ""}, {"meta": requests.META}):
        assert parse_sent(sent, folder) is None


# ---- what is refused ------------------------------------------------------------------------------------------------


def sentence(sent, folder) -> str:
    with pytest.raises(MirrorError) as caught:
        parse_sent(sent, folder)
    text = str(caught.value)
    assert text[0].isupper() and text.endswith(".") and "\n" not in text and len(text) < 200, text
    return text


PATHS = {
    "a picture beside": "{above}/secret.png", "by dots": "{folder}/../secret.png", "no such file": "{above}/none.png",
    "no such upload": "{folder}/a1/none.png", "a folder": "{folder}/a1", "the folder itself": "{folder}", "root": "/",
    "a link to a file": "{folder}/link.png", "through a link": "{folder}/linked/secret.png", "a pipe": "{folder}/pipe",
    "a link to nothing": "{folder}/broken.png", "a longer name": "{folder}-more/photo.png", "/dev/zero": "/dev/zero",
    "/dev/stdin": "/dev/stdin", "/etc/passwd": "/etc/passwd", "environ": "/proc/self/environ", "a file as a folder":
    "{folder}/a1/photo.png/x", "by descriptor": "/proc/self/fd/0", "a socket": "{folder}/socket",
    "a long name": "{folder}/" + "a" * 300, "many names": "{folder}/" + "a/" * 2000,
}  # fmt: skip


@pytest.mark.parametrize("path", PATHS.values(), ids=PATHS)
def test_every_other_path_gets_the_same_sentence(folder, tmp_path, path):
    (folder / "link.png").symlink_to(tmp_path / "secret.png")
    (folder / "linked").symlink_to(tmp_path)
    (folder / "broken.png").symlink_to(tmp_path / "none")
    os.mkfifo(folder / "pipe")
    os.mknod(folder / "socket", 0o140600)
    (tmp_path / "uploads-more").mkdir()
    (tmp_path / "uploads-more" / "photo.png").write_bytes(PNG)
    path = path.replace("{folder}", str(folder)).replace("{above}", str(tmp_path))
    for name, sent in requests.server_paths(path):
        if isinstance(sent, dict) and str(sent.get("url", "")).startswith("http") and not sent.get("path"):
            continue
        assert sentence(sent, folder) == NOT_HERE, name


@pytest.mark.parametrize(("name", "sent"), list(requests.no_photos()), ids=lambda value: str(value)[:25])
def test_what_is_no_photo_gets_one_sentence_or_is_no_image(folder, name, sent):
    try:
        found = parse_sent(sent, folder)
    except MirrorError:
        sentence(sent, folder)
    else:
        assert found in (b"", "")  # which the decoder and the handler have sentences for


def test_no_path_outside_is_even_looked_at(folder, tmp_path, monkeypatch):
    """Whether there is such a file cannot be told by the time it takes either."""
    touched = []

    def spy(name):
        real = getattr(os, name)
        return lambda path, *rest, **more: (touched.append(path), real(path, *rest, **more))[1]

    for name in ("open", "stat", "lstat", "readlink"):
        monkeypatch.setattr(uploads.os, name, spy(name))
    monkeypatch.setattr(uploads.os, "supports_dir_fd", {uploads.os.open})
    for path in (str(tmp_path / "secret.png"), "/etc/passwd", "/dev/zero"):
        sentence({"path": path}, folder)
    outside = [path for path in touched if not str(folder).startswith(str(path)) and path not in ("a1", "photo.png")]
    assert outside == []


def test_a_link_that_comes_between_is_not_followed(folder, tmp_path):
    """The folder is swapped for a link to elsewhere again and again, while it is read."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "photo.png").write_bytes(b"secret")
    stop = threading.Event()

    def swap():
        while not stop.is_set():
            os.rename(folder / "a1", folder / "real")
            os.symlink(tmp_path / "elsewhere", folder / "a1")
            os.unlink(folder / "a1")
            os.rename(folder / "real", folder / "a1")

    thread = threading.Thread(target=swap)
    thread.start()
    found = set()
    try:
        for _ in range(2_000):
            try:
                found.add(parse_sent({"path": f"{folder}/a1/photo.png"}, folder))
            except NotAnImage:
                found.add(None)
    finally:
        stop.set()
        join(thread)
    assert b"secret" not in found and found & {PNG, None}


def test_more_than_the_limit_is_refused_before_it_is_decoded(folder, monkeypatch):
    def untouched(*_, **__):
        raise AssertionError("decoded")

    monkeypatch.setattr(uploads, "DataUrl", untouched)
    for url in ("data:;base64," + "A" * 30_000_000, "data:," + "A" * 70_000_000):
        with pytest.raises(ImageTooLarge, match=r"larger than 20 MB"):
            parse_sent({"url": url}, folder)


def test_the_limit_is_the_files(folder):
    for extra, refused in ((0, False), (1, True)):
        body = b"\0" * (MAX_UPLOAD_BYTES + extra)
        (folder / "a1" / "photo.png").write_bytes(body)
        for sent in ({"path": f"{folder}/a1/photo.png"}, {"url": "data:;base64," + base64.encodebytes(body).decode()}):
            if refused:
                with pytest.raises(ImageTooLarge, match=r"larger than 20 MB"):
                    parse_sent(sent, folder)
            else:
                assert parse_sent(sent, folder) == body


@pytest.mark.parametrize(
    "spell",
    [
        lambda body: "data:;base64," + base64.b64encode(body).decode(),
        lambda body: "data:;base64," + base64.encodebytes(body).decode().replace("\n", "\r\n"),
        lambda body: "data:;base64," + quote(base64.b64encode(body).decode(), safe=""),
        lambda body: "data:;base64," + "".join(f"%{ord(letter):02x}" for letter in base64.b64encode(body).decode()),
        lambda body: "data:," + "".join(f"%{byte:02X}" for byte in body),
    ],
    ids=["clean", "lines", "percent signs", "nothing but percent signs", "no base64"],
)
def test_a_long_photo_takes_little_memory_beside_its_text(folder, spell):
    body = random.Random(3).randbytes(3_000_001)  # which ends within a group of four letters, after several pieces
    url = spell(body)
    tracemalloc.start()
    try:
        assert parse_sent({"url": url}, folder) == body
        assert tracemalloc.get_traced_memory()[1] < 2 * len(body) + (24 << 20)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("text", ["QUJD=QUJD", "QUJDRA==QUJD", "=QUJD", "QUJDR", "QUJDé", "QUJD\ud800", "QUJD%ff"])
def test_what_is_no_base64_is_refused_however_long_it_is(folder, text):
    for filling in ("", "QUJD" * 300_000):
        with pytest.raises(NotAnImage):
            parse_sent({"url": f"data:image/png;base64,{filling}{text}"}, folder)


# ---- over HTTP, through every handler -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    (folder / "blue.png").write_bytes(photo(BLUE, format="PNG"))
    return folder


def test_no_file_of_the_server_is_to_be_had_through_the_api(served: Served, pictures):
    for path in (f"{pictures}/blue.png", "/nowhere/a.jpg"):
        for name, sent in requests.server_paths(path, served.port):
            if isinstance(sent, dict) and str(sent.get("url", "")).startswith("http") and not sent.get("path"):
                continue
            event, data = ask(served.url, "predict", sent)
            assert (event, data["error"]) == ("error", NOT_HERE), (path, name)


def test_no_file_of_the_server_is_to_be_had_through_any_handler(served: Served, pictures):
    """Public or private, of every tab: each is given the server's picture wherever it takes a photo."""
    tried = 0
    for number, inputs in handlers(served.url).items():
        for place, kind in enumerate(inputs):
            if kind not in ("image", "uploadbutton"):
                continue
            for sent in ({"path": f"{pictures}/blue.png"}, {"path": f"{pictures}/blue.png", "meta": requests.META}):
                data = [None] * len(inputs)
                data[place] = sent
                ok, answer = ask_by_number(served.url, number, data)
                assert not ok and answer["error"] == NOT_HERE, (number, kind, answer)
                tried += 1
    assert tried > 20


def test_a_pipe_and_endless_devices_hold_nothing_up(served: Served):
    os.mkfifo(served.uploads / "pipe") if served.uploads.is_dir() else None
    for path in ("/dev/zero", "/dev/stdin", "/dev/random", f"{served.uploads}/pipe"):
        for _ in range(3):
            assert ask(served.url, "predict", {"path": path}, timeout=10)[0] == "error"
    resident = int(re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{served.process.pid}/status").read_text())[1]) / 1024
    assert resident < 800


def test_every_spelling_is_answered_over_http(served: Served):
    for name, sent in requests.spellings(PNG):
        event, data = ask(served.url, "predict", sent)
        assert event == "complete" and data[0]["label"] == "duckling", (name, data)


def test_an_upload_is_answered_in_every_shape_that_clients_send(served: Served):
    def sent() -> str:
        [path] = httpx.post(f"{served.url}/gradio_api/upload", files={"files": ("photo.png", PNG)}).json()
        return path

    for shape in (
        lambda path: {"path": path},
        lambda path: {"path": path, "meta": requests.META, "orig_name": "photo.png"},
        lambda path: {"path": path, "url": f"{served.url}/gradio_api/file={path}", "meta": requests.META},
        lambda path: {"url": f"{served.url}/gradio_api/file={path}"},
        lambda path: path,
    ):
        event, data = ask(served.url, "predict", shape(sent()))
        assert event == "complete" and data[0]["label"] == "duckling", data


def test_an_address_is_answered_in_every_shape(served: Served, world):
    url = world.direct_host().body("/yellow.png", PNG)
    for shape in ({"path": url}, {"url": url}, url, {"path": url, "meta": requests.META}):
        event, data = ask(served.url, "predict", shape)
        assert event == "complete" and data[0]["label"] == "duckling", (shape, data)


def test_what_is_no_photo_gets_a_sentence_over_http(served: Served):
    for name, sent in requests.no_photos():
        event, data = ask(served.url, "predict", sent)
        assert event == "error" and data["error"] and data["error"].endswith((".", "!")), (name, data)
    assert "Traceback" not in served.log()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF"])
def test_base64_alone_is_told_what_it_lacks(folder, kind):
    buffer = io.BytesIO()
    Image.new("RGB", (80, 80), "teal").save(buffer, kind)
    for letters in (base64.b64encode(buffer.getvalue()), base64.encodebytes(buffer.getvalue())):
        assert "before it" in sentence(letters.decode(), folder)


@pytest.mark.parametrize(
    ("given", "fetched"),
    [
        (" https://example.org/a.jpg ", "https://example.org/a.jpg"),
        ("HTTP://example.org", "HTTP://example.org"),
        ("example.org/a.jpg?w=600", "https://example.org/a.jpg?w=600"),
        ("//example.org:8080/a.jpg", "https://example.org:8080/a.jpg"),
        ("müller.example", "https://müller.example"),
        ("192.0.2.1/a.jpg", "https://192.0.2.1/a.jpg"),
        ("hello", "hello"),
        ("ftp://example.org/a.jpg", "ftp://example.org/a.jpg"),
        ("two.words here", "two.words here"),
        ("javascript:alert(1)", "javascript:alert(1)"),
    ],
)
def test_an_address_is_completed_where_only_its_scheme_is_missing(given, fetched):
    assert given_address(given) == Address(fetched)


@pytest.mark.parametrize("coding", [base64.b64encode, base64.urlsafe_b64encode, base64.encodebytes])
def test_the_photo_itself_may_stand_where_an_address_is_asked_for(coding):
    body = photo(YELLOW, (90, 61))
    given = given_address(f"  data:image/jpeg;base64,{coding(body).decode()}\n")
    assert isinstance(given, InlinePhoto) and given.read() == body
    assert given_address("  ") is None
