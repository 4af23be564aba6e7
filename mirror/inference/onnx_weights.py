"""A large network that is not read whole: a small graph in memory, and its weights where they lie in the file.

onnxruntime maps what a graph keeps in other files page by page, and gives back what it has rearranged for itself; of
what a file holds inline it makes two copies first. So a file that `check_network` let pass, which holds all inline, is
opened as a graph whose large tensors lie in that very file. CLIP ViT-B/32 (605 MB) opens in 0.6 of the time and 0.7 of
the memory. Its bytes must not change while it is open: a new file takes the place of the old, as all downloads do it.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Iterator
from pathlib import Path

from mirror.inference.onnx_check import DATA_LOCATION, EXTERNAL_DATA, GRAPH, INITIALIZER, Field, encode_fields
from mirror.inference.onnx_check import read_fields as read
from mirror.storage import open_file, too_large

RAW_DATA, KEY, VALUE, EXTERNAL = 9, 1, 2, 1  # of a tensor; of an entry of its external data; where its data are
LARGE = 64 << 10  # bytes of a tensor that stays in the file; shapes and the like have to be in the graph


def mapped(file: Path, limit: int) -> memoryview:
    """The bytes of a regular file, none of which is read before it is looked at; gone with the last view of them.
    OSError as `read_file` has it."""
    with os.fdopen(open_file(file), "rb") as opened:
        size = os.fstat(opened.fileno()).st_size
        if size > limit:
            raise too_large(file, limit)
        return memoryview(mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ)) if size else memoryview(b"")


def without_weights(data: memoryview, name: str) -> bytes:
    """The network of a file called `name`, less its large tensors: they are said to lie in that file."""
    return encode_fields(
        (number, encode_fields(_graph(value, data, name)) if number == GRAPH else value) for number, value in read(data)
    )


def _graph(graph: Field, data: memoryview, name: str) -> Iterator[tuple[int, Field]]:
    assert isinstance(graph, memoryview)
    for number, value in read(graph):
        if number == INITIALIZER and isinstance(value, memoryview) and len(value) > LARGE:
            yield number, encode_fields(_tensor(value, data, name))
        else:
            yield number, value


def _tensor(tensor: memoryview, data: memoryview, name: str) -> Iterator[tuple[int, Field]]:
    raw = [value for number, value in read(tensor) if number == RAW_DATA]
    yield from ((number, value) for number, value in read(tensor) if number != RAW_DATA or len(raw) != 1)
    if len(raw) == 1 and isinstance(raw[0], memoryview):
        place = {"location": name, "offset": str(_address(raw[0]) - _address(data)), "length": str(len(raw[0]))}
        for key, value in place.items():
            yield EXTERNAL_DATA, encode_fields([(KEY, key.encode()), (VALUE, value.encode())])
        yield DATA_LOCATION, EXTERNAL


def _address(view: memoryview) -> int:
    import numpy as np

    return int(np.frombuffer(view, np.uint8).ctypes.data)
