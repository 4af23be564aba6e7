"""The two pages of the serving benchmark as processes, and their visitors: one at a time, or fifty at once.

Visitors are gradio_client's. It loads the machine's certificates three times a call even for http://, and looks for its
answer only every 50 ms; `verify=False` spares both pages the first, `plain_visitor` (httpx, one connection) both, and
the page "nothing", whose answer is there already, tells what is left for any page to save.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import ROOT

PATIENCE = 120  # seconds
NOTHING = """
import sys
import gradio as gr
gr.Interface(lambda photo: {"a": 1.0}, gr.Image(type="filepath"), gr.Label(), api_name="predict", flagging_mode="never"
).launch(server_port=int(sys.argv[1]))
"""
CROWDS = 2  # processes that visitors are spread over, since one could not keep two CPUs busy


@dataclass
class Page:
    url: str
    process: subprocess.Popen
    started: float

    def resident(self) -> float:
        """Megabytes (10^6) of memory that the process has in use (VmRSS)."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+) kB", status)[1]) * 1024 / 1e6

    def processor_seconds(self) -> float:
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextlib.contextmanager
def page(name: str, model: Path) -> Iterator[Page]:
    """`ours`: app.py on a folder of models; `theirs`: the article's app on a pickle; `nothing`. Up when its port is."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = {
        "ours": [sys.executable, str(ROOT / "app.py"), "--models", str(model), "--port", str(port)],
        "theirs": [sys.executable, str(ROOT / "benchmarks" / "serving" / "article_app.py"), str(model), str(port)],
        "nothing": [sys.executable, "-c", NOTHING, str(port)],
    }[name]
    environment = {**os.environ, "GRADIO_ANALYTICS_ENABLED": "False"}
    with tempfile.TemporaryFile() as log:
        start = time.perf_counter()
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=subprocess.STDOUT)
        try:
            while True:
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                if process.poll() is not None or time.perf_counter() - start > PATIENCE:
                    log.seek(0)
                    raise SystemExit(f"{name} did not start:\n{log.read().decode()}")
                time.sleep(0.01)
            yield Page(f"http://127.0.0.1:{port}", process, start)
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def visitor(url: str, verify: bool = True):
    """A function that shows a photo to the page's /predict and gives the answer."""
    from gradio_client import Client, handle_file

    while True:
        try:
            client = Client(url, verbose=False, analytics_enabled=False, ssl_verify=verify)
            break
        except Exception:  # gradio opens its port a moment before it can answer, and the client raises what it likes
            time.sleep(0.01)
    return lambda path: client.predict(handle_file(path), api_name="/predict")


def plain_visitor(url: str):
    """The same without gradio_client: three requests on one connection that stays open."""
    import httpx

    client = httpx.Client(base_url=f"{url}/gradio_api", timeout=PATIENCE)

    def ask(path: Path) -> dict:
        (stored,) = client.post("/upload", files={"files": (path.name, path.read_bytes())}).json()
        photo = {"path": stored, "orig_name": path.name, "meta": {"_type": "gradio.FileData"}}
        event = client.post("/call/predict", json={"data": [photo]}).json()["event_id"]
        answer = client.get(f"/call/predict/{event}").text
        assert "event: complete" in answer, answer
        return json.loads(answer.rpartition("data: ")[2])[0]

    return ask


def crowd(url: str, photo: Path, visitors: int, seconds: float) -> dict[str, float]:
    """`visitors` clients that ask again and again for `seconds`: answers a second, errors, the p50 of an answer."""
    share = [visitors // CROWDS + (i < visitors % CROWDS) for i in range(CROWDS)]
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.serving.pages", url, str(photo)]
    parts = [
        subprocess.Popen([*command, str(n), str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for n in share
    ]
    for part in parts:
        part.stdout.readline()  # its clients are ready
    for part in parts:
        part.stdin.write("go\n")
        part.stdin.flush()
    found = [json.loads(part.communicate()[0]) for part in parts]
    times = sorted(t for each in found for t in each["times"])
    errors = [e for each in found for e in each["errors"]]
    return {
        "rate": len(times) / seconds, "errors": len(errors), "error": errors[0] if errors else "",
        "p50": times[len(times) // 2] if times else float("nan"),
    }  # fmt: skip


def _crowd(url: str, photo: str, visitors: int, seconds: float) -> None:
    asks = [visitor(url, verify=False) for _ in range(visitors)]
    print("ready", flush=True)
    sys.stdin.readline()
    end, times, errors = time.perf_counter() + seconds, [], []

    def visit(ask) -> None:
        while (start := time.perf_counter()) < end:
            try:
                ask(photo)
            except Exception as error:
                errors.append(f"{type(error).__name__}: {error}"[:300])
            else:
                if time.perf_counter() <= end:
                    times.append(time.perf_counter() - start)

    threads = [threading.Thread(target=visit, args=(ask,), daemon=True) for ask in asks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(seconds + PATIENCE)
    print(json.dumps({"times": times, "errors": errors}), flush=True)
    os._exit(0)  # the clients' own threads would take their time


if __name__ == "__main__":
    _crowd(sys.argv[1], sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))
