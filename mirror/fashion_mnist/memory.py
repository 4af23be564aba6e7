"""Memory that a training step gives back is kept for the next one.

    keep_memory()

The C library hands large blocks back to the system at once, which clears their pages when they are asked for again:
with maps of hundreds of megabytes that is up to a quarter of a step.
"""

from __future__ import annotations

import ctypes
import platform

M_TRIM_THRESHOLD, M_TOP_PAD, M_MMAP_MAX, M_ARENA_MAX = -1, -2, -4, -8  # malloc.h
NEVER = -1
MORE = 1 << 28  # bytes, that are asked for at a time


def keep_memory() -> bool:
    """From now on this process keeps what it frees. Whether its C library can: GNU's alone (mallopt(3))."""
    if platform.libc_ver()[0] != "glibc":
        return False
    settings = ((M_ARENA_MAX, 1), (M_MMAP_MAX, 0), (M_TRIM_THRESHOLD, NEVER), (M_TOP_PAD, MORE))
    return all([ctypes.CDLL(None).mallopt(*setting) for setting in settings])
