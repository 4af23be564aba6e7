"""The queue. The class: a request that ends in nothing, in `{"error": null}`, in a traceback or in the log; one visitor
who keeps all others out; memory that is kept for nobody.

Everything over HTTP against `python app.py`, with the arguments of tests/hostile/requests.py.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import inspect
import json
import re
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

import httpx
import pytest
from gradio.block_function import BlockFunction
from gradio.queueing import Event
from gradio.server_messages import HeartbeatMessage, LogMessage
from gradio_client import Client, handle_file

from mirror.web import gradio_queue
from mirror.web.fair_scheduling import Visitor
from mirror.web.gradio_blocks import VisitedBlocks
from mirror.web.gradio_queue import MAX_PER_SESSION, MAX_REQUESTS, MAX_UNREAD, Messages, _visitors
from tests.hostile import requests
from tests.web.asking import API, CLIENT, JSON, as_json, ask, ask_by_number, handlers
from tests.web.serving import Served, serve
from tests.web.tiny import YELLOW, photo, tiny_model

SHARED = Path(__file__).resolve().parents[3] / "shared" / "findings" / "inputs"
SECRET = "geheimnis"  # stands for what a visitor would not like to find in a log
PNG = {"url": "data:image/png;base64," + base64.b64encode(photo(YELLOW, format="PNG")).decode()}


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Served:
    """A page with two models, as the default one has."""
    models = tmp_path_factory.mktemp("models")
    tiny_model(models)
    tiny_model(models, "other", ("l0", "l1", "l2"))
    options = ("--default", "mirror", "--allow-private-hosts")
    with serve("--models", str(models), *options, uploads=tmp_path_factory.mktemp("uploads")) as page:
        yield page


def sentence(answer: object) -> str:
    assert isinstance(answer, dict) and isinstance(answer.get("error"), str), answer
    assert re.fullmatch(r"[A-Z7“][^\n]{5,450}[.!]", answer["error"]), answer
    assert "pip install" not in answer["error"] and "/" + "tmp" not in answer["error"]
    return answer["error"]


# ---- arguments ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "label"),
    [
        ([PNG], "duckling"), ([PNG, None], "duckling"), ([PNG, "mirror"], "duckling"), ([PNG, "other"], "l1"),
        ([PNG, "mirror", 1, "more", {}], "duckling"),
    ],
    ids=["the photo alone", "null", "the default", "another", "too many"],
)  # fmt: skip
def test_the_model_may_be_left_out(two, data, label):
    event, answer = ask(two.url, "predict", *data)
    assert event == "complete" and answer[0]["label"] == label


@pytest.mark.parametrize(
    ("endpoint", "data", "says"),
    [
        ("predict", [], "There is no photo"), ("predict", [None], "There is no photo"),
        ("predict", ["photo.jpg"], "send it as a file"), ("predict", ["a text"], "send it as a file"),
        ("predict", [{}], "send one of at most 20 MB"),  # a file that gradio's JavaScript client could not upload
        ("predict", [PNG, "no such model"], "There is no model named “no such model”: choose one of"),
        ("predict", [PNG, 7], "must be a name"), ("predict", [PNG, ["mirror"]], "must be a name"),
        ("predict", [PNG, {"a": 1}], "must be a name"), ("predict", [PNG, "x" * 9999], "x…”: choose one of"),
        ("predict_url", [], "There is no photo"), ("predict_url", [None], "There is no photo"),
        ("predict_url", [7], "is not an http"), ("predict_url", [["https://example.org"]], "must be a text"),
        ("predict_url", [PNG], "“url” must be a text"), ("explain", [], "There is no photo"),
        ("explain", [PNG, 3], "knows no label"), ("explain", [PNG, "no such label"], "knows no label"),
        ("object-detection", [PNG, 2], "“threshold” must be a number from 0 to 1"),
        ("object-detection", [PNG, "many"], "“threshold” must be a number from 0 to 1"),
        ("face-detection", [None, float("nan")], "“threshold” must be a number from 0 to 1"),
        ("face-detection", [], "There is no photo"), ("face-detection-picture", [None], "There is no photo"),
        ("image-classification", [PNG, 0], "“top” must be a number of at least 1"),
        ("image-classification", [None, 10**400], "“top” must be a number of at least 1"),
        ("zero-shot-image-classification", [PNG], "There is no label"),
        ("zero-shot-image-classification", [PNG, "a,b", "no place"], "must hold {} once"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_gets_one_sentence(two, endpoint, data, says):
    event, answer = ask(two.url, endpoint, *data)
    assert event == "error" and says in sentence(answer)


def test_every_handler_answers_every_kind_of_argument(two):
    """Public and private, all of them: with too few, with junk at each place, with a photo where none belongs."""
    junk = [*requests.arguments(), ("a photo", PNG), ("no photo", {"path": "/etc/passwd"})]
    before = len(two.log())
    for number, inputs in handlers(two.url).items():
        mine = (junk[(5 * number + each) % len(junk)][1] for each in range(5))  # all of it, over the handlers
        rows = [[], *([value] * (len(inputs) + 1) for value in mine)]
        for data in rows:
            ok, answer = ask_by_number(two.url, number, data)
            if not ok:
                sentence(answer)
    assert "Traceback" not in two.log()[before:]


@pytest.mark.parametrize("number", [-1, 10_000, 2**70, None, "x", 1.5, [1]])
def test_a_handler_that_is_not_there_gets_a_sentence(two, number):
    body = as_json({"data": [PNG], "fn_index": number, "session_hash": "abc"})
    answer = CLIENT.post(f"{two.url}{API}/queue/join", content=body, headers=JSON)
    assert answer.status_code in (400, 422) and "Traceback" not in two.log()


@pytest.mark.parametrize("session", ["", " ", "a" * 65, "a b", "<gradio-sep>", "ä", "a/b", "\n"])
def test_an_odd_session_is_refused(two, session):
    body = as_json({"data": [PNG], "fn_index": 0, "session_hash": session})
    answer = CLIENT.post(f"{two.url}{API}/queue/join", content=body, headers=JSON)
    assert answer.status_code == 400 and answer.json()["detail"] == gradio_queue.NO_SESSION


# ---- the log --------------------------------------------------------------------------------------------------------


def send(page: Served, path: str, **body: object) -> None:
    with contextlib.suppress(httpx.TransportError):
        CLIENT.post(f"{page.url}{API}/{path}", **body)


def test_nothing_that_a_visitor_sends_is_in_the_log(two):
    """A secret in every place of every request: arguments, names, addresses, sessions, events, methods."""
    before, many = len(two.log()), SECRET * 200
    for number, inputs in handlers(two.url).items():
        values = (SECRET, many, [SECRET], {SECRET: SECRET}, {"path": f"/{SECRET}"}, {"url": f"data:,{SECRET}"})
        ask_by_number(two.url, number, [values[number % 6]] * len(inputs))
        ask_by_number(two.url, number, [values[(number + 1) % 6]])
    for endpoint in ("predict", "predict_url", "explain", "zero-shot-image-classification", SECRET):
        for data in ([SECRET], [{"url": SECRET}, SECRET], SECRET, {"image": SECRET}):
            for path in (f"call/{endpoint}", f"call/v2/{endpoint}", f"run/{endpoint}"):
                send(two, path, json={"data": data, SECRET: SECRET, "session_hash": SECRET})
                send(two, path, json={"image": data, SECRET: SECRET})
    for path in ("queue/join", "component_server", "cancel", "reset"):
        for body in ({}, {"data": SECRET}, {"data": [SECRET], "fn_index": SECRET, "session_hash": SECRET},
                     {"component_id": SECRET, "fn_name": SECRET, "session_hash": SECRET, "data": SECRET},
                     {"component_id": 1, "fn_name": [SECRET], "session_hash": SECRET, "data": SECRET},
                     {"event_id": SECRET, "session_hash": SECRET, "fn_index": 0}):  # fmt: skip
            send(two, path, json=body)
        send(two, path, content=SECRET)
    for path in ("call/predict/", "queue/data?session_hash=", "heartbeat/x", "file=", "upload_progress?upload_id="):
        url = f"{two.url}{API}/{path}{SECRET}"
        with contextlib.suppress(httpx.TransportError), CLIENT.stream("GET", url) as stream:
            next(stream.iter_bytes(), None)
    time.sleep(0.5)
    assert SECRET not in two.log()[before:]


def test_a_stream_for_what_was_told_already_ends(two):
    """A busy browser may learn of an answer before it learns that the question was taken, and opens one more stream."""
    number = next(number for number, kinds in handlers(two.url).items() if "textbox" in kinds)
    data = ["" if kind == "textbox" else None for kind in handlers(two.url)[number]]
    question = {"data": data, "fn_index": number, "session_hash": "late"}
    stream = f"{two.url}{API}/queue/data?session_hash=late"
    for _ in range(2):  # and the next question is answered as ever
        CLIENT.post(f"{two.url}{API}/queue/join", content=as_json(question), headers=JSON).raise_for_status()
        *_, completed, closed = CLIENT.get(stream).text.split("\n\n")[:-1]
        assert '"process_completed"' in completed and '"close_stream"' in closed
        assert json.loads(CLIENT.get(stream, timeout=10).text.removeprefix("data: ")) == {"msg": "close_stream"}


def test_a_stream_that_there_is_not_is_no_failure_of_ours(two):
    before = len(two.log())
    for path in ("call/predict/nosuch", "call/v2/predict/nosuch", "queue/data?session_hash=nosuch"):
        with contextlib.suppress(httpx.TransportError):
            CLIENT.get(f"{two.url}{API}/{path}", timeout=5)
    time.sleep(0.2)
    assert two.log()[before:] == ""


@pytest.mark.skipif(not SHARED.is_dir(), reason="the findings' inputs are not here")
@pytest.mark.parametrize("name", ["api_base64_with_newlines", "api_photo_without_model"])
def test_the_findings_requests_are_answered(two, name):
    data = json.loads((SHARED / f"{name}.json").read_text())["data"]
    event, answer = ask(two.url, "predict", *data)
    assert event == "complete" and answer[0]["label"]
    assert data[0]["url"][30:90] not in two.log()


# ---- many requests --------------------------------------------------------------------------------------------------


def join(client: httpx.Client, page: Served, session: str, data: object = PNG) -> httpx.Response:
    functions = client.get(f"{page.url}/config").json()["dependencies"]
    (predict,) = (each["id"] for each in functions if each["api_name"] == "predict")
    body = {"data": [data, None], "fn_index": predict, "session_hash": session}
    return client.post(f"{page.url}{API}/queue/join", json=body)


def test_a_visitor_who_sends_too_many_is_told_at_once_and_others_are_not(served, world):
    gate = threading.Event()
    slow = world.direct_host().waits("/slow.png", gate, photo(YELLOW))
    with httpx.Client(timeout=30) as client:
        answers = [join(client, served, "greedy", {"path": slow}) for _ in range(MAX_PER_SESSION + 4)]
        assert [answer.status_code for answer in answers] == [200] * MAX_PER_SESSION + [503] * 4
        assert answers[-1].json()["detail"] == gradio_queue.TOO_MANY_OF_YOURS
        assert join(client, served, "another").status_code == 200
        assert ask(served.url, "predict", PNG)[0] == "complete"
        gate.set()


def test_slow_addresses_and_abandoned_requests_hold_up_nobody_else(served, world):
    """The finding: two addresses that never answer block the mirror for 20 s, eight for 80 s."""
    gate = threading.Event()
    with httpx.Client(timeout=30) as client:
        for number in range(16):
            slow = world.direct_host().waits(f"/slow{number}.png", gate, photo(YELLOW))
            assert join(client, served, f"slow{number}", {"path": slow}).status_code == 200
        for number in range(100):
            join(client, served, f"abandoned{number}")
        try:
            for _ in range(3):
                assert ask(served.url, "predict", PNG, timeout=8)[0] == "complete"
            url = world.direct_host().body("/quick.png", photo(YELLOW))
            assert ask(served.url, "predict", {"url": url}, timeout=8)[0] == "complete"
        finally:
            gate.set()


def test_a_visitor_who_leaves_makes_room(served, world):
    """Closing the browser frees what it held: the requests of a stream that is closed are not worked on."""
    gate = threading.Event()
    slow = world.direct_host().waits("/left.png", gate, photo(YELLOW))
    with httpx.Client(timeout=30) as client:
        for _ in range(MAX_PER_SESSION):
            assert join(client, served, "leaving", {"path": slow}).status_code == 200
        assert join(client, served, "leaving").status_code == 503
        with client.stream("GET", f"{served.url}{API}/queue/data?session_hash=leaving") as stream:
            next(stream.iter_bytes())
        deadline = time.monotonic() + 15
        while join(client, served, "leaving").status_code != 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        gate.set()
        assert time.monotonic() < deadline


@pytest.fixture
def clock(monkeypatch) -> list[float]:
    """The queue's clock, which stands still until a test moves it."""
    now = [1_000.0]
    monkeypatch.setattr(gradio_queue, "monotonic", lambda: now[0])
    return now


