"""Edits of an exported network's graph: shapes that are fixed become constants, and the novelty bank becomes an output.

A traced network computes paddings and sizes from its input's shape, anew for each image, though all of it but the
number of images is fixed. As constants they cost nothing, and paddings can be fused into the convolutions.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mirror.errors import ModelFolderError
from mirror.export.novelty import FeatureBank, unit_rows
from mirror.inference.session import SIMILARITY, OnnxModel

BATCHES = (1, 2, 5)  # what is the same for each of these numbers of images does not depend on it


def fold_shapes(path: Path) -> int:
    """Replaces what depends on nothing but the input's height and width by constants; returns the nodes saved.

    Only tensors computed from shapes and constants alone are looked at, so none of them can depend on pixels. Where one
    differs between BATCHES it stays.
    """
    import onnx
    from onnx import numpy_helper

    model = onnx.load(path)
    graph = model.graph
    if any(attribute.type == onnx.AttributeProto.GRAPH for node in graph.node for attribute in node.attribute):
        return 0  # branches and loops use tensors that their inputs do not name
    fixed = {tensor.name for tensor in graph.initializer}
    computed: set[str] = set()  # from shapes: the outputs of nodes that are not constants themselves
    for node in graph.node:  # sorted, as ONNX requires: an input is always an earlier node's output
        if node.op_type == "Constant":
            fixed.update(node.output)
        elif node.op_type == "Shape" or (node.input and all(name in fixed | computed for name in node.input if name)):
            computed.update(name for name in node.output if name)
    used = {name for node in graph.node for name in node.input if not computed.issuperset(node.output)}
    names = sorted((used | {output.name for output in graph.output}) & computed)
    if not names:
        return 0
    shape = [dim.dim_value for dim in graph.input[0].type.tensor_type.shape.dim][1:]
    probe = onnx.ModelProto()
    probe.CopyFrom(model)
    present = {output.name for output in graph.output}
    probe.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names if name not in present)
    engine = OnnxModel(probe.SerializeToString())
    runs = [engine.run(np.zeros((images, *shape), np.float32), names) for images in BATCHES]
    before = len(graph.node)
    for name, *values in zip(names, *runs, strict=True):
        if name not in present and all(np.array_equal(values[0], value) for value in values[1:]):
            node = next(node for node in graph.node if name in node.output)
            node.output[list(node.output).index(name)] = f"{name}/unused"
            graph.initializer.append(numpy_helper.from_array(values[0], name))
    drop_unused(graph)
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)
    return before - len(graph.node)


def attach_novelty_bank(onnx_path: Path, bank: FeatureBank, source: str = "features") -> None:
    """Adds the output "similarity" [N] to a network: `bank.similarity` of its output `source` [N, D], or of the last of
    the D features where the bank has fewer.

    The bank's features are normalised here (L2); they and the plane are kept as initializers. What was attached before
    is replaced. Raises ModelFolderError where the shapes do not fit.
    """
    import onnx
    from onnx import TensorProto, helper

    model = onnx.load(onnx_path)
    graph = model.graph
    if source not in [output.name for output in graph.output]:
        raise ModelFolderError(f"{onnx_path} has no output {source} to compare photos by: compile the model again.")
    drop_novelty(graph)
    width = next(o for o in graph.output if o.name == source).type.tensor_type.shape.dim[-1].dim_value
    rows, plane = bank.features, bank.plane
    if rows.ndim != 2 or not 1 <= bank.k <= len(rows) or not np.isfinite(rows).all():
        raise ModelFolderError(
            f"A novelty bank needs at least k = {bank.k} finite rows, and this one's shape is {rows.shape}."
        )
    used = rows.shape[1]
    for found in {used, used if plane is None else len(plane.weight)} - {min(used, width or used)}:
        raise ModelFolderError(f"The novelty bank has {found} features a photo, and the network gives {width}.")
    name = SIMILARITY
    own = name if plane is None else f"{name}/own"
    stored = _constant(graph, "bank", unit_rows(rows).T.astype(np.float16))  # half the bytes; cosines move by 1e-4
    k, axis = (_constant(graph, what, np.array([value], np.int64)) for what, value in (("k", bank.k), ("axis", 1)))
    if width != used:
        ends = [_constant(graph, *end) for end in (("from", np.array([-used])), ("to", np.array([2**62])))]
        graph.node.append(helper.make_node("Slice", [source, *ends, axis], [f"{name}/last"], f"{name}/cut"))
        source = f"{name}/last"
    graph.node.extend([
        helper.make_node("Cast", [stored], [f"{name}/rows"], f"{name}/widen", to=TensorProto.FLOAT),
        helper.make_node("LpNormalization", [source], [f"{name}/unit"], f"{name}/normalize", axis=1, p=2),
        helper.make_node("MatMul", [f"{name}/unit", f"{name}/rows"], [f"{name}/cosines"], f"{name}/compare"),
        helper.make_node("TopK", [f"{name}/cosines", k], [f"{name}/nearest", f"{name}/places"], f"{name}/top", axis=1),
        helper.make_node("ReduceMean", [f"{name}/nearest", axis], [own], f"{name}/mean", keepdims=0),
    ])  # fmt: skip
    if plane is not None:
        weight = _constant(graph, "weight", plane.weight.astype(np.float32))
        bias = _constant(graph, "bias", np.array(plane.bias, np.float32))
        graph.node.extend([
            helper.make_node("MatMul", [source, weight], [f"{name}/weighed"], f"{name}/weigh"),
            helper.make_node("Add", [f"{name}/weighed", bias], [f"{name}/side"], f"{name}/shift"),
            helper.make_node("Min", [own, f"{name}/side"], [name], f"{name}/lesser"),
        ])  # fmt: skip
    graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, [_batch_axis(graph)]))
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, onnx_path)


def _constant(graph: Any, name: str, value: np.ndarray) -> str:
    from onnx import numpy_helper

    graph.initializer.append(numpy_helper.from_array(value, f"{SIMILARITY}/{name}"))
    return f"{SIMILARITY}/{name}"


def drop_novelty(graph: Any) -> None:
    """Takes the novelty bank out again."""
    prefix = f"{SIMILARITY}/"
    for field in (graph.node, graph.initializer):
        for item in [item for item in field if item.name.startswith(prefix)]:
            field.remove(item)
    for output in [output for output in graph.output if output.name == SIMILARITY]:
        graph.output.remove(output)


def _batch_axis(graph: Any) -> str:
    return graph.input[0].type.tensor_type.shape.dim[0].dim_param or "N"


def drop_unused(graph: Any) -> None:
    """Removes nodes and initializers that no output depends on. The nodes may stand in any order."""
    makers = {name: node for node in graph.node for name in node.output}
    taken: set[str] = set()
    ahead = [output.name for output in graph.output]
    while ahead:
        name = ahead.pop()
        if name and name not in taken:  # "" stands for an input that is left out
            taken.add(name)
            ahead += _taken_by(makers[name]) if name in makers else []
    for node in [node for node in graph.node if taken.isdisjoint(node.output)]:
        graph.node.remove(node)
    for tensor in [tensor for tensor in graph.initializer if tensor.name not in taken]:
        graph.initializer.remove(tensor)


def _taken_by(node: Any) -> Iterator[str]:
    """The names that a node takes, those in its branches included."""
    yield from node.input
    for attribute in node.attribute:
        for branch in (*attribute.graphs, attribute.g):
            yield from (output.name for output in branch.output)
            for inner in branch.node:
                yield from _taken_by(inner)
