"""A real Chromium for tests: Debian's, driven by Playwright. Without windows, where that is installed: the same Blink
and V8, for less of the processor."""

from __future__ import annotations

import os
import shutil

WHOLE_CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium-headless-shell") or WHOLE_CHROMIUM
CHROMIUM_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--js-flags=--liftoff-only",  # WebAssembly as it comes: to optimise it takes longer than a test runs it
    "--use-fake-ui-for-media-stream",  # the camera is there, and allowed
    "--use-fake-device-for-media-stream",
)
OPTIMISING = tuple(flag for flag in CHROMIUM_FLAGS if "liftoff" not in flag)  # as visitors have it
