"""What may be uploaded, where it lies, and how it is shown back.

The class: names, fields and types that a stranger chooses, taken at their word. Members: names that are paths, empty or
endless; other fields; many files; what is no form at all; a page under a picture's name; and what somebody who has the
same photo could learn from where it lies.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from mirror.web.fair_scheduling import AWAITED
from mirror.web.gateway.bodies import Bodies
from mirror.web.gateway.upload_routes import SUFFIXES, Uploads, open_inside, safe_name
from tests.web.gateway import wire
from tests.web.serving import Served, serve
from tests.web.tiny import YELLOW, photo

UPLOAD = "/gradio_api/upload"
PAGE = b"<!doctype html><script>document.title = 'taken over'</script>"
DRAWING = b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture(scope="module")
def served(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serve("--models", str(models), uploads=tmp_path_factory.mktemp("uploads")) as page:
        yield page


def files_of(page: Served) -> set[str]:
    return {os.path.join(where, name) for where, _, names in os.walk(page.uploads) for name in names}


def send(page: Served, body: bytes, kind: str = wire.FORM, query: str = "") -> httpx.Response:
    return httpx.post(page.url + UPLOAD + query, content=body, headers={"Content-Type": kind}, timeout=30)


def form(*parts: bytes) -> bytes:
    return b"".join(part + b"x\r\n" for part in parts) + b"--x--\r\n"


NAMES = {
    "../../../etc/passwd": "passwd", "..\\..\\boot.ini": "boot_ini", "/etc/shadow": "shadow", "a/../b.png": "b.png",
    "photo.jpg": "photo.jpg", "Photo.JPEG": "Photo.JPEG", "a.b.c.heic": "a_b_c.heic", ".hidden": "_hidden",
    "page.html": "page_html", "drawing.svg": "drawing_svg", "x.jpg.html": "x_jpg_html", "x.html.jpg": "x_html.jpg",
    "state.json": "state.json", "words.csv": "words.csv", "with space.png": "with_space.png", "äöü.png": "___.png",
    "%2e%2e%2fx.png": "_2e_2e_2fx.png", "a\x00b.png": "a_b.png", "con.png": "con.png", "x" * 255: "x" * 100,
}  # fmt: skip


@pytest.mark.parametrize("name", NAMES)
def test_a_name_leads_nowhere(served, name):
    told = send(served, form(wire.part(name)))
    if told.status_code == 400:
        assert "\x00" in name
        return
    (path,) = map(Path, told.json())
    assert path.name == NAMES[name] == safe_name(name.replace("\\", "/").rpartition("/")[2])
    assert path.is_file() and path.parent.parent.parent == served.uploads.resolve()
    assert (path.stat().st_mode & 0o777, path.parent.stat().st_mode & 0o777) == (0o600, 0o700)


REFUSED = {
    "the name is ..": (form(wire.part("..")), "no name"),
    "the name is .": (form(wire.part(".")), "no name"),
    "no name": (form(wire.part("")), "no name"),
    "a name of blanks": (form(wire.part("  ")), "no name"),
    "a name of 256 letters": (form(wire.part("x" * 252 + ".jpg")), "too long"),
    "a name of 50,000 letters": (form(wire.part("x" * 50_000)), ""),
    "no file name": (b'--x\r\nContent-Disposition: form-data; name="files"\r\n\r\nx\r\n--x--\r\n', "no name"),
    "another field": (form(wire.part(field="video")), "field “files”"),
    "a second field": (form(wire.part(), wire.part(field="photo")), "field “files”"),
    "no disposition": (b"--x\r\nContent-Type: image/png\r\n\r\nx\r\n--x--\r\n", "field “files”"),
    "200 files": (form(*[wire.part(f"{i}.jpg") for i in range(200)]), "too many"),
    "5 files": (form(*[wire.part(f"{i}.jpg") for i in range(5)]), "too many"),
    "no file": (b"--x--\r\n", "no file"),
    "nothing": (b"", "breaks off"),
    "no end": (wire.part() + b"x", "breaks off"),
    "no form": (b"\x00" * 1000, "well-formed"),
    "20,000 headers": (b"--x\r\n" + b"X: y\r\n" * 20_000 + b"\r\nx\r\n--x--\r\n", ""),
    "another boundary": (wire.part().replace(b"--x", b"--y"), ""),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.parametrize("query", ["", "?upload_id=abc", "?upload_id=%00&upload_id=../x"])
def test_what_is_no_upload_gets_one_sentence_and_leaves_nothing(served, case, query):
    body, says = REFUSED[case]
    before, said = files_of(served), wire.said(served.log())
    told = send(served, body, query=query)
    assert told.status_code in (400, 413) and says in told.text and "\n" not in told.text and len(told.text) < 200
    assert told.headers["content-type"].startswith("text/plain")
    assert files_of(served) <= before
    assert wire.said(served.log()) == said


@pytest.mark.parametrize(
    "kind", ["application/json", "multipart/form-data", "multipart/form-data; boundary=", "text/plain", "\xff",
             "multipart/mixed; boundary=x", "multipart/form-data; boundary=" + "x" * 1000],
)  # fmt: skip
def test_what_says_it_is_no_form_gets_one_sentence(served, kind):
    headers = {b"Content-Type": kind.encode("latin-1")}
    told = httpx.post(served.url + UPLOAD, content=form(wire.part()), headers=headers)
    assert (told.status_code, "multipart form" in told.text) == (400, True)


def test_four_photos_at_a_time_are_taken(served):
    paths = send(served, form(*[wire.part(f"{i}.jpg") for i in range(4)])).json()
    assert [Path(path).read_bytes() for path in paths] == [b"x"] * 4 and len({Path(p).parent for p in paths}) == 4


def test_a_photo_is_awaited_as_soon_as_it_was_uploaded(tmp_path: Path) -> None:
    """… and cameras give way to it before it is asked about."""
    told: list[bool] = []

    async def take() -> None:
        async def receive() -> dict[str, object]:
            return {"type": "http.request", "body": form(wire.part())}

        async def send(_: object) -> None:
            told.append(AWAITED.idle)

        scope = {"type": "http", "method": "POST", "headers": [(b"content-type", wire.FORM.encode())], "client": None}
        await Uploads(tmp_path, 1000).take(scope, receive, send, Bodies(), 1000)
        await AWAITED.rest()

    asyncio.run(asyncio.wait_for(take(), 60))
    assert told == [False, False] and AWAITED.idle


def test_where_a_photo_lies_says_nothing_of_it(served):
    """The same photo twice: who holds it too cannot ask whether somebody has shown it."""
    body = photo(YELLOW)
    sent = [httpx.post(served.url + UPLOAD, files={"files": ("photo.jpg", body)}).json()[0] for _ in range(2)]
    folders = [Path(path).parent.name for path in sent]
    assert len(set(folders)) == 2 and all(len(name) == 32 and int(name, 16) for name in folders)


@pytest.mark.parametrize("suffix", [*sorted(SUFFIXES), ".html", ".svg", ".js", ".xml", ".pdf", ""])
@pytest.mark.parametrize("body", [PAGE, DRAWING], ids=["page", "drawing"])
def test_nothing_is_shown_as_a_page(served, suffix, body):
    (path,) = httpx.post(served.url + UPLOAD, files={"files": (f"x{suffix}", body, "text/html")}).json()
    told = httpx.get(f"{served.url}/gradio_api/file={path}")
    kind = told.headers["content-type"]
    assert kind == "application/octet-stream" or kind.startswith("image/") and "svg" not in kind
    assert told.content == body
    assert told.headers["content-disposition"] == "attachment"
    assert told.headers["x-content-type-options"] == "nosniff"
    assert told.headers["content-security-policy"] == "default-src 'none'; sandbox"
    assert "no-store" in told.headers["cache-control"]
    asked = httpx.head(f"{served.url}/gradio_api/file={path}")
    assert (asked.status_code, asked.content, asked.headers["content-length"]) == (200, b"", str(len(body)))


def test_only_files_inside_the_folder_are_opened(tmp_path):
    folder, outside = tmp_path / "uploads", tmp_path / "outside"
    (folder / "token").mkdir(parents=True)
    (folder / "token" / "a.jpg").write_bytes(b"x")
    outside.mkdir()
    (outside / "secret").write_bytes(b"secret")
    (folder / "token" / "link").symlink_to(outside / "secret")
    (folder / "linked").symlink_to(outside)
    os.mkfifo(folder / "token" / "pipe")
    handle = open_inside(folder, str(folder / "token" / "a.jpg"))
    assert handle is not None and os.read(handle, 10) == b"x"
    os.close(handle)
    for path in (
        "token/link", "linked/secret", "linked", "token", "token/pipe", "token/none", "", ".", "token/../token/a.jpg",
        "../outside/secret", "token/a.jpg/", "token/a.jpg\0", "/etc/passwd", f"/{outside}/secret",
    ):  # fmt: skip
        target = os.path.join(folder, path)
        if path == "token/a.jpg/":
            continue  # the file itself, by pathlib's rules
        assert open_inside(folder, target) is None, path
    assert open_inside(folder, "token/a.jpg") is None


def test_the_progress_of_an_upload_is_gradios_protocol(served):
    """What the page draws its bar from: updates with the file's name, then `done`."""
    told: list[str] = []

    def follow() -> None:
        with httpx.stream("GET", f"{served.url}/gradio_api/upload_progress?upload_id=bar1", timeout=30) as answer:
            told.extend(answer.iter_lines())

    thread = threading.Thread(target=follow)
    thread.start()
    httpx.post(f"{served.url}{UPLOAD}?upload_id=bar1", files={"files": ("a.jpg", b"x" * 300_000)}).raise_for_status()
    thread.join(30)
    news = [line for line in told if line]
    assert news[-1] == 'data: {"msg": "done"}' and '"orig_name": "a.jpg"' in news[0] and '"msg": "update"' in news[0]
    later = httpx.get(f"{served.url}/gradio_api/upload_progress?upload_id=bar1")  # as the page does for a taken photo
    assert (later.status_code, later.text) == (200, 'data: {"msg": "done"}\n\n')
    assert httpx.get(f"{served.url}/gradio_api/upload_progress?upload_id=bar2").status_code == 404
    assert httpx.get(f"{served.url}/gradio_api/upload_progress").status_code == 404
    of_none = httpx.get(f"{served.url}/gradio_api/upload_progress?upload_id=")
    assert (of_none.status_code, of_none.text) == (200, 'data: {"msg": "done"}\n\n')


@pytest.mark.parametrize("address", ["upload_progress", "upload", "queue/data"])
def test_an_address_with_many_parameters_is_no_failure_of_ours(served, address):
    before, url = len(served.log()), f"{served.url}/gradio_api/{address}?{'&'.join('a' * 1000)}"
    answer = httpx.request("POST" if address == "upload" else "GET", url, timeout=30)
    assert answer.status_code in (400, 404, 422) and served.log()[before:] == ""
