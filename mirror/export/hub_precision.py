"""A compiled model of the Hub in fewer bits, where that answers as its float32 network does: `--precision int8|fp16`.

fp16   weights in half the bits, read as float32 when the network is opened: half the file
int8   the weights of matrix products in 8 bits, their inputs rounded run by run (onnxruntime's dynamic quantisation);
       convolutions stay as they are

The limits are the mirror's own (int8_gate.py): on photos of one's own, probabilities and scores change by at most 0.02
on average, and at least 99 % of the top labels (of the detections that are shown) are the same.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mirror.errors import ModelUnavailable
from mirror.export.hub_parity import WORDS
from mirror.export.int8_gate import LIMITS
from mirror.images import load_image
from mirror.inference.user_cache import sha256_of_large
from mirror.tasks.detections import SHOWN_FROM, Box, Detections
from mirror.tasks.hub_layout import FILES, NETWORK
from mirror.tasks.registry import open_detector, open_label_predictor
from mirror.tasks.request import OBJECT_DETECTION, ZERO_SHOT, TaskRequest

SAME = 0.5  # intersection over union from which two boxes are one thing
NEAR = 0.1  # that a shown detection may lose of its score, and still count as found


def reduce_precision(folder: Path, task: str, precision: str, photos: Sequence[Path]) -> dict[str, Any]:
    """Puts the network of `folder` into fewer bits; what that costs, for parity.json. Raises ModelUnavailable where it
    costs more than the limits, or cannot be told from these photos."""
    told = reduced(folder, task, precision, photos)
    if not told["compared"]:
        raise ModelUnavailable(
            f"Nothing is found on the {len(photos)} photos, so {precision} cannot be judged: give others."
        )
    if told["mean_change"] > LIMITS.largest_mean_change or told["agreement"] < LIMITS.least_agreement:
        raise ModelUnavailable(
            f"{told['precision_sentence']}; {LIMITS.largest_mean_change} and {100 * LIMITS.least_agreement:.0f} % are "
            "allowed: take fp32."
        )
    return told


def reduced(folder: Path, task: str, precision: str, photos: Sequence[Path]) -> dict[str, Any]:
    """`reduce_precision`, whatever it costs."""
    before = _answers(folder, task, photos)
    network, smaller = folder / NETWORK, folder / FILES[precision]
    _write(network, smaller, precision)
    smaller.replace(network)  # whose cost is not told yet
    after = _answers(folder, task, photos)
    network.rename(smaller)
    change, agreement, compared = (
        _of_detections(before, after) if task == OBJECT_DETECTION else _of_labels(before, after)
    )
    told = f"{precision}: mean change {change:.4f}, the same on {100 * agreement:.1f} % of {compared} " + (
        "detections" if task == OBJECT_DETECTION else "photos"
    )
    cost = {"mean_change": change, "agreement": agreement, "compared": compared, "precision_sentence": told}
    return cost | {"sha256": sha256_of_large(smaller)}


def _write(network: Path, smaller: Path, precision: str) -> None:
    import onnx

    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)  # the quantiser advises to preprocess; this graph is folded as it is opened
    try:
        if precision == "fp16":
            from onnxruntime.transformers.float16 import convert_float_to_float16

            onnx.save(convert_float_to_float16(onnx.load(network), keep_io_types=True), smaller)
        else:
            from onnxruntime.quantization import QuantType, quantize_dynamic

            quantize_dynamic(
                network, smaller, op_types_to_quantize=["MatMul"], per_channel=True, reduce_range=True,
                weight_type=QuantType.QInt8,
            )  # fmt: skip
    finally:
        root.setLevel(level)


def _answers(folder: Path, task: str, photos: Sequence[Path]) -> list[Any]:
    """Detections, or probabilities in the order of the labels, one photo after the other."""
    if task == OBJECT_DETECTION:
        detector = open_detector(TaskRequest(task, str(folder)))
        return [detector.detect(load_image(photo)) for photo in photos]
    predictor = open_label_predictor(TaskRequest(task, str(folder), WORDS if task == ZERO_SHOT else ()))
    return [list(predictor.classify(load_image(photo)).probabilities.values()) for photo in photos]


def _of_labels(before: list[Any], after: list[Any]) -> tuple[float, float, int]:
    """The mean change of a probability, the share of photos whose top label stays, and how many there are."""
    if not before:
        return 0.0, 0.0, 0
    first, second = np.array(before), np.array(after)
    same = first.argmax(axis=1) == second.argmax(axis=1)
    return float(np.abs(first - second).mean()), float(same.mean()), len(before)


def _of_detections(before: list[Detections], after: list[Detections]) -> tuple[float, float, int]:
    """The same of the detections that are shown, on either side: of each whether the other side finds it too."""
    changes: list[float] = []
    found = compared = 0
    for one, other in zip(before, after, strict=True):
        for these, those in ((one, other), (other, one)):
            for each in these.above(SHOWN_FROM).found:
                near = [b for b in those.found if b.label == each.label and _overlap(each.box, b.box) >= SAME]
                best = max((b.score for b in near), default=0.0)
                changes.append(abs(best - each.score))
                found, compared = found + (best > SHOWN_FROM - NEAR), compared + 1
    return (float(np.mean(changes)), found / compared, compared) if compared else (0.0, 0.0, 0)


def _overlap(one: Box, other: Box) -> float:
    """Intersection over union."""
    width = min(one.xmax, other.xmax) - max(one.xmin, other.xmin)
    height = min(one.ymax, other.ymax) - max(one.ymin, other.ymin)
    shared = max(0, width) * max(0, height)
    areas = sum((box.xmax - box.xmin) * (box.ymax - box.ymin) for box in (one, other))
    return shared / (areas - shared) if areas > shared else 0.0
