"""The page without a server: what a visitor loads, how long until the first answer, and an answer beside the server's.

    python -m benchmarks.publish.static_page    # 5 minutes

In Chromium, on a static host on this machine, one model: the shipped mirror, whose network knew nothing of its labels
but what ImageNet has (cygnets and ducklings are none of its classes). Slow: a line of 1.6 Mbit/s with 150 ms to the
host, and a processor slowed four times, as DevTools does both. "Visited before": the files are kept, the page is new.

An answer is from a JPEG's bytes to the probabilities: Classifier.predict on one thread here, window.mirror.predict in
the browser, in turns, so that what else runs on the machine slows both; the medians. With threads: the same page with
the headers COOP and COEP, without which a browser gives a page no threads. Live: what the page says under the camera
(Chromium's own moving picture of 640 x 480 pixels), answers shown a second, the median of ten readings.
"""

from __future__ import annotations

import base64
import io
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from benchmarks import ROOT
from mirror.inference.classifier import Classifier
from mirror.model_folder import read_model_folder
from mirror.publish.space_static import space_static
from tests.static_site.hosting import Host, hosted, write
from tests.support.browser import CHROMIUM_FLAGS, WHOLE_CHROMIUM

PHOTO = ROOT / "examples" / "duckling.jpg"
SLOW = {"offline": False, "latency": 150, "downloadThroughput": 200_000, "uploadThroughput": 200_000}  # bytes a second
SLOWED = 4
TIMES, WARMING = 25, 2
READINGS = 10
ISOLATED = {"Cross-Origin-Opener-Policy": "same-origin", "Cross-Origin-Embedder-Policy": "require-corp"}
READ = "coded => { window.photo = new Blob([Uint8Array.from(atob(coded), letter => letter.charCodeAt(0))]); }"
ASK = """async () => {
  const start = performance.now();
  await window.mirror.predict(window.photo);
  return performance.now() - start;
}"""


def main() -> None:
    model = ROOT / "models" / "mirror"
    print("| | | target |\n| --- | ---: | ---: |")
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver:
        site = write(Path(folder), space_static(read_model_folder(model)))
        browser = driver.chromium.launch(executable_path=WHOLE_CHROMIUM, args=list(CHROMIUM_FLAGS))
        with hosted(site) as host, hosted(site, ISOLATED) as isolated:
            context = browser.new_context(permissions=["camera"])
            first = seconds_to_answer(context, host)
            size = host.sent
            context.new_page().goto(host.address)
            context.pages[-1].evaluate("navigator.serviceWorker.ready")
            again = seconds_to_answer(context, host)
            print(f"| MB until the first answer | {size / 1e6:.2f} | ≤ 7 |")
            print(f"| seconds until it on a slow line and phone, nothing kept | {first:.1f} | ≤ 60 |")
            print(f"| … visited before | {again:.1f} | ≤ 5 |")
            print(f"| answers a second, live | {answers_a_second(context.pages[-1])} | ≥ 8 |")
            context.close()
            pages = [browser.new_context().new_page() for _ in range(2)]
            for page, at in zip(pages, (host, isolated), strict=True):
                page.goto(at.address)
                page.evaluate("window.mirror.ready")
            native = Classifier.load(model, threads=1)
            print("\n| photo → answer | here, one thread, ms | in the browser | ratio (≤ 8) | with threads |")
            print("| --- | ---: | ---: | ---: | ---: |")
            for side in ((640, 640), (1600, 1200), (4000, 3000)):
                own, plain, threads = milliseconds(native, pages, scaled(*side))
                print(f"| {side[0]} × {side[1]} | {own:.0f} | {plain:.0f} | {plain / own:.1f} | {threads / own:.1f} |")
        browser.close()


def scaled(width: int, height: int) -> bytes:
    buffer = io.BytesIO()
    Image.open(PHOTO).convert("RGB").resize((width, height)).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def seconds_to_answer(context: Any, host: Host) -> float:
    """From the address to the answer for a photo that is shown at once, slowed."""
    page = context.new_page()
    tools = context.new_cdp_session(page)
    tools.send("Network.enable")
    tools.send("Network.emulateNetworkConditions", SLOW)
    tools.send("Emulation.setCPUThrottlingRate", {"rate": SLOWED})
    start = time.perf_counter()
    page.goto(host.address, timeout=120_000)
    page.set_input_files("#file", PHOTO)
    page.wait_for_selector("#answer .known", timeout=120_000)
    found = time.perf_counter() - start
    page.close()
    return found


def answers_a_second(page: Any) -> int:
    page.click("#camera")
    read = []
    for _ in range(READINGS):
        page.wait_for_timeout(1000)
        read.append(int("0" + page.inner_text("#rate").split(" ")[0]))
    page.click("#camera")
    return round(statistics.median(read))


def milliseconds(native: Classifier, pages: list[Any], photo: bytes) -> list[float]:
    """The median times of an answer: here, and on each page."""
    for page in pages:
        page.evaluate(READ, base64.b64encode(photo).decode())
    times = []
    for _ in range(TIMES + WARMING):
        start = time.perf_counter()
        native.predict(photo)
        here = 1000 * (time.perf_counter() - start)
        times.append([here, *(page.evaluate(ASK) for page in pages)])
    return [statistics.median(one) for one in zip(*times[WARMING:], strict=True)]


if __name__ == "__main__":
    main()
