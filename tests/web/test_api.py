"""The page as programs see it: the real gradio_client, and plain HTTP, against the real `python app.py`."""

from __future__ import annotations

import base64
import json
import os
import re
import time
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import numpy as np
import pytest
from gradio_client import Client, handle_file

from mirror.web.uploads import MAX_UPLOAD_BYTES
from tests.support.photo_kinds import clear, cmyk, heic, palette, sideways
from tests.web.serving import Served, serve
from tests.web.tiny import GREY, RED, YELLOW, photo, probabilities, tiny_model

ROUNDING = 2e-3  # of probabilities: JPEG moves a colour by a level or two


ENDPOINTS = [
    "/explain", "/face-detection", "/face-detection-picture", "/image-classification", "/object-detection",
    "/object-detection-picture", "/predict", "/predict_url", "/verdict", "/zero-shot-image-classification",
]  # fmt: skip


@pytest.fixture(scope="module")
def client(served: Served) -> Client:
    return Client(served.url, verbose=False)


def given(answer: dict) -> dict[str, float]:
    return {item["label"]: item["confidence"] for item in answer["confidences"]}


def saved(tmp_path: Path, body: bytes, name: str = "photo.jpg"):
    (tmp_path / name).write_bytes(body)
    return handle_file(tmp_path / name)


def test_predict_takes_a_photo_and_gives_what_a_label_gives(client, tmp_path):
    answer = client.predict(saved(tmp_path, photo(YELLOW, format="PNG"), "photo.png"), api_name="/predict")
    cygnet, duckling = probabilities(YELLOW, 2)
    assert answer == {
        "label": "duckling",
        "confidences": [
            {"label": "duckling", "confidence": pytest.approx(duckling, abs=1e-6)},
            {"label": "cygnet", "confidence": pytest.approx(cygnet, abs=1e-6)},
        ],
    }


def test_predict_is_described_for_programs(client):
    endpoints = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    assert sorted(endpoints) == ENDPOINTS
    named = {name: [(p["parameter_name"], p["parameter_has_default"]) for p in endpoint["parameters"]]
             for name, endpoint in endpoints.items()}  # fmt: skip
    assert named["/predict"] == named["/verdict"] == [("image", False), ("model", True)]
    assert named["/predict_url"] == [("url", False), ("model", True)]
    assert named["/explain"] == [("image", False), ("label", True), ("model", True)]
    returned = {name: [r["component"] for r in endpoint["returns"]] for name, endpoint in endpoints.items()}
    assert {name: returned[name] for name in ("/explain", "/predict", "/predict_url", "/verdict")} == {
        "/explain": ["Image"], "/predict": ["Label"], "/predict_url": ["Label"], "/verdict": ["Json"],
    }  # fmt: skip


@pytest.mark.parametrize(
    ("make", "name", "colour"),
    [
        (sideways, "sideways.jpg", YELLOW),
        (cmyk, "print.jpg", (255, 255, 0)),
        (palette, "palette.png", YELLOW),
        (clear, "clear.png", (255, 255, 255)),
        (lambda: photo(YELLOW, format="WEBP", quality=95), "photo.webp", YELLOW),
        (lambda: photo(YELLOW, format="GIF"), "photo.gif", YELLOW),
        (lambda: photo(YELLOW, format="TIFF"), "scan.tiff", YELLOW),
        (heic, "phone.heic", YELLOW),
        (lambda: photo(RED), "no_ending", RED),
        (lambda: photo(GREY), "wrong_ending.png", GREY),
        (lambda: photo(YELLOW), "../../sideways & <b>ü'.jpg", YELLOW),
    ],
    ids=[
        "exif",
        "cmyk",
        "palette",
        "transparent",
        "webp",
        "gif",
        "tiff",
        "heic",
        "no ending",
        "wrong ending",
        "odd name",
    ],
)
def test_every_kind_of_photo_reaches_our_decoder(client, tmp_path, make, name, colour):
    name = name.replace("/", "_")
    answer = client.predict(saved(tmp_path, make(), name), api_name="/predict")
    expected = dict(zip(("cygnet", "duckling"), probabilities(colour, 2), strict=True))
    assert given(answer) == pytest.approx(expected, abs=0.02)


