"""“Try it”: the page of this program with the model that was trained, as a child process of the studio."""

from __future__ import annotations

import atexit
import os
import re
import subprocess
import threading
from pathlib import Path
from urllib.parse import quote

from mirror.errors import MirrorError
from mirror.inference.sandbox import ROOT
from mirror.terminal import say
from mirror.web.workshop import child_process

SERVE = (
    "import pathlib, sys; from mirror.cli.serve import main; "
    "raise SystemExit(main(sys.argv[2:], pathlib.Path(sys.argv[1])))"
)
PATIENCE = 60  # seconds for the page to say where it is
_TOLD = re.compile(r"Running on local URL:\s+(http://\S+)")


class TrialPage:
    """Started when first asked for, on this machine alone; it ends with the studio."""

    def __init__(self, models: Path):
        self.models = models
        self._process: subprocess.Popen[str] | None = None
        self._url = ""
        self._asking = threading.Lock()
        atexit.register(self._close)

    def address(self, name: str) -> str:
        """Where the page shows that model. Raises MirrorError where it does not start."""
        with self._asking:
            if self._process is None or self._process.poll() is not None:
                self._start()
            return f"{self._url}/?model={quote(name)}"

    def _start(self) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("GRADIO_SERVER")}
        arguments = [str(ROOT), "--models", str(self.models), "--host", "127.0.0.1"]
        self._process = child_process.start(SERVE, arguments, None, **kept)
        told = threading.Event()
        threading.Thread(target=self._read, args=(self._process, told), name="trial", daemon=True).start()
        if not told.wait(PATIENCE) or not self._url:
            self._close()
            raise MirrorError("The page did not start: try `python app.py` in a terminal.")

    def _read(self, process: subprocess.Popen[str], told: threading.Event) -> None:
        """To its end, so that the page never waits for who reads it; what it says of models is said here too."""
        self._url = ""
        assert process.stdin is not None and process.stdout is not None
        with process.stdin, process.stdout as lines:
            for line in lines:
                if found := _TOLD.search(line):
                    self._url = found[1].rstrip("/")
                    told.set()
                elif line.strip():
                    say(line.rstrip())
        told.set()

    def _close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait()
