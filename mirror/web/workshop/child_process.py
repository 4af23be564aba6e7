"""A Python process of the studio's: it reads no keyboard, tells all it says to the studio, and ends with it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from mirror.inference.sandbox import ROOT

# Its standard input ends when the studio does, however that ends (a signal from the kernel at a parent's death comes
# when the thread ends that started the child). os.read holds no lock that Python's end would wait for
# (which begins with SIGINT ignored where a shell has started the studio in the background)
ENDS_WITH_ITS_PARENT = """import os, signal, threading
signal.signal(signal.SIGINT, signal.default_int_handler)
def watch():
    os.read(0, 1)
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=watch, daemon=True).start()
"""


def start(
    code: str, arguments: Sequence[str] = (), folder: Path | None = None, **environment: str
) -> subprocess.Popen[str]:
    """Runs `code`, which finds this package; its output and errors are `stdout`, line by line. folder: to start it in,
    instead of the studio's own; environment: instead of the studio's own, which names what is to be kept of that."""
    kept = environment or dict(os.environ)
    path = os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH")]))
    return subprocess.Popen(
        [sys.executable, "-c", ENDS_WITH_ITS_PARENT + code, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT, text=True, encoding="utf-8", errors="replace", cwd=folder,
        env={**kept, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"},
    )  # fmt: skip
