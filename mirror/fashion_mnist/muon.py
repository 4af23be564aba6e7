"""Muon: momentum whose steps for convolutions are made orthogonal (Jordan 2024, kellerjordan.github.io/posts/muon).

A step changes all directions of a weight matrix by about as much, instead of the few that its gradient is large in, and
so a network from scratch needs fewer of them. torch.optim.Muon takes no convolutions, and timm's computes in bfloat16
alone, which is slow on most processors.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # a, b, c: p(x) = a x + b x³ + c x⁵ brings (0, 1] near 1 (Jordan)
ITERATIONS = 5


class Muon(torch.optim.SGD):
    """Orthogonal steps of `rate` for the weights of convolutions, whose norm is kept at the root of their outputs, so
    that `rate` is how far a step turns them; SGD of `plain_rate` for all else. Both with Nesterov's momentum.

    A schedule sets each group's "lr" to a share of its "highest".
    """

    def __init__(self, parameters: Iterable[nn.Parameter], rate: float, plain_rate: float, momentum: float):
        kinds: dict[bool, list[nn.Parameter]] = {True: [], False: []}
        for parameter in parameters:
            kinds[parameter.ndim == 4].append(parameter)
        groups = [
            {"params": kinds[True], "lr": rate, "highest": rate, "turns": True},
            {"params": kinds[False], "lr": plain_rate, "highest": plain_rate, "turns": False},
        ]
        super().__init__(groups, lr=rate, momentum=momentum, nesterov=True)

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        turning = next(group for group in self.param_groups if group["turns"])
        for weight in turning["params"]:
            state = self.state[weight]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(weight)
            momentum = state["momentum_buffer"].mul_(turning["momentum"]).add_(weight.grad)
            step = weight.grad.add(momentum, alpha=turning["momentum"])
            weight.mul_(len(weight) ** 0.5 / weight.norm())
            weight.sub_(orthogonal(step.flatten(1)).view_as(step), alpha=turning["lr"])
            weight.grad = None  # SGD passes over it
        return super().step(closure)


def orthogonal(matrix: torch.Tensor) -> torch.Tensor:
    """[M, N] → the same with its singular values brought near 1 (0.7 to 1.2), for those above some 1 % of its norm.

    ITERATIONS of Newton and Schulz. They multiply from the smaller side alone, a polynomial of the Gram matrix, so the
    large matrix is read twice, not ten times.
    """
    if len(matrix) > matrix.shape[1]:
        return orthogonal(matrix.T).T
    a, b, c = NEWTON_SCHULZ
    gram = matrix @ matrix.T
    norm = gram.trace().sqrt() + 1e-12
    gram, identity = gram / norm**2, torch.eye(len(gram), device=gram.device)
    polynomial = identity
    for _ in range(ITERATIONS):
        factor = a * identity + b * gram + c * (gram @ gram)
        polynomial, gram = factor @ polynomial, factor @ gram @ factor
    return polynomial @ matrix / norm
