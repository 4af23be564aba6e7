"""Live: answers a second while the camera looks, against photo after photo handed to the page in the same browser.

    python -m benchmarks.serving.live [--seconds 20]

The shipped mirror, through app.py and Debian's Chromium on the same machine, the camera a film of three pictures of
examples/ at 640 × 480: a duckling and a cygnet, whose kinds the network has learned from, and a pineapple, which is
none of its labels.
"""

from __future__ import annotations

import argparse
import io
import re
import tempfile
import time
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from tests.support.browser import CHROMIUM_FLAGS, WHOLE_CHROMIUM
from tests.web.serving import REPOSITORY, serve

FRAMES_EACH = 60  # of the film, 2 seconds
ASKED = "component_server"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=int, default=20)
    seconds = parser.parse_args().seconds
    pictures = [REPOSITORY / "examples" / f"{name}.jpg" for name in ("duckling", "cygnet", "pineapple")]
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as driver, serve() as page:
        film = Path(folder, "film.mjpeg")
        film.write_bytes(b"".join(_frame(picture) * FRAMES_EACH for picture in pictures))
        flags = [*CHROMIUM_FLAGS, f"--use-file-for-fake-video-capture={film}"]
        browser = driver.chromium.launch(executable_path=WHOLE_CHROMIUM, args=flags)
        tab = browser.new_context(permissions=["camera"]).new_page()
        tab.goto(page.url)
        by_hand = _photo_after_photo(tab, pictures, seconds)
        live, kinds = _live(tab, seconds)
        browser.close()
    print("| the shipped mirror, 640 × 480 | answers a second | times |\n| --- | --- | --- |")
    print(f"| photo after photo, by choosing a file | {by_hand:.1f} | 1 |")
    print(f"| live | {live:.1f} | {live / by_hand:.1f} |")
    print(f"\nSaid while live: {', '.join(sorted(kinds))}")


def _frame(picture: Path) -> bytes:
    buffer = io.BytesIO()
    Image.open(picture).convert("RGB").resize((640, 480)).save(buffer, "JPEG", quality=85)
    return buffer.getvalue()


def _photo_after_photo(tab, pictures: list[Path], seconds: int) -> float:
    """Each as soon as the last one is answered."""
    tab.locator("#photo input[type=file]").wait_for(state="attached")
    bodies, shown, start = [_frame(picture) for picture in pictures], 0, time.perf_counter()
    while shown < 3 or time.perf_counter() < start + seconds:
        body = bodies[shown % 3] + bytes(shown)  # another file each time
        old = tab.evaluate("document.querySelector('#photo img')?.src")
        file = {"name": f"{shown}.jpg", "mimeType": "image/jpeg", "buffer": body}
        tab.set_input_files("#photo input[type=file]", file)
        tab.wait_for_function(
            """old => { const now = document.querySelector('#photo img')?.src;
                return now?.startsWith('data:') && now !== old }""",
            arg=old,
        )
        shown += 1
        if shown == 3:  # the model is open by now
            start, counted = time.perf_counter(), 3
    return (shown - counted) / (time.perf_counter() - start)


def _live(tab, seconds: int) -> tuple[float, set[str]]:
    answers: list[float] = []
    tab.on("response", lambda response: answers.append(time.perf_counter()) if ASKED in response.url else None)
    tab.get_by_role("tab", name="Live").click()
    tab.get_by_role("button", name="Start the camera").click()
    says = tab.locator("#live .says")
    says.filter(has_text=re.compile("This is|Neither|Hard|Most")).wait_for()
    answers.clear()
    start, kinds = time.perf_counter(), set()
    while time.perf_counter() < start + seconds:
        tab.wait_for_timeout(500)
        kinds.add(says.inner_text())
    return (len(answers) - 1) / (answers[-1] - answers[0]), kinds


if __name__ == "__main__":
    main()
