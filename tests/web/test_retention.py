"""Whatever a visitor sends is gone from the disk soon, by whichever way it came there.

The class: a promise of privacy that rests on something nobody watches. Its members are the ways in which bytes reach
the disk (uploads, parts of broken-off uploads, other fields, large requests, gradio's own files) and the ways in which
a sweeper stops (a changing folder, a file that cannot be deleted, a killed process).
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from gradio_client import Client, handle_file

from mirror.web import retention
from mirror.web.retention import Sweeper
from tests.support.limits import LIMIT, read_line
from tests.web.serving import REPOSITORY, Served, environment, serve
from tests.web.tiny import YELLOW, photo

HURRY = Path(__file__).with_name("app_in_a_hurry.py")


@pytest.fixture(scope="module")
def forgetful(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    uploads = tmp_path_factory.mktemp("uploads")
    temporary = {"TMPDIR": str(uploads), "ORT_DISABLE_TELEMETRY": "1"}  # onnxruntime's would lie there too
    with serve("--models", str(models), app=HURRY, uploads=uploads, **temporary) as page:
        yield page


def left(page: Served) -> list[Path]:
    """Every file and folder of the page's, but for the folder of its process."""
    there = [Path(where, name) for where, folders, files in os.walk(page.uploads) for name in (*folders, *files)]
    return [path for path in there if not path.name.startswith(retention.PREFIX)]


def wait_until_empty(page: Served, seconds: float) -> list[Path]:
    deadline = time.monotonic() + seconds
    while (found := left(page)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def test_nothing_is_left_of_any_way_to_send_something(forgetful, tmp_path):
    url, body = forgetful.url, photo(YELLOW)
    picture = tmp_path / "photo.jpg"
    picture.write_bytes(body)
    client = Client(url, verbose=False)
    client.predict(handle_file(picture), api_name="/predict")
    client.predict(handle_file(picture), api_name="/explain")
    assert left(forgetful) != []  # what follows would prove nothing
    names = ("files", "never_asked.jpg"), ("video", "a.mp4"), ("photo", "b.jpg"), ("files", ".."), ("files", "")
    for field, name in names:
        httpx.post(f"{url}/gradio_api/upload", files={field: (name, body)})
    httpx.post(f"{url}/gradio_api/process_recording", files={"video": ("a.mp4", body)})
    httpx.post(f"{url}/gradio_api/component_server", files={"data": ("a", body)}, data={"component_id": "1"})
    session = client.session_hash
    httpx.get(f"{url}/gradio_api/deep_link", params={"session_hash": session})
    httpx.post(f"{url}/gradio_api/queue/join", json={"data": ["x" * 2_000_000], "session_hash": session})
    for size in (0, 1000, 3_000_000):
        break_off(forgetful.port, size)
    assert wait_until_empty(forgetful, 30) == []


BEGINNING = (
    b"POST /gradio_api/upload HTTP/1.1\r\nHost: localhost\r\nContent-Type: multipart/form-data; boundary=x\r\n"
    b"Content-Length: 19000000\r\n\r\n"
    b'--x\r\nContent-Disposition: form-data; name="files"; filename="a.jpg"\r\n\r\n'
)


def break_off(port: int, size: int) -> None:
    """An upload of 19 MB that ends after `size` bytes of the photo."""
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        connection.sendall(BEGINNING + b"\0" * size)


def test_a_broken_off_upload_is_gone_at_once(forgetful):
    wait_until_empty(forgetful, 30)
    with socket.create_connection(("127.0.0.1", forgetful.port), timeout=60) as connection:
        connection.sendall(BEGINNING + b"\0" * 1_000_000)
        deadline = time.monotonic() + 20
        while not any(path.is_file() for path in left(forgetful)) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert any(path.is_file() for path in left(forgetful))
    deadline = time.monotonic() + 2  # the sweeper would take at least KEPT seconds
    while any(path.is_file() for path in left(forgetful)) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [path for path in left(forgetful) if path.is_file()] == []
    assert "Traceback" not in forgetful.log() and "ClientDisconnect" not in forgetful.log()


def test_sweeping_goes_on_while_many_visitors_come(forgetful):
    """gradio's own sweeper ended at the first upload that came while it looked through its list."""
    body, stop = photo(YELLOW), time.monotonic() + 8

    def visit(_: int) -> int:
        sent = 0
        with httpx.Client(base_url=forgetful.url) as client:
            while time.monotonic() < stop:
                (path,) = client.post("/gradio_api/upload", files={"files": ("a.jpg", body)}).raise_for_status().json()
                data = {"path": path, "meta": {"_type": "gradio.FileData"}}
                client.post("/gradio_api/call/predict", json={"data": [data]})  # 503 where too many wait
                sent += 1
        return sent

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(visit, range(8))) > 100
    assert wait_until_empty(forgetful, 180) == []  # as many as 200 questions still wait, and their photos with them
    assert "could not be swept" not in forgetful.log()


def test_the_folder_is_private_and_there_is_no_other(forgetful):
    (folder,) = forgetful.uploads.glob(f"{retention.PREFIX}*")
    assert folder.stat().st_mode & 0o777 == 0o700
    (path,) = httpx.post(f"{forgetful.url}/gradio_api/upload", files={"files": ("a.jpg", b"x")}).json()
    assert Path(path).parent.parent == folder.resolve() and Path(path).stat().st_mode & 0o777 == 0o600


def old(path: Path, seconds: float) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    os.utime(path, (time.time() - seconds,) * 2)
    return path


