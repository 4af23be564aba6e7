"""A network from anywhere is opened and run once where a time and a memory limit end it, before it is opened here.

`open_tried(data, name, shape)` is the one door for networks from anywhere: the engine, and the shapes of its outputs
for one image (`try_network` gives these alone). They are remembered by the file's sha256 in the user's cache, so that
the trial takes its half second once; a shape that does not fit the network's input, or a network that never ends,
wants all memory or gives no finite numbers, is one sentence. The child runs this very module.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import threading
from collections.abc import Callable, Mapping
from pathlib import Path

from mirror.errors import ModelFolderError
from mirror.inference import sandbox
from mirror.inference.onnx_check import check_network, graph_inputs
from mirror.inference.onnx_weights import mapped, without_weights
from mirror.inference.session import OnnxModel
from mirror.inference.user_cache import is_ours, make_private, sha256_of_large, user_cache
from mirror.storage import parse_json, read_file, write_atomically

SECONDS = 60.0  # a ResNet-18 takes 0.02
MEMORY = 4 << 30  # bytes, and four times the file
VERSION = 2  # of what is remembered
_KEPT_BYTES = 64 * 1024

Shapes = dict[str, list[int]]
Bytes = bytes | memoryview
Inputs = dict[str, tuple[int | None, ...]]
Shape = tuple[int, ...] | Mapping[str, tuple[int, ...]]  # of the one image, or of all inputs by name
# The networks that come with this program need no trial at the first start: sha256 and shape of the input → shapes of
# the outputs. One that is missing here is tried out; tests/inference/test_onnx_trial.py says what to add.
SHIPPED: dict[str, Shapes] = {
    "1dac53f722ee5e9a3ee188a3a67f942c7181bc16bc7121d4304a4c54bf94859e-1.3.112.112":
        {"logits": [1, 10], "features": [1, 512], "similarity": [1], "maps": [1, 512, 4, 4]},
    "59f0e473d048162e9fde7e2a4debfe67f15d215c98794334397bf2a2394f424b-1.512.4.4":
        {"heat": [1, 10, 4, 4]},
    "b50f81fb01d27391b9113500f6345afd3b0def7cc54a8bf546a3500afdec5b01-1.3.288.288":
        {"logits": [1, 2], "features": [1, 1280], "similarity": [1], "maps": [1, 1280, 9, 9]},
    "9a5f8942e2e6cdf994fe77f7d12dab0afe7f9026f8d47260c0ed052c8218b7b5-1.1280.9.9":
        {"heat": [1, 2, 9, 9]},
    # tasks/centerface.onnx, of any size
    "ed68016fd724fd197a0a2e4a77f8b6e0dedd22ee5ce0c3cfb6b38775a98f9ee0-1.3.64.64":
        {"537": [1, 1, 16, 16], "538": [1, 2, 16, 16], "539": [1, 2, 16, 16], "540": [1, 10, 16, 16]},
}  # fmt: skip
_locks: dict[str, threading.Lock] = {}
_known: dict[str, Shapes] = {}


def try_network(data: Bytes, name: str, shape: Shape, sha256: str | None = None) -> Shapes:
    """The shapes of a network's outputs for input of `shape`: noise for pixels, ones where it takes whole numbers.
    data: the file; name: of it, for sentences; sha256: of its bytes, where it is known already.

    Raises ModelFolderError where it must not be opened, cannot be, does not take that input, or answers it with what is
    no finite number.
    """
    check_network(data, name)
    size = _named(shape)
    known = f"{sha256 or hashlib.sha256(data).hexdigest()}-{size}"
    if known in SHIPPED:
        return SHIPPED[known]
    key = f"{known}-{VERSION}"
    with _locks.setdefault(key, threading.Lock()):
        if key not in _known:
            path = user_cache("networks") / f"{key}.json"
            _known[key] = _remembered(path) or _try(data, name, shape, path)
        return _known[key]


def open_tried(
    data: bytes, name: str, shape: Shape, sha256: str | None = None, threads: int | None = None
) -> tuple[OnnxModel, Shapes]:
    """The network, once `try_network` has let it pass, and what that gives. threads: for one run; default: all CPUs."""
    shapes = try_network(data, name, shape, sha256)
    return OnnxModel(data, threads, several=isinstance(shape, Mapping)), shapes


def open_tried_file(
    file: Path,
    name: str,
    shape: Callable[[Inputs], Shape],
    *,
    limit: int,
    sha256: str | None = None,
    threads: int | None = None,
) -> tuple[OnnxModel, Shapes, Inputs]:
    """`open_tried` for a file of up to `limit` bytes, which is not read whole (onnx_weights.py). shape: from the sides
    that the graph takes, None where one is free, which are given back too. Raises OSError besides."""
    if not is_ours(file):  # another could change it meanwhile
        data = read_file(file, limit=limit)
        check_network(data, name)
        inputs = graph_inputs(data)
        return *open_tried(data, name, shape(inputs), sha256, threads), inputs
    view = mapped(file, limit)
    check_network(view, name)
    inputs = graph_inputs(view)
    shapes = try_network(view, name, shape(inputs), sha256 or sha256_of_large(file))
    graph = without_weights(view, file.name)
    del view
    return OnnxModel(graph, threads, several=True, weights=file.parent.absolute()), shapes, inputs


def _named(shape: Shape) -> str:
    """`1.3.224.224`; of several inputs a digest of their names and sides."""
    if isinstance(shape, tuple):
        return ".".join(map(str, shape))
    return hashlib.sha256(json.dumps(sorted(shape.items())).encode()).hexdigest()[:16]


def _remembered(path: Path) -> Shapes | None:
    if not is_ours(path.parent) or not is_ours(path):
        return None
    try:
        shapes = parse_json(read_file(path, limit=_KEPT_BYTES))
        is_valid = all(isinstance(side, int) for shape in shapes.values() for side in shape)
        return shapes if is_valid and "failed" not in shapes else None
    except (OSError, ValueError, AttributeError, TypeError):
        return None


def _try(data: Bytes, name: str, shape: Shape, path: Path) -> Shapes:
    memory = MEMORY + 4 * len(data)
    module = ["mirror.inference.onnx_trial", json.dumps(shape)]
    try:
        ended = sandbox.run_sandboxed(module, seconds=SECONDS, memory=memory, files=_KEPT_BYTES, input=data, writes=())
    except OSError as error:
        raise ModelFolderError(f"{name} cannot be tried out ({error.strerror or error}): start again.") from None
    again = "make the model again"
    if ended.status is None:
        raise ModelFolderError(f"{name} gave no answer within {SECONDS:.0f} seconds, so it is not used: {again}.")
    try:
        shapes = parse_json(ended.stdout)
    except ValueError:
        raise ModelFolderError(f"{name} broke the process that tried it out, so it is not used: {again}.") from None
    if "failed" in shapes:
        raise ModelFolderError(f"{name} {shapes['failed']}: {again}.")
    if make_private(path.parent):
        try:
            write_atomically(path, json.dumps(shapes).encode())
        except OSError:
            pass  # it is tried again next time, which costs half a second
    return shapes


def main() -> int:
    """In the child: the network on standard input, the sides of its input as JSON; one JSON object comes out."""
    sandbox.confine()
    data, shape = sys.stdin.buffer.read(), parse_json(sys.argv[1])
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    import numpy as np

    try:
        engine = OnnxModel(data, threads=1, several=isinstance(shape, dict))
        del data
        random = np.random.default_rng(0)
        sides = shape if isinstance(shape, dict) else dict.fromkeys(engine.inputs, shape)
        for spread in np.array([0, 1], np.float32):
            given = {
                name: (spread * random.standard_normal(sides[name], np.float32)).astype(kind)
                if kind.startswith("float")
                else np.ones(sides[name], kind)
                for name, kind in engine.inputs.items()
            }
            outputs = engine.run(given, engine.outputs)
        named = dict(zip(engine.outputs, outputs, strict=True))
        broken = [name for name, output in named.items() if output.dtype.kind == "f" and not np.isfinite(output).all()]
        if broken:  # of the noise: a plain black image may be beyond what a sound network was made for
            print(json.dumps({"failed": f"is damaged, for its output {broken[0]} holds what is no finite number"}))
        else:
            print(json.dumps({name: list(output.shape) for name, output in named.items()}))
    except ModelFolderError as error:
        print(json.dumps({"failed": str(error).removeprefix("The network ").partition(": make the model")[0]}))
    except (KeyError, TypeError):
        print(json.dumps({"failed": f"takes other inputs than {', '.join(sides)}"}))
    except MemoryError:
        print(json.dumps({"failed": "wants more memory than it is given"}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
