"""The page's handlers asked over plain HTTP, as curl would: by their names, and by their numbers."""

from __future__ import annotations

import atexit
import json
import secrets
from typing import Any

import httpx

API = "/gradio_api"
CLIENT = httpx.Client(timeout=60)
atexit.register(CLIENT.close)


def ask(url: str, endpoint: str, *data: Any, timeout: float = 60) -> tuple[str, Any]:
    """POST to /call/<endpoint> and the event that answers: `("complete", [outputs])` or `("error", {"error": …})`."""
    posted = CLIENT.post(f"{url}{API}/call/{endpoint}", content=as_json({"data": list(data)}), headers=JSON)
    assert posted.status_code == 200, posted.text
    return _last_event(CLIENT.get(f"{url}{API}/call/{endpoint}/{posted.json()['event_id']}", timeout=timeout).text)


JSON = {"content-type": "application/json"}


def as_json(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def _last_event(text: str) -> tuple[str, Any]:
    *_, last = [block for block in text.split("\n\n") if block.startswith("event: ") and "heartbeat" not in block[:20]]
    event, _, data = last.partition("\n")
    return event.removeprefix("event: "), json.loads(data.removeprefix("data: "))


def handlers(url: str) -> dict[int, list[str]]:
    """The number of each handler with a function behind it → the kinds of its inputs."""
    config = CLIENT.get(f"{url}/config").json()
    kinds = {component["id"]: component["type"] for component in config["components"]}
    return {
        each["id"]: [kinds[number] for number in each["inputs"]]
        for each in config["dependencies"]
        if each["backend_fn"]
    }


def ask_by_number(url: str, number: int, data: list[Any], timeout: float = 60) -> tuple[bool, Any]:
    """What a browser does: joins the queue, and reads its stream. Whether it went well, and the output."""
    session = secrets.token_hex(6)
    body = as_json({"data": data, "fn_index": number, "session_hash": session})
    joined = CLIENT.post(f"{url}{API}/queue/join", content=body, headers=JSON)
    if joined.status_code != 200:
        return False, {"error": joined.json()["detail"], "status": joined.status_code}
    with CLIENT.stream("GET", f"{url}{API}/queue/data", params={"session_hash": session}, timeout=timeout) as stream:
        for line in stream.iter_lines():
            if line.startswith("data: "):
                message = json.loads(line[6:])
                if message["msg"] == "process_completed":
                    return message["success"], message["output"]
    raise AssertionError(f"handler {number} gave no answer")
