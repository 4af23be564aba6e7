"""A network with YuNet's inputs and outputs that takes white squares for faces: what YuNet's own file is to OpenCV.

Of each cell of its three grids it says how white the cell is, twice; and a box around its middle, of twice its size.
"""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

STRIDES = (8, 16, 32)
TINY_SCORE = 1 / (1 + math.exp(-5))  # that it gives white
BOX = (0.5, 0.5, float(np.log(2)), float(np.log(2)))  # right, down, and the logarithms of width and height, in cells
WHITE = 10 / 255 / 3  # what three channels of 255 are worth together: 10
SIDE = 640  # the only one that the file allows, as that of 2023


def tiny_yunet(path: Path) -> Path:
    """Writes the file."""
    nodes, weights, outputs = [], [], []

    def weight(name: str, values: np.ndarray) -> str:
        weights.append(numpy_helper.from_array(values, name))
        return name

    for stride in STRIDES:
        pool = {"kernel_shape": [stride, stride], "strides": [stride, stride]}
        nodes.append(helper.make_node("AveragePool", ["input"], [f"mean_{stride}"], **pool))
        for name, scale, bias in (
            ("cls", WHITE, (-5.0,)),
            ("obj", WHITE, (-5.0,)),
            ("bbox", 0.0, BOX),
            ("kps", 0.0, (0.0,) * 10),
        ):
            width, key = len(bias), f"{name}_{stride}"
            kernel = weight(f"{key}_kernel", np.full((width, 3, 1, 1), scale, np.float32))
            start = weight(f"{key}_bias", np.array(bias, np.float32))
            shape = weight(f"{key}_shape", np.array([1, -1, width], np.int64))
            nodes.append(helper.make_node("Conv", [f"mean_{stride}", kernel, start], [f"{key}_map"]))
            last = f"{key}_map"
            if scale:
                nodes.append(helper.make_node("Sigmoid", [last], [last := f"{key}_score"]))
            nodes.append(helper.make_node("Transpose", [last], [f"{key}_last"], perm=[0, 2, 3, 1]))
            nodes.append(helper.make_node("Reshape", [f"{key}_last", shape], [key]))
            cells = (SIDE // stride) ** 2
            outputs.append(helper.make_tensor_value_info(key, TensorProto.FLOAT, [1, cells, width]))
    image = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    graph = helper.make_graph(nodes, "tiny_yunet", [image], outputs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, path)
    return path
