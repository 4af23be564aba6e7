"""Tiny real models for the page's tests: an ONNX graph that looks at nothing but a photo's mean colour.

With labels l0, l1, l2 …, label i scores SHARPNESS · (mean colour · COLOURS[i]); the similarity is red − blue + 1,
so that blue photos look like nothing the model knows. No torch is needed, and every answer can be worked out by hand.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from mirror.export.grad_cam_export import add_heat
from mirror.metrics_schema import LabelMetrics, Metrics, TopLoss, Validation
from mirror.model_folder import MODEL_JSON, write_model_folder
from mirror.model_schema import DataInfo, ModelInfo, Novelty, OnnxInfo, Preprocessing, Query, TrainingInfo

SIZE = 32
SHARPNESS = 10.0
GREY, YELLOW, BLUE, RED = (128, 128, 128), (240, 220, 40), (30, 60, 230), (220, 30, 30)
# rows: the colour each label likes, as weights of mean R, G, B in 0..1
COLOURS = np.array(
    [[0.0, 0.0, 0.0], [0.5, 0.5, -1.0], [1.0, -0.5, -0.5], [-0.5, 1.0, -0.5], [-0.5, -0.5, 1.0]], np.float32
)


def tiny_onnx(labels: int) -> bytes:
    """pixels [N, 3, H, W] in 0..1 → logits [N, labels], similarity [N]."""
    weights = SHARPNESS * np.resize(COLOURS, (labels, 3)).T
    nodes = [
        helper.make_node("Identity", ["pixels"], ["colours"]),
        helper.make_node("ReduceMean", ["colours", "axes"], ["colour"], keepdims=0),
        helper.make_node("MatMul", ["colour", "weights"], ["logits"]),
        helper.make_node("MatMul", ["colour", "red_minus_blue"], ["warmth"]),
        helper.make_node("Add", ["warmth", "one"], ["similarity"]),
    ]
    constants = {
        "axes": np.array([2, 3], np.int64), "weights": weights.astype(np.float32),
        "red_minus_blue": np.array([1, 0, -1], np.float32), "one": np.array(1, np.float32),
    }  # fmt: skip
    graph = helper.make_graph(
        nodes, "mean_colour",
        [helper.make_tensor_value_info("pixels", TensorProto.FLOAT, ["N", 3, "H", "W"])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["N", labels]),
         helper.make_tensor_value_info("similarity", TensorProto.FLOAT, ["N"])],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    return model.SerializeToString()


def tiny_model(
    models: Path, name: str = "mirror", labels: Sequence[str] = ("cygnet", "duckling"), *, told: bool = True,
    strangers: bool = True, pictures: bool = False, heat: bool = True, prepare: str = "none",
) -> Path:  # fmt: skip
    """models/<name>. `told`: model.json tells of its training and judging; `strangers`: it can say "neither"; `heat`:
    it can say why, by each pixel's colour."""
    preprocessing = Preprocessing("squish", (SIZE, SIZE), (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), prepare=prepare)

    def build(folder: Path) -> ModelInfo:
        (folder / "model.onnx").write_bytes(tiny_onnx(len(labels)))
        onnx_info = OnnxInfo(outputs=("logits", "similarity"))
        if heat:
            onnx_info = add_heat(folder / "model.onnx", onnx_info)
        (folder / "learner.pkl").write_bytes(b"not for visitors")
        if pictures:
            (folder / "report").mkdir()
            Image.new("RGB", (640, 400), YELLOW).save(folder / "report" / "confusion_matrix.png")
            Image.new("RGB", (640, 300), GREY).save(folder / "report" / "top_losses.png")
        return ModelInfo(
            name, tuple(labels), preprocessing, onnx_info,
            novelty=Novelty(threshold=0.6) if strangers else None, **(story(labels) if told else {}),
        )  # fmt: skip

    return write_model_folder(models / name, build).path


def damage(model: Path, output: str, limit: float, file: str = "model.onnx") -> None:
    """`damage_network` in a model folder, whose model.json knows of it."""
    damage_network(model / file, output, limit)
    described = json.loads((model / MODEL_JSON).read_text())
    described["files"][file] = hashlib.sha256((model / file).read_bytes()).hexdigest()
    (model / MODEL_JSON).write_text(json.dumps(described))


def damage_network(path: Path, output: str, limit: float) -> None:
    """Adds √(limit − the mean of its input) to an output of a network: nan where the input is brighter than
    `limit`, which noise is not and YELLOW is for 0.5; always nan for nan, always infinite for infinity."""
    network, sound = onnx.load(path), f"{output}/sound"
    for node in network.graph.node:
        node.input[:] = [sound if name == output else name for name in node.input]
        node.output[:] = [sound if name == output else name for name in node.output]
    network.graph.node.extend([
        helper.make_node("ReduceMean", [network.graph.input[0].name], ["brightness"], keepdims=0),
        helper.make_node("Sub", ["limit", "brightness"], ["below"]),
        helper.make_node("Sqrt", ["below"], ["root"]),
        helper.make_node("Add", [sound, "root"], [output]),
    ])  # fmt: skip
    network.graph.initializer.append(numpy_helper.from_array(np.array(limit, np.float32), "limit"))
    onnx.save(network, path)


def story(labels: Sequence[str]) -> dict:
    """What train.py would have recorded: 20 photos a label to learn from, 5 to be judged by, one mistake."""
    size = len(labels)
    matrix = [[5 * (row == column) for column in range(size)] for row in range(size)]
    matrix[1][1], matrix[1][0] = 4, 1
    return {
        "arch": "tf_efficientnet_lite0",
        "created_at": "2026-11-20T10:00:00+00:00",
        "metrics": Metrics(
            Validation(photos=5 * size, errors=1, error_rate=1 / (5 * size), interval=(0.0179, 0.4041), loss=0.21),
            {each: LabelMetrics(20, 5, 1.0 if i else 0.8333, 0.8 if i == 1 else 1.0) for i, each in enumerate(labels)},
            tuple(tuple(row) for row in matrix),
            (
                TopLoss("images/x/0123456789abcdef.jpg", labels[1], labels[0], 0.83, 1.79, "https://example.org/a.jpg"),
                TopLoss("images/y/fedcba9876543210.jpg", labels[0], labels[0], 0.61, 0.49, "cygnet/b.jpg"),
            ),
        ),
        "data": DataInfo(
            "search", {label: 25 for label in labels}, {"near-duplicate": 7, "http-404": 3},
            tuple(Query(label, f"{label} photo") for label in labels), "cc-by", ("2026-11-18", "2026-11-19"),
        ),
        "training": TrainingInfo(42, 5, "packaged", "frozen features", 12.3),
        "versions": {"python": "3.11.9", "torch": "2.15.0", "fastai": "2.8.12"},
    }  # fmt: skip


def photo(colour: tuple[int, int, int], size: tuple[int, int] = (160, 120), format: str = "JPEG", **save) -> bytes:
    """An encoded picture of one colour."""
    buffer = io.BytesIO()
    Image.new("RGB", size, colour).save(buffer, format, **save)
    return buffer.getvalue()


def probabilities(colour: tuple[int, int, int], labels: int) -> np.ndarray:
    """What the model says of a picture of one colour, by the definition above."""
    scores = SHARPNESS * np.resize(COLOURS, (labels, 3)) @ (np.array(colour) / 255)
    exponents = np.exp(scores - scores.max())
    return exponents / exponents.sum()
