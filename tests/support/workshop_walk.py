"""The workshop as a person walks it, from two words to a published page, in a small world; and how often they clicked.

world_of_two finds ducklings and cygnets, a few of whose pictures show something else; `walking` is a Chromium on the
workshop, whose project lies in a folder of the walk's own.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.pictures import shot
from tests.support.hit_lists import CHECKS, find, picture
from tests.support.visits import TIMEOUT
from tests.web.serving import Served, serve
from tests.world import World
from tests.world.hub import Hub

WORDS = ("duckling", "cygnet")
TRAINING = 900_000  # ms; half a minute where nothing else runs, ten times that on a busy machine


def world_of_two(world: World, each: int, *, gate: threading.Event | None = None) -> None:
    """What the two words find: `each` photos, and three of something else among the ducklings. gate: the last cygnet
    comes once it is set."""
    find(world, WORDS[0], [*((WORDS[0], n) for n in range(each)), *((CHECKS, n) for n in range(3))])
    urls = find(world, WORDS[1], [(WORDS[1], n) for n in range(each)])
    if gate is not None:
        path = urls[-1].removeprefix("https://photos.example")
        world.photo_host("photos.example").waits(path, gate, picture(WORDS[1], each - 1))


def variables(world: World, hub: Hub, home: Path) -> dict[str, str]:
    """What leads the workshop and its commands to this world and this Hub, where nobody is logged in."""
    trusted = dict.fromkeys(("SSL_CERT_FILE", "PRIMP_CA_BUNDLE", "CA_BUNDLE"), str(world.ca_file))
    proxies = dict.fromkeys(("HTTPS_PROXY", "HTTP_PROXY"), world.proxy_url)
    logged_out = {name: value for name, value in hub.environment.items() if name != "HF_TOKEN"}
    return {**trusted, **proxies, **logged_out, "HF_HOME": str(home / "hub"), "TORCH_HOME": str(home / "torch")}


@contextlib.contextmanager
def workshop(home: Path, **environment: str) -> Iterator[Served]:
    (home / "models").mkdir(exist_ok=True)
    with serve("--studio", "--models", str(home / "models"), **environment) as served:
        yield served


def kill(served: Served) -> None:
    """The workshop and whatever it has started, at once, as when the power fails."""
    children = Path(f"/proc/{served.process.pid}/task/{served.process.pid}/children").read_text().split()
    threads = Path(f"/proc/{served.process.pid}/task").iterdir()
    children += [child for thread in threads for child in (thread / "children").read_text().split()]
    served.process.send_signal(signal.SIGKILL)
    for child in set(children):
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(child), signal.SIGKILL)
    served.process.wait(60)


@dataclass
class Walk:
    """One browser on the workshop. clicks: so far; page: Playwright's."""

    page: Any
    clicks: int = 0
    complaints: list[str] = field(default_factory=list)

    def click(self, name: str, where: str = "body") -> None:
        self.page.locator(where).get_by_role("button", name=name, exact=True).click()
        self.clicks += 1

    def step(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()
        self.clicks += 1

    def says(self, words: str, timeout: float = TIMEOUT) -> None:
        self.page.locator("#said").get_by_text(words).wait_for(timeout=timeout)

    def wait(self, selector: str, timeout: float = TIMEOUT) -> Any:
        found = self.page.locator(selector).first
        found.wait_for(timeout=timeout)
        return found

    def shot(self, name: str) -> None:
        shot(self.page, f"workshop-{name}")

    def begin(self) -> None:
        """From the start page to the pictures that the two words find."""
        self.click("Begin")
        for number, word in enumerate(WORDS, 1):
            self.page.get_by_label(f"Name {number}", exact=True).fill(word)
        self.shot("begin")
        self.click("Look at what is found")
        self.wait("#look-sheet section >> nth=1", TRAINING)
        self.page.get_by_role("button", name="Collect photos").wait_for(timeout=TRAINING)

    def show(self, kind: str, seed: int) -> None:
        """A photo is tried; waits until it has been answered."""
        file = {"name": f"{kind}-{seed}.jpg", "mimeType": "image/jpeg", "buffer": picture(kind, seed)}
        before = self.page.locator("#try-answer .tried").evaluate_all(
            "all => all.map(one => one.dataset.number).join()"
        )
        self.page.set_input_files("#try-photo input[type=file]", file)
        self.wait(f'#try-answer .tried:not([data-number="{before}"]) .says')


@contextlib.contextmanager
def walking(chromium: Any, address: str, **context: Any) -> Iterator[Walk]:
    """Opens the workshop's address; in the end the browser must have nothing to complain of."""
    tab = chromium.new_context(viewport={"width": 1280, "height": 860}, **context)
    page = tab.new_page()
    page.set_default_timeout(TIMEOUT)
    walk = Walk(page)
    page.on("pageerror", lambda error: walk.complaints.append(f"uncaught: {error}"))
    page.goto(address)
    walk.wait("#studio")
    try:
        yield walk
    except BaseException:
        walk.shot("failed")
        raise
    tab.close()
    assert walk.complaints == [], walk.complaints
