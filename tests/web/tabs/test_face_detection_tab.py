"""The tab for faces: a photo, the camera and the endpoints, with the packaged detector and a real Chromium."""

from __future__ import annotations

import asyncio
import base64
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio_client import Client, handle_file
from PIL import Image
from skimage import data

from mirror.tasks.request import FACE_DETECTION
from mirror.web.fair_scheduling import AWAITED, MIRROR_MODEL
from mirror.web.tabs import camera as camera_tab
from mirror.web.tabs.camera import FRAME_BYTES, MAX_LOOKED_AT, SECONDS, frame_answerer
from mirror.web.tabs.face_detection_tab import look
from mirror.web.tabs.task_models import NOT_NOW, TaskModels
from tests.support.browser import CHROMIUM, CHROMIUM_FLAGS
from tests.support.visits import CONTRAST, DESKTOP, PHONE, Visit, visiting
from tests.web.asking import CLIENT
from tests.web.serving import Served, serve

FACE = {"xmin": 178, "ymin": 60, "xmax": 272, "ymax": 178}  # the astronaut's, of 512 × 512 pixels
FRAME = (640, 480)
NEAR = 8  # pixels that a side may differ from what was marked by eye
ALLOWED = "--use-fake-ui-for-media-stream"
WITHOUT_CAMERA = [flag for flag in CHROMIUM_FLAGS if flag not in (ALLOWED, "--use-fake-device-for-media-stream")]
REFUSED = [f"{flag}=deny" if flag == ALLOWED else flag for flag in CHROMIUM_FLAGS]


