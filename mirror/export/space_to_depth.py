"""The first convolution of an int8 network, over blocks of 2x2 pixels instead of single ones: the same sums, sooner.

A stride of two over three channels leaves an integer kernel little to do at once. SpaceToDepth lays each block of 2x2
pixels into twelve channels, where a 7x7 kernel becomes a 4x4 kernel of stride one (and 3x3 becomes 2x2), its new taps
zero. Integers are summed, so the answers are the same to the last bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

BLOCK = 2


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
    found = {a.name: helper.get_attribute_value(a) for a in conv.attribute}
    top, left, bottom, right = found.get("pads", [0, 0, 0, 0])
    tensors = {tensor.name: tensor for tensor in graph.initializer}
    weights = next((node for node in graph.node if conv.input[1] in node.output), None)
    square = top == left and len(set(found["kernel_shape"])) == 1
    plain = found.get("group", 1) == 1 and set(found.get("dilations", [1])) == {1} and set(found["strides"]) == {BLOCK}
    if not (square and plain and weights and weights.op_type == "DequantizeLinear" and weights.input[0] in tensors):
        return False
    tensor, side = tensors[weights.input[0]], found["kernel_shape"][0]
    kernel = blocked_kernel(numpy_helper.to_array(tensor), top)
    blocks, before = kernel.shape[-1], -(-top // BLOCK)
    ends = [  # so that as many outputs come out as before
        (whole + top + after - side) // BLOCK + 1 - whole // BLOCK - before + blocks - 1
        for whole, after in zip(size, (bottom, right), strict=True)
    ]
    if min(ends) < 0:
        return False
    tensor.CopyFrom(numpy_helper.from_array(kernel, tensor.name))
    for name, value in (
        ("kernel_shape", [blocks] * 2), ("strides", [1, 1]), ("pads", [before, before, *ends])
    ):  # fmt: skip
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
