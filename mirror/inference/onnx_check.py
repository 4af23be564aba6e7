"""What an ONNX file holds, read from its bytes before onnxruntime sees them: refused is what reaches outside it.

An ONNX file is a protobuf message (onnx.proto). This reads its wire format (protobuf.dev/programming-guides/encoding)
and follows only the fields that hold nodes and tensors, however often they occur. Refused: tensors whose data lie in
other files or at an address in memory, nodes of domains that onnxruntime itself does not bring, loops, whatever stands
for more nodes than MAX_NODES when its functions are written out, and what is no protobuf message at all (onnxruntime
would take a flatbuffer too). No more than the standard library is needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from mirror.errors import ModelFolderError

MAX_NODES = 100_000  # a ResNet-152 in int8 has 2,000
MAX_DEPTH = 8  # graphs inside nodes inside graphs
DOMAINS = ("", "ai.onnx", "ai.onnx.ml", "com.microsoft")
LOOPS = ("Loop", "Scan", "SequenceMap")  # `If` takes one of two ways, and both are counted
NO_ONNX = "cannot be loaded by onnxruntime (it is no ONNX file, or cut short)"
REACHING_OUT = ("EPContext",)  # names a file of its own
# (message, field) → the message that the field holds; other fields are passed over
FIELDS = {
    ("model", 7): "graph", ("model", 20): "training", ("model", 25): "function",
    ("graph", 1): "node", ("graph", 5): "tensor", ("graph", 15): "sparse",
    ("function", 7): "node", ("function", 11): "attribute",
    ("node", 5): "attribute",
    ("attribute", 5): "tensor", ("attribute", 6): "graph", ("attribute", 10): "tensor", ("attribute", 11): "graph",
    ("attribute", 22): "sparse", ("attribute", 23): "sparse",
    ("sparse", 1): "tensor", ("sparse", 2): "tensor",
}  # fmt: skip
Field = int | bytes | memoryview
GRAPH, INITIALIZER, GRAPH_INPUT, TENSOR_NAME = 7, 5, 11, 8  # of a model, a graph, a graph and a tensor
NODE_OP, NODE_DOMAIN, FUNCTION_NAME, FUNCTION_DOMAIN, EXTERNAL_DATA, DATA_LOCATION = 4, 7, 1, 10, 13, 14


class _Refused(ValueError):
    """Says what is wrong, as the end of a sentence."""


@dataclass
class _Found:
    """nodes: of the graph, and of each function by (domain, name): how often which (domain, operator) stands in it."""

    nodes: list[tuple[str, str]] = field(default_factory=list)
    functions: dict[tuple[str, str], list[tuple[str, str]]] = field(default_factory=dict)
    seen: int = 0


def check_network(data: bytes | memoryview, name: str) -> None:
    """Raises ModelFolderError, with `name` in its sentence, for the bytes of a network that is not to be opened."""
    contents = _Found()
    try:
        if data[4:8] == b"ORTM":
            raise _Refused(NO_ONNX)
        _read(memoryview(data), "model", contents, contents.nodes, 0)
        _check_operators(contents)
    except _Refused as refused:
        raise ModelFolderError(f"{name} {refused}: make the model again.") from None


def graph_inputs(data: bytes | memoryview) -> dict[str, tuple[int | None, ...]]:
    """What a graph that `check_network` let pass is given: name → sides, None where one is free. Weights that it lists
    among its inputs are left out. Raises ValueError, LookupError or TypeError for what is no graph."""
    graph = list(_inside(dict(read_fields(memoryview(data)))[GRAPH]))
    weights = {bytes(dict(_inside(value))[TENSOR_NAME]) for number, value in graph if number == INITIALIZER}
    inputs: dict[str, tuple[int | None, ...]] = {}
    for number, value in graph:
        if number == GRAPH_INPUT and (name := bytes((fields := dict(_inside(value)))[1])) not in weights:
            tensor = dict(_inside(dict(_inside(fields[2]))[1]))  # of its type, the tensor; of that, the shape
            sides = [
                dict(_inside(side)).get(1) for number, side in _inside(tensor.get(2, memoryview(b""))) if number == 1
            ]
            inputs[name.decode("utf-8", "replace")] = tuple(side if isinstance(side, int) else None for side in sides)
    return inputs


def _inside(value: Field) -> Iterator[tuple[int, Field]]:
    if not isinstance(value, memoryview):
        raise TypeError("a number where a message should be")
    return read_fields(value)


def _read(message: memoryview, kind: str, found: _Found, nodes: list[tuple[str, str]], depth: int) -> None:
    if depth > 4 * MAX_DEPTH:
        raise _Refused("has graphs too deep inside each other, so it is not opened")
    named = {NODE_OP: "", NODE_DOMAIN: "", FUNCTION_NAME: "", FUNCTION_DOMAIN: ""}
    inner: list[tuple[str, str]] = [] if kind == "function" else nodes
    for number, value in read_fields(message):
        if kind == "tensor" and (number == EXTERNAL_DATA or (number == DATA_LOCATION and value != 0)):
            raise _Refused("keeps its numbers in other files, so it is not opened")
        below = FIELDS.get((kind, number))
        if below == "training":
            raise _Refused("holds a training, so it is not opened")
        if below and isinstance(value, memoryview):
            _read(value, below, found, inner, depth + 1)
        elif number in named and isinstance(value, memoryview) and kind in ("node", "function"):
            named[number] = bytes(value).decode("utf-8", "replace")
    if kind == "node":
        found.seen += 1
        if found.seen > MAX_NODES:
            raise _Refused(f"has more than {MAX_NODES:,} nodes, so it is not opened")
        nodes.append((named[NODE_DOMAIN], named[NODE_OP]))
    elif kind == "function":
        found.functions[named[FUNCTION_DOMAIN], named[FUNCTION_NAME]] = inner


def _check_operators(found: _Found) -> None:
    sizes: dict[tuple[str, str], int] = {}

    def size(operator: tuple[str, str], above: tuple[tuple[str, str], ...]) -> int:
        if operator not in found.functions:
            domain, name = operator
            if domain not in DOMAINS:
                whose = f"the operators of {domain[:60]!a}, which are not part of onnxruntime"
                raise _Refused(f"needs {whose}, so it is not opened")
            if name in LOOPS or name in REACHING_OUT:
                raise _Refused(f"holds the operator {name}, so it is not opened")
            return 1
        if operator in above:
            raise _Refused("holds a function that calls itself, so it is not opened")
        if operator not in sizes:
            sizes[operator] = sum(size(each, (*above, operator)) for each in found.functions[operator])
        return sizes[operator]

    if len(found.functions) > 1000:
        raise _Refused("has more than 1,000 functions, so it is not opened")
    try:
        total = sum(size(operator, ()) for operator in [*found.nodes, *found.functions])
    except RecursionError:
        raise _Refused("has functions too deep inside each other, so it is not opened") from None
    if total > MAX_NODES:
        raise _Refused(f"stands for more than {MAX_NODES:,} nodes, so it is not opened")
    if not found.nodes:
        raise _Refused(NO_ONNX)


def read_fields(message: memoryview) -> Iterator[tuple[int, Field]]:
    """(number, value) of each field: whole numbers, and the bytes of texts, messages and packed lists.

    Raises ValueError.
    """
    position, end = 0, len(message)
    while position < end:
        tag, position = _varint(message, position, 5)
        number, wire = tag >> 3, tag & 7
        if number == 0 or tag >= 1 << 32:
            raise _Refused(NO_ONNX)
        if wire == 0:
            value, position = _varint(message, position, 10)
            yield number, value
            continue
        if wire == 2:
            length, position = _varint(message, position, 5)
        else:
            length = {1: 8, 5: 4}.get(wire, end + 1)  # groups (3, 4) have gone from protobuf long before ONNX
        if length > end - position:
            raise _Refused(NO_ONNX)
        if wire == 2:
            yield number, message[position : position + length]
        position += length


def _varint(message: memoryview, place: int, longest: int) -> tuple[int, int]:
    value = 0
    for count in range(longest):
        if place >= len(message):
            raise _Refused(NO_ONNX)
        byte = message[place]
        value |= (byte & 0x7F) << 7 * count
        place += 1
        if byte < 0x80:
            return value, place
    raise _Refused(NO_ONNX)


def encode_fields(fields: Iterable[tuple[int, Field]]) -> bytes:
    """The message that `read_fields` reads so; numbers are not negative."""
    message = bytearray()
    for number, value in fields:
        message += _encoded(number << 3 | (0 if isinstance(value, int) else 2))
        message += _encoded(value) if isinstance(value, int) else _encoded(len(value)) + value
    return bytes(message)


def _encoded(value: int) -> bytes:
    """A varint: seven bits a byte, the lowest first."""
    data = bytearray()
    while value > 0x7F:
        data.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*data, value])