def test_a_data_url_is_a_photo_too(client):
    url = "data:image/png;base64," + base64.b64encode(photo(YELLOW, format="PNG")).decode()
    answer = client.predict({"url": url, "path": None, "meta": {"_type": "gradio.FileData"}}, api_name="/predict")
    assert answer["label"] == "duckling"


def bomb() -> bytes:
    """A PNG whose header promises 900 megapixels."""
    body = bytearray(photo(GREY, (1, 1), "PNG"))
    body[16:24] = (30_000).to_bytes(4, "big") * 2
    body[29:33] = zlib.crc32(bytes(body[12:29])).to_bytes(4, "big")
    return bytes(body)


@pytest.mark.parametrize(
    ("body", "name", "says"),
    [
        (b"this is no picture at all", "photo.jpg", "image"),
        (b"", "empty.jpg", "empty"),
        (photo(YELLOW)[:300], "cut.jpg", "cut|damaged|truncated|incomplete|broken"),
        (b"<!doctype html><p>Not found", "photo.jpg", "web page|HTML"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "drawing.svg", "SVG|drawing|image"),
        (bomb(), "bomb.png", "pixels"),
    ],
    ids=["text", "empty", "cut short", "a web page", "svg", "900 megapixels"],
)
def test_what_is_no_photo_gets_one_friendly_sentence(client, served, tmp_path, body, name, says):
    tracebacks = served.log().count("Traceback")
    with pytest.raises(Exception, match=r".") as caught:
        client.predict(saved(tmp_path, body, name), api_name="/predict")
    sentence = caught.value.message if hasattr(caught.value, "message") else str(caught.value)
    assert re.search(says, sentence, re.IGNORECASE), sentence
    assert sentence[-1] in ".!" and len(sentence) < 300 and "\n" not in sentence
    assert str(served.uploads) not in sentence
    assert served.log().count("Traceback") == tracebacks


def test_nothing_at_all_gets_a_sentence_too(client, served):
    tracebacks = served.log().count("Traceback")
    with pytest.raises(Exception, match="There is no photo"):
        client.predict(None, api_name="/predict")
    assert served.log().count("Traceback") == tracebacks


def test_more_than_twenty_megabytes_are_refused(client, served, tmp_path):
    body = photo(YELLOW) + b"\0" * MAX_UPLOAD_BYTES
    with pytest.raises(ValueError, match="exceeds the maximum file size"):  # by the client itself
        client.predict(saved(tmp_path, body), api_name="/predict")
    refused = httpx.post(f"{served.url}/gradio_api/upload", files={"files": ("photo.jpg", body)})
    assert (refused.status_code, "maximum allowed size" in refused.text) == (413, True)
    assert [p for p in served.uploads.rglob("*") if p.is_file() and p.stat().st_size > MAX_UPLOAD_BYTES] == []


def test_the_photo_at_an_address_is_looked_at(client, world):
    host = world.direct_host()
    url = host.body("/a%20bird.jpg?size=l", photo(YELLOW), content_type="image/jpeg")
    assert client.predict(url, api_name="/predict_url")["label"] == "duckling"
    assert client.predict(handle_file(url), api_name="/predict")["label"] == "duckling"


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda host: host.body("/gone.jpg", b"", status=404), "404"),
        (lambda host: host.body("/page.jpg", b"<html>a page</html>", content_type="text/html"), "web page|HTML|image"),
        (lambda host: host.endless("/endless.jpg"), "20 MB|too large|larger"),
        (lambda host: host.redirects("/loop.jpg", "/loop.jpg"), "redirect"),
        (lambda host: "ftp://example.org/a.jpg", "http"),
        (lambda host: "http://127.0.0.1:1/a.jpg", "cannot be fetched"),
        (lambda host: "file:///etc/passwd", "http"),
    ],
    ids=["404", "a web page", "endless", "a redirect loop", "ftp", "nobody there", "a local file"],
)
def test_an_address_that_gives_no_photo_gets_a_sentence(client, served, world, make, says):
    tracebacks = served.log().count("Traceback")
    with pytest.raises(Exception, match=r".") as caught:
        client.predict(make(world.direct_host()), api_name="/predict_url")
    sentence = getattr(caught.value, "message", str(caught.value))
    assert re.search(says, sentence, re.IGNORECASE), sentence
    assert served.log().count("Traceback") == tracebacks


