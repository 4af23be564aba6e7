"""Memory that is kept: the system's own count of the pages that it had to hand out."""

from __future__ import annotations

import platform
import subprocess
import sys

import pytest

MEGABYTES, BEFORE, STEPS = 64, 32, 8
COUNT = f"""
import resource, sys, torch
from mirror.fashion_mnist.memory import keep_memory
if sys.argv[1] == "keep":
    keep_memory()
def handed_out(steps):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(steps):
        torch.ones({MEGABYTES << 20}, dtype=torch.uint8)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before) * resource.getpagesize() >> 20
handed_out({BEFORE})
print(handed_out({STEPS}))
"""


def handed_out(how: str) -> int:
    """Megabytes, while MEGABYTES are asked for, filled and freed STEPS times: after BEFORE, in which it settles."""
    return int(subprocess.run([sys.executable, "-c", COUNT, how], capture_output=True, text=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not GNU's")
def test_what_was_freed_is_not_asked_for_again() -> None:
    assert handed_out("leave") >= STEPS * MEGABYTES
    assert handed_out("keep") < MEGABYTES
