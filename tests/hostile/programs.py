"""Whole programs, started anew each time, that are killed at a random moment: what forks of a process leave out.

studio         `python app.py --studio`, while somebody decides over HTTP
train again    the same while a training runs that its button started: the studio is killed, then the training
train.py       `python train.py --data`, from its imports to its last line
compile child  what a page does with a pickle in models/: the child that compiles is killed, or the page
ray            `python -m mirror predict --engine ray`

Each is a function (kills, seed, scratch) → Tally.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx

from mirror.errors import MirrorError
from mirror.model_folder import list_models, read_model_folder
from tests.hostile import scenes
from tests.hostile.killed_commands import OPERATIONS, done_in
from tests.hostile.kills import ROOT, Tally, compare, of_session, rounds
from tests.support.limits import LIMIT
from tests.support.ports import free_port

PATIENCE = 240.0  # seconds for anything that must come to an end
RAY = {"RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_MODE": "disabled", "PYTHONWARNINGS": "ignore"}


def start(place: Path, log: Path, *command: str, **variables: str) -> subprocess.Popen:
    """A Python program in `place`, the first of a session of its own."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"} | variables
    with open(log, "ab") as output:
        return subprocess.Popen(
            [sys.executable, *command], cwd=place, env=environment, stdin=subprocess.DEVNULL, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip


def end(process: subprocess.Popen) -> None:
    """`kill -9` of the process itself; what it started is left to notice."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(process.pid, signal.SIGKILL)
    process.wait(PATIENCE)


def until(condition: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds:.0f} s")
        time.sleep(0.02)
    return found


def clear(tally: Tally, process: subprocess.Popen, seconds: float = 30.0) -> None:
    """Waits until nothing of a killed program's session is left; what is left after that is counted, and ended."""
    with contextlib.suppress(TimeoutError):
        until(lambda: not list(of_session(process.pid)), seconds)
    left = list(of_session(process.pid))
    tally.note("survivors", len(left), "a process outlived its parent")
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


# ---- the studio -----------------------------------------------------------------------------------------------------


class Browser:
    """The studio's page as far as a decision needs it: gradio's queue over HTTP."""

    def __init__(self, address: str):
        self.refusal = ""  # what was last said, where it was no
        cookies = httpx.get(address, timeout=60).cookies
        self._client = httpx.Client(base_url=address.partition("?")[0], cookies=cookies, timeout=60)
        page = self._client.get("/").text
        config = json.loads(re.search(r"window\.gradio_config = (\{.*?\});</script>", page, re.DOTALL)[1])
        self._ids = {target[1]: one["id"] for one in config["dependencies"] for target in one["targets"]}
        self._starts = next(
            one["id"] for one in config["dependencies"] for target in one["targets"]
            if any(c["id"] == target[0] and c["props"].get("value") == "Train" for c in config["components"])
        )  # fmt: skip

    def decide(self, action: str, names: list[str], label: str) -> bool:
        """Whether the studio said that it is done."""
        return self._call(self._ids["decide"], {"action": action, "names": names, "label": label})

    def train(self) -> bool:
        return self._call(self._starts, None)

    def _call(self, function: int, data: dict[str, Any] | None) -> bool:
        session = f"s{random.getrandbits(40):x}"
        asked = {"data": [None], "fn_index": function, "session_hash": session, "event_data": data, "trigger_id": None}
        self._client.post("/gradio_api/queue/join", json=asked).raise_for_status()
        with self._client.stream("GET", f"/gradio_api/queue/data?session_hash={session}") as stream:
            for line in stream.iter_lines():
                told = json.loads(line.removeprefix("data:")) if line.startswith("data:") else {}
                if told.get("msg") == "process_completed":
                    self.refusal = "" if told["success"] else told["output"].get("error", "")
                    return bool(told["success"])
        return False

    def close(self) -> None:
        self._client.close()


@contextlib.contextmanager
def studio(place: Path, log: Path) -> Iterator[tuple[subprocess.Popen, Browser]]:
    log.unlink(missing_ok=True)
    given = ("--studio", str(scenes.FOLDER), "--models", "models", "--port", str(free_port()))
    process = start(place, log, str(ROOT / "app.py"), *given, GRADIO_TEMP_DIR=str(place / "uploads"))
    browser = None
    try:
        address = until(lambda: re.search(r"http://\S+\?token=\S+", log.read_text(errors="replace")))[0]
        browser = Browser(address)
        yield process, browser
    finally:
        if browser is not None:
            browser.close()
        end(process)


def kill_studio(kills: int, seed: int, scratch: Path) -> Tally:
    """It is killed while decisions are made, started again, and the person goes on where the journal ends."""
    chance, tally, scene = random.Random(f"studio {seed}"), Tally("studio"), scenes.decisions_scene()
    start_folder, place, log = scratch / "start", scratch / "place", scratch / "log.txt"
    start_folder.mkdir()
    scene.lay(start_folder)
    names = [row.file_name for row in scenes.read_photos(start_folder / scenes.FOLDER / "metadata.csv")]
    shutil.copytree(start_folder, place)
    undisturbed = None
    while tally.kills < kills or undisturbed is None:
        if undisturbed is not None:
            tally.rounds += 1
            shutil.rmtree(place)
            shutil.copytree(start_folder, place)
        killed = 0
        while (done := done_in(place / scenes.FOLDER)) < len(OPERATIONS):
            with studio(place, log) as (process, browser):
                kill = undisturbed is not None and tally.kills < kills and killed < 4
                deadline = time.monotonic() + (chance.uniform(0.0, 2.0) if kill else PATIENCE)
                killer = subprocess.Popen(
                    [sys.executable, "-c", f"import os, time; time.sleep({deadline - time.monotonic()});"
                     f"os.kill({process.pid}, 9)"],
                )  # fmt: skip
                for action, places, label in OPERATIONS[done:]:
                    try:
                        said = browser.decide(action, [names[one] for one in places], label)
                    except httpx.HTTPError:
                        break
                    if said:
                        with open(place / "acknowledged", "a", encoding="utf-8") as file:
                            file.write("x")
                if kill:
                    process.wait(PATIENCE)
                    tally.kills, killed = tally.kills + 1, killed + 1
                killer.kill()
                killer.wait(LIMIT)
                if not kill and done_in(place / scenes.FOLDER) < len(OPERATIONS):
                    raise RuntimeError(f"nobody killed the studio, and it did not do all: {browser.refusal}")
            for wrong in scene.between(place):
                tally.note("half", 1, wrong)
        result = scene.result(place)
        if undisturbed is None:
            undisturbed = result
        else:
            tally.resumed += killed > 0
            compare(tally, undisturbed, result)
    return tally


def kill_training_of_the_studio(kills: int, seed: int, scratch: Path) -> Tally:
    """The studio is killed while "Train again" runs; what it started ends; a new studio trains to the end."""
    from tests.web.studio.folders import model_of, photo_folder

    chance, tally = random.Random(f"train again {seed}"), Tally("train again")
    place, log = scratch / "place", scratch / "log.txt"
    photos = photo_folder(place / scenes.FOLDER, each=9)
    (place / "models").mkdir()
    old = model_of(place / "models", "mirror", photos)
    for _ in rounds(tally, kills):
        with studio(place, log) as (process, browser):
            browser.train()
            time.sleep(chance.uniform(0.2, 14.0))
            end(process)
            tally.kills += 1
        clear(tally, process, 60.0)
        for wrong in scenes.models_whole(place, "mirror"):
            tally.note("half", 1, wrong)
    before = (old / "model.json").read_bytes()
    with studio(place, log) as (process, browser):
        if not browser.train():
            tally.note("failed", 1, "the studio that was started again does not train")
        else:
            until(lambda: (old / "model.json").read_bytes() != before)
            tally.resumed = tally.rounds
    for wrong in scenes.models_whole(place, "mirror"):
        tally.note("half", 1, wrong)
    left = [path.name for path in (place / "models").iterdir() if path.name != "mirror"]
    tally.note("leftovers", len(left), f"left {left}")
    return tally


# ---- commands -------------------------------------------------------------------------------------------------------


def kill_command(
    kind: str, scene: scenes.Scene, command: tuple[str, ...], kills: int, seed: int, scratch: Path, **variables: str
) -> Tally:
    """A command of a scene, killed at any time of an undisturbed run's; three times a round at most."""
    chance, tally = random.Random(f"{kind} {seed}"), Tally(kind)
    start_folder, place, log = scratch / "start", scratch / "place", scratch / "log.txt"
    start_folder.mkdir()
    command = (*command, *scene.lay(start_folder))
    shutil.copytree(start_folder, place)
    begun = time.monotonic()
    whole = start(place, log, *command, **variables)
    code, seconds = whole.wait(PATIENCE), time.monotonic() - begun
    expected = scene.result(place)
    for _ in rounds(tally, kills):
        shutil.rmtree(place)
        shutil.copytree(start_folder, place)
        before = tally.kills
        for _ in range(min(3, kills - tally.kills)):
            process = start(place, log, *command, **variables)
            time.sleep(chance.uniform(0.0, seconds))
            if process.poll() is not None:
                break
            end(process)
            tally.kills += 1
            clear(tally, process)
            for wrong in scene.between(place):
                tally.note("half", 1, wrong)
        last = start(place, log, *command, **variables).wait(PATIENCE)
        tally.resumed += tally.kills > before
        if last != code:
            tally.note("failed", 1, f"the same command ended with {last}: {log.read_text(errors='replace')[-400:]}")
        else:
            compare(tally, expected, scene.result(place))
    return tally


def kill_train(kills: int, seed: int, scratch: Path) -> Tally:
    scene = scenes.from_folder_scene(scratch)
    return kill_command("train.py", scene, (str(ROOT / "train.py"),), kills, seed, scratch)


def kill_ray(kills: int, seed: int, scratch: Path) -> Tally:
    scene = scenes.batch_scene("jsonl")
    lay = scene.lay
    on_ray = scenes.Scene(
        "ray", lambda place: (*lay(place), "--engine", "ray", "--ray-workers", "1"), scene.between, scene.result
    )
    return kill_command("ray", on_ray, ("-m", "mirror"), kills, seed, scratch, **RAY)


def kill_compile_child(kills: int, seed: int, scratch: Path) -> Tally:
    """The page's side opens a pickle of models/; its compile child is killed, or the page itself, in turns."""
    chance, tally = random.Random(f"compile child {seed}"), Tally("compile child")
    place, log = scratch / "place", scratch / "log.txt"
    (place / "models").mkdir(parents=True)
    scenes.small_learner(place / "models" / "own.pkl")
    opening = "from mirror.inference.pickle_cache import open_model; print(open_model('models/own.pkl').path)"
    variables = {"XDG_CACHE_HOME": str(place / "cache")}
    begun = time.monotonic()
    start(place, log, "-c", opening, **variables).wait(PATIENCE)
    seconds = time.monotonic() - begun
    for _ in rounds(tally, kills):
        shutil.rmtree(place / "models" / ".compiled", ignore_errors=True)
        process = start(place, log, "-c", opening, **variables)
        time.sleep(chance.uniform(0.05, 0.9) * seconds)
        child = [pid for pid in of_session(process.pid) if pid != process.pid]
        if child and tally.rounds % 2:
            os.kill(child[0], signal.SIGKILL)
            process.wait(PATIENCE)
        elif process.poll() is None:
            end(process)
        else:
            continue
        tally.kills += 1
        clear(tally, process)
        if [entry.name for entry in list_models(place / "models")] != ["own"]:
            tally.note("half", 1, "another model is listed")
        for path in (place / "models" / ".compiled").glob("[!.]*"):
            with _noting(tally, "half"):
                model = read_model_folder(path)
                for name in model.info.files:
                    model.file(name)
        if start(place, log, "-c", opening, **variables).wait(PATIENCE) != 0:
            tally.note("failed", 1, f"the pickle is not opened again: {log.read_text(errors='replace')[-400:]}")
            continue
        tally.resumed += 1
        left = [path.name for path in (place / "models" / ".compiled").iterdir() if path.name.startswith(".")]
        tally.note("leftovers", len([name for name in left if name != ".lock"]), f"left {left}")
    return tally


@contextlib.contextmanager
def _noting(tally: Tally, name: str) -> Iterator[None]:
    try:
        yield
    except MirrorError as error:
        tally.note(name, 1, str(error))


KINDS = {
    "studio": kill_studio, "train again": kill_training_of_the_studio, "train.py": kill_train,
    "compile child": kill_compile_child, "ray": kill_ray,
}  # fmt: skip