def test_private_addresses_are_refused_however_they_come(models, world):
    url = world.direct_host().body("/a.jpg", photo(YELLOW))
    with serve("--models", str(models)) as page:
        client = Client(page.url, verbose=False)
        for send, name in ((url, "/predict_url"), (handle_file(url), "/predict")):
            with pytest.raises(Exception, match="cannot be fetched: the mirror looks at photos on the public web only"):
                client.predict(send, api_name=name)
        assert "Traceback" not in page.log()
    assert world.count(url) == 0


TRICKS = (
    "{models}/mirror/learner.pkl",
    "{models}/mirror/model.onnx",
    "{models}/mirror/model.json",
    "/etc/passwd",
    "{repository}/app.py",
    "{repository}/mirror/web/photo_input.py",
    "{repository}/pyproject.toml",
    "{repository}/.git/config",
    "app.py",
    "./app.py",
    "models/../app.py",
    "{uploads}/../../{models}/mirror/learner.pkl",
    "{models}/./mirror/learner.pkl",
    "{models}/mirror/report/../learner.pkl",
    "{models}/MIRROR/learner.pkl",
    "//{models}/mirror/learner.pkl",
    "file://{models}/mirror/learner.pkl",
    "/proc/self/environ",
    "/proc/self/cwd/app.py",
    "http://127.0.0.1:{port}/config",
)


@pytest.mark.parametrize("trick", TRICKS)
@pytest.mark.parametrize("encode", [False, True], ids=["plain", "percent-encoded"])
def test_no_file_of_ours_can_be_downloaded(served, models, trick, encode):
    repository = Path(__file__).resolve().parents[2]
    path = trick.format(models=models, repository=repository, uploads=served.uploads, port=served.port)
    path = "".join(f"%{byte:02x}" for byte in path.encode()) if encode else path
    for prefix in ("/gradio_api/file=", "/file=", "/gradio_api/file/", "/gradio_api/stream/", "/static/", "/assets/"):
        answer = httpx.get(served.url + prefix + path)
        assert answer.status_code >= 400 or b"<!doctype html>" in answer.content[:200].lower(), (prefix, path)
        for secret in (b"not for visitors", b"from __future__", b"root:", b"PYTHONUNBUFFERED", b"[core]"):
            assert secret not in answer.content, (prefix, path)


def ask_raw(url: str, *data) -> str:
    """What the queue answers to data that the client library would not send."""
    event = httpx.post(f"{url}/gradio_api/call/predict", json={"data": list(data)}).json()["event_id"]
    return httpx.get(f"{url}/gradio_api/call/predict/{event}", timeout=60).text


def test_plain_http_gets_the_same_answer(served):
    sent = {"url": "data:image/png;base64," + base64.b64encode(photo(YELLOW, format="PNG")).decode()}
    answer = ask_raw(served.url, sent | {"meta": {"_type": "gradio.FileData"}})
    assert answer.startswith("event: complete")
    assert json.loads(answer.split("data: ")[1])[0]["label"] == "duckling"


@pytest.mark.parametrize(
    "path", ["{models}/mirror/picture.png", "{models}/mirror/learner.pkl", "/etc/passwd", "app.py"]
)
@pytest.mark.parametrize(
    "extra", [{}, {"is_stream": True}, {"url": "/gradio_api/file=x"}], ids=["plain", "stream", "url"]
)
def test_a_path_on_the_server_is_no_upload_and_is_never_opened(served, models, path, extra):
    (models / "mirror" / "picture.png").write_bytes(photo(YELLOW, format="PNG"))  # would be answered if it were opened
    path = path.format(models=models)
    answer = ask_raw(served.url, {"path": path, "meta": {"_type": "gradio.FileData"}} | extra)
    assert answer.startswith("event: error")
    assert "image" not in answer and "label" not in answer and str(models) not in answer