def story(test):
    """A test that is a coroutine: it gets a queue of its own, and whatever fixtures it names beside."""

    @functools.wraps(test)
    def run(**fixtures):
        async def told() -> None:
            await test(VisitedBlocks(analytics_enabled=False)._queue, **fixtures)

        asyncio.run(told())

    given = inspect.signature(test)
    run.__signature__ = given.replace(parameters=[each for each in given.parameters.values() if each.name != "queue"])
    return run


async def reader(messages: Messages) -> asyncio.Task:
    """Somebody who reads there by now."""
    reading = asyncio.ensure_future(messages.get())
    await asyncio.sleep(0.01)
    return reading


def event(session: str) -> Event:
    return Event(session, BlockFunction(print, [], [], True, True, False, [], 0), None, None)


def taken(queue, address: str, session: str) -> bool:
    """Whether a request of that visitor is taken; it stays in the queue."""
    visitor = Visitor(address, session)
    if queue._too_many(visitor):
        return False
    one = event(session)
    _visitors[one] = visitor
    queue.event_ids_to_events[one._id] = one
    queue.pending_messages_per_session[session] = Messages()
    queue.pending_event_ids_session[session] = {one._id}
    queue.active_jobs.append([one])
    return True


@story
async def test_a_few_addresses_never_take_all_the_room(queue):
    for number in range(6):
        for each in range(200):
            taken(queue, f"203.0.113.{number}", f"{number}/{each}")
    assert taken(queue, "198.51.100.1", "honest")
    assert not taken(queue, "203.0.113.0", "another")


