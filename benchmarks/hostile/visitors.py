"""Visitors, honest and hostile, at a page that runs as a process: what they get, wait for, cost and leave behind.

    python -m benchmarks.hostile.visitors                    # all rows, about twenty minutes on 2 cores
    python -m benchmarks.hostile.visitors --quick            # smaller numbers, about four minutes
    python -m benchmarks.hostile.visitors --against DIR      # the crowd also at another checkout, in turn
    python -m benchmarks.hostile.visitors --rows crowd,waits # some of them: crowd, leave, bodies, waits, files

Memory is that of the page and its children together (VmRSS). Client and page share the machine's cores. Addresses that
are slow are a server on this machine, which the page is allowed to ask for that row alone (--allow-private-hosts).
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import httpx

from benchmarks import ROOT
from benchmarks.hostile.page import (
    FILE_DATA,
    UPLOAD,
    Page,
    as_json,
    ask,
    attack,
    broken_off,
    crowd,
    data_url,
    hold,
    never_answers,
    post_megabytes,
    result,
    serve,
    upload_and_ask,
    visit,
)
from tests.hostile.files import BOMBS, LARGE

UPLOADED = (
    "png: 50 megapixels with alpha", "jpeg: 50 megapixels, progressive, 4:4:4", "gif: 400,000 comment blocks",
    "gif: 900,000 frames", "gif: a screen of 50 megapixels", "avif: 50 megapixels with alpha", "heif: 48 megapixels",
)  # fmt: skip
PHOTO = ROOT / "examples" / "cygnet.jpg"
GONE_SECONDS = 90  # after the last visitor, as promised
SETTLE_SECONDS = 13  # between two attacks: the page gives free memory back every ten
LATER_SECONDS = 60  # after which the memory of a crowd is back
HEAD = "POST {} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n"
Row = tuple[str, str]


def megabytes(size: float) -> str:
    return f"{size / 2**20:,.0f} MB"


def crowds(quick: bool, against: Path | None) -> Iterator[Row]:
    """200 visitors for a minute, and what is there afterwards."""
    visitors, seconds = (40, 15.0) if quick else (200, 60.0)
    photo = PHOTO.read_bytes()
    for name, checkout in (("", ROOT), *((("the other checkout: ", against),) if against else ())):
        with serve(checkout) as page:
            visit(page.url, photo)
            before = page.memory()
            with watched(page) as most:
                told = crowd(page.url, photo, visitors, seconds)
            ended = time.monotonic()
            times = sorted(told.seconds)
            yield f"{name}{visitors} visitors for {seconds:.0f} s", (
                f"{len(times) / told.took:.1f} answers/s, median {statistics.median(times):.1f} s, "
                f"95 % {times[int(0.95 * len(times))]:.1f} s, {len(told.errors)} errors {told.errors[:1] or ''}"
            )  # fmt: skip
            time.sleep(max(0.0, LATER_SECONDS - (time.monotonic() - ended)))
            later = page.memory()
            yield (
                f"{name}memory before, at most, {LATER_SECONDS} s after",
                (f"{megabytes(before)}, {megabytes(most[0])}, {megabytes(later)}: {megabytes(later - before)} more"),
            )
            time.sleep(max(0.0, GONE_SECONDS - (time.monotonic() - ended)))
            left = page.files()
            yield f"{name}files and folders left {GONE_SECONDS} s after", f"{len(left)} of {len(times)} photos"


def leave_behind(quick: bool) -> Iterator[Row]:
    """Every way to bring bytes to the disk, and what of them is there afterwards."""
    seconds, photo = (20.0 if quick else 120.0), PHOTO.read_bytes()
    with serve(ROOT) as page:
        visit(page.url, photo)
        began, sent = time.monotonic(), 0
        while time.monotonic() - began < seconds:
            httpx.post(page.url + UPLOAD, files={"files": ("photo.jpg", photo + bytes([sent % 256]))})
            sent += 1
            time.sleep(max(0.0, began + sent / 3 - time.monotonic()))
        for size in (0, 100, 1_000_000, 18_000_000):
            broken_off(page.port, size)
        for field, name in (("video", "a.mp4"), ("photo", "a.jpg"), ("files", ".."), ("files", "")):
            httpx.post(page.url + UPLOAD, files={field: (name, photo)})
        httpx.post(f"{page.url}/gradio_api/process_recording", files={"video": ("a.mp4", photo)})
        httpx.get(f"{page.url}/gradio_api/deep_link", params={"session_hash": "abc"})
        time.sleep(GONE_SECONDS)
        yield (
            f"left of {sent} uploads in {seconds:.0f} s, 4 broken off, 4 odd ones, a recording and a deep link, "
            + (f"{GONE_SECONDS} s later"),
            f"{len(page.files())} files and folders",
        )


def bodies(quick: bool) -> Iterator[Row]:
    """Eight large posts at once."""
    size = 100 if quick else 400
    paths = ("/gradio_api/call/predict", "/gradio_api/queue/join", "/gradio_api/cancel", UPLOAD)
    with serve(ROOT) as page:
        visit(page.url, PHOTO.read_bytes())
        before = page.memory()
        with watched(page) as most, ThreadPoolExecutor(8) as pool:
            send = [pool.submit(post_megabytes, page.port, paths[i % 4], size, chunked=i >= 4) for i in range(8)]
            told = [one.result() for one in send]
        yield (
            f"8 posts of {size} MB at once, half of them chunked",
            (f"answers {sorted(set(told))}, memory {megabytes(most[0] - before)} over idle"),
        )


def waits(quick: bool) -> Iterator[Row]:
    """How long an honest visitor waits, alone and beside eight hostile clients of each kind."""
    photo, seconds = PHOTO.read_bytes(), 8.0 if quick else 25.0
    with never_answers() as slow, serve(ROOT, "--allow-private-hosts") as page:
        for _ in range(3):
            visit(page.url, photo)
        quiet = sorted(visit(page.url, photo) for _ in range(15))
        alone = statistics.median(quiet)
        yield "an honest visit, quiet", f"median {alone:.2f} s, longest {quiet[-1]:.2f} s"
        allowed = 3 * alone + 2
        for name, what in _attacks(page, slow).items():
            before = page.memory()
            with watched(page) as most, attack(what):
                time.sleep(2)
                took, failed, end = [], 0, time.monotonic() + seconds
                while time.monotonic() < end or not took:
                    try:
                        took.append(visit(page.url, photo))
                    except (httpx.HTTPError, RuntimeError, ValueError, KeyError):
                        failed += 1
                        if failed > 20:
                            break
                    time.sleep(0.2)
            if not took:
                yield f"… beside 8 x {name}", f"no answer, {failed} refused"
                continue
            met = "met" if max(took) <= allowed else "not met"
            yield (
                f"… beside 8 x {name}",
                f"median {statistics.median(took):.2f} s, longest {max(took):.2f} s of {len(took)}, {failed} refused "
                f"(at most {allowed:.1f} s: {met}); memory at most {megabytes(most[0] - before)} more",
            )
            time.sleep(SETTLE_SECONDS)


def _attacks(page: Page, slow: str) -> dict[str, Callable[[threading.Event], None]]:
    url, port, large = page.url, page.port, as_json(data_url(b"a" * (20 << 20)))
    head = HEAD.format("/gradio_api/call/predict").encode()
    half = b"GET /config HTTP/1.1\r\nHost: loc"
    bombs = {name: make() for name, make in (BOMBS | LARGE).items() if name in UPLOADED}

    def flood(stop: threading.Event) -> None:
        sent = {"data": [data_url(PHOTO.read_bytes()), "mirror"], "fn_index": 0}
        with httpx.Client(base_url=url, timeout=30) as client:
            for number in range(50):
                if stop.is_set():
                    return
                client.post("/gradio_api/queue/join", json={**sent, "session_hash": f"s{id(stop)}{number}"})

    return {
        "an address that never answers, as a photo": lambda stop: ask(url, as_json({"path": slow}), stop),
        **{name: partial(upload_and_ask, url, body, f"a.{name[:4].strip(':')}") for name, body in bombs.items()},
        "a JSON of 400 MB": lambda stop: _post(port, 400, stop),
        "a JSON of 28 MB": lambda stop: ask(url, large, stop),
        "25 uploads that stop": lambda stop: hold(port, head.replace(b"call/predict", b"upload"), 25, stop),
        "25 bodies that stop": lambda stop: hold(port, head + b'{"data"', 25, stop),
        "50 half headers": lambda stop: hold(port, half, 50, stop),
        "50 questions nobody waits for": flood,
    }


def _post(port: int, size: int, stop: threading.Event) -> None:
    post_megabytes(port, "/gradio_api/call/predict", size, chunked=True, stop=stop)


def files_had(quick: bool) -> Iterator[Row]:
    """Pictures and other files of the server, asked for in every way we know."""
    secret = ROOT / "examples" / "duckling.jpg"  # a picture that was never uploaded; its bytes and its answer are known
    targets = [
        str(secret), "/etc/passwd", "/proc/self/environ", "/dev/zero", str(ROOT / "app.py"), "app.py", "/nowhere",
    ]  # fmt: skip
    had, asked = [], 0
    with serve(ROOT) as page:
        for target in targets:
            shapes = [
                {"path": target}, {"path": target, "meta": FILE_DATA}, {"url": target}, {"path": target, "url": "x"},
                {"path": f"file://{target}"}, {"url": f"file://{target}"}, {"path": f"/tmp/../{target}"}, [target],
                {"path": f"{page.temporary}/../../../../../..{target}"}, {"path": target, "is_stream": True}, target,
                {"path": None, "url": f"{page.url}/gradio_api/file={target}"},
                {"path": target, "orig_name": "a.jpg", "size": 1, "mime_type": "image/jpeg"},
            ]  # fmt: skip
            for shape in shapes:
                asked += 1
                text = result(page.url, shape)
                if "event: complete" in text or "root:" in text:
                    had.append((target, shape))
            quoted = "".join(f"%{byte:02x}" for byte in target.encode())
            for path in (target, quoted, f"/{target}", f"//{target}", f"/tmp/..{target}", f"file://{target}"):
                for prefix in ("/gradio_api/file=", "/gradio_api/file/", "/file=", "/static/", "/assets/", "/svelte/"):
                    asked += 1
                    told = httpx.get(page.url + prefix + path)
                    if told.status_code == 200:
                        had.append((prefix, path))
    yield f"files of the server had by {asked} requests", f"{len(had)} {had[:3] or ''}"


@contextlib.contextmanager
def watched(page: Page) -> Iterator[list[int]]:
    """Yields a list whose one number is the most memory that the page had meanwhile."""
    most, stop = [0], threading.Event()

    def look() -> None:
        while not stop.wait(0.1):
            most[0] = max(most[0], page.memory())

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield most
    finally:
        stop.set()
        thread.join()


ROWS: dict[str, Callable[..., Iterator[Row]]] = {
    "crowd": crowds, "leave": leave_behind, "bodies": bodies, "waits": waits, "files": files_had,
}  # fmt: skip


def measure(quick: bool = False, against: Path | None = None, rows: tuple[str, ...] = tuple(ROWS)) -> Iterator[Row]:
    """What was measured, and the figure, one row after another."""
    for name in rows:
        yield from ROWS[name](quick, against) if name == "crowd" else ROWS[name](quick)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="smaller numbers")
    parser.add_argument("--against", type=Path, metavar="DIR", help="another checkout")
    parser.add_argument("--rows", default=",".join(ROWS), help=f"of {', '.join(ROWS)}")
    options = parser.parse_args()
    for what, figure in measure(options.quick, options.against, tuple(options.rows.split(","))):
        print(f"| {what} | {figure} |", flush=True)


if __name__ == "__main__":
    main()
