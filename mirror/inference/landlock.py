"""A process that changes no files but those below given folders, and opens no TCP connection: Linux's Landlock.

    missing = restrict_writes(["/home/me/models", …])      "" where it holds, else what the system did not allow

It needs no rights, holds for all that the process starts, and cannot be taken back (landlock(7), Linux 5.13 or newer;
the network since 6.7). System calls by number, as the C library has no functions for them. Standard library only.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterable

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same on every processor
_VERSION, _BENEATH = 1, 1  # LANDLOCK_CREATE_RULESET_VERSION, LANDLOCK_RULE_PATH_BENEATH
_NO_NEW_PRIVS = 38  # linux/prctl.h
# linux/landlock.h: writing to files; then removing and making of every kind
_WRITE_FILE, _CHANGES = 1 << 1, sum(1 << bit for bit in range(4, 13))
_REFER, _TRUNCATE = 1 << 13, 1 << 14  # since versions 2 and 3; before 2 nothing can be moved between folders
_TCP = 0b11  # bind and connect, since version 4
_ON_A_FILE = _WRITE_FILE | _TRUNCATE
MISSING = "files of others"
DEVICES = ("/dev/null", "/dev/zero", "/dev/shm")


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def restrict_writes(folders: Iterable[str]) -> str:
    """From here on this process writes only below `folders` and to DEVICES. "", or what is missing."""
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION)
    if version < 2:
        return MISSING
    files = _WRITE_FILE | _CHANGES | _REFER | (_TRUNCATE if version >= 3 else 0)
    rules = _Ruleset(files, _TCP if version >= 4 else 0)
    size = ctypes.c_size_t(16 if version >= 4 else 8)
    ruleset = libc.syscall(_CREATE, ctypes.byref(rules), size, 0)
    if ruleset < 0:
        return MISSING
    try:
        for path in (*folders, *DEVICES):
            try:
                descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                continue  # what is not there cannot be written to
            allowed = files if os.path.isdir(path) else files & _ON_A_FILE
            rule = _Beneath(allowed, descriptor)
            libc.syscall(_ADD, ruleset, _BENEATH, ctypes.byref(rule), 0)
            os.close(descriptor)
        libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
        restricted = libc.syscall(_RESTRICT, ruleset, 0) == 0
    finally:
        os.close(ruleset)
    return "" if restricted else MISSING