@story
async def test_a_request_that_nobody_waits_for_makes_room_for_another(queue, clock):
    assert all(taken(queue, "", f"s{number}") for number in range(MAX_REQUESTS))
    reading = await reader(queue.pending_messages_per_session["s0"])
    await queue._drop_one()
    assert not taken(queue, "", "honest")  # all of them may come for their answer yet
    clock[0] += 10
    await queue._drop_one()
    assert taken(queue, "", "honest") and not taken(queue, "", "another")
    assert queue._alive() == MAX_REQUESTS and "s0" in queue.pending_messages_per_session
    reading.cancel()


@story
async def test_messages_know_whether_anybody_reads_them(queue):
    messages = Messages()
    assert not messages.listening() and messages.unread_for() > 0
    reading = await reader(messages)
    assert messages.listening() and messages.unread_for() == 0
    messages.put_nowait("hello")
    assert await reading == "hello"
    assert not messages.listening()


@story
async def test_what_nobody_reads_is_dropped_and_the_rest_is_kept(queue, clock):
    """The finding: 1,500 abandoned requests kept 1.15 GB for good."""
    said, waiting = LogMessage(log="x", level="info", title="x"), queue.pending_messages_per_session
    for session in ("read", "unread", "fresh", "working", "stuck"):
        waiting[session] = Messages()
        queue.pending_event_ids_session[session] = {session}
        waiting[session].put_nowait(HeartbeatMessage())
    queue.pending_event_ids_session["long gone"] = {"event"}
    waiting["read"].get_nowait()
    for session in ("working", "stuck"):
        queue.event_ids_to_events[session] = event(session)
    reading = await reader(waiting["read"])
    clock[0] += 45
    waiting["fresh"].put_nowait(said)
    waiting["working"].put_nowait(said)
    clock[0] += 45
    await queue.forget_unread(90)
    assert set(waiting) == {"read", "fresh", "working", "stuck"}
    clock[0] += 100
    await queue.forget_unread(90)
    assert set(waiting) == set(queue.pending_event_ids_session) == {"read", "working"}
    queue.send_message(queue.event_ids_to_events["stuck"], HeartbeatMessage())  # no KeyError
    assert not queue.event_ids_to_events["stuck"].alive
    reading.cancel()


