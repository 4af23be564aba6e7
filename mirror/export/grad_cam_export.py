"""heat.onnx: for each label a map of where in the photo its logit came from, given the network's last map.

It is Grad-CAM (Selvaraju et al. 2017, arXiv 1610.02391) at the map that the network pools, computed forwards. A head of
pools, linear layers, batch norms and ReLUs is linear around each photo; applied, without its biases, to the map at each
place instead of to what was pooled, it gives the sum over channels of gradient times activation there: Grad-CAM times
the number of places, before its ReLU and for all labels at once. For a plain average pool and one linear layer this is
the class activation map (Zhou et al. 2016, arXiv 1512.04150), whose mean is the logit less its bias.

A head may pool several maps of one size, whole or window by window (features of every depth:
training/depth_features.py). Its heat is the sum of what each depth says of the place; a window's evidence lies in that
window.

It is a graph of its own because onnxruntime computes every output of a graph, asked for or not; that the network gives
its map as one more output costs nothing. The head is float32 in int8 networks too.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mirror.errors import UnsupportedLearner
from mirror.inference.grad_cam import HEAT, MAPS
from mirror.model_schema import OnnxInfo
from mirror.terminal import say

HEAT_FILE = "heat.onnx"
GLOBAL_POOLS = ("GlobalAveragePool", "GlobalMaxPool")
WINDOW_POOLS = ("AveragePool", "MaxPool")  # where the window is the whole map, as torch exports AdaptiveMaxPool2d(1)
REDUCTIONS = ("ReduceMean", "ReduceMax")
POOLS = GLOBAL_POOLS + WINDOW_POOLS + REDUCTIONS
SAME_VALUES = ("Flatten", "Reshape", "Squeeze", "Identity", "Dropout")


def add_heat(network: Path, info: OnnxInfo, log: Callable[[str], None] = say) -> OnnxInfo:
    """`write_heat` for the network that `info` describes, and that description with it; where the head is of another
    kind, both stay as they are and it is logged."""
    try:
        write_heat(network, network.with_name(HEAT_FILE))
    except UnsupportedLearner as error:
        log(f"No heat maps: {error}")
        return info
    return dataclasses.replace(info, outputs=(*info.outputs, MAPS), heat=HEAT_FILE)


def write_heat(network: Path, target: Path) -> None:
    """Adds the output "maps" [N, C, h, w] to `network`, the map that it pools, or all of them on top of each other, and
    writes `target`, which makes of it "heat" [N, labels, h, w] (float32).

    Raises UnsupportedLearner where the head is not linear around a photo.
    """
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load(network)
    inferred = onnx.shape_inference.infer_shapes(model).graph
    head = _Head(inferred)
    heat = head.map_of("logits")
    shapes = [head.shape_of(name) for name in head.sources]
    if len(shapes) > 1 and not all(len(shape) == 4 and all(shape[1:]) for shape in shapes):
        raise UnsupportedLearner("The network's head pools several maps, whose sizes are not known.")
    sides = max(shape[2:] for shape in shapes)
    channels = sum(shape[1] for shape in shapes)
    fixed = [side or None for side in (channels, *sides)]
    maps = helper.make_tensor_value_info(MAPS, TensorProto.FLOAT, ["N", *fixed])
    if len(head.sources) == 1:  # it goes by its new name
        for graph in (model.graph, head):
            for node in graph.node:
                node.input[:] = [MAPS if name == head.sources[0] else name for name in node.input]
                node.output[:] = [MAPS if name == head.sources[0] else name for name in node.output]
    else:
        model.graph.node.extend(head.layered(sides))
    combined = onnx.ModelProto()
    combined.CopyFrom(model)
    combined.graph.value_info.append(maps)
    combined.graph.initializer.extend(head.initializer)
    combined.graph.node.extend([*head.node, helper.make_node("Identity", [heat], [HEAT], HEAT)])
    shape = ["N", "labels", "height", "width"]
    combined.graph.output.append(helper.make_tensor_value_info(HEAT, TensorProto.FLOAT, shape))
    onnx.save(onnx.utils.Extractor(combined).extract_model([MAPS], [HEAT]), target)

    model.graph.output.append(maps)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, network)


class _Head:
    """Walks from a tensor back to the pooled maps, and writes the nodes that do to a map what was done to its pool.

    node, initializer: what is to be added to the graph, as in one; sources: the maps that are pooled.
    """

    def __init__(self, graph: Any):
        from onnx import numpy_helper

        self.node: list[Any] = []
        self.initializer: list[Any] = []
        self.sources: list[str] = []
        self._made = {name: node for node in graph.node for name in node.output}
        self._fixed = {tensor.name: tensor for tensor in graph.initializer}
        self._array: Callable[[Any], np.ndarray] = numpy_helper.to_array
        self._shapes = {
            value.name: [dim.dim_value for dim in value.type.tensor_type.shape.dim]
            for value in (*graph.input, *graph.value_info)
        }
        self._maps: dict[str, str] = {}
        self._rules = {
            "Concat": self._concat, "Relu": self._relu, "BatchNormalization": self._batch_norm, "Gemm": self._gemm,
            "MatMul": self._matmul, "Add": self._sum, "Sub": self._sum, "Mul": self._scaled, "Div": self._scaled,
        }  # fmt: skip

    def map_of(self, name: str) -> str:
        """The name of the map [N, C, h, w] that goes with the pooled values `name`, [N, C] or [N, C, 1, 1].

        Raises UnsupportedLearner at a node that is none of a linear head's.
        """
        if name not in self._maps:
            node = self._made.get(name)
            if node is None:
                raise UnsupportedLearner("The network's head does not end at a pooled map.")
            if node.op_type in POOLS:
                self._maps[name] = self._pool(node)
            elif node.op_type in SAME_VALUES:
                self._maps[name] = self.map_of(node.input[0])
            elif node.op_type in self._rules:
                self._maps[name] = self._rules[node.op_type](node)
            else:
                raise UnsupportedLearner(f"The network's head holds a step that is not linear ({node.op_type}).")
        return self._maps[name]

    def shape_of(self, name: str) -> list[int]:
        return self._shapes.get(name, [])

    def layered(self, sides: list[int]) -> list[Any]:
        """Nodes of the network's that lay the sources on top of each other, the coarser ones enlarged; the head takes
        them from there."""
        from onnx import helper, numpy_helper

        nodes, own, places = [], {name: f"{HEAT}/map{number}" for number, name in enumerate(self.sources)}, []
        for name in self.sources:
            places.append(name)
            if self.shape_of(name)[2:] != sides:
                places[-1], size = f"{MAPS}/{own[name]}", f"{MAPS}/{own[name]}/size"
                constant = numpy_helper.from_array(np.array(sides, np.int64), size)
                nodes.append(helper.make_node("Constant", [], [size], size, value=constant))
                inputs = [name, "", "", size]
                nodes.append(helper.make_node("Resize", inputs, places[-1:], places[-1], mode="nearest", axes=[2, 3]))
        nodes.append(helper.make_node("Concat", places, [MAPS], MAPS, axis=1))
        for node in self.node:
            node.input[:] = [own.get(name, name) for name in node.input]
        channels = self._tensor(np.array([self.shape_of(name)[1] for name in self.sources], np.int64))
        self.node.insert(0, helper.make_node("Split", [MAPS, channels], list(own.values()), f"{HEAT}/apart", axis=1))
        return nodes

    def _pool(self, node: Any) -> str:
        source = node.input[0]
        if source not in self._made:
            raise UnsupportedLearner("The network's head pools the photo itself.")
        if source not in self.sources:
            self.sources.append(source)
        return source if self._pools_all_places(node) else self._windows(node)

    def _pools_all_places(self, node: Any) -> bool:
        if node.op_type in WINDOW_POOLS:
            return _attribute(node, "kernel_shape") == self.shape_of(node.input[0])[2:]
        if node.op_type in GLOBAL_POOLS:
            return True
        axes = _attribute(node, "axes")
        if axes is None and len(node.input) > 1:
            axes = self._constant(node.input[1])
        return axes is not None and sorted(int(axis) % 4 for axis in axes) == [2, 3]

    def _windows(self, node: Any) -> str:
        """Each channel as often as there are windows: what lies in one, for its average."""
        sides, kernel = self.shape_of(node.input[0])[2:], _attribute(node, "kernel_shape")
        if node.op_type != "AveragePool" or any(_attribute(node, "pads") or []) or not all(sides):
            raise UnsupportedLearner(f"The network's head holds a pool that is not one of all places ({node.op_type}).")
        steps = _attribute(node, "strides") or [1, 1]
        inside = [
            [(np.arange(side) >= start) & (np.arange(side) < start + own) for start in range(0, side - own + 1, step)]
            for side, own, step in zip(sides, kernel, steps, strict=True)
        ]
        share = np.float32(np.prod(sides) / np.prod(kernel))
        masks = np.array([np.outer(rows, columns) * share for rows in inside[0] for columns in inside[1]], np.float32)
        apart = self._add("Unsqueeze", [node.input[0], self._tensor(np.array([2], np.int64))])
        each = self._add("Mul", [apart, self._tensor(masks[None, None])])
        return self._add("Reshape", [each, self._tensor(np.array([0, -1, *sides], np.int64))])

    def _concat(self, node: Any) -> str:
        if _attribute(node, "axis") != 1:
            raise UnsupportedLearner("The network's head joins something other than channels.")
        return self._add("Concat", [self.map_of(name) for name in node.input], axis=1)

    def _relu(self, node: Any) -> str:
        """Passes where the pooled value passed."""
        positive = self._add("Greater", [node.input[0], self._tensor(np.zeros((), np.float32))])
        number = self._add("Cast", [positive], to=1)  # float32
        gate = self._add("Reshape", [number, self._tensor(np.array([0, -1, 1, 1], np.int64))])
        return self._add("Mul", [self.map_of(node.input[0]), gate])

    def _batch_norm(self, node: Any) -> str:
        scale, _, _, variance = (self._needed(name) for name in node.input[1:])
        epsilon = _attribute(node, "epsilon")
        factor = scale / np.sqrt(variance + (1e-5 if epsilon is None else epsilon))
        return self._add("Mul", [self.map_of(node.input[0]), self._by_channel(factor)])

    def _gemm(self, node: Any) -> str:
        if _attribute(node, "transA"):
            raise UnsupportedLearner("The network's head multiplies the other way round.")
        weight = self._needed(node.input[1])
        alpha = _attribute(node, "alpha")
        weight = weight if _attribute(node, "transB") else weight.T
        return self._linear(node.input[0], weight * np.float32(1 if alpha is None else alpha))

    def _matmul(self, node: Any) -> str:
        return self._linear(node.input[0], self._needed(node.input[1]).T)

    def _linear(self, name: str, weight: np.ndarray) -> str:
        """weight [out, in], as a convolution of 1 x 1."""
        kernel = np.ascontiguousarray(weight[:, :, None, None], np.float32)
        return self._add("Conv", [self.map_of(name), self._tensor(kernel)])

    def _sum(self, node: Any) -> str:
        """A bias is left out; two pools of one map are added up."""
        fixed = [self._constant(name) is not None for name in node.input]
        if fixed == [False, True] or (fixed == [True, False] and node.op_type == "Add"):
            return self.map_of(node.input[fixed.index(False)])
        return self._add(node.op_type, [self.map_of(name) for name in node.input])

    def _scaled(self, node: Any) -> str:
        fixed = [self._constant(name) is not None for name in node.input]
        if fixed == [False, True] or (fixed == [True, False] and node.op_type == "Mul"):
            factor = self._needed(node.input[fixed.index(True)])
            return self._add(node.op_type, [self.map_of(node.input[fixed.index(False)]), self._by_channel(factor)])
        raise UnsupportedLearner("The network's head multiplies one pooled value by another.")

    def _constant(self, name: str) -> np.ndarray | None:
        """The value of an initializer or Constant node, else None."""
        if name in self._fixed:
            return self._array(self._fixed[name])
        node = self._made.get(name)
        if node is not None and node.op_type == "Constant":
            return self._array(_attribute(node, "value"))
        return None

    def _needed(self, name: str) -> np.ndarray:
        value = self._constant(name)
        if value is None:
            raise UnsupportedLearner("The network's head computes its own weights.")
        return value

    def _by_channel(self, factor: np.ndarray) -> str:
        return self._tensor(factor.astype(np.float32).reshape(1, -1, 1, 1))

    def _tensor(self, value: np.ndarray) -> str:
        from onnx import numpy_helper

        self.initializer.append(numpy_helper.from_array(np.asarray(value), f"{HEAT}/constant{len(self.initializer)}"))
        return self.initializer[-1].name

    def _add(self, kind: str, inputs: list[str], **attributes: Any) -> str:
        from onnx import helper

        name = f"{HEAT}/{kind}{len(self.node)}"
        self.node.append(helper.make_node(kind, inputs, [name], name, **attributes))
        return name


def _attribute(node: Any, name: str) -> Any:
    from onnx import helper

    return next((helper.get_attribute_value(item) for item in node.attribute if item.name == name), None)
