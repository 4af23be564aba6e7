"""From opening the workshop to a classifier of two words that answers: how many clicks, and how long a person waits.

    python -m benchmarks.workshop     # 3 minutes on 2 cores

A Chromium walks the page (`python app.py --studio`) against a local world that finds 24 photos each of duckling and
cygnet (../shared/data; the network that is trained on, EfficientNet-Lite0, learned ImageNet, which has drakes but
neither of the two), so downloads take next to no time: what collecting takes is printed apart. Then the same words go
through `python train.py` in the same world, which is what the page is compared with. Not in it: starting Python and
the browser.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

from benchmarks import DATA
from mirror.images import encode_jpeg, load_image
from tests.support.browser import CHROMIUM_FLAGS, WHOLE_CHROMIUM
from tests.support.workshop_walk import TRAINING, WORDS, Walk, variables, walking, workshop
from tests.web.serving import REPOSITORY, environment
from tests.world import World
from tests.world.hub import Hub

EACH = 24
LONG_SIDE = 640  # px of the photos that are found


def photo(path: Path) -> bytes:
    image = load_image(path)
    image.thumbnail((LONG_SIDE, LONG_SIDE))
    return encode_jpeg(image)


def fill(world: World) -> bytes:
    """What the two words find, with the engines' thumbnails. Returns a photo that is not among it."""
    photos, thumbnails = world.photo_host("photos.example"), world.photo_host("tse1.mm.bing.net")
    left = b""
    for word in WORDS:
        files = sorted((DATA / "waterfowl" / word).iterdir()) + sorted((DATA / "waterfowl_more" / word).iterdir())
        bodies = [photo(file) for file in files[: EACH + 1]]
        left = bodies.pop()
        urls = []
        for number, body in enumerate(bodies):
            urls.append(photos.body(f"/{word}-{number}.jpg", body, content_type="image/jpeg"))
            small = thumbnails.body(f"/th?id={word}-{number}", body, content_type="image/jpeg")
            world.engines.thumbnails[urls[-1]] = small
        world.results(word, urls)
    return left


@contextmanager
def waited(what: str, seconds: dict[str, float]) -> Iterator[None]:
    begun = time.monotonic()
    yield
    seconds[what] = time.monotonic() - begun
    print(f"  {what}: {seconds[what]:.1f} s", flush=True)


def walk_to_an_answer(walk: Walk, unseen: bytes) -> dict[str, float]:
    """Seconds of waiting by what was waited for."""
    seconds: dict[str, float] = {}
    with waited("looking at what the words find", seconds):
        walk.begin()
    walk.click("Collect photos")
    with waited("collecting", seconds):
        walk.click("Collect", "#collect-buttons")
        walk.says("Collecting has ended", TRAINING)
    with waited("training", seconds):
        walk.click("Train", "#collect-buttons")
        walk.says("The training has ended", TRAINING)
    walk.step("Try")
    with waited("the first answer", seconds):
        file = {"name": "photo.jpg", "mimeType": "image/jpeg", "buffer": unseen}
        walk.page.set_input_files("#try-photo input[type=file]", file)
        walk.wait("#try-answer .says")
    return seconds


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch, World() as world, Hub() as hub, sync_playwright() as playwright:
        unseen = fill(world)
        page_home, command_home = Path(scratch, "page"), Path(scratch, "command")
        page_home.mkdir()
        command_home.mkdir()
        chromium = playwright.chromium.launch(executable_path=WHOLE_CHROMIUM, args=CHROMIUM_FLAGS)
        told = variables(world, hub, page_home)
        print(f"the workshop, {EACH} photos of each of {', '.join(WORDS)}:")
        with workshop(page_home, **told) as page, walking(chromium, page.address) as walk:
            seconds = walk_to_an_answer(walk, unseen)
            clicks = walk.clicks
        chromium.close()
        whole = sum(seconds.values())
        print(f"  {clicks} clicks, {whole:.1f} s of waiting, {whole - seconds['collecting']:.1f} s without collecting")
        command = [sys.executable, str(REPOSITORY / "train.py"), "--name", "birds", *WORDS]
        command += ["--arch", "tf_efficientnet_lite0"]
        begun = time.monotonic()
        subprocess.run(command, cwd=command_home, env=environment(**told), check=True, stdout=subprocess.DEVNULL)
        alone = time.monotonic() - begun
        print(f"train.py with the same words: {alone:.1f} s; the page {whole / alone:.2f} times that")


if __name__ == "__main__":
    main()
