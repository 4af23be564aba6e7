"""A network whose weights stay in its file gives the same numbers, and the digest of a large file is remembered."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mirror.errors import ModelFolderError
from mirror.inference import user_cache as cache_module
from mirror.inference.onnx_trial import open_tried_file
from mirror.inference.onnx_weights import LARGE, mapped, without_weights
from mirror.inference.session import OnnxModel
from mirror.inference.user_cache import sha256_of_large, user_cache

SIDE = 200  # of a square of weights: more than LARGE
DRAWN = np.random.default_rng(0).standard_normal((2, SIDE, SIDE)).astype(np.float32)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def network(stored: Callable[[np.ndarray, str], TensorProto]) -> bytes:
    """x @ first @ second + 1, whose three weights are stored as `stored` says."""
    weights = {"first": DRAWN[0], "second": DRAWN[1], "one": np.ones(SIDE, np.float32)}
    nodes = [
        helper.make_node("MatMul", ["x", "first"], ["a"]),
        helper.make_node("MatMul", ["a", "second"], ["b"]),
        helper.make_node("Add", ["b", "one"], ["y"]),
    ]
    sides = {name: helper.make_tensor_value_info(name, TensorProto.FLOAT, ["n", SIDE]) for name in "xy"}
    held = [stored(value, name) for name, value in weights.items()]
    graph = helper.make_graph(nodes, "graph", [sides["x"]], [sides["y"]], held)
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    made.doc_string = "odd"  # behind it no tensor lies at a multiple of four
    return made.SerializeToString()


def as_numbers(value: np.ndarray, name: str) -> TensorProto:
    return helper.make_tensor(name, TensorProto.FLOAT, value.shape, value.ravel().tolist())


@pytest.mark.parametrize("stored, is_small", [(numpy_helper.from_array, True), (as_numbers, False)])
def test_the_same_numbers_from_a_graph_whose_weights_stay_in_the_file(
    stored: Callable, is_small: bool, tmp_path: Path
) -> None:
    file, x = tmp_path / "a network.onnx", np.random.default_rng(1).standard_normal((3, SIDE)).astype(np.float32)
    file.write_bytes(network(stored))
    graph = without_weights(mapped(file, 1 << 30), file.name)
    assert (len(graph) < LARGE) == is_small
    engine, shapes, inputs = open_tried_file(file, "it", lambda _: {"x": (1, SIDE)}, limit=1 << 30)
    assert (shapes, inputs) == ({"y": [1, SIDE]}, {"x": (None, SIDE)})
    [found] = engine.run({"x": x}, ["y"])
    assert found == pytest.approx(x @ DRAWN[0] @ DRAWN[1] + 1, rel=1e-4, abs=1e-3)
    assert np.array_equal(found, OnnxModel(file.read_bytes()).run(x, ["y"])[0])


def test_all_else_of_the_file_is_in_the_graph(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(network(numpy_helper.from_array))
    graph = onnx.load_from_string(without_weights(mapped(file, 1 << 30), file.name))
    whole = onnx.load(file)
    for tensor in graph.graph.initializer[:2]:
        told = {entry.key: entry.value for entry in tensor.external_data}
        start = int(told["offset"])
        assert told["location"] == file.name and int(told["length"]) == 4 * SIDE * SIDE
        tensor.raw_data = file.read_bytes()[start : start + int(told["length"])]
        del tensor.external_data[:]
        tensor.ClearField("data_location")
    assert graph == whole


def test_what_is_no_file_of_that_size_is_an_oserror(tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(network(numpy_helper.from_array))
    for place, limit in ((file, 1000), (tmp_path, 1 << 30), (tmp_path / "none", 1 << 30)):
        with pytest.raises(OSError):
            mapped(place, limit)
    file.write_bytes(b"")
    with pytest.raises(ModelFolderError, match="it is no ONNX file"):
        open_tried_file(file, "it", lambda _: {"x": (1, SIDE)}, limit=1 << 30)


def test_the_digest_of_a_large_file_is_remembered_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache_module, "REMEMBERED_FROM", 10)
    file, digests = tmp_path / "model.onnx", user_cache("networks")

    def true(data: bytes) -> str:
        file.write_bytes(data)
        return hashlib.sha256(data).hexdigest()

    expected = true(b"x" * 100)
    assert sha256_of_large(file) == expected and not digests.exists(), "it may go on to change this very moment"
    monkeypatch.setattr(cache_module, "SETTLED", 0)
    assert sha256_of_large(file) == expected
    (kept,) = digests.iterdir()
    kept.write_text("0" * 64)
    assert sha256_of_large(file) == "0" * 64, "it is what was remembered"
    if hasattr(os, "geteuid") and os.geteuid() == 0:
        os.chown(kept, 12345, 12345)
        assert sha256_of_large(file) == expected, "not what another user wrote"
    times = file.stat()
    expected = true(b"y" * 100)
    os.utime(file, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert sha256_of_large(file) == expected, "of the same size and date, with other bytes"
