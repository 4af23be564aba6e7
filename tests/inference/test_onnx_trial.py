"""Networks from a stranger. The kind: an ONNX file, valid or not, that reaches outside itself, never ends, wants all
memory, or does not do what its model.json says. Each is one sentence, in bounded time, and the page stays up.
"""

from __future__ import annotations

import ast
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from mirror.errors import ModelFolderError
from mirror.inference import onnx_trial
from mirror.inference.classifier import Classifier
from mirror.inference.onnx_check import check_network
from mirror.inference.user_cache import user_cache
from mirror.model_folder import read_model_folder, write_model_folder
from mirror.model_schema import ModelInfo, Preprocessing
from tests.web.tiny import SIZE, damage, tiny_model, tiny_onnx

ROOT = Path(__file__).resolve().parents[2]
linux = pytest.mark.skipif(not Path("/proc/self/ns").exists(), reason="limits of processes are Linux's")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that knows no network yet."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(onnx_trial, "_known", {})
    return tmp_path / "cache" / "mirror" / "networks"


def tensor(name: str, value: np.ndarray) -> TensorProto:
    return numpy_helper.from_array(value, name)


def network(
    nodes: list, constants: dict[str, np.ndarray] | None = None, shape: tuple = ("N", 3, "H", "W"), **more
) -> bytes:
    """pixels → logits by these nodes."""
    graph = helper.make_graph(
        nodes, "g", [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, None)],
        [tensor(name, value) for name, value in (constants or {}).items()],
    )  # fmt: skip
    opsets = [helper.make_opsetid(domain, 18 if not domain else 1) for domain in more.pop("domains", ("",))]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9, **more).SerializeToString()


def mean(*after: onnx.NodeProto, result: str = "logits") -> list:
    """Three logits from a photo's mean colour, then other nodes."""
    return [helper.make_node("ReduceMean", ["pixels", "axes"], [result], keepdims=0), *after]


AXES = {"axes": np.array([2, 3], np.int64)}


def external(place: str) -> bytes:
    model = onnx.load_from_string(tiny_onnx(2))
    one = next(each for each in model.graph.initializer if each.name == "weights")
    one.ClearField("raw_data")
    one.data_location = TensorProto.EXTERNAL
    one.external_data.add(key="location", value=place)
    return model.SerializeToString()


