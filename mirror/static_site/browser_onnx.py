"""An int8 network → the same network as onnxruntime-web runs it soonest, with the same answers to the last bit.

Two kinds of convolution of levels, between DequantizeLinear and QuantizeLinear, take most of a MobileNet's or
EfficientNet's time there. They become

    depthwise   Cast → Sub (the zero point) → Conv (of levels) → Relu or Clip → Mul (the scales) → QuantizeLinear
                onnxruntime-web has no quick kernel for integers here; in float32 the sums are the same, for they are
                whole numbers below 2 ** 24, which float32 holds exactly
    1 x 1       Transpose → Reshape → QGemm → QuantizeLinear → Reshape → Transpose
                the same product of integers, rounded to levels by a quicker kernel than QLinearConv's own

with the product of scales that onnxruntime's QLinearConv multiplies by, and a last scale of 1. onnxruntime takes out
the transpositions that cancel. Depthwise weights, which are few, stand in the file as float32: to make them of int8
when it is opened would take longer than to fetch them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mirror.export.int8_sums import EXACT

ONNXRUNTIME = "com.microsoft"  # the domain of its own operators


def for_browsers(network: bytes) -> bytes:
    """An ONNX file; as it is where nothing would be quicker, and where the package onnx is not installed."""
    try:
        import onnx
    except ImportError:
        return network
    model = onnx.load_from_string(network)
    graph = _Graph(onnx.shape_inference.infer_shapes(model).graph, model.graph)
    changed = [graph.rewrite(node) for node in list(model.graph.node) if node.op_type == "Conv"]
    if not any(changed):
        return network
    graph.sweep()
    if all(used.domain != ONNXRUNTIME for used in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid(ONNXRUNTIME, 1))
    return model.SerializeToString(deterministic=True)


@dataclass
class _OfLevels:
    """A convolution of levels. source, bias: their names; zero, end: the zero points before and after; weights
    [C, c, h, w], bias [C]: integers; factors [C]: what their sums are multiplied by to be levels."""

    node: Any
    quantise: Any
    settings: dict[str, Any]
    source: str
    zero: np.ndarray
    weights: np.ndarray
    bias: str | None
    factors: np.ndarray
    end: np.ndarray


class _Chain:
    """Nodes, one after another."""

    def __init__(self, name: str):
        self.name = name
        self.nodes: list[Any] = []

    def then(self, kind: str, *inputs: str, **settings: Any) -> str:
        """The name of what the new node gives."""
        from onnx import helper

        name = f"{self.name}/{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [name], name, **settings))
        return name


class _Graph:
    def __init__(self, inferred: Any, graph: Any):
        """inferred: the same graph with the shapes of its values."""
        from onnx import numpy_helper

        self.graph = graph
        self.tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self.makers = {name: node for node in graph.node for name in node.output}
        self.takers: dict[str, list[Any]] = {output.name: [None] for output in graph.output}
        for node in graph.node:
            for name in node.input:
                self.takers.setdefault(name, []).append(node)
        self.shapes = {
            value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in inferred.value_info
        }

    def rewrite(self, conv: Any) -> bool:
        """Puts other nodes in the place of a convolution; False where none would be quicker."""
        found = self.of_levels(conv)
        if found is None:
            return False
        settings, (_, inputs, *sides) = found.settings, found.weights.shape
        if settings.get("group", 1) > 1 and inputs == 1:
            most = np.iinfo(found.zero.dtype).max - np.iinfo(found.zero.dtype).min
            if most * np.abs(found.weights.astype(np.int64)).sum(axis=(1, 2, 3)).max() >= EXACT:
                return False
            nodes = self.depthwise(found)
        else:
            plain = settings.get("group", 1) == 1 and not any(settings.get("pads", [0]))
            plain = (
                plain and max(settings.get("strides", [1])) == 1 and settings.get("auto_pad", b"NOTSET") == b"NOTSET"
            )
            if not plain or sides != [1, 1] or not all(self.shapes.get(conv.output[0], [0])[2:]):
                return False
            nodes = self.product(found, self.shapes[conv.output[0]][2:])
        place = list(self.graph.node).index(conv)
        for number, node in enumerate(nodes):
            self.graph.node.insert(place + number, node)
        self.graph.node.remove(conv)
        return True

    def levels(self, name: str) -> tuple[str, np.ndarray, np.ndarray] | None:
        """(levels, scale, zero point) of what a DequantizeLinear of known scale gives."""
        node = self.makers.get(name)
        if node is None or node.op_type != "DequantizeLinear" or node.input[1] not in self.tensors:
            return None
        scale = self.tensors[node.input[1]]
        zero = self.tensors.get(node.input[2]) if len(node.input) > 2 else np.zeros(scale.shape, np.uint8)
        return None if zero is None else (node.input[0], scale, zero)

    def of_levels(self, conv: Any) -> _OfLevels | None:
        from onnx import helper

        source, kernel = self.levels(conv.input[0]), self.levels(conv.input[1])
        bias = self.levels(conv.input[2]) if len(conv.input) > 2 else None
        takers = self.takers.get(conv.output[0], [])
        quantise = takers[0] if len(takers) == 1 else None
        if not source or not kernel or quantise is None or quantise.op_type != "QuantizeLinear":
            return None
        weights, end = self.tensors.get(kernel[0]), [self.tensors.get(name) for name in quantise.input[1:]]
        if weights is None or weights.ndim != 4 or len(end) != 2 or end[0] is None or end[1] is None:
            return None
        along = next((a.i for a in self.makers[conv.input[1]].attribute if a.name == "axis"), 1)
        if (kernel[1].size > 1 and along != 0) or (source[1].size, end[0].size) != (1, 1):
            return None
        if source[2].itemsize != 1 or weights.itemsize != 1:
            return None
        scales = np.float32(source[1]) * kernel[1].astype(np.float32)  # of the sums, one or a channel each
        if len(conv.input) > 2 and (
            bias is None or bias[0] not in self.tensors or not np.allclose(bias[1], scales, rtol=1e-5, atol=0)
        ):
            return None
        if kernel[2].any() or (bias is not None and bias[2].any()):
            return None
        factors = np.broadcast_to(scales / np.float32(end[0]), weights.shape[:1])
        settings = {a.name: helper.get_attribute_value(a) for a in conv.attribute}
        shift = bias[0] if bias else None
        return _OfLevels(conv, quantise, settings, source[0], source[2], weights, shift, factors, end[1])

    def depthwise(self, found: _OfLevels) -> list[Any]:
        from onnx import TensorProto

        name = found.node.output[0]
        chain = _Chain(name)
        values = chain.then("Cast", found.source, to=TensorProto.FLOAT)
        if found.zero.any():
            values = chain.then("Sub", values, self.constant(f"{name}/before", found.zero.astype(np.float32)))
        inputs = [self.constant(f"{name}/weights", found.weights.astype(np.float32))]
        if found.bias:
            inputs.append(self.constant(f"{name}/bias", self.tensors[found.bias].astype(np.float32)))
        sums = chain.then("Conv", values, *inputs, **found.settings)
        # In between, so that onnxruntime does not multiply the weights, which would round; none is below level 0
        lowest = [] if not found.end.any() else [self.constant("lowest", np.float32(-3e38))]
        sums = chain.then("Clip" if lowest else "Relu", sums, *lowest)
        product = chain.then("Mul", sums, self.constant(f"{name}/factors", found.factors.reshape(-1, 1, 1)))
        found.quantise.input[:2] = [product, self.constant("unit", np.float32(1))]
        return chain.nodes

    def product(self, found: _OfLevels, size: list[int]) -> list[Any]:
        """size: (height, width) of the output."""
        name, (outputs, inputs) = found.node.output[0], found.weights.shape[:2]
        chain = _Chain(name)
        rows = chain.then("Transpose", found.source, perm=[0, 2, 3, 1])
        rows = chain.then("Reshape", rows, self.constant(f"rows/{inputs}", np.array([-1, inputs])))
        unit = self.constant("unit", np.float32(1))
        sums = chain.then(
            "QGemm", rows, unit, self.constant(f"{name}/zero", found.zero.reshape(())),
            self.constant(f"{name}/weights", np.ascontiguousarray(found.weights.reshape(outputs, inputs).T)),
            self.constant(f"{name}/factors", found.factors),
            self.constant(f"zeros/{outputs}", np.zeros(outputs, found.weights.dtype)),
            *([found.bias] if found.bias else []), domain=ONNXRUNTIME,
        )  # fmt: skip
        levels = chain.then("QuantizeLinear", sums, unit, found.quantise.input[2])
        levels = chain.then("Reshape", levels, self.constant(f"{name}/shape", np.array([-1, *size, outputs])))
        chain.then("Transpose", levels, perm=[0, 3, 1, 2])
        chain.nodes[-1].output[0] = found.quantise.output[0]
        self.graph.node.remove(found.quantise)
        return chain.nodes

    def constant(self, name: str, value: np.ndarray | np.generic) -> str:
        from onnx import numpy_helper

        if name not in self.tensors:
            self.tensors[name] = np.asarray(value)
            self.graph.initializer.append(numpy_helper.from_array(self.tensors[name], name))
        return name

    def sweep(self) -> None:
        """Takes out what nothing asks for any more."""
        wanted = {output.name for output in self.graph.output}
        for node in reversed(list(self.graph.node)):
            if wanted.isdisjoint(node.output):
                self.graph.node.remove(node)
            else:
                wanted.update(node.input)
        for tensor in [tensor for tensor in self.graph.initializer if tensor.name not in wanted]:
            self.graph.initializer.remove(tensor)
        del self.graph.value_info[:]  # shapes of values, some of which are gone; onnxruntime knows them
