"""Which of a model's files is the network that answers: in fewer bits only where what they cost it is known."""

from __future__ import annotations

import pytest

from mirror.errors import ModelUnavailable
from mirror.tasks.hub_layout import (
    FILES,
    IN_FEWER_BITS,
    IN_FULL,
    QUANTIZED,
    chosen_network,
    require_measured,
    require_network,
)

MEASURED = {"precision": "int8", "mean_change": 0.001, "agreement": 1.0, "sha256": "a" * 64}


@pytest.mark.parametrize(
    "names, parity, chosen",
    [
        ((*IN_FEWER_BITS, *IN_FULL), {}, IN_FULL[0]),
        (("model.onnx", *IN_FEWER_BITS), MEASURED, "model.onnx"),
        (("config.json", *IN_FEWER_BITS), {}, None),
        (IN_FEWER_BITS, MEASURED, FILES["int8"]),
        ((QUANTIZED,), MEASURED, QUANTIZED),
        (IN_FEWER_BITS, MEASURED | {"precision": "fp16"}, FILES["fp16"]),
        ((FILES["fp16"],), MEASURED, None),
        (IN_FEWER_BITS, MEASURED | {"precision": "fp32"}, None),
        (IN_FEWER_BITS, {"precision": "int8"}, None),
        (IN_FEWER_BITS, MEASURED | {"agreement": float("nan")}, None),
        (IN_FEWER_BITS, MEASURED | {"mean_change": "little"}, None),
        ((), MEASURED, None),
    ],
)
def test_the_network_that_answers(names: tuple[str, ...], parity: dict, chosen: str | None) -> None:
    assert chosen_network(names, parity) == chosen


@pytest.mark.parametrize("network", IN_FEWER_BITS)
def test_fewer_bits_without_a_measure_are_refused(network: str) -> None:
    with pytest.raises(ModelUnavailable, match=f"it has its network in fewer bits alone .{network}., and no parity"):
        require_network("it", [network])
    require_network("it", [network, "model.safetensors"])
    require_measured("it", network, "a" * 64, MEASURED)
    for told in ({}, MEASURED | {"sha256": "b" * 64}):
        with pytest.raises(ModelUnavailable, match=f"another network costs than its {network}: compile the model agai"):
            require_measured("it", network, "a" * 64, told)