def test_the_page_keeps_its_own_handlers_to_itself(client, served):
    config = httpx.get(f"{served.url}/config").json()
    public = [d["api_name"] for d in config["dependencies"] if d["api_visibility"] == "public"]
    assert sorted(f"/{name}" for name in public) == ENDPOINTS
    assert (config["analytics_enabled"], config["run_history"]) == (False, False)
    assert httpx.get(f"{served.url}/monitoring").status_code != 200


def test_every_model_can_be_asked_for_by_name(tmp_path):
    tiny_model(tmp_path, "mirror")
    tiny_model(tmp_path, "fruit", ("apple", "pear", "plum"))
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "model.json").write_text("{}")
    picture = tmp_path / "red.png"
    picture.write_bytes(photo(RED, format="PNG"))
    with serve("--models", str(tmp_path), "--default", "mirror") as page:
        client = Client(page.url, verbose=False)
        assert sorted(given(client.predict(handle_file(picture), api_name="/predict"))) == ["cygnet", "duckling"]
        fruit = given(client.predict(handle_file(picture), "fruit", api_name="/predict"))
        assert list(fruit.values()) == pytest.approx(sorted(probabilities(RED, 3), reverse=True), abs=1e-6)
        with pytest.raises(Exception, match="broken") as caught:
            client.predict(handle_file(picture), "broken", api_name="/predict")
        assert str(tmp_path) not in str(caught.value)
        with pytest.raises(Exception, match=r"."):
            client.predict(handle_file(picture), "nobody", api_name="/predict")


def test_many_visitors_at_once_are_all_answered_with_their_own_answer(served, tmp_path):
    rng = np.random.default_rng(0)
    colours = [tuple(int(v) for v in rng.integers(0, 256, 3)) for _ in range(8)]
    files = []
    for i, colour in enumerate(colours):
        files.append(tmp_path / f"{i}.png")
        files[-1].write_bytes(photo(colour, format="PNG"))

    def visit(i: int) -> list[dict[str, float]]:
        client = Client(served.url, verbose=False)
        return [given(client.predict(handle_file(files[(i + k) % 8]), api_name="/predict")) for k in range(4)]

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(visit, range(8)))
    for i, each in enumerate(answers):
        for k, answer in enumerate(each):
            cygnet, duckling = probabilities(colours[(i + k) % 8], 2)
            assert answer == pytest.approx({"cygnet": cygnet, "duckling": duckling}, abs=1e-5)


def test_nothing_a_visitor_sends_is_kept(models, tmp_path):
    """Uploads, asked about or not, are gone from the disk soon; the folder they lay in goes when the page ends."""
    uploads = tmp_path / "uploads"
    picture = tmp_path / "photo.jpg"
    picture.write_bytes(photo(YELLOW))
    with serve("--models", str(models), uploads=uploads) as page:
        before = {p for p in uploads.rglob("*") if p.is_file()}
        Client(page.url, verbose=False).predict(handle_file(picture), api_name="/predict")
        Client(page.url, verbose=False).predict(handle_file(picture), api_name="/explain")
        httpx.post(f"{page.url}/gradio_api/upload", files={"files": ("never_asked.jpg", photo(RED))}).raise_for_status()
        sent = {p for p in uploads.rglob("*") if p.is_file()} - before
        assert {p.name for p in sent} == {"photo.jpg", "never_asked.jpg", "image.webp"}  # the last is the explanation
        deadline = time.monotonic() + 120
        while any(p.exists() for p in sent) and time.monotonic() < deadline:
            time.sleep(0.2)
        assert [p.name for p in sent if p.exists()] == []


def test_the_server_says_nothing_of_visitors_in_its_log(served, client, tmp_path):
    client.predict(saved(tmp_path, photo(YELLOW), "secret_party.jpg"), api_name="/predict")
    assert "secret_party" not in served.log()


def test_the_configuration_names_no_place_on_this_machine(served, models):
    config = json.dumps(httpx.get(f"{served.url}/config").json())
    assert str(models) not in config
    assert os.path.dirname(os.path.dirname(os.path.dirname(__file__))) not in config
