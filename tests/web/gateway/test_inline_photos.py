"""Photos within JSON. The class: what a request sends as text is in memory as text, once for each visitor.

The splitter alone, whatever the pieces in which a body comes; then the page as a process, with eight at once.
"""

from __future__ import annotations

import base64
import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from mirror.web import uploads
from mirror.web.gateway.bodies import TEXT_BYTES, TEXT_TOO_LARGE
from mirror.web.gateway.disk import Disk, NewFile
from mirror.web.gateway.inline_photos import LONG, MAX_PHOTOS, MAX_STRINGS, Inline
from mirror.web.gateway.refusal import Refusal
from mirror.web.uploads import MAX_UPLOAD_BYTES, NOT_BASE64, TOO_MANY_BYTES
from tests.hostile import requests
from tests.web.gateway import wire
from tests.web.serving import Served
from tests.web.tiny import YELLOW, photo

PHOTO = photo(YELLOW) + random.Random(5).randbytes(120_000)
JSON = {"Content-Type": "application/json"}


def split(body: bytes, folder: Path, size: int = 1 << 16, limit: int = MAX_UPLOAD_BYTES) -> tuple[bytes, Inline]:
    """What goes on to gradio of a body that comes in pieces of that size."""
    inline = Inline(lambda: NewFile(Disk(folder), "inline", ""), limit)
    kept = b"".join(inline.feed(body[at : at + size]) for at in range(0, len(body), size))
    return kept + inline.finish(), inline


@pytest.mark.parametrize(("name", "payload"), list(requests.spellings(PHOTO)), ids=lambda value: str(value)[:20])
def test_a_photo_becomes_a_file_however_it_is_spelt_and_cut(tmp_path, name, payload):
    more = ['a \\" b', "\u00e4 \U0001f600", {"": [1.5, None, True]}]
    for size, dumps in ((1 << 16, json.dumps), (997, json.dumps), (7, lambda each: json.dumps(each, indent=1))):
        body = dumps({"data": [payload, *more], "fn_index": 3}).encode()
        kept, inline = split(body, tmp_path, size)
        assert len(kept) < 2_000 and len(inline.paths) == 1 and inline.paths[0].read_bytes() == PHOTO
        data = json.loads(kept)["data"]
        assert data[1:] == more
        assert uploads.parse_sent(data[0], tmp_path).read() == PHOTO
        inline.remove()
    assert list(tmp_path.iterdir()) == []


def test_every_escape_of_json_is_understood_wherever_it_is_cut(tmp_path):
    text = "".join(f"\\u{ord(each):04x}" for each in "data:;base64,") + base64.b64encode(PHOTO).decode()
    text = text.replace("/", "\\/").replace("+", "\\u002B").replace("A", "A\\n\\r\\t")
    for size in (1 << 16, 5, 3, 1):
        kept, inline = split(f'["{text}"]'.encode(), tmp_path, size)
        assert json.loads(kept) == [str(inline.paths[0])] and inline.paths[0].read_bytes() == PHOTO


LONG_TEXT = "x" * (LONG + 10)


@pytest.mark.parametrize("body", [
    b"", b"{", b'"',
    b'"\\', b'"\\u00', b'["data:;base64,QUJD"]', b'["' + b"x" * LONG, b"\xff" * 10, b'"\\"\\\\"', b'"\\\\" "',
    json.dumps([LONG_TEXT, "\u00e4" * LONG, "\U0001f600" * LONG]).encode(), json.dumps([LONG_TEXT + "\\\""]).encode(),
    json.dumps("\u00e4" * LONG, ensure_ascii=False).encode(), json.dumps(["data:;base64,QUJD"]).encode("utf-16"),
])  # fmt: skip
def test_whatever_is_no_long_photo_stays_as_it_is(tmp_path, body):
    for size in (1 << 16, 1013, 3):
        kept, inline = split(body, tmp_path, size)
        assert kept == body and inline.paths == []


