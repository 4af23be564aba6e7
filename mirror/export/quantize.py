"""A float32 network → the same in 8-bit integers: onnxruntime's static quantisation, its ranges and biases fitted here.

- Ranges: each activation's lowest and highest value over the photos. Narrower ones gain nothing that could be measured
  (by mean extremes, percentiles or least squares), and clip what a head with a max pool looks at.
- Biases: rounding weights and activations shifts the mean of what a convolution gives; the shift of each channel is
  measured on the photos and taken out of its bias (Nagel et al. 2019, arXiv 1906.04721, section 4.2).
- Weights have 7 bits where the products of 8 would overflow the 16-bit sums of x86 CPUs without VNNI, so that every
  CPU gives the same answers; depthwise convolutions are not summed that way, and keep 8.
- What follows the last convolution's map (pooling, head) stays in float32: it costs nothing and decides everything.
  First layers do on request, for they lose most by rounding. Both give the same bits everywhere (int8_sums.py).
- The first convolution works on blocks of 2x2 pixels: a stride of two over three channels leaves an integer kernel
  little to do at once. SpaceToDepth lays each block into twelve channels, where a 7x7 kernel becomes a 4x4 kernel of
  stride one (and 3x3 becomes 2x2), its new taps zero. Integers are summed, so the answers are the same to the last bit;
  a ResNet-18 takes 7 % less time.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mirror.export.int8_sums import keep_exact, sum_exact
from mirror.inference.session import OnnxModel

WEIGHT_LEVELS = 64  # largest 7-bit weight: 2 x 255 x 64 = 32,640 fits into 16 bits
DEPTHWISE_LEVELS = 127  # largest 8-bit weight
BLOCK = 2  # px, of the first convolution's blocks


@dataclass
class Layer:
    """A convolution or matrix product whose weights are known: its node's name, its input's, and its weights', with the
    output channels first. shift [C]: what rounding takes from the mean of each output channel (convolutions only)."""

    name: str
    source: str
    weight_name: str
    weight: np.ndarray
    depthwise: bool
    shift: np.ndarray | None = None

    def rounded_weight(self) -> np.ndarray:
        """The weight as onnxruntime will round it: symmetric, one scale an output channel."""
        top = DEPTHWISE_LEVELS if self.depthwise else WEIGHT_LEVELS
        scale = np.abs(self.weight).max(axis=tuple(range(1, self.weight.ndim)), keepdims=True) / top
        return np.round(self.weight / np.where(scale == 0, 1, scale)) * scale


class Quantizer:
    """Prepares and measures a network once; `write` then makes int8 versions of it."""

    def __init__(self, network: Path, photos: Sequence[np.ndarray]):
        """network: ONNX with the input "pixels"; photos: pixels [3, h, w] of training photos, some dozens."""
        import onnx
        from onnxruntime.quantization.shape_inference import quant_pre_process

        with tempfile.TemporaryDirectory() as folder, _quiet():
            prepared = Path(folder) / "prepared.onnx"
            quant_pre_process(str(network), str(prepared), skip_symbolic_shape=True)
            self.model = onnx.load(prepared)
        self.photos = photos
        shapes = _float_shapes(self.model)
        layers = _layers(self.model.graph)
        self.in_float = _after_the_last_map(self.model.graph, shapes)
        self.layers = [layer for layer in layers if layer.name not in self.in_float]
        self.ranges = self._measure_ranges(sorted(shapes))
        self._measure_shifts()

    def write(self, target: Path, first: int = 0) -> None:
        """Writes the int8 network. first: how many of its first layers stay in float32."""
        import onnx
        from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

        class OnePhoto(CalibrationDataReader):  # asked for, though every range is given
            def __init__(self, photo: np.ndarray):
                self.left = [{"pixels": photo[None]}]

            def get_next(self) -> dict[str, np.ndarray] | None:
                return self.left.pop() if self.left else None

        kept, quantised = self.layers[:first], self.layers[first:]
        model = _copy(self.model)
        _correct_biases(model.graph, quantised)
        overrides: dict[str, list[dict[str, Any]]] = {
            name: [{"rmin": low, "rmax": high}] for name, (low, high) in self.ranges.items()
        }
        for layer in quantised:
            if layer.depthwise:
                overrides[layer.weight_name] = [{"axis": 0, "reduce_range": False}]
        with tempfile.TemporaryDirectory() as folder, _quiet():
            corrected = Path(folder) / "corrected.onnx"
            onnx.save(model, corrected)
            quantize_static(
                str(corrected),
                str(target),
                OnePhoto(self.photos[0]),
                quant_format=QuantFormat.QDQ,
                per_channel=True,
                reduce_range=True,
                activation_type=QuantType.QUInt8,  # onnxruntime has no quick kernels for int8 activations on x86
                weight_type=QuantType.QInt8,
                nodes_to_exclude=sorted(self.in_float | {layer.name for layer in kept}),
                extra_options={"TensorQuantOverrides": overrides},
            )
        model = onnx.load(target)
        keep_exact(model, kept, {name: float(max(-low, high)) for name, (low, high) in self.ranges.items()})
        sum_exact(model.graph)
        to_space_to_depth(model)
        onnx.save(model, target)
        onnx.checker.check_model(model, full_check=True)

    def _measure_ranges(self, names: Sequence[str]) -> dict[str, tuple[np.float32, np.float32]]:
        """Activation → its range."""
        from onnx import helper

        nodes = [
            helper.make_node(f"Reduce{end}", [name], [f"{name}/{end}"], keepdims=0)
            for end in ("Min", "Max")
            for name in names
        ]
        extremes = np.reshape(self._measured(_copy(self.model), nodes), (len(self.photos), 2, len(names)))
        low, high = extremes[:, 0].min(axis=0), extremes[:, 1].max(axis=0)
        # 0 must be a level of its own: paddings are 0
        pairs = zip(np.minimum(low, 0), np.maximum(high, 0), strict=True)
        return {name: (np.float32(a), np.float32(b)) for name, (a, b) in zip(names, pairs, strict=True)}

    def _measure_shifts(self) -> None:
        """Each convolution beside its own copy that takes rounded inputs and has rounded weights."""
        import onnx
        from onnx import helper, numpy_helper

        model = _copy(self.model)
        convolutions = {node.name: node for node in model.graph.node if node.op_type == "Conv"}
        layers = [layer for layer in self.layers if layer.name in convolutions]
        if not layers:
            return
        tensors, nodes, rounded = [numpy_helper.from_array(np.array([0, 2, 3], np.int64), "shift/axes")], [], set()
        for layer in layers:
            pair = [f"{layer.source}/scale", f"{layer.source}/zero"]
            levels, back = f"{layer.source}/levels", f"{layer.source}/rounded"
            if layer.source not in rounded:
                rounded.add(layer.source)
                low, high = self.ranges[layer.source]
                scale = np.asarray((high - low) / 255 if high > low else 1, np.float32)
                zero = np.round(-low / scale).astype(np.uint8)
                tensors += [numpy_helper.from_array(scale, pair[0]), numpy_helper.from_array(zero, pair[1])]
                nodes.append(helper.make_node("QuantizeLinear", [layer.source, *pair], [levels]))
                nodes.append(helper.make_node("DequantizeLinear", [levels, *pair], [back]))
            weight, original = f"{layer.name}/rounded_weight", convolutions[layer.name]
            tensors.append(numpy_helper.from_array(layer.rounded_weight().astype(np.float32), weight))
            copy = onnx.NodeProto()
            copy.CopyFrom(original)
            copy.name, copy.output[0] = f"{layer.name}/copy", f"{layer.name}/copy"
            copy.input[:] = [back, weight, *original.input[2:]]
            nodes.append(copy)
            for kind, name in (("given", original.output[0]), ("kept", copy.output[0])):
                mean = f"{layer.name}/{kind}"
                nodes.append(helper.make_node("ReduceMean", [name, "shift/axes"], [mean], keepdims=0))
        model.graph.initializer.extend(tensors)
        measured = zip(*self._measured(model, nodes), strict=True)
        means = [np.stack(values).mean(axis=0, dtype=np.float64) for values in measured]
        for layer, given, kept in zip(layers, means[::2], means[1::2], strict=True):
            layer.shift = given - kept

    def _measured(self, model: Any, nodes: Sequence[Any]) -> list[list[np.ndarray]]:
        """For each photo what each Reduce… of `nodes`, added to the model, gives."""
        import onnx

        model.graph.node.extend(nodes)
        del model.graph.output[:]
        names = [node.output[0] for node in nodes if node.op_type.startswith("Reduce")]
        model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
        engine = OnnxModel(model.SerializeToString())
        return [engine.run(photo[None], names) for photo in self.photos]


def _float_shapes(model: Any) -> dict[str, tuple[int, ...]]:
    """Activation → its shape (0 where it is free), of all that are float32."""
    from onnx import TensorProto

    given = {tensor.name for tensor in model.graph.initializer}
    made = {name for node in model.graph.node if node.op_type != "Constant" for name in node.output}
    shapes = {}
    for value in [*model.graph.input, *model.graph.value_info, *model.graph.output]:
        kind = value.type.tensor_type
        if kind.elem_type == TensorProto.FLOAT and value.name not in given and (value.name in made | {"pixels"}):
            shapes[value.name] = tuple(dim.dim_value for dim in kind.shape.dim)
    return shapes


def _after_the_last_map(graph: Any, shapes: dict[str, tuple[int, ...]]) -> set[str]:
    """The nodes that average or give one place a photo, [N, C] or [N, C, 1, 1], and lead to no convolution any more."""

    def single(name: str) -> bool:
        shape = shapes.get(name, ())
        return len(shape) >= 2 and all(side == 1 for side in shape[2:])

    nodes: set[str] = set()
    leads_on: set[str] = set()
    for node in reversed(graph.node):
        onward = not leads_on.isdisjoint(node.output)
        if not onward and (node.op_type == "AveragePool" or all(single(name) for name in node.output if name)):
            nodes.add(node.name)
        elif onward or node.op_type == "Conv":
            leads_on.update(node.input)
    return nodes


def _layers(graph: Any) -> list[Layer]:
    from onnx import numpy_helper

    tensors = {tensor.name: tensor for tensor in graph.initializer}
    layers = []
    for number, node in enumerate(graph.node):
        node.name = node.name or f"{node.op_type}_{number}"  # nodes are left out by name
        if node.op_type not in ("Conv", "MatMul") or node.input[1] not in tensors:
            continue
        weight = numpy_helper.to_array(tensors[node.input[1]])
        groups = next((a.i for a in node.attribute if a.name == "group"), 1)
        if node.op_type == "MatMul":
            weight = np.moveaxis(weight, -1, 0)
        depthwise = groups > 1 and weight.shape[1] == 1
        layers.append(Layer(node.name, node.input[0], node.input[1], weight, depthwise))
    return layers


def _correct_biases(graph: Any, layers: Sequence[Layer]) -> None:
    """Takes the mean shift that rounding causes out of each convolution's bias."""
    from onnx import numpy_helper

    tensors = {tensor.name: tensor for tensor in graph.initializer}
    nodes = {node.name: node for node in graph.node}
    for layer in layers:
        if layer.shift is None:
            continue
        node, name = nodes[layer.name], f"{layer.name}/corrected_bias"
        bias = numpy_helper.to_array(tensors[node.input[2]]) if len(node.input) > 2 else 0.0
        graph.initializer.append(numpy_helper.from_array((bias + layer.shift).astype(np.float32), name))
        del node.input[2:]
        node.input.append(name)