def loop(kind: str = "Loop") -> bytes:
    true = tensor("go", np.array(True))
    body = helper.make_graph(
        [helper.make_node("Identity", ["on"], ["still"]), helper.make_node("Identity", ["x"], ["y"])], "body",
        [helper.make_tensor_value_info("i", TensorProto.INT64, []),
         helper.make_tensor_value_info("on", TensorProto.BOOL, []),
         helper.make_tensor_value_info("x", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("still", TensorProto.BOOL, []),
         helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
    )  # fmt: skip
    last = helper.make_node("Loop", ["times", "true", "colour"], ["logits"], body=body)
    nodes = mean(helper.make_node("Constant", [], ["true"], value=true), last, result="colour")
    return network(nodes, AXES | {"times": np.array(2**62, np.int64)})


def hidden_loop() -> bytes:
    """The loop in a function of the model's own, under a harmless name."""
    model = onnx.load_from_string(loop())
    found = [node for node in model.graph.node if node.op_type == "Loop"][0]
    function = helper.make_function(
        "own", "Relu6", ["times", "true", "colour"], ["logits"], [found], [helper.make_opsetid("", 18)]
    )
    model.functions.append(function)
    found.CopyFrom(helper.make_node("Relu6", ["times", "true", "colour"], ["logits"], domain="own"))
    model.opset_import.append(helper.make_opsetid("own", 1))
    return model.SerializeToString()


def doubling(levels: int = 40) -> bytes:
    """Functions that call the one before twice: 2**levels nodes when written out."""
    functions = []
    for level in range(levels):
        inner = ("Identity", "") if level == 0 else (f"f{level - 1}", "own")
        nodes = [helper.make_node(inner[0], ["x"], ["y"], domain=inner[1]),
                 helper.make_node(inner[0], ["y"], ["z"], domain=inner[1])]  # fmt: skip
        opsets = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
        functions.append(helper.make_function("own", f"f{level}", ["x"], ["z"], nodes, opsets))
    nodes = mean(helper.make_node(f"f{levels - 1}", ["colour"], ["logits"], domain="own"), result="colour")
    return network(nodes, AXES, functions=functions, domains=("", "own"))


def recursion() -> bytes:
    again = helper.make_node("f", ["x"], ["z"], domain="own")
    function = helper.make_function("own", "f", ["x"], ["z"], [again], [helper.make_opsetid("own", 1)])
    nodes = mean(helper.make_node("f", ["colour"], ["logits"], domain="own"), result="colour")
    return network(nodes, AXES, functions=[function], domains=("", "own"))


def constant_outside() -> bytes:
    """External data in an attribute, not among the initializers."""
    value = tensor("v", np.ones(3, np.float32))
    value.ClearField("raw_data")
    value.data_location = TensorProto.EXTERNAL
    value.external_data.add(key="location", value="model.onnx")
    nodes = mean(helper.make_node("Constant", [], ["c"], value=value),
                 helper.make_node("Add", ["colour", "c"], ["logits"]), result="colour")  # fmt: skip
    return network(nodes, AXES)


def memory() -> bytes:
    """40 TB of ones."""
    grow = helper.make_node("Expand", ["colour", "far"], ["grown"])
    nodes = mean(grow, helper.make_node("ReduceMean", ["grown"], ["logits"], keepdims=0), result="colour")
    return network(nodes, AXES | {"far": np.array([10**7, 10**6, 3], np.int64)})


def slow() -> bytes:
    """A product of large matrices, again and again: minutes, without a loop."""
    big = [helper.make_node("Expand", ["one", "far"], ["m0"])]
    big += [helper.make_node("MatMul", [f"m{i}", f"m{i}"], [f"m{i + 1}"]) for i in range(400)]
    nodes = mean(*big, helper.make_node("ReduceMean", ["m400"], ["s"], keepdims=0),
                 helper.make_node("Add", ["colour", "s"], ["logits"]), result="colour")  # fmt: skip
    return network(nodes, AXES | {"far": np.array([6000, 6000], np.int64), "one": np.ones((1, 1), np.float32)})


STATIC = {
    "external data, absolute": (lambda: external("/etc/passwd"), "keeps its numbers in other files"),
    "external data, in the working directory": (lambda: external("labels.bin"), "keeps its numbers in other files"),
    "external data, an address in memory": (lambda: external("*/_ORT_MEM_ADDR_/*"), "keeps its numbers in other files"),
    "external data, in an attribute": (constant_outside, "keeps its numbers in other files"),
    "a loop": (loop, "holds the operator Loop"),
    "a loop in a function": (hidden_loop, "holds the operator Loop"),
    "functions that double": (doubling, "stands for more than 100,000 nodes"),
    "a function that calls itself": (recursion, "holds a function that calls itself"),
    "an operator from elsewhere": (
        lambda: network([helper.make_node("Run", ["pixels"], ["logits"], domain="evil")], domains=("", "evil")),
        "needs the operators of 'evil', which are not part of onnxruntime",
    ),
    "a context of another program": (
        lambda: network([helper.make_node("EPContext", ["pixels"], ["logits"], domain="com.microsoft")],
                        domains=("", "com.microsoft")), "holds the operator EPContext",
    ),
    "onnxruntime's own format": (lambda: b"\x18\0\0\0ORTM" + bytes(100), "is no ONNX file"),
    "nothing": (lambda: b"", "is no ONNX file"),
    "a picture": (lambda: b"\x89PNG\r\n\x1a\n" + bytes(100), "is no ONNX file"),
    "cut short": (lambda: tiny_onnx(2)[:-20], "is no ONNX file"),
    "very many nodes": (
        lambda: network([helper.make_node("Identity", ["pixels"], ["logits"])] * 100_001), "more than 100,000 nodes",
    ),
}  # fmt: skip


@pytest.mark.parametrize("make, message", STATIC.values(), ids=STATIC)
def test_what_reaches_outside_itself_is_not_opened(make: Callable[[], bytes], message: str) -> None:
    begun = time.monotonic()
    with pytest.raises(ModelFolderError) as caught:
        check_network(make(), "models/x/model.onnx")
    assert message in str(caught.value) and str(caught.value).startswith("models/x/model.onnx ")
    assert "\n" not in str(caught.value) and time.monotonic() - begun < 30


def test_external_data_is_found_wherever_a_second_graph_hides_it() -> None:
    """Protobuf merges a field that occurs twice: both parts count."""
    plain, outside = tiny_onnx(2), external("/etc/passwd")
    with pytest.raises(ModelFolderError, match="keeps its numbers in other files"):
        check_network(plain + outside, "x")
    check_network(plain, "x")


@linux
def test_memory_without_end_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFolderError, match=r"model\.onnx (fails on input|cannot be loaded|wants|broke)"):
        onnx_trial.try_network(memory(), "model.onnx", (1, 3, 8, 8))


@linux
@pytest.mark.slow
def test_a_network_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx_trial, "SECONDS", 4.0)
    begun = time.monotonic()
    with pytest.raises(ModelFolderError, match=r"model\.onnx gave no answer within 4 seconds, so it is not used"):
        onnx_trial.try_network(slow(), "model.onnx", (1, 3, 8, 8))
    assert time.monotonic() - begun < 60


def model_of(tmp_path: Path, body: bytes, **info) -> Path:
    def build(folder: Path) -> ModelInfo:
        (folder / "model.onnx").write_bytes(body)
        return ModelInfo("m", ("a", "b", "c"), Preprocessing("squish", (8, 8), (0.0,) * 3, (1.0,) * 3), **info)

    return write_model_folder(tmp_path / "m", build).path