def test_what_cannot_be_decoded_is_told_by_the_reader_of_photos(tmp_path):
    for text in ("QUJDR", "QUJD=QUJD", "\u00e9", "%zz", "\ud800"):
        for ensure_ascii in (True, False):
            body = json.dumps({"url": "data:;base64," + "QUJD" * LONG + text}, ensure_ascii=ensure_ascii)
            kept, _ = split(body.encode("utf-8", "surrogatepass"), tmp_path)
            with pytest.raises(uploads.NotAnImage, match=NOT_BASE64[:30]):
                uploads.parse_sent(json.loads(kept), tmp_path).read()


@pytest.mark.parametrize("body", [
    b'["' + b"\\u" * 100, b'"\\uzzzzzz', json.dumps(["data:," + LONG_TEXT] * (MAX_PHOTOS + 1)).encode(),
    b'"",' * (MAX_STRINGS + 1),
], ids=["half escapes", "no escape", "many photos", "many strings"])  # fmt: skip
def test_what_is_no_request_is_refused(tmp_path, body):
    with pytest.raises(Refusal):
        split(body, tmp_path)


def test_a_photo_ends_at_its_limit(tmp_path):
    with pytest.raises(Refusal) as caught:
        split(json.dumps(["data:," + LONG_TEXT * 40]).encode(), tmp_path, limit=2 << 20)
    assert caught.value.status == 413 and caught.value.sentence == TOO_MANY_BYTES.replace("20 MB", "2 MB")


# ---- over HTTP ------------------------------------------------------------------------------------------------------


def ask(page: Served, body: bytes) -> tuple[int, str]:
    told = httpx.post(f"{page.url}/gradio_api/call/predict", content=body, headers=JSON, timeout=60)
    if told.status_code != 200:
        return told.status_code, told.json()["detail"]
    return 200, httpx.get(f"{page.url}/gradio_api/call/predict/{told.json()['event_id']}", timeout=60).text


def inline_files(page: Served) -> list[Path]:
    return list(page.uploads.glob("**/inline"))


def test_eight_photos_of_twenty_megabytes_as_text_take_little_memory(served):
    """The finding: 1.4 GB for eight of them."""
    large = photo(YELLOW)
    large += b"\0" * (MAX_UPLOAD_BYTES - len(large))
    body = json.dumps({"data": [{"url": f"data:image/jpeg;base64,{base64.b64encode(large).decode()}"}]}).encode()
    ask(served, body)
    idle = wire.resident(served.process.pid)
    wire.reset_peak(served.process.pid)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ask(served, body), range(16)))
    assert all(status == 200 and "duckling" in text for status, text in answers)
    assert wire.resident(served.process.pid, "VmHWM") - idle < 300 << 20


def test_text_without_photos_ends_at_two_megabytes(served):
    for text in ("x" * (TEXT_BYTES + 1), "\n" * TEXT_BYTES):
        status, sentence = ask(served, json.dumps({"data": [text]}).encode())
        assert (status, sentence) == (413, TEXT_TOO_LARGE)


def test_a_request_that_is_not_taken_leaves_no_photo(served):
    before = inline_files(served)
    url = "data:;base64," + base64.b64encode(PHOTO).decode()
    for body in ({"data": [url], "fn_index": 10_000, "session_hash": "a"}, {"data": [url], "session_hash": "b" * 99}):
        assert httpx.post(f"{served.url}/gradio_api/queue/join", json=body).status_code != 200
    assert httpx.post(f"{served.url}/gradio_api/call/predict", json={"data": [url] * 9}).status_code == 413
    with wire.connect(served.port) as connection:
        text = json.dumps({"data": [url]}).encode()
        connection.sendall(wire.head("/gradio_api/call/predict", length=2 * len(text)) + text)
    httpx.get(f"{served.url}/config")
    assert inline_files(served) == before
