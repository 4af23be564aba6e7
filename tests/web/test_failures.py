"""What nobody foresaw. The class: an exception that is no sentence reaches the visitor as `{"error": null}`, or the log
with what the visitor sent. A page whose handlers fail in every way that a handler can is asked over HTTP.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from mirror.errors import NotAnImage
from mirror.images import load_image
from mirror.web.failures import FAILED, NO_SUCH_ENDPOINT, NOT_UNDERSTOOD, error_location
from tests.web.app_that_fails import FAULTS, SECRET
from tests.web.asking import API, CLIENT, ask
from tests.web.serving import Served, serve


@pytest.fixture(scope="module")
def failing() -> Iterator[Served]:
    with serve(app=Path(__file__).with_name("app_that_fails.py")) as page:
        yield page


@pytest.mark.parametrize("kind", ["plain", "coroutine", "generator", "async_generator"])
def test_whatever_a_handler_raises_is_one_sentence(failing, kind):
    for fault in FAULTS:
        event, answer = ask(failing.url, kind, fault)
        assert (event, answer["error"]) == ("error", "A sentence." if fault == "gradio" else FAILED), fault
    assert SECRET not in failing.log() and "Traceback" not in failing.log()
    assert re.search(r"^An answer failed: ValueError at ", failing.log(), re.MULTILINE)


def test_an_answer_that_cannot_be_shown_is_one_sentence_too(failing):
    event, answer = ask(failing.url, "unshown", SECRET)
    assert (event, answer["error"]) == ("error", FAILED) and SECRET not in failing.log()


def test_a_sentence_of_ours_stays_what_it_is(failing):
    assert ask(failing.url, "refused", "x")[1]["error"] == "The file is no photo; send another."


OF_COMPONENTS = {"session_hash": SECRET, "data": 1}


@pytest.mark.parametrize(
    ("path", "body", "status", "says"),
    [
        ("call/nothing", {"data": []}, 404, NO_SUCH_ENDPOINT),
        ("call/v2/nothing", {"data": []}, 400, NOT_UNDERSTOOD),
        ("call/v2/plain", {SECRET: SECRET}, 400, NOT_UNDERSTOOD),
        ("component_server", {"component_id": SECRET, "fn_name": SECRET, **OF_COMPONENTS}, 400, None),
        ("component_server", {"component_id": 10**9, "fn_name": "x", **OF_COMPONENTS}, 400, NOT_UNDERSTOOD),
    ],
    ids=["name", "v2 name", "v2 argument", "component", "component number"],
)
def test_what_gradio_stumbles_over_is_one_sentence_and_not_in_the_log(failing, path, body, status, says):
    answer = CLIENT.post(f"{failing.url}{API}/{path}", json=body)
    assert answer.status_code == status and says in (None, answer.json()["detail"])
    assert SECRET not in failing.log() and "Traceback" not in failing.log()
    assert "FnIndexInferError" not in failing.log()  # an endpoint's wrong name is no failure


def test_the_line_names_the_kind_and_the_place_in_our_code():
    with pytest.raises(NotAnImage) as caught:
        load_image("/nowhere/a.jpg")
    assert re.fullmatch(r"NotAnImage at mirror/[\w/]+\.py:\d+", error_location(caught.value))
    assert error_location(ValueError(SECRET)) == "ValueError"
