"""A network's body in two parts, so that its last layers can be trained on what the first ones give, computed once.

The first layers of a pretrained network see edges and textures, which serve any photo; the last ones hold most of its
weights and take a small part of its time (ResNet-18's last stage: 75 % and a quarter). Kept, what the first part gives
of each view makes an epoch several times cheaper, and larger steps do no harm to it.

The body is traced (torch.fx) and cut where nothing but one tensor goes on. Both parts share the body's own weights.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import fx, nn

from mirror.training.settings import LAST_WEIGHTS


@dataclass(frozen=True)
class SplitBody:
    """first: pixels [N, 3, h, w] → [N, *shape]; last: that → what the body gives. layers: of the last part, those with
    weights; share: of the body's weights that it holds. `first` gives the pixels themselves where the body cannot be
    traced: then the last part is all of it."""

    first: nn.Module
    last: nn.Module
    shape: tuple[int, ...]
    share: float


class Flat(nn.Module):
    """What a module gives as [N, D, 1, 1], a map of one position."""

    def __init__(self, module: nn.Module):
        super().__init__()
        self.module = module

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.module(pixels).flatten(1)[:, :, None, None]


def split_body(body: nn.Module, size: int, share: float = LAST_WEIGHTS) -> SplitBody:
    """Cut as late as leaves `share` of the weights to the last part. size: of the photos, px. The body is left in
    evaluation mode."""
    example = torch.zeros(1, 3, size, size, device=next(body.parameters()).device)
    body.eval()
    try:
        traced = fx.GraphModule(body, _Tracer().trace(body))
        found = _cut(traced, share)
        first, last = _parts(traced, found) if found else (nn.Identity(), body)
        with torch.no_grad():
            given = first(example)
            same = torch.allclose(last(given), body(example), rtol=1e-4, atol=1e-5)
    except Exception:  # whatever a network does that cannot be traced
        same = False
    if not same:
        first, last, given = nn.Identity(), body, example
    return SplitBody(first.eval(), last, tuple(given.shape[1:]), _weights(last) / max(1, _weights(body)))


class _Tracer(fx.Tracer):
    """Goes into modules but those of torch, and those that timm knows to decide by their input."""

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        from timm.layers import is_notrace_module

        return super().is_leaf_module(m, module_qualified_name) or is_notrace_module(type(m))


def _cut(traced: fx.GraphModule, share: float) -> fx.Node | None:
    """The last node that alone goes on, and after which at least that share of the weights comes."""
    nodes = list(traced.graph.nodes)
    place = {node: i for i, node in enumerate(nodes)}
    read_last = {node: max((place[user] for user in node.users), default=-1) for node in nodes}
    total = _weights(traced)
    before: set[nn.Parameter] = set()
    live: set[fx.Node] = set()
    found = None
    for i, node in enumerate(nodes[:-1]):
        before.update(_parameters(traced, node))
        live = {other for other in live if read_last[other] > i}
        if node.op != "get_attr" and read_last[node] > i:
            live.add(node)
        if total - sum(parameter.numel() for parameter in before) < share * total:
            break
        if live == {node} and node.op != "placeholder":
            found = node
    return found


def _parameters(traced: fx.GraphModule, node: fx.Node) -> list[nn.Parameter]:
    """Those that a node reads."""
    if node.op == "call_module":
        return list(traced.get_submodule(str(node.target)).parameters())
    if node.op == "get_attr":
        value = traced
        for name in str(node.target).split("."):
            value = getattr(value, name)
        return [value] if isinstance(value, nn.Parameter) else []
    return []


def _parts(traced: fx.GraphModule, cut: fx.Node) -> tuple[nn.Module, nn.Module]:
    nodes = list(traced.graph.nodes)
    place = nodes.index(cut) + 1
    first, last = fx.Graph(), fx.Graph()
    known: dict[fx.Node, fx.Node] = {}
    for node in nodes[:place]:
        known[node] = first.node_copy(node, known.__getitem__)
    first.output(known[cut])
    known = {cut: last.placeholder("given")}

    def copied(node: fx.Node) -> fx.Node:
        if node not in known and node.op == "get_attr":  # a weight that was named before the cut
            known[node] = last.node_copy(node)
        return known[node]

    for node in nodes[place:]:
        known[node] = last.node_copy(node, copied)
    return fx.GraphModule(traced, first), fx.GraphModule(traced, last)


def _weights(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())
