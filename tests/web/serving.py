"""`python app.py` as a process of its own, for tests."""

from __future__ import annotations

import atexit
import contextlib
import functools
import importlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from mirror.model_folder import read_model_folder
from mirror.templates import _ENVIRONMENT
from tests.support.ports import free_port
from tests.support.warm_processes import Running, Warm

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 120  # seconds; a busy machine starts the page in ten
OURS = ("GRADIO_", "MIRROR_", "SYSTEM", "SPACE_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")


@dataclass
class Served:
    """A page that is up. `uploads`: where visitors' photos would lie. `address`: what to open; the studio's has its
    token."""

    url: str
    port: int
    process: subprocess.Popen | Running
    uploads: Path
    output: Path
    address: str = ""

    def client(self, **settings: Any) -> httpx.Client:
        """A client that has opened the address: with the studio's cookie."""
        cookies = httpx.get(self.address, timeout=PATIENCE).cookies
        return httpx.Client(base_url=self.url, timeout=PATIENCE, cookies=cookies, **settings)

    def log(self) -> str:
        return self.output.read_text(encoding="utf-8", errors="replace")

    def stop(self) -> int:
        """Asks it to end, as a container does, and returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)


def environment(**changes: str) -> dict[str, str]:
    """This process's environment without what would change the page, and with one thread for the network."""
    kept = {name: value for name, value in os.environ.items() if not name.upper().startswith(OURS)}
    return {**kept, "OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **changes}


def run_app(*arguments: str, app: Path = REPOSITORY / "app.py", **variables: str) -> subprocess.CompletedProcess:
    """`python app.py …` to its end."""
    command = [sys.executable, str(app), *arguments]
    return subprocess.run(command, env=environment(**variables), capture_output=True, text=True, timeout=PATIENCE)


def prepare() -> None:
    """What a page does first and no page does differently: it learns to read model.json, and compiles its HTML."""
    importlib.import_module("pydantic.v1")  # fastapi asks it of each route
    read_model_folder(REPOSITORY / "models" / "mirror")
    for name in _ENVIRONMENT.list_templates(["html"]):
        _ENVIRONMENT.get_template(name)


@functools.cache
def pages() -> Warm:
    """A process that has imported what a page needs, five seconds' work, and forks for each."""
    warm = Warm(
        "app:main",
        [
            "mirror.web.gradio_patches:import_gradio",
            "mirror.web.page",
            "mirror.web.workshop.workshop_page",
            "tests.web.serving:prepare",
        ],
        environment(),
    )
    atexit.register(warm.__exit__)
    return warm


@contextlib.contextmanager
def serve(
    *arguments: str, app: Path = REPOSITORY / "app.py", uploads: Path | None = None, python: tuple[str, ...] = (),
    port: int | None = None, interpreter: Path = Path(sys.executable), cwd: Path | None = None, anew: bool = False,
    **variables: str,
) -> Iterator[Served]:  # fmt: skip
    """Starts the page and waits until it answers. `port`: where it will be, if the environment says so. `anew`: by a
    Python of its own, where what it imports, or how it was called, matters; else it is forked, where nothing asked for
    needs more."""
    if port is None:
        port = free_port()
        arguments = (*arguments, "--port", str(port))
    with tempfile.TemporaryDirectory() as scratch:
        uploads = uploads or Path(scratch, "uploads")
        output = Path(scratch, "output.txt")
        own = anew or python or variables or app != REPOSITORY / "app.py" or str(interpreter) != sys.executable
        variables = {"GRADIO_TEMP_DIR": str(uploads), **variables}
        if own:
            with open(output, "wb") as log:
                process: subprocess.Popen | Running = subprocess.Popen(
                    [str(interpreter), *python, str(app), *arguments], cwd=cwd,
                    env=environment(**variables), stdout=log, stderr=subprocess.STDOUT,
                )  # fmt: skip
        else:
            process = pages().start(arguments, cwd or Path.cwd(), variables, output)
        page = Served(f"http://127.0.0.1:{port}", port, process, uploads, output)
        try:
            page.address = _wait_until_told(page) if "--studio" in arguments else page.url
            _wait_until_up(page)
            yield page
        finally:
            page.stop()


def _wait_until_told(page: Served) -> str:
    """The studio's address, with the token that it prints once it is up."""
    for _ in _patiently(page):
        if found := re.search(r"http://\S+/\?token=\S+", page.log()):
            return found[0]
    raise AssertionError


def _wait_until_up(page: Served) -> None:
    for _ in _patiently(page):
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(page.address, timeout=5, follow_redirects=True).status_code == 200:
                return


def _patiently(page: Served) -> Iterator[None]:
    """Again and again, until the page has ended or PATIENCE is over."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if page.process.poll() is not None:
            raise AssertionError(f"app.py ended with {page.process.returncode}:\n{page.log()}")
        yield
        time.sleep(0.05)
    raise AssertionError(f"app.py was not up after {PATIENCE} s:\n{page.log()}")
