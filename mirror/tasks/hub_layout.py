"""The names of the files of a model of the Hub, and which of them is the network that answers.

    config.json  preprocessor_config.json  tokenizer.json     what it is, how photos are prepared, how words are read
    onnx/model.onnx                                            its network in float32; or model.onnx
    onnx/model_fp16.onnx  model_int8.onnx  model_quantized.onnx  in fewer bits
    parity.json                                                what `mirror compile --task` measured of it

A network in fewer bits answers only where parity.json says what they cost this very file.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

from mirror.errors import ModelUnavailable

CONFIG = "config.json"
PREPROCESSING = ("preprocessor_config.json", "processor_config.json")  # the second holds it under "image_processor"
PARITY = "parity.json"
NETWORK = "onnx/model.onnx"
QUANTIZED = "onnx/model_quantized.onnx"
FILES = {"fp32": NETWORK, "fp16": "onnx/model_fp16.onnx", "int8": "onnx/model_int8.onnx"}  # as compile names them
IN_FULL = (NETWORK, "model.onnx")
IN_FEWER_BITS = {FILES["fp16"]: "fp16", FILES["int8"]: "int8", QUANTIZED: "int8"}
DESCRIPTIONS = ("*.json", "*.txt", "*.model")  # configuration, preprocessing and words
# A model's weights, the first of these that it has
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json")
SHARDS = {"model.safetensors.index.json": "model-*.safetensors", "pytorch_model.bin.index.json": "pytorch_model-*.bin"}


def chosen_network(names: Collection[str], parity: Mapping[str, Any]) -> str | None:
    """The network in ONNX of a model that has files of these `names`; None where it has none that answers."""
    full = next((name for name in IN_FULL if name in names), None)
    costs = [parity.get("mean_change"), parity.get("agreement")]
    if full or not all(isinstance(cost, int | float) and math.isfinite(cost) for cost in costs):
        return full
    return next((n for n, bits in IN_FEWER_BITS.items() if n in names and bits == parity.get("precision")), None)


def require_measured(model: str, network: str, sha256: str, parity: Mapping[str, Any]) -> None:
    """Raises ModelUnavailable where parity.json tells of another network in fewer bits than this."""
    if network in IN_FEWER_BITS and parity.get("sha256") != sha256:
        raise ModelUnavailable(
            f"The {PARITY} of {model} tells what another network costs than its {network}: compile the model again."
        )


def require_network(model: str, names: Collection[str]) -> None:
    """Raises ModelUnavailable for a model without weights whose only networks are in fewer bits, at an unknown cost."""
    reduced = next((name for name in IN_FEWER_BITS if name in names), None)
    if reduced and not any(name in names for name in WEIGHTS):
        raise ModelUnavailable(
            f"{model} has its network in fewer bits alone ({reduced}), and no {PARITY} says what they cost it: choose "
            "another, or make one by `mirror compile --task`."
        )