def _copy(model: Any) -> Any:
    import onnx

    copy = onnx.ModelProto()
    copy.CopyFrom(model)
    return copy


def blocked_kernel(weight: np.ndarray, before: int) -> np.ndarray:
    """A kernel [O, C, k, k] of stride 2, whose input is padded by `before` at the top and left, as one of stride 1
    over blocks: [O, 4 C, k', k'], in the channel order of ONNX's SpaceToDepth."""
    outputs, channels, side, _ = weight.shape
    early = before % BLOCK  # an odd padding begins in the middle of a block: a tap of zero comes first
    late = (side + early) % BLOCK
    padded = np.pad(weight, ((0, 0), (0, 0), (early, late), (early, late)))
    blocks = (side + early + late) // BLOCK
    split = padded.reshape(outputs, channels, blocks, BLOCK, blocks, BLOCK)
    return np.ascontiguousarray(split.transpose(0, 3, 5, 1, 2, 4).reshape(outputs, -1, blocks, blocks))


def to_space_to_depth(model: Any) -> bool:
    """Rewrites the first convolution of a QDQ network in place; False where it is none of stride 2 that takes the
    quantised input itself, in full blocks."""
    from onnx import helper, numpy_helper

    graph = model.graph
    size = [dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim][2:]
    quantise = _taker(graph, graph.input[0].name, "QuantizeLinear")
    back = quantise and _taker(graph, quantise.output[0], "DequantizeLinear")
    conv = back and _taker(graph, back.output[0], "Conv")
    if not conv or any(side % BLOCK or not side for side in size):
        return False
    settings = {a.name: helper.get_attribute_value(a) for a in conv.attribute}
    top, left, bottom, right = settings.get("pads", [0, 0, 0, 0])
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    weights = next((node for node in graph.node if conv.input[1] in node.output), None)
    square = top == left and len(set(settings["kernel_shape"])) == 1
    plain = (
        settings.get("group", 1) == 1
        and set(settings.get("dilations", [1])) == {1}
        and set(settings["strides"]) == {BLOCK}
    )
    if not (square and plain and weights and weights.op_type == "DequantizeLinear" and weights.input[0] in tensors):
        return False
    tensor, side = tensors[weights.input[0]], settings["kernel_shape"][0]
    kernel = blocked_kernel(numpy_helper.to_array(tensor), top)
    blocks, before = kernel.shape[-1], -(-top // BLOCK)
    ends = [  # so that as many outputs come out as before
        (length + top + after - side) // BLOCK + 1 - length // BLOCK - before + blocks - 1
        for length, after in zip(size, (bottom, right), strict=True)
    ]
    if min(ends) < 0:
        return False
    tensor.CopyFrom(numpy_helper.from_array(kernel, tensor.name))
    for name, value in (("kernel_shape", [blocks] * 2), ("strides", [1, 1]), ("pads", [before, before, *ends])):
        for old in [attribute for attribute in conv.attribute if attribute.name == name]:
            conv.attribute.remove(old)
        conv.attribute.append(helper.make_attribute(name, value))
    deepen = helper.make_node(
        "SpaceToDepth", [quantise.output[0]], ["pixels/blocks"], "pixels/to_blocks", blocksize=BLOCK
    )
    graph.node.insert(list(graph.node).index(quantise) + 1, deepen)
    back.input[0] = "pixels/blocks"
    for value in [value for value in graph.value_info if value.name in conv.input]:  # of another shape now
        graph.value_info.remove(value)
    return True


def _taker(graph: Any, name: str, kind: str) -> Any:
    """The node of that kind that takes `name`, where it is the only one that does; else None."""
    takers = [node for node in graph.node if name in node.input]
    return takers[0] if len(takers) == 1 and takers[0].op_type == kind else None


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without onnxruntime's advice on its own steps, and the prints of its calibrators."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(), open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