def encoded(image: Image.Image, kind: str = "JPEG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, quality=92)
    return buffer.getvalue()


_buffer = io.BytesIO()
Image.new("RGB", FRAME, "grey").save(_buffer, "JPEG", progressive=True)
PROGRESSIVE = _buffer.getvalue()  # several scans, each of which the decoder goes through


@pytest.fixture(scope="module")
def astronaut() -> Image.Image:
    return Image.fromarray(data.astronaut())


@pytest.fixture(scope="module")
def frame(astronaut: Image.Image) -> bytes:
    """What a camera sees that looks at the astronaut: 480 pixels high, 80 from the left."""
    image = Image.new("RGB", FRAME, "grey")
    image.paste(astronaut.resize((480, 480)), (80, 0))
    return encoded(image)


def data_url(body: bytes) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(body).decode()


# ---- for programs ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def client(served: Served) -> Client:
    return Client(served.url, verbose=False)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_the_endpoint_gives_what_the_command_gives(client, astronaut, tmp_path, kind):
    (tmp_path / "photo").write_bytes(encoded(astronaut, kind))
    [face] = client.predict(handle_file(tmp_path / "photo"), api_name=f"/{FACE_DETECTION}")
    assert face["label"] == "face" and 0.5 < face["score"] < 1
    assert face["box"] == pytest.approx(FACE, abs=NEAR)
    assert all(isinstance(side, int) for side in face["box"].values())


def test_the_endpoint_s_threshold_is_what_faces_score_more_than(client, astronaut, tmp_path):
    (tmp_path / "photo.png").write_bytes(encoded(astronaut, "PNG"))
    photo = handle_file(tmp_path / "photo.png")
    assert client.predict(photo, 0.99, api_name=f"/{FACE_DETECTION}") == []
    assert len(client.predict(photo, 0.0, api_name=f"/{FACE_DETECTION}")) > 1


def test_the_picture_has_boxes(client, astronaut, tmp_path):
    (tmp_path / "photo.png").write_bytes(encoded(astronaut, "PNG"))
    # WebP, which moves colours
    drawn = Image.open(client.predict(handle_file(tmp_path / "photo.png"), api_name=f"/{FACE_DETECTION}-picture"))
    changed = np.abs(np.asarray(drawn.convert("RGB"), int) - np.asarray(astronaut, int)).max(axis=2) > 90
    assert changed[FACE["ymin"] : FACE["ymax"], FACE["xmin"] - 5 : FACE["xmax"] + 5].sum() > 300
    assert changed[300:].sum() < 10


def test_a_file_that_is_no_photo_is_told_in_one_sentence(client, tmp_path):
    (tmp_path / "notes.jpg").write_bytes(b"shopping: milk, eggs")
    with pytest.raises(Exception, match="not an image"):
        client.predict(handle_file(tmp_path / "notes.jpg"), api_name=f"/{FACE_DETECTION}")


# ---- the camera's frames ---------------------------------------------------------------------------------------------


def look_at(opened: TaskModels, *frames: Any) -> list[dict[str, Any]]:
    """The answers to frames that come at once, and one by one after them the last again."""

    async def ask() -> list[dict[str, Any]]:
        answer = frame_answerer(look(opened))
        return [*await asyncio.gather(*map(answer, frames)), await answer(frames[-1])]

    return asyncio.run(ask())


def test_a_frame_is_answered_with_its_faces(frame):
    [face] = look_at(TaskModels(), data_url(frame))[0]["faces"]
    at = {side: pixels * 480 / 512 + 80 * side.startswith("x") for side, pixels in FACE.items()}
    assert face["box"] == pytest.approx(at, abs=NEAR)


def test_a_frame_is_answered_over_http(served, frame):
    config = CLIENT.get(f"{served.url}/config").json()
    [camera] = [each["id"] for each in config["components"] if each["props"].get("elem_id") == "camera"]
    body = {"data": data_url(frame), "component_id": camera, "fn_name": "answer", "session_hash": "abc"}
    for path in ("component_server", "component_server/"):  # the second is the browser's
        answer = CLIENT.post(f"{served.url}/gradio_api/{path}", json=body)
        assert answer.status_code == 200 and len(answer.json()["faces"]) == 1


@pytest.mark.parametrize(
    "sent",
    [None, 7, "", "hello", "data:image/jpeg;base64,?", data_url(b"milk"), "A" * (FRAME_BYTES + 1), ["data:,"],
     data_url(encoded(Image.new("RGB", (4000, 3000)))), data_url(encoded(Image.new("RGB", (40, 30)), "PNG")),
     data_url(PROGRESSIVE), "data:,", "/etc/passwd", {"path": "/etc/passwd"}, "\ud800"],
    ids=["nothing", "a number", "empty", "text", "no base64", "no picture", "too long", "a list", "too many pixels",
         "no JPEG", "many scans", "an empty URL", "a path", "a file", "half a surrogate pair"],
)  # fmt: skip
def test_what_is_no_frame_is_told_in_one_sentence(sent):
    answer = look_at(TaskModels(), sent)[0]
    assert answer.keys() == {"problem"} and re.fullmatch(r"[A-Z][^\n]+\.", answer["problem"])


def test_frames_beyond_those_being_answered_are_refused_unread_and_none_waits(frame):
    opened = TaskModels()
    opener = opened.wait_for_detector
    both_are_in = asyncio.Event()

    async def slow(task: str) -> Any:
        await asyncio.wait_for(both_are_in.wait(), 60)  # as when the model is being opened
        return await opener(task)

    opened.wait_for_detector = slow

    async def ask() -> list[dict[str, Any]]:
        answer = frame_answerer(look(opened))
        sent = [data_url(frame)] * (MAX_LOOKED_AT + 2) + ["no picture"]
        asked = [asyncio.ensure_future(answer(each)) for each in sent]
        while sum(each.done() for each in asked) < 3:
            await asyncio.sleep(0.01)
        assert [each.result() for each in asked if each.done()] == [{"busy": True}] * 3
        waiting = [each for each in asked if not each.done()]
        both_are_in.set()
        return [*await asyncio.gather(*waiting), await answer(data_url(frame))]

    answers = asyncio.run(asyncio.wait_for(ask(), 60))
    assert [len(each.get("faces", ())) for each in answers] == [1] * (MAX_LOOKED_AT + 1)  # places are given back


def test_a_frame_gives_way_to_a_photo_that_was_just_uploaded(frame):
    async def look(*_: Any) -> dict:
        return {"over": AWAITED.idle}

    async def ask() -> dict:
        AWAITED.hold(0.3)
        return await frame_answerer(look)(data_url(frame))

    assert asyncio.run(asyncio.wait_for(ask(), 60)) == {"over": True} and AWAITED.idle


@pytest.mark.parametrize(("gives_way", "order"), [(60.0, ["photo", "frame"]), (0.0, ["frame", "photo"])])
def test_a_frame_gives_way_to_photos_for_a_while(frame, monkeypatch, gives_way, order):
    monkeypatch.setattr(camera_tab, "GIVES_WAY", gives_way)
    seen = []

    async def look(*_: Any) -> dict:
        seen.append("frame")
        return {}

    async def ask() -> None:
        answer = frame_answerer(look)
        async with MIRROR_MODEL.turn():
            asked = asyncio.ensure_future(answer(data_url(frame)))
            if gives_way:
                await asyncio.sleep(0.1)  # it would have been answered by then
            else:
                await asked
            seen.append("photo")
        await asked

    asyncio.run(asyncio.wait_for(ask(), 60))
    assert seen == order


def test_a_model_that_cannot_be_opened_is_told_and_tried_again(tmp_path, frame):
    for answer in look_at(TaskModels({FACE_DETECTION: str(tmp_path / "gone.onnx")}), data_url(frame)):
        assert answer["problem"] == NOT_NOW


# ---- the page --------------------------------------------------------------------------------------------------------


def go_to_faces(visit: Visit, inner: str = "A photo") -> None:
    visit.open_tab("Faces")
    visit.page.get_by_role("tab", name=inner).click()


def pick(visit: Visit, body: bytes, name: str = "photo.png", mime: str = "image/png") -> None:
    visit.page.set_input_files("#faces-photo input[type=file]", {"name": name, "mimeType": mime, "buffer": body})


def found(visit: Visit, says: str) -> None:
    visit.page.locator("#faces-answer .says").filter(has_text=re.compile(says)).wait_for()


@pytest.mark.browser
def test_a_photo_s_faces_are_counted_boxed_and_listed(chromium, served, astronaut):
    with visiting(chromium, served.url) as visit:
        go_to_faces(visit)
        assert visit.page.get_by_text("I never tell whose they are").is_visible()
        pick(visit, encoded(astronaut, "WEBP"), "a.webp", "image/webp")
        found(visit, "^1 face")
        [box] = visit.page.locator("#faces-found .box:not([hidden])").all()
        stage = visit.page.locator("#faces-found .stage").bounding_box()
        place = box.bounding_box()
        assert (place["x"] - stage["x"]) / stage["width"] == pytest.approx(FACE["xmin"] / 512, abs=0.02)
        assert (place["y"] - stage["y"]) / stage["height"] == pytest.approx(FACE["ymin"] / 512, abs=0.02)
        assert visit.page.locator("#faces-table tbody tr:not([hidden])").count() == 1
        assert visit.page.evaluate(CONTRAST) == []
        visit.shot("faces-photo")


@pytest.mark.browser
def test_a_broken_photo_is_told_and_the_next_one_works(chromium, served, astronaut):
    with visiting(chromium, served.url) as visit:
        go_to_faces(visit)
        pick(visit, encoded(astronaut)[:500], "a.jpg", "image/jpeg")
        found(visit, "^The .*damaged")
        pick(visit, encoded(astronaut, "PNG"))
        found(visit, "^1 face")


@pytest.fixture(scope="module")
def camera(chromium: Any, frame: bytes, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A Chromium whose camera looks at the astronaut."""
    movie = tmp_path_factory.mktemp("camera") / "astronaut.mjpeg"
    movie.write_bytes(frame)
    flags = [*CHROMIUM_FLAGS, f"--use-file-for-fake-video-capture={movie}"]
    browser = chromium.browser_type.launch(executable_path=CHROMIUM, args=flags)
    yield browser
    browser.close()


# where the stage, the camera's picture and the box are, at one moment
PLACES = """() => ['.boxes', 'video', '.boxes div'].map(name => {
    const {x, y, width, height} = document.querySelector('.camera ' + name).getBoundingClientRect();
    return {x, y, width, height}; })"""


def start(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Start the camera").click()


def stop(visit: Visit) -> None:
    visit.page.get_by_role("button", name="Stop the camera").click()
    camera_says(visit, "The camera is off.")


def camera_says(visit: Visit, text: str) -> None:
    visit.page.locator(".camera .says").filter(has_text=re.compile(text)).wait_for()


def is_on(visit: Visit) -> bool:
    return visit.page.locator(".camera video").evaluate("video => video.srcObject !== null")


@pytest.mark.browser
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("viewport", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_the_camera_shows_a_box_around_a_face_until_it_is_stopped(camera, served, viewport, dark):
    with visiting(camera, served.url, viewport=viewport, dark=dark, permissions=["camera"]) as visit:
        go_to_faces(visit, "Camera")
        camera_says(visit, "Shall I look")
        assert not is_on(visit)  # not before it is asked for
        start(visit)
        camera_says(visit, "^One face.$")
        stage, video, box = visit.page.evaluate(PLACES)
        middle = (box["x"] + box["width"] / 2 - stage["x"]) / stage["width"]
        assert middle == pytest.approx(1 - (225 * 480 / 512 + 80) / 640, abs=0.02)  # a mirror: left is left
        assert box["height"] / stage["height"] == pytest.approx((178 - 60) / 512, abs=0.05)
        assert video == pytest.approx(stage, abs=2)
        assert visit.page.evaluate("document.documentElement.scrollWidth") <= viewport["width"]
        visit.page.locator(".camera .rate").filter(has_text=re.compile(r"looks? a second")).wait_for()
        assert visit.page.evaluate(CONTRAST) == []
        visit.shot(f"faces-camera-{viewport['width']}-{'dark' if dark else 'light'}")
        stop(visit)
        assert not is_on(visit)
        assert visit.page.locator(".camera .boxes div").count() == 0


@pytest.mark.browser
def test_the_camera_goes_off_when_another_tab_is_looked_at(camera, served):
    with visiting(camera, served.url, permissions=["camera"]) as visit:
        go_to_faces(visit, "Camera")
        start(visit)
        camera_says(visit, "One face")
        visit.page.get_by_role("tab", name="The mirror").click()
        visit.page.wait_for_function("document.querySelector('.camera video').srcObject === null")


@pytest.mark.browser
def test_the_camera_goes_off_when_its_time_is_over(camera, served):
    with visiting(camera, served.url, permissions=["camera"]) as visit:
        go_to_faces(visit, "Camera")
        visit.page.evaluate("document.querySelector('.camera').dataset.still = 1e6")
        visit.page.evaluate("{ const now = performance.now.bind(performance); performance.now = () => now() * 50; }")
        start(visit)  # a minute passes in little more than a second
        camera_says(visit, f"it runs for {SECONDS} seconds at a time")
        assert not is_on(visit)


@pytest.mark.browser
@pytest.mark.parametrize(
    ("flags", "says"),
    [(REFUSED, "^The camera is refused: allow it"), (WITHOUT_CAMERA, "^There is no camera")],
    ids=["refused", "none"],
)
def test_without_a_camera_the_page_says_what_to_do(chromium, served, flags, says):
    browser = chromium.browser_type.launch(executable_path=CHROMIUM, args=flags)
    try:
        with visiting(browser, served.url, viewport={"width": 375, "height": 553}) as visit:
            go_to_faces(visit, "Camera")
            start(visit)
            camera_says(visit, says)
            assert visit.page.get_by_role("button", name="Start the camera").is_enabled()
            visit.open_tab("The mirror")
            photo_frame = visit.page.locator("#photo")
            photo_frame.get_by_role("button", name="Capture from camera").click()
            photo_frame.get_by_text("Click to Access Webcam").click()
            photo_frame.get_by_role("alert").filter(has_text=re.compile(says[1:])).wait_for()
            photo_frame.get_by_role("button", name="Upload file").click()  # which nothing covers
            photo_frame.get_by_text("Drop a photo here").wait_for()
    finally:
        browser.close()


@pytest.mark.browser
def test_the_camera_is_within_reach_of_the_keyboard(camera, served):
    with visiting(camera, served.url, permissions=["camera"]) as visit:
        go_to_faces(visit, "Camera")
        visit.page.keyboard.press("Tab")
        for _ in range(3):
            if visit.page.evaluate("document.activeElement.textContent") == "Start the camera":
                break
            visit.page.keyboard.press("Tab")
        visit.page.keyboard.press("Enter")
        camera_says(visit, "One face")
        stop(visit)


@pytest.mark.browser
def test_no_frame_is_kept(camera, served):
    before = kept(served)  # other tests' uploads stay for some seconds
    with visiting(camera, served.url, permissions=["camera"]) as visit:
        go_to_faces(visit, "Camera")
        start(visit)
        camera_says(visit, "One face")
        visit.page.wait_for_timeout(1000)
        assert kept(served) <= before
        stop(visit)


def kept(served: Any) -> set[Path]:
    """The files of uploads that there are."""
    return {path for path in served.uploads.rglob("*") if path.is_file()}


@pytest.mark.browser
def test_where_the_model_is_missing_the_tab_says_so_and_the_rest_works(camera, models, tmp_path, astronaut):
    gone = tmp_path / "gone.onnx"
    with serve("--models", str(models), "--task-model", f"{FACE_DETECTION}={gone}") as page:
        with visiting(camera, page.url, permissions=["camera"]) as visit:
            go_to_faces(visit)
            pick(visit, encoded(astronaut, "PNG"))
            found(visit, f"^{re.escape(NOT_NOW)}$")
            visit.page.get_by_role("tab", name="Camera").click()
            start(visit)
            camera_says(visit, f"^{re.escape(NOT_NOW)}$")
            visit.page.get_by_role("tab", name="The mirror").click()
            visit.pick("a.png", encoded(astronaut, "PNG"))
            visit.page.locator("#answer .sure").filter(has_text=re.compile("sure|little")).wait_for()
