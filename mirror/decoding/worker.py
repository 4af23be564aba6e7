"""The process that decodes what cannot be bounded in advance: `python -m mirror.decoding.worker`, started by pool.py.

It reads a task from its standard input, writes the upright picture to its standard output, and waits for the next one
until its input ends. It has limits on memory, processor time and files that it cannot lift, no secrets in its
environment, and a low priority.

    task      two lengths (>II), a JSON object, the encoded file
    answer    a length (>I) and a JSON object: {"error": kind, "message": …, "reason": …}, or {"size": [width, height]},
              after which the upright rows follow, four bytes a pixel, the fourth without meaning
"""

from __future__ import annotations

import json
import os
import struct
from functools import partial
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from mirror.decoding.pixels import Decoded

LENGTHS, LENGTH = struct.Struct(">II"), struct.Struct(">I")
NICE = 2  # a little behind the process that answers visitors: an iPhone photo is decoded here, too
TASK_BYTES = 520_000_000  # of address space beyond what the process has when it begins a task
PROCESSOR_SECONDS = 20  # of a task, all threads together; the wall clock, 10 s, is the parent's to watch


def main() -> None:
    limited = _limit_for_good()
    task_in, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)  # whatever a C library prints is no answer
    _write(answers, {"ready": True, "limited": limited})
    while len(lengths := task_in.read(LENGTHS.size)) == LENGTHS.size:
        head, size = LENGTHS.unpack(lengths)
        task, data = json.loads(task_in.read(head)), task_in.read(size)
        if limited:
            _limit_task()
        try:
            _answer(task, data, answers)
        except BrokenPipeError:
            return
        del data


def _answer(task: dict[str, Any], data: bytes, answers: BinaryIO) -> None:
    from PIL import UnidentifiedImageError

    from mirror.decoding.decode import decode
    from mirror.decoding.refusals import check_size
    from mirror.errors import ImageError

    name = task["name"]
    check = partial(check_size, name=name, max_pixels=task["max_pixels"], min_side=task["min_side"])
    try:
        size, pixels = _upright(decode(data, name, check, task["at_least"]))
    except UnidentifiedImageError:
        return _write(answers, {"error": "Unidentified"})
    except MemoryError:
        return _write(answers, {"error": "MemoryError"})
    except ImageError as error:
        return _write(answers, {"error": type(error).__name__, "message": str(error), "reason": error.reason})
    except Exception as error:
        return _write(answers, {"error": "Damaged", "message": f"{type(error).__name__}: {error}"[:200]})
    _write(answers, {"size": size})
    _write_all(answers, pixels)


def _upright(decoded: Decoded) -> tuple[tuple[int, int], bytearray]:
    """(width, height) and the pixels. What was decoded is let go before they are sent, for the parent needs room."""
    from mirror.decoding.pixels import image_over, write_upright

    size = decoded.upright_size
    pixels = bytearray(4 * size[0] * size[1])
    write_upright(decoded, image_over(pixels, size))
    return size, pixels


def _write(file: BinaryIO, message: dict[str, Any]) -> None:
    body = json.dumps(message).encode()
    _write_all(file, LENGTH.pack(len(body)) + body)


def _write_all(file: BinaryIO, data: bytes | bytearray) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]


def _limit_for_good() -> bool:
    """Whether this system can limit memory."""
    if hasattr(os, "nice"):
        os.nice(NICE)
    try:
        import resource

        import mirror.decoding.decode  # noqa: F401  so that what every task needs is not counted as a task's

        for what, most in ((resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
            resource.setrlimit(what, (most, most))
        hard = _address_space() + 2 * TASK_BYTES
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))
    except (ImportError, OSError, ValueError):
        return False
    return True


def _limit_task() -> None:
    import resource

    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (min(hard, _address_space() + TASK_BYTES), hard))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = int(usage.ru_utime + usage.ru_stime)
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (used + PROCESSOR_SECONDS, hard))


def _address_space() -> int:
    """Bytes of this process's address space. Raises OSError where the system does not tell."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")


if __name__ == "__main__":
    main()
