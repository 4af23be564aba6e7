"""An int8 network → the same network as onnxruntime-web runs it soonest, with the same answers to the last bit.

onnxruntime-web has no quick kernel for a depthwise convolution of integers: a MobileNet or EfficientNet spends most of
its time there. In float32 it takes about half of that, and its sums are the same: they are whole numbers below 2 ** 24,
which float32 holds exactly. So each one that stands between DequantizeLinear and QuantizeLinear becomes

    Cast → Sub (the zero point) → Conv (of levels) → Relu or Clip → Mul (the scales) → QuantizeLinear (of scale 1)

with the product of scales that onnxruntime's QLinearConv multiplies by. Weights stay int8 in the file.
"""

from __future__ import annotations

from typing import Any

import numpy as np

EXACT = 2**24  # every whole number below is a float32


def for_browsers(network: bytes) -> bytes:
    """An ONNX file; as it is where nothing would be quicker, and where the package onnx is not installed."""
    try:
        import onnx
    except ImportError:
        return network
    model = onnx.load_from_string(network)
    graph = _Graph(model.graph)
    changed = [graph.in_float(node) for node in list(model.graph.node) if node.op_type == "Conv"]
    if not any(changed):
        return network
    graph.sweep()
    return model.SerializeToString(deterministic=True)


class _Graph:
    def __init__(self, graph: Any):
        from onnx import numpy_helper

        self.graph = graph
        self.tensors = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
        self.makers = {name: node for node in graph.node for name in node.output}
        self.takers: dict[str, list[Any]] = {output.name: [None] for output in graph.output}
        for node in graph.node:
            for name in node.input:
                self.takers.setdefault(name, []).append(node)

    def levels(self, name: str) -> tuple[str, np.ndarray, np.ndarray] | None:
        """(levels, scale, zero point) of what a DequantizeLinear of known scale gives."""
        node = self.makers.get(name)
        if node is None or node.op_type != "DequantizeLinear" or node.input[1] not in self.tensors:
            return None
        scale = self.tensors[node.input[1]]
        zero = self.tensors.get(node.input[2]) if len(node.input) > 2 else np.zeros(scale.shape, np.uint8)
        return None if zero is None else (node.input[0], scale, zero)

    def in_float(self, conv: Any) -> bool:
        """Rewrites a depthwise convolution of levels; False where it is none."""
        from onnx import TensorProto, helper

        source, kernel = self.levels(conv.input[0]), self.levels(conv.input[1])
        bias = self.levels(conv.input[2]) if len(conv.input) > 2 else None
        takers = self.takers.get(conv.output[0], [])
        quantise = takers[0] if len(takers) == 1 else None
        if not source or not kernel or quantise is None or quantise.op_type != "QuantizeLinear":
            return False
        weights, end = self.tensors.get(kernel[0]), [self.tensors.get(name) for name in quantise.input[1:]]
        groups = next((a.i for a in conv.attribute if a.name == "group"), 1)
        if weights is None or groups == 1 or weights.shape[1] != 1 or len(end) != 2 or end[0] is None or end[1] is None:
            return False
        scales = np.float32(source[1]) * kernel[1].astype(np.float32)  # of the sums, one or a channel each
        if len(conv.input) > 2 and (
            bias is None or bias[0] not in self.tensors or not np.allclose(bias[1], scales, rtol=1e-5, atol=0)
        ):
            return False
        most = np.iinfo(source[2].dtype).max - np.iinfo(source[2].dtype).min
        exact = most * np.abs(weights.astype(np.int64)).sum(axis=(1, 2, 3)).max() < EXACT
        shifted = kernel[2].any() or (bias is not None and bias[2].any())
        if not exact or shifted or source[1].size != 1 or end[0].size != 1:
            return False

        def made(kind: str, *inputs: str, **settings: Any) -> str:
            name = f"{conv.output[0]}/{len(nodes)}"
            nodes.append(helper.make_node(kind, inputs, [name], name, **settings))
            return name

        nodes: list[Any] = []
        values = made("Cast", source[0], to=TensorProto.FLOAT)
        if source[2].any():
            values = made("Sub", values, self.constant(f"{conv.output[0]}/before", source[2].reshape(())))
        inputs = [made("Cast", name, to=TensorProto.FLOAT) for name in (kernel[0], *([bias[0]] if bias else []))]
        sums = made("Conv", values, *inputs)
        nodes[-1].attribute.extend(conv.attribute)
        # In between, so that onnxruntime does not multiply the weights, which would round; none is below level 0
        sums = made("Clip", sums, self.constant("lowest", -3e38)) if end[1].any() else made("Relu", sums)
        factors = np.broadcast_to(scales / np.float32(end[0]), weights.shape[:1]).reshape(-1, 1, 1)
        product = made("Mul", sums, self.constant(f"{conv.output[0]}/factors", factors))
        quantise.input[:2] = [product, self.constant("unit", 1)]
        place = list(self.graph.node).index(conv)
        for number, node in enumerate(nodes):
            self.graph.node.insert(place + number, node)
        self.graph.node.remove(conv)
        return True

    def constant(self, name: str, value: Any) -> str:
        from onnx import numpy_helper

        if name not in self.tensors:
            self.tensors[name] = np.asarray(value, np.float32)
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