@story
async def test_no_more_than_so_many_unread_answers_are_kept(queue, clock):
    for number in range(2 * MAX_UNREAD):
        clock[0] += 0.1
        queue.pending_messages_per_session[str(number)] = Messages()
        queue.pending_messages_per_session[str(number)].put_nowait(HeartbeatMessage())
    queue.pending_messages_per_session["0"].get_nowait()
    for number in range(MAX_UNREAD):  # whose answers were fetched: they take nobody's place
        queue.pending_messages_per_session[f"-{number + 1}"] = Messages()
    clock[0] += 2
    reading = await reader(queue.pending_messages_per_session["0"])
    await queue._make_room()
    left = [int(session) for session in queue.pending_messages_per_session]
    assert left == [0, *range(MAX_UNREAD, 2 * MAX_UNREAD)]  # the oldest go, and whoever is read stays
    reading.cancel()


@story
async def test_one_sweep_drops_what_is_kept_of_a_session(queue, monkeypatch):
    monkeypatch.setattr(gradio_queue, "SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(gradio_queue, "REMEMBERED_SECONDS", 0.1)
    holder = queue.blocks.state_holder
    for visitor, noted in (("idle", timedelta(hours=9)), ("busy", timedelta(hours=-9))):  # the wall clock was set
        holder.session_data[visitor] = {"photo": "data:image/jpeg;base64,AAAA"}
        holder.time_last_used[visitor] = datetime.now() + noted
    queue.pending_messages_per_session["unread"] = Messages()
    queue.pending_messages_per_session["unread"]._last -= 60
    sweeping = asyncio.ensure_future(queue._sweep())
    for _ in range(30):
        await asyncio.sleep(0.02)
        holder.time_last_used["busy"] += timedelta(seconds=1)
    assert list(holder.session_data) == list(holder.time_last_used) == ["busy"]
    assert not sweeping.done() and "unread" not in queue.pending_messages_per_session
    sweeping.cancel()


@pytest.fixture(scope="module")
def forgetful(models, tmp_path_factory):
    """A page that forgets what nobody reads after a second."""
    script = tmp_path_factory.mktemp("forgetful") / "forgetful.py"
    script.write_text(
        f"import sys; sys.path.insert(0, {str(Path(__file__).resolve().parents[2])!r})\n"
        "from mirror.web.gradio_patches import import_gradio\nimport os\n"
        "os.environ['GRADIO_ANALYTICS_ENABLED'] = 'False'\n"
        "import_gradio()\nfrom mirror.web import gradio_queue\n"
        "gradio_queue.UNREAD_SECONDS, gradio_queue.SWEEP_SECONDS = 1.0, 0.2\n"
        "import app\nsys.exit(app.main(sys.argv[1:]))\n"
    )
    with serve("--models", str(models), app=script, uploads=tmp_path_factory.mktemp("uploads")) as page:
        yield page


def test_an_event_whose_session_was_dropped_says_so_and_the_page_lives(forgetful):
    event = CLIENT.post(f"{forgetful.url}{API}/call/predict", json={"data": [PNG]}).json()["event_id"]
    time.sleep(3)
    with contextlib.suppress(httpx.TransportError):  # gradio breaks the stream off
        CLIENT.get(f"{forgetful.url}{API}/call/predict/{event}", timeout=5)
    assert ask(forgetful.url, "predict", PNG)[0] == "complete"


def test_the_python_client_gets_every_answer_when_it_sends_several(two, tmp_path):
    (tmp_path / "a.png").write_bytes(photo(YELLOW, format="PNG"))
    client = Client(two.url, verbose=False)
    jobs = [client.submit(handle_file(tmp_path / "a.png"), api_name="/predict") for _ in range(MAX_PER_SESSION)]
    assert {job.result(timeout=60)["label"] for job in jobs} == {"duckling"}


def test_a_crowd_of_sessions_is_answered_without_an_error(two):
    answers: list[str] = []

    def visitor() -> None:
        for _ in range(2):
            answers.append(ask(two.url, "predict", PNG)[0])

    threads = [threading.Thread(target=visitor) for _ in range(60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert answers == ["complete"] * 120


def test_a_crowd_on_slow_lines_gets_its_answers_when_all_of_them_have_been_ready_for_a_while(two):
    """More of them than were kept once; from a server's own machine an address is no address (AN_ADDRESS)."""
    events = []
    for _ in range(160):
        answer = CLIENT.post(f"{two.url}{API}/call/predict", json={"data": [PNG]})
        events.append(answer.raise_for_status().json()["event_id"])
    time.sleep(5)
    told = [CLIENT.get(f"{two.url}{API}/call/predict/{event}", timeout=30).text for event in events]
    assert ["event: complete" in one for one in told] == [True] * 160
