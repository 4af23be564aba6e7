"""A network from anywhere is opened and run once where a time and a memory limit end it, before it is opened here.

`open_tried(data, name, shape)` is the one door for networks from anywhere: the engine, and the shapes of its outputs
for one image (`try_network` gives these alone). What it found is remembered by the file's
sha256 in the user's cache, so that it takes its half second once; a shape that does not fit the network's input, or a
network that never ends or wants all memory, is one sentence. The child runs this very module.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from pathlib import Path

from mirror.errors import ModelFolderError
from mirror.inference import sandbox
from mirror.inference.onnx_check import check_network
from mirror.inference.session import OnnxModel
from mirror.inference.shipped import SHIPPED
from mirror.inference.user_cache import is_ours, make_private, user_cache
from mirror.storage import parse_json, read_file, write_atomically

SECONDS = 60.0  # a ResNet-18 takes 0.02
MEMORY = 4 << 30  # bytes, and four times the file
VERSION = 1  # of what is remembered
_KEPT_BYTES = 64 * 1024

Shapes = dict[str, list[int]]
_locks: dict[str, threading.Lock] = {}
_known: dict[str, Shapes] = {}


def try_network(data: bytes, name: str, shape: tuple[int, ...], sha256: str | None = None) -> Shapes:
    """The shapes of a network's outputs for float32 input of `shape`. data: the file; name: of it, for sentences;
    sha256: of its bytes, where it is known already.

    Raises ModelFolderError where it must not be opened, cannot be, or does not take that input.
    """
    check_network(data, name)
    size = ".".join(map(str, shape))
    known = f"{sha256 or hashlib.sha256(data).hexdigest()}-{size}"
    if known in SHIPPED:
        return SHIPPED[known]
    key = f"{known}-{VERSION}"
    with _locks.setdefault(key, threading.Lock()):
        if key not in _known:
            place = user_cache("networks") / f"{key}.json"
            _known[key] = _remembered(place) or _try(data, name, shape, place)
        return _known[key]


def open_tried(
    data: bytes, name: str, shape: tuple[int, ...], sha256: str | None = None, threads: int | None = None
) -> tuple[OnnxModel, Shapes]:
    """The network, once `try_network` has let it pass, and what that gives. threads: for one run; default: all CPUs."""
    shapes = try_network(data, name, shape, sha256)
    return OnnxModel(data, threads), shapes


def _remembered(place: Path) -> Shapes | None:
    if not is_ours(place.parent) or not is_ours(place):
        return None
    try:
        found = parse_json(read_file(place, limit=_KEPT_BYTES))
        whole = all(isinstance(side, int) for shape in found.values() for side in shape)
        return found if whole and "failed" not in found else None
    except (OSError, ValueError, AttributeError, TypeError):
        return None


def _try(data: bytes, name: str, shape: tuple[int, ...], place: Path) -> Shapes:
    memory = MEMORY + 4 * len(data)
    module = ["mirror.inference.onnx_trial", *map(str, shape)]
    try:
        ended = sandbox.run_sandboxed(module, seconds=SECONDS, memory=memory, files=_KEPT_BYTES, input=data, writes=())
    except OSError as error:
        raise ModelFolderError(f"{name} cannot be tried out ({error.strerror or error}): start again.") from None
    again = "make the model again"
    if ended.status is None:
        raise ModelFolderError(f"{name} gave no answer within {SECONDS:.0f} seconds, so it is not used: {again}.")
    try:
        found = parse_json(ended.stdout)
    except ValueError:
        raise ModelFolderError(f"{name} broke the process that tried it out, so it is not used: {again}.") from None
    if "failed" in found:
        raise ModelFolderError(f"{name} {found['failed']}: {again}.")
    if make_private(place.parent):
        try:
            write_atomically(place, json.dumps(found).encode())
        except OSError:
            pass  # it is tried again next time, which costs half a second
    return found


def main() -> int:
    """In the child: the network on standard input, the sides of its input as arguments; one JSON object comes out."""
    sandbox.confine()
    data, shape = sys.stdin.buffer.read(), tuple(map(int, sys.argv[1:]))
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    import numpy as np

    try:
        engine = OnnxModel(data, threads=1)
        random = np.random.default_rng(0)
        for image in (np.zeros(shape, np.float32), random.standard_normal(shape, np.float32)):
            found = engine.run(image, engine.outputs)
        print(json.dumps({name: list(output.shape) for name, output in zip(engine.outputs, found, strict=True)}))
    except ModelFolderError as error:
        print(json.dumps({"failed": str(error).removeprefix("The network ").partition(": make the model")[0]}))
    except MemoryError:
        print(json.dumps({"failed": "wants more memory than it is given"}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
