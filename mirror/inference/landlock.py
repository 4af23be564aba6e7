"""A process that changes or reads only what lies below given places, and opens no TCP connection: Linux's Landlock.

    missing = restrict(writes=["models/.new"], reads=["/usr"])      "" where it holds, else what is missing

It needs no rights, holds for all that the process starts, and cannot be taken back (landlock(7), Linux 5.19 or newer;
the network since 6.7, signals and abstract sockets since 6.12). System calls by number, as the C library has no
functions for them. Standard library only.
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
_SCOPED = 0b11  # no signals to other processes, none of their abstract sockets: since version 6
_EXECUTE, _READ = 1 << 0, 1 << 2 | 1 << 3  # starting programs; reading files and listing folders
_ON_A_FILE = _WRITE_FILE | _TRUNCATE | 1 << 2
MISSING = "files of others"
DEVICES = ("/dev/null", "/dev/zero")
SHARED = "/dev/shm"  # the memory that processes share: another's is not read


class _Ruleset(ctypes.Structure):
    _fields_ = (("files", ctypes.c_uint64), ("network", ctypes.c_uint64), ("scoped", ctypes.c_uint64))


class _Beneath(ctypes.Structure):
    _pack_ = 1
    _fields_ = (("allowed", ctypes.c_uint64), ("folder", ctypes.c_int32))


def restrict(writes: Iterable[str], reads: Iterable[str] | None = None) -> str:
    """From here on this process writes only below `writes` and to DEVICES; with `reads` it also reads only there and
    below `reads`, and starts no program. "", or what is missing."""
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE, None, ctypes.c_size_t(0), _VERSION)
    if version < 2:
        return MISSING
    files = _WRITE_FILE | _CHANGES | _REFER | (_TRUNCATE if version >= 3 else 0)
    look = 0 if reads is None else _READ
    handled = files | look | (0 if reads is None else _EXECUTE)
    rules = _Ruleset(handled, _TCP if version >= 4 else 0, _SCOPED if version >= 6 else 0)
    size = ctypes.c_size_t(24 if version >= 6 else 16 if version >= 4 else 8)
    ruleset = libc.syscall(_CREATE, ctypes.byref(rules), size, 0)
    if ruleset < 0:
        return MISSING
    try:
        places = [(place, files | look) for place in (*writes, *DEVICES)]
        places += [(SHARED, files)] if reads is None else [(place, look) for place in reads]
        for place, rights in places:
            try:
                descriptor = os.open(place, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                continue  # what is not there needs no leave
            rule = _Beneath(rights if os.path.isdir(place) else rights & _ON_A_FILE, descriptor)
            libc.syscall(_ADD, ruleset, _BENEATH, ctypes.byref(rule), 0)
            os.close(descriptor)
        libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0)
        restricted = libc.syscall(_RESTRICT, ruleset, 0) == 0
    finally:
        os.close(ruleset)
    return "" if restricted else MISSING