def test_files_go_by_age_and_those_that_a_waiting_request_names_stay_longer(tmp_path):
    kept, longest = retention.KEPT_SECONDS, retention.LONGEST_SECONDS
    young, late = old(tmp_path / "a" / "young", kept - 5), old(tmp_path / "b" / "late", kept + 5)
    named, forgotten = old(tmp_path / "c" / "named", kept + 5), old(tmp_path / "d" / "forgotten", longest + 5)
    future = old(tmp_path / "e" / "future", -kept - 5)
    Sweeper(tmp_path, lambda: {str(named), str(forgotten)}).sweep()
    assert [path.exists() for path in (young, late, named, forgotten, future)] == [True, False, True, False, False]
    assert kept + retention.SWEEP_SECONDS + retention.FOLDER_SECONDS < 60


def test_empty_folders_go_and_links_are_not_followed(tmp_path):
    outside, folder = old(tmp_path / "outside" / "precious", 1000), tmp_path / "uploads"
    for name in ("empty", "deep/er/still"):
        (folder / name).mkdir(parents=True)
    (folder / "link").symlink_to(outside)
    (folder / "links").symlink_to(outside.parent)
    for path in [*folder.rglob("*")]:
        os.utime(path, (0, 0), follow_symlinks=False)
    for _ in range(4):  # a folder's time is that of the last one that went from it
        Sweeper(folder).sweep()
        for path in [*folder.rglob("*")]:
            os.utime(path, (0, 0), follow_symlinks=False)
    assert list(folder.iterdir()) == [] and outside.read_bytes() == b"x"


def test_a_waiting_request_names_its_paths_however_it_is_shaped():
    events = {
        "1": SimpleNamespace(data=SimpleNamespace(data=[{"path": "/up/a.jpg"}, "mirror", None, 3, {"url": "x"}])),
        "2": SimpleNamespace(data=SimpleNamespace(data=["/up/b.jpg"])),
        "3": SimpleNamespace(data=None),
        "5": SimpleNamespace(data=SimpleNamespace(data=[{"url": "http://h/gradio_api/file=/up/c.jpg"}])),
        "4": SimpleNamespace(data=SimpleNamespace(data=[{"path": "x" * 100_000}, {"path": {}}])),
    }
    page = SimpleNamespace(_queue=SimpleNamespace(event_ids_to_events=events))
    assert retention.named_in_queue(page) == {"/up/a.jpg", "/up/b.jpg", "/up/c.jpg"}


def test_an_error_ends_no_sweep_and_is_seen(tmp_path, monkeypatch, caplog):
    """The folder is lost, then it is there again; in between no photo is taken."""
    monkeypatch.setattr(retention, "SWEEP_SECONDS", 0.02)
    monkeypatch.setattr(retention, "SILENT_SECONDS", 0.3)
    monkeypatch.setattr(retention, "LOG_SECONDS", 0.1)
    folder = tmp_path / "uploads"
    folder.mkdir()
    sweeper = Sweeper(folder)
    sweeper.start()
    try:
        folder.rename(tmp_path / "elsewhere")
        folder.write_bytes(b"no folder")
        wait_for(lambda: not sweeper.works())
        wait_for(lambda: "Uploads could not be swept (NotADirectoryError" in caplog.text)
        folder.unlink()
        (tmp_path / "elsewhere").rename(folder)
        late = old(folder / "a" / "late", 1000)
        wait_for(lambda: sweeper.works() and not late.exists())
    finally:
        sweeper.stop()


def test_a_sweeper_that_has_ended_is_started_again_and_said_so(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(retention, "SWEEP_SECONDS", 0.02)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)

    def named() -> set[str]:
        if not raised:
            raised.append(1)
            raise SystemExit  # no Exception: it ends the thread
        return set()

    raised: list[int] = []
    sweeper = Sweeper(tmp_path, named)
    sweeper.start()
    try:
        wait_for(lambda: bool(raised) and sum(t.name == "sweeper" for t in threading.enumerate()) == 0)
        late = old(tmp_path / "a" / "late", 1000)
        assert sweeper.works()
        wait_for(lambda: not late.exists())
        assert "had ended, and was started again" in caplog.text
    finally:
        sweeper.stop()


def wait_for(condition, seconds: float = 20.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


HOLDER = """
import sys, time
from mirror.web import retention
print(retention.open_folder(sys.argv[1]), flush=True)
time.sleep(600)
"""


def test_what_a_killed_process_left_goes_at_the_next_start_and_nothing_else(tmp_path):
    def start() -> tuple[subprocess.Popen, Path]:
        process = subprocess.Popen(
            [sys.executable, "-c", HOLDER, str(tmp_path)],
            env=environment(), cwd=REPOSITORY, text=True, stdout=subprocess.PIPE,
        )  # fmt: skip
        assert process.stdout is not None
        return process, Path(read_line(process).strip())

    with contextlib.ExitStack() as stack:
        (alive, living), (killed, dead) = start(), start()
        for process in (alive, killed):
            stack.callback(process.stdout.close)
            stack.callback(process.wait)
            stack.callback(process.kill)
        for folder in (living, dead):
            old(folder / "token" / "photo.jpg", 0)
        killed.kill()
        killed.wait(LIMIT)
        users = tmp_path / f"{retention.PREFIX}of-the-user"
        users.mkdir(mode=0o755)
        (tmp_path / f"{retention.PREFIX}link").symlink_to(users)
        old(tmp_path / "other" / "file", 1000)
        os.utime(users, (0, 0))
        retention.sweep_folders(tmp_path, retention.PREFIX)
        assert not dead.exists() and (living / "token" / "photo.jpg").exists()
        assert users.is_dir() and (tmp_path / "other" / "file").exists()
