"""Whether a Space's builder can install what the Space asks for: pip resolves the builder's own line, and installs
nothing. An answer is kept for a day."""

from __future__ import annotations

import hashlib
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

from mirror.errors import PublishError
from mirror.inference.user_cache import make_private, user_cache

SECONDS = 600
KNOWN_SECONDS = 86_400  # packages that the pinned ones require may have new versions by then
UNREACHABLE = re.compile(
    r"from versions: none|NewConnectionError|Temporary failure|Could not fetch URL|timed out", re.I
)


def check_requirements(requirements: str, builder: tuple[str, ...], python: str, say: Callable[[str], None]) -> None:
    """requirements: the Space's requirements.txt; builder: what is installed with them; python: its version. Raises
    PublishError where they cannot be installed together; says so where that cannot be found out here."""
    line = "\n".join([requirements, *builder, python])
    known = user_cache("requirements") / hashlib.sha256(line.encode()).hexdigest()
    if known.is_file() and time.time() - known.stat().st_mtime < KNOWN_SECONDS:
        return
    if find_spec("pip") is None:
        say("Not checked: whether a Space can install its requirements, for pip is not here.")
        return
    say("Checking that a Space can install its requirements …")
    with tempfile.TemporaryDirectory() as scratch:
        listed = Path(scratch, "requirements.txt")
        listed.write_text(requirements, encoding="utf-8")
        command = [
            sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed", "--retries", "1",
            "--disable-pip-version-check", "--no-input", "--python-version", python, "--only-binary", ":all:",
            "--target", scratch, "-r", str(listed), *builder,
        ]  # fmt: skip
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, stdin=subprocess.DEVNULL)
        except subprocess.TimeoutExpired:
            say("Not checked: whether a Space can install its requirements, for that took too long.")
            return
    if done.returncode == 0:
        if make_private(known.parent):
            known.touch()
        return
    if UNREACHABLE.search(done.stderr):
        say("Not checked: whether a Space can install its requirements, for no package index can be reached.")
        return
    reasons = [text.removeprefix("ERROR: ") for text in done.stderr.splitlines() if text.startswith("ERROR: ")]
    raise PublishError(f"A Space could not install its requirements: {(reasons or ['pip failed'])[0].rstrip('.')}.")
