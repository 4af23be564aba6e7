"""What a learner pickle names, read without running it: its opcodes are followed, nothing is imported or called.

A pickle is a program for a small machine (pickletools). It can only do what the functions and classes do that it names;
so each name is looked up in a table of what fastai's learners are made of (`pickle_allowlist.py`), and a name that is
not in it refuses the file, as does a call that no learner's pickle makes. `export/restricted_unpickler.py`, which reads
the file then, asks the same table.
"""

from __future__ import annotations

import io
import pickletools
import re
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from mirror.errors import UnsupportedLearner
from mirror.inference.pickle_allowlist import GETATTR, LIBRARIES, is_part, may_be_called, may_be_named
from mirror.terminal import printable

MAX_PROGRAM = 32 * 2**20  # bytes of the pickle itself; weights lie beside it. A ResNet-18 has 50 kB
LFS = b"version https://git-lfs.github.com/spec/"
SHOWN_NAMES = 5
STRANGE = "is not a learner pickle that opens here"
CUT_SHORT = "is cut short, as by a download that did not end: copy or fetch it again"
PICKLES_OF_TORCH = 5  # in a file of the format before torch 1.6: magic number, protocol, system, object, keys


class Unreadable(Exception):
    """The file is no pickle, or does what none of a learner does; says what. reason: UnsupportedLearner's."""

    def __init__(self, message: str, reason: str = "not a learner"):
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True)
class Name:
    """A function or class that a pickle names."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


class _Made:
    """What a call gives; nothing is known of it."""


MADE = _Made()


@dataclass
class _Machine:
    stack: list[Any] = field(default_factory=list)
    marks: list[int] = field(default_factory=list)
    memo: dict[int, Any] = field(default_factory=dict)
    names: dict[Name, None] = field(default_factory=dict)  # a set that keeps its order


def check_pickle(path: Path) -> None:
    """Raises UnsupportedLearner, with a sentence, where a learner pickle names what no learner needs."""
    try:
        names = names_in(path)
    except OSError as error:
        raise UnsupportedLearner(f"{path} cannot be read ({error.strerror or error}): check it.") from None
    except Unreadable as error:
        raise UnsupportedLearner(f"{path} {error}.", error.reason) from None
    strange = [name for name in names if not may_be_named(name.module, name.name)]
    if strange:
        reason, why = _why(strange)
        raise UnsupportedLearner(f"{path} {why}", reason)


def _why(strange: list[Name]) -> tuple[str, str]:
    """(UnsupportedLearner's reason, a sentence without its subject)."""
    listed = ", ".join(printable(str(name))[:80] for name in strange[:SHOWN_NAMES])
    more = f" and {len(strange) - SHOWN_NAMES} more" if len(strange) > SHOWN_NAMES else ""
    return "names", (
        f"names {listed}{more}, which no learner needs, so it is not opened: a pickle is a program; if it is your own, "
        "run it all the same with `python -m mirror compile --trust FILE`."
    )


def names_in(path: Path) -> list[Name]:
    """Every function and class that a learner pickle names. Raises Unreadable and OSError."""
    machine = _Machine()
    with open(path, "rb") as file:
        head = file.read(len(LFS))
        if head.startswith(LFS):
            raise Unreadable(
                "is a pointer of git LFS, not the model itself: fetch it with `git lfs pull`, and install git-lfs "
                "first",
                "lfs",
            )
        if not head:
            raise Unreadable("is empty: copy or fetch it again", "cut short")
        if head.lstrip().startswith(b"<"):
            raise Unreadable("is a web page, not a model: fetch the file itself", "web page")
        file.seek(0)
        if is_archive(file):
            _follow(_program_in_zip(file), machine)
        else:
            for _ in range(PICKLES_OF_TORCH):
                _follow(file, machine)
                if not file.read(1):
                    break
                file.seek(-1, io.SEEK_CUR)
    return list(machine.names)


def is_archive(file: IO[bytes]) -> bool:
    """Whether it is an archive, as torch writes since 1.6; the file then stands at its beginning."""
    file.seek(0)
    begins = file.read(4) == b"PK\x03\x04"
    file.seek(0)
    return begins


def program_in(archive: zipfile.ZipFile) -> tuple[io.BytesIO, str]:
    """(The pickle in torch's archive, the folder in it that holds it and the weights). Raises Unreadable."""
    entries = archive.infolist()
    names = [entry.filename for entry in entries]
    programs = [entry for entry in entries if entry.filename.lower().endswith(".pkl")]
    whole = len(set(names)) == len(names) and len(programs) == 1
    if not whole or not re.fullmatch(r"[^/]+/data\.pkl", programs[0].filename):
        raise Unreadable(f"{STRANGE} (not one program): export it again", "not a pickle")
    if programs[0].file_size > MAX_PROGRAM:
        raise Unreadable(f"holds a program of more than {MAX_PROGRAM >> 20} MB: export it again")
    return io.BytesIO(archive.read(programs[0])), programs[0].filename.removesuffix("/data.pkl")


def _program_in_zip(file: IO[bytes]) -> io.BytesIO:
    try:
        with zipfile.ZipFile(file) as archive:
            return program_in(archive)[0]
    except zipfile.BadZipFile:
        raise Unreadable(CUT_SHORT, "cut short") from None
    except (NotImplementedError, RuntimeError, EOFError, ValueError, OverflowError) as error:
        reason = printable(str(error))[:160]
        raise Unreadable(f"{STRANGE} ({reason}): export it again", "not a pickle") from None


def _follow(file: Any, machine: _Machine) -> None:
    """One pickle of a file, up to its STOP, where the file then stands."""
    machine.stack, machine.marks, machine.memo = [], [], {}
    begun = file.tell()
    try:
        for opcode, argument, _ in pickletools.genops(file):
            if file.tell() - begun > MAX_PROGRAM:
                raise Unreadable(f"holds a program of more than {MAX_PROGRAM >> 20} MB: export it again")
            _step(machine, opcode.name, argument)
    except EOFError:
        raise Unreadable(CUT_SHORT, "cut short") from None
    except (ValueError, IndexError, KeyError, TypeError, UnicodeError, OverflowError, MemoryError) as error:
        if begun < file.tell() and not file.read(1) and ("exhausted" in str(error) or "not enough data" in str(error)):
            raise Unreadable(CUT_SHORT, "cut short") from None
        reason = printable(str(error) or type(error).__name__).splitlines()[0][:160]
        raise Unreadable(f"{STRANGE} ({reason}): export it again", "not a pickle") from None


def _step(machine: _Machine, opcode: str, argument: Any) -> None:
    stack = machine.stack
    if opcode == "GLOBAL":
        module, _, name = argument.partition(" ")
        machine.names[Name(module, name)] = None
        stack.append(Name(module, name))
    elif opcode in ("INST", "OBJ"):
        raise Unreadable("makes objects as Python 2 did, so it is not opened: export it again")
    elif opcode == "STACK_GLOBAL":
        name, module = stack.pop(), stack.pop()
        if not isinstance(name, str) or not isinstance(module, str):
            raise Unreadable("works out the names of what it uses, so it is not opened: export it again")
        machine.names[Name(module, name)] = None
        stack.append(Name(module, name))
    elif opcode in ("EXT1", "EXT2", "EXT4"):
        raise Unreadable("names things by numbers of its own (copyreg), so it is not opened: export it again")
    elif opcode in ("PUT", "BINPUT", "LONG_BINPUT"):
        machine.memo[int(argument)] = stack[-1]
    elif opcode == "MEMOIZE":
        machine.memo[len(machine.memo)] = stack[-1]
    elif opcode in ("GET", "BINGET", "LONG_BINGET"):
        stack.append(machine.memo[int(argument)])
    elif opcode == "MARK":
        machine.marks.append(len(stack))
    elif opcode == "BUILD":
        stack.pop()
        if isinstance(stack[-1], Name):
            raise Unreadable(f"changes {printable(str(stack[-1]))[:80]}, so it is not opened: export it again")
    elif opcode == "POP":  # also takes a mark off
        if machine.marks and machine.marks[-1] == len(stack):
            machine.marks.pop()
        else:
            stack.pop()
    elif opcode == "DUP":
        stack.append(stack[-1])
    elif opcode in ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3"):
        begin = machine.marks.pop() if opcode == "TUPLE" else len(stack) - int(opcode[-1])
        if begin < 0:
            raise IndexError("nothing to take")
        stack[begin:] = [tuple(stack[begin:])]
    elif opcode == "REDUCE":
        arguments, function = stack.pop(), stack.pop()
        if isinstance(function, Name) and not may_be_called(str(function)):
            raise Unreadable(f"calls {printable(str(function))[:80]}, which no learner does, so it is not opened")
        if isinstance(function, Name) and (function.module, function.name) in GETATTR:
            _check_part(arguments)
        stack.append(MADE)
    elif opcode in MARKED:
        _above_mark(machine)
        stack.extend(MADE for _ in range(MARKED[opcode]))
    elif opcode in TAKES:
        taken, given = TAKES[opcode]
        if taken > len(stack):
            raise IndexError("nothing to take")
        if taken:
            del stack[len(stack) - taken :]
        stack.extend(MADE for _ in range(given))
    else:  # a number, a text, None: only texts matter, as they may become names
        stack.append(argument if isinstance(argument, str) else MADE)


def _check_part(arguments: Any) -> None:
    """Of `getattr` in a pickle: a public name that says nothing of reading, writing or running, of fastai's objects."""
    thing, name = arguments if isinstance(arguments, tuple) and len(arguments) == 2 else (None, None)
    own = not isinstance(thing, Name) or f"{thing.module}.".startswith(LIBRARIES)
    if not own or not isinstance(name, str) or not is_part(name):
        shown = printable(name)[:60] if isinstance(name, str) else "a part"
        whole = f" of {printable(str(thing))[:60]}" if isinstance(thing, Name) else ""
        raise Unreadable(f"takes {shown}{whole}, which no learner needs, so it is not opened: export it again")


def _above_mark(machine: _Machine) -> None:
    del machine.stack[machine.marks.pop() :]


MARKED = {  # opcode → how many things it leaves in the place of those above the mark
    "LIST": 1, "DICT": 1, "FROZENSET": 1, "APPENDS": 0, "SETITEMS": 0, "ADDITEMS": 0,
    "POP_MARK": 0,
}  # fmt: skip
TAKES = {  # opcode → (how many things it takes off the stack, how many it leaves)
    "PROTO": (0, 0), "FRAME": (0, 0), "STOP": (1, 0), "NEWOBJ": (2, 1), "NEWOBJ_EX": (3, 1),
    "SETITEM": (2, 0), "APPEND": (1, 0), "PERSID": (0, 1),
    "BINPERSID": (1, 1), "READONLY_BUFFER": (0, 0),
}  # fmt: skip
