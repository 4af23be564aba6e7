"""What an int8 network works out in float32 on its way, so that every processor and browser gives the same bits.

The last bit of a float may choose another 8-bit level, and that moves the answer by up to as much as int8 does.

- Layers that keep float32: their sums depend on the order, which differs between machines. Inputs, weights and bias
  become whole numbers whose sums stay below 2 ** 24: float32 holds each of those exactly, in any order. They are 10 to
  13 bits long where int8 has 7 or 8.
- Residuals: onnxruntime's sum of levels multiplies and adds in one step where the processor can, and rounds twice
  where it cannot, as in WebAssembly. An ONNX Sum it leaves as it is, one operation after another.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

EXACT = 2**24  # every whole number below is a float32


def whole_numbers(
    weight: np.ndarray, bias: np.ndarray, largest: float
) -> tuple[int, float, np.ndarray, np.ndarray, np.ndarray]:
    """(levels, step, weights [C, …], bias [C], steps [C]) for weights [C, …] and a bias [C], and inputs between
    -`largest` and `largest`: inputs are rounded to `levels` steps on either side of 0, sums count `steps` each."""
    rows = np.abs(weight.reshape(len(weight), -1)).astype(np.float64)
    sums, taps = rows.sum(axis=1), rows.shape[1]
    # A sum has room for the product of both, so inputs and weights get about as many levels
    spread = np.max(sums / np.where(sums > 0, rows.max(axis=1), 1), initial=1)
    levels = int(min((EXACT / spread) ** 0.5, EXACT / taps))
    step = float(largest or 1) / levels
    room = EXACT - 1 - (levels * taps + 1) / 2  # rounding may lift each weight and the bias by a half
    units = np.maximum((levels * sums + np.abs(bias) / step) / room, np.finfo(np.float32).tiny)  # of a weight, [C]
    whole = np.round(weight / units.reshape(-1, *[1] * (weight.ndim - 1)))
    return levels, step, whole, np.round(bias / (units * step)), units * step


def sum_exact(graph: Any) -> None:
    """Makes each Add of what was rounded to levels a Sum, in place."""
    rounded = {node.output[0] for node in graph.node if node.op_type == "DequantizeLinear"}
    for node in graph.node:
        if node.op_type == "Add" and rounded.issuperset(node.input):
            node.op_type = "Sum"


def keep_exact(model: Any, layers: Sequence[Any], largest: dict[str, float]) -> None:
    """Rewrites `layers` (quantize.Layer) of a network in place. largest: of each layer's source, the largest absolute
    value over the photos; a larger one counts as that, and a layer whose source has none stays as it is."""
    from onnx import helper, numpy_helper

    graph = model.graph
    nodes = {node.name: node for node in graph.node}
    tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    replaced: set[str] = set()
    for layer in layers:
        if layer.source not in largest:
            continue
        node, name = nodes[layer.name], f"{layer.name}/exact"
        bias = tensors[node.input[2]] if len(node.input) > 2 else np.zeros(len(layer.weight), np.float32)
        levels, step, weight, shift, steps = whole_numbers(layer.weight, bias, largest[layer.source])
        matrix = node.op_type == "MatMul"
        values = {
            "per_step": 1 / step, "levels": levels, "lowest": -levels, "none": -3e38, "shift": shift,
            "weight": np.moveaxis(weight, 0, -1) if matrix else weight,
            "steps": steps if matrix else steps.reshape(-1, *[1] * (weight.ndim - 2)),
        }  # fmt: skip
        graph.initializer.extend(
            numpy_helper.from_array(np.asarray(value, np.float32), f"{name}/{what}") for what, value in values.items()
        )

        def then(kind: str, source: str, *more: str, to: str, name: str = name) -> Any:
            return helper.make_node(kind, [source, *(f"{name}/{what}" for what in more)], [to], f"{to}/{kind}")

        around = [
            then("Mul", node.input[0], "per_step", to=f"{name}/scaled"),
            then("Round", f"{name}/scaled", to=f"{name}/rounded"),
            then("Clip", f"{name}/rounded", "lowest", "levels", to=f"{name}/source"),
            node,
            # In between, so that onnxruntime does not multiply the weights by the steps
            then("Clip", f"{name}/sums", "none", to=f"{name}/kept"),
            then("Mul", f"{name}/kept", "steps", to=node.output[0]),
        ]
        place = list(graph.node).index(node)
        replaced.update(node.input[1:])
        node.input[:] = [f"{name}/source", f"{name}/weight", *([] if matrix else [f"{name}/shift"])]
        node.output[0] = f"{name}/sums"
        del graph.node[place]
        for number, one in enumerate(around):
            graph.node.insert(place + number, one)
    replaced -= {name for node in graph.node for name in node.input}
    for tensor in [tensor for tensor in graph.initializer if tensor.name in replaced]:
        graph.initializer.remove(tensor)
