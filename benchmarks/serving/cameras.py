"""Live cameras beside somebody who shows a photo: how much longer the photo takes, and what is left for the cameras.

    python -m benchmarks.serving.cameras [--cameras 8] [--photos 40] [--rounds 3]

The shipped mirror, through app.py. Cameras and the visitor are programs on the same machine that ask as the page does:
a camera sends its next frame (640 × 480) when the last one is answered, or 0.3 s after it was turned away (camera.js);
the visitor uploads a photo (1600 × 1200), asks /predict, reads the answer, and waits half a second. Lone and beside the
cameras take turns.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx
from PIL import Image

from benchmarks import ROOT
from benchmarks.serving.pages import PATIENCE, page, plain_visitor
from mirror.templates import data_url

BUSY_SECONDS, PAUSE_SECONDS = 0.3, 0.5
LONE_SECONDS = 6.0  # of one camera alone


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cameras", type=int, default=8)
    parser.add_argument("--photos", type=int, default=40, help="a round, lone and beside the cameras")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, page("ours", ROOT / "models") as served:
        photo = Path(folder, "photo.jpg")
        photo.write_bytes(_jpeg((1600, 1200)))
        ask = _patient(plain_visitor(served.url), photo)
        print("| the shipped mirror | a photo alone, p50 | beside cameras, p50 | p90 | ratio of p50 |"
              " looks/s of a lone camera | of all cameras, beside photos |")  # fmt: skip
        print("| --- |" + " ---: |" * 6)
        for turn in range(1, options.rounds + 1):
            with _Cameras(served.url, 1) as one:
                time.sleep(LONE_SECONDS)
            lone = _times(ask, options.photos)
            with _Cameras(served.url, options.cameras) as many:
                beside = _times(ask, options.photos)
            a, b = statistics.median(lone), statistics.median(beside)
            late = sorted(beside)[9 * len(beside) // 10]
            print(f"| {options.cameras} cameras, round {turn} | {1e3 * a:.0f} ms | {1e3 * b:.0f} ms |"
                  f" {1e3 * late:.0f} ms | {b / a:.2f} | {one.rate:.1f} | {many.rate:.1f} |", flush=True)  # fmt: skip


def _jpeg(size: tuple[int, int]) -> bytes:
    buffer = io.BytesIO()
    Image.open(ROOT / "examples" / "duckling.jpg").convert("RGB").resize(size).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _patient(ask, photo: Path):
    for _ in range(600):
        try:
            ask(photo)
            return lambda: ask(photo)
        except (httpx.TransportError, ValueError):  # the port is open a moment before the page answers
            time.sleep(0.05)
    raise SystemExit("the page does not answer")


def _times(ask, photos: int) -> list[float]:
    """Seconds of each, but for the first two."""
    times = []
    for _ in range(photos + 2):
        start = time.perf_counter()
        ask()
        times.append(time.perf_counter() - start)
        time.sleep(PAUSE_SECONDS)
    return times[2:]


class _Cameras:
    """So many, in a process of their own. rate: their looks a second, once they are off."""

    def __init__(self, url: str, cameras: int):
        self._command = [sys.executable, "-m", "benchmarks.serving.cameras", "look", url, str(cameras)]
        self.rate = 0.0

    def __enter__(self) -> _Cameras:
        self._process = subprocess.Popen(self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._process.stdout.readline()  # each has been answered
        return self

    def __exit__(self, *_: object) -> None:
        told, _ = self._process.communicate("\n", timeout=PATIENCE)
        self.rate = json.loads(told)


async def _look(url: str, cameras: int) -> None:
    looks, frame = [0] * cameras, data_url(_jpeg((640, 480)))
    async with httpx.AsyncClient(base_url=url, timeout=PATIENCE) as client:
        parts = (await client.get("/config")).json()["components"]
        (live,) = [part["id"] for part in parts if part["props"].get("elem_id") == "live"]

        async def camera(number: int) -> None:
            body = {"data": {"frame": frame, "model": "mirror"}, "component_id": live, "fn_name": "answer"}
            while True:
                answer = await client.post(
                    "/gradio_api/component_server/", json={**body, "session_hash": f"camera{number}"}
                )
                if answer.json().get("busy"):
                    await asyncio.sleep(BUSY_SECONDS)
                    continue
                assert "card" in answer.json(), answer.text
                looks[number] += 1

        running = asyncio.gather(*map(camera, range(cameras)))
        while not all(looks) and not running.done():
            await asyncio.sleep(0.05)
        before, start = sum(looks), time.perf_counter()
        print("on", flush=True)
        off = asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
        await asyncio.wait({off, running}, return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            await running  # what went wrong
        print(json.dumps((sum(looks) - before) / (time.perf_counter() - start)), flush=True)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["look"]:
        asyncio.run(_look(sys.argv[2], int(sys.argv[3])))
    else:
        main()