@pytest.mark.parametrize(
    "body, message",
    [
        (lambda: network(mean(), AXES, ("N", 3, 16, 16)), "fails on input of 1x3x8x8"),
        (lambda: network(mean(), AXES, ("N", 1, "H", "W")), "fails on input of 1x3x8x8"),
        (lambda: network(mean(), AXES, (4, 3, "H", "W")), "fails on input of 1x3x8x8"),
        (lambda: network([helper.make_node("ReduceMean", ["pixels"], ["logits"], keepdims=0)]), "logits of no size"),
        (lambda: network([helper.make_node("Identity", ["pixels"], ["logits"])]), "gives logits of 1x3x8x8"),
    ],
    ids=["another size", "grey", "a batch of four", "one number", "a picture"],
)
def test_a_network_that_does_not_fit_its_description_is_one_sentence(
    tmp_path: Path, body: Callable[[], bytes], message: str
) -> None:
    with pytest.raises(ModelFolderError) as caught:
        Classifier.load(read_model_folder(model_of(tmp_path, body())))
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("limit", [np.nan, np.inf], ids=str)
@pytest.mark.parametrize("output", ["logits", "similarity", "maps", "heat"])
@pytest.mark.slow
def test_a_network_whose_numbers_are_none_is_refused(cache: Path, tmp_path: Path, output: str, limit: float) -> None:
    model, file = tiny_model(tmp_path / "models"), "heat.onnx" if output == "heat" else "model.onnx"
    damage(model, output, limit, file)
    message = rf"{file} is damaged, for its output {output} holds what is no finite number: make the model again\.$"
    for _ in range(2):  # it is not remembered as sound
        with pytest.raises(ModelFolderError, match=message):
            Classifier.load(model).heat  # noqa: B018


def test_a_network_is_tried_once_and_remembered(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = read_model_folder(tiny_model(tmp_path / "models"))
    Classifier.load(folder)
    (kept,) = cache.iterdir()
    assert json.loads(kept.read_text()) == {"logits": [1, 2], "similarity": [1], "maps": [1, 3, SIZE, SIZE]}
    assert cache.stat().st_mode & 0o777 == 0o700
    monkeypatch.setattr(onnx_trial, "_known", {})
    monkeypatch.setattr(onnx_trial, "_try", None)  # it would be called
    assert Classifier.load(folder).predict(np_image()).label


@pytest.mark.parametrize("name", ["mirror", "fashion"])
def test_the_networks_that_come_with_the_program_are_known(cache: Path, name: str) -> None:
    """By what a trial says of them; add what it says to onnx_trial.py after a training."""
    folder = read_model_folder(ROOT / "models" / name)
    classifier = Classifier.load(folder)
    assert classifier.heat is not None and not cache.exists()
    height, width = folder.info.preprocessing.input_size
    size = f"1.3.{height}.{width}"
    known = onnx_trial.SHIPPED[f"{folder.info.files['model.onnx']}-{size}"]
    found = onnx_trial._try(folder.read("model.onnx"), "x", (1, 3, height, width), cache / "x.json")
    assert found == known


def np_image():
    from PIL import Image

    return Image.new("RGB", (40, 40), (200, 200, 10))


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
def test_what_another_user_wrote_down_is_not_believed(cache: Path, tmp_path: Path) -> None:
    data = tiny_onnx(2)
    assert onnx_trial.try_network(data, "x", (1, 3, 8, 8))["logits"] == [1, 2]
    (kept,) = cache.iterdir()
    kept.write_text(json.dumps({"logits": [1, 99]}))
    onnx_trial._known.clear()
    assert onnx_trial.try_network(data, "x", (1, 3, 8, 8))["logits"] == [1, 99], "one's own word is believed"
    os.chown(kept, 12345, 12345)
    onnx_trial._known.clear()
    assert onnx_trial.try_network(data, "x", (1, 3, 8, 8))["logits"] == [1, 2]
    cache.chmod(0o777)
    (next(cache.iterdir())).write_text(json.dumps({"logits": [1, 99]}))
    onnx_trial._known.clear()
    assert onnx_trial.try_network(data, "x", (1, 3, 8, 8))["logits"] == [1, 2]
    assert user_cache("networks") == cache


def test_networks_from_anywhere_are_opened_by_one_door() -> None:
    """The class: a session of onnxruntime, or our engine, made of a file that nobody tried out. Exporters open what
    they have just made."""
    engines, sessions = set(), set()
    for path in (ROOT / "mirror").rglob("*.py"):
        name = path.relative_to(ROOT / "mirror").as_posix()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            called = ast.unparse(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
            sessions |= {name} if called == "InferenceSession" else set()
            engines |= {name} if called == "OnnxModel" and not name.startswith("export/") else set()
    assert (engines, sessions) == ({"inference/onnx_trial.py"}, {"inference/session.py"})
