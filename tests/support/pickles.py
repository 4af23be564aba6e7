"""Pickles put together opcode by opcode, and the files that torch keeps them in."""

from __future__ import annotations

import io
import pickle
import zipfile


def short(text: str) -> bytes:
    return b"\x8c" + bytes([len(text)]) + text.encode()


def stack_global(module: str, name: str) -> bytes:
    return short(module) + short(name) + b"\x93"


def four(*program: bytes) -> bytes:
    return b"\x80\x04" + b"".join(program) + b"."


def zipped(program: bytes, **more: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, body in ({"a/data.pkl": program, "a/version": b"3\n", "a/byteorder": b"little"} | more).items():
            archive.writestr(name, body)
    return buffer.getvalue()


def legacy(program: bytes) -> bytes:
    """As torch wrote files before 1.6."""
    magic, system = 0x1950A86A20F9469CFC6C, {"protocol_version": 1001, "little_endian": True, "type_sizes": {}}
    return b"".join(pickle.dumps(each, 2) for each in (magic, 1001, system)) + program + pickle.dumps([], 2)


def call_of(function: bytes, *arguments: bytes) -> bytes:
    return function + b"(" + b"".join(arguments) + b"tR"


def made(module: str, name: str, **state: bytes) -> bytes:
    """An object with this state, as `copyreg` would make it."""
    return stack_global(module, name) + b")\x81}(" + b"".join(short(key) + it for key, it in state.items()) + b"ub"


def a_list(*items: bytes) -> bytes:
    return b"](" + b"".join(items) + b"e"
