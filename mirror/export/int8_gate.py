"""Which network ships: the int8 one where it passes the gates on photos, else the float32 one.

int8 ships only if, on photos that neither the network nor its ranges were fitted to, its error is not higher by more
than half a point, its probabilities change by at most 0.02 on average, and at least 99 % of its top labels are the
same. A label changes where int8 moves the lead of the first over the second by more than it is; among few photos it may
not by chance, so each photo's move is also set against every photo's lead, and what that gives must be 99 % as well.
Of other photos 99 % then keep their labels on average, and not for every model (benchmarks/training/int8.py). Three
versions are tried, each with more layers in float32.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from mirror.errors import disk_refusal
from mirror.export.quantize import Quantizer
from mirror.images import load_image
from mirror.inference.classifier import softmax
from mirror.inference.preprocess import decode_at_least, preprocess
from mirror.inference.session import OnnxModel, available_cpus
from mirror.model_schema import ModelInfo, Preprocessing, Quantization, QuantizationLimits, QuantizationResult
from mirror.preparation import as_opened
from mirror.terminal import say

# Error rate of the validation photos; mean change of a probability; share of photos with the same top label
LIMITS = QuantizationLimits(largest_error_increase=0.005, largest_mean_change=0.02, least_agreement=0.99)
CALIBRATION_PHOTOS = 64  # 32 give the same ranges within 1 %
BATCH = 8
LOWEST = 0.25  # of the leads, by which closer ones are estimated
UNJUDGED = -1  # in place of a label: the photo counts for change and agreement, and not for the error
# The first layers that stay in float32 (int8_sums.py), the quickest first: without its first layer in int8 a ResNet-18
# takes up to twice the time. Of an EfficientNet-Lite0's features 13, 10 and 8 % are rounding then; its other layers add
# next to none each
ATTEMPTS = {0: "every layer", 1: "all but the first layer", 3: "all but the first three layers"}
OtherHeads = Callable[[np.ndarray], np.ndarray]


def within_limits(error_increase: float | None, mean_change: float, agreement: float) -> bool:
    rounding = 1e-9  # of the float64 means: a border belongs to the passing side
    return (
        (error_increase is None or error_increase <= LIMITS.largest_error_increase + rounding)
        and mean_change <= LIMITS.largest_mean_change + rounding
        and agreement >= LIMITS.least_agreement - rounding
    )


def result_sentence(result: QuantizationResult) -> str:
    """`int8 (every layer) passes: …`"""
    error = "" if result.error_increase is None else f"error {100 * result.error_increase:+.1f} points, "
    return (
        f"int8 ({result.layers}) {'passes' if result.passed else 'does not pass'}: {error}mean change "
        f"{result.mean_change:.4f}, same label on {100 * result.agreement:.1f} % of {result.photos} photos"
        + ("" if result.expected_agreement is None else f" (of others about {100 * result.expected_agreement:.1f} %)")
    )


def precision_of(quantisation: Quantization | None) -> str:
    """Of the network that ships, "int8" or "fp32"."""
    return "int8" if quantisation and quantisation.shipped else "fp32"


def with_precision(info: ModelInfo, quantisation: Quantization | None) -> ModelInfo:
    onnx = dataclasses.replace(info.onnx, precision=precision_of(quantisation))
    return dataclasses.replace(info, onnx=onnx, quantisation=quantisation)


class PreprocessedImages:
    """Photos as the network sees them: pixels [3, h, w], decoded anew (and ahead, by threads) at each iteration, so
    that memory stays flat."""

    def __init__(self, sources: Sequence[Path | Image.Image], preprocessing: Preprocessing):
        self.sources, self.preprocessing = list(sources), preprocessing

    def __len__(self) -> int:
        return len(self.sources)

    def __iter__(self) -> Iterator[np.ndarray]:
        for batch in self.batches(BATCH):
            yield from batch

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """[up to `size`, 3, h, w] at a time."""
        starts = range(0, len(self.sources), size)
        with ThreadPoolExecutor(available_cpus()) as pool:
            ahead = [pool.submit(self._pixels, source) for source in self.sources[: 2 * size]]
            for start in starts:
                yield np.stack([future.result() for future in ahead[:size]])
                following = self.sources[start + 2 * size : start + 3 * size]
                ahead = ahead[size:] + [pool.submit(self._pixels, source) for source in following]

    def _pixels(self, source: Path | Image.Image) -> np.ndarray:
        photo = load_image(source, at_least=decode_at_least(self.preprocessing))
        return preprocess(as_opened(photo, self.preprocessing.prepare), self.preprocessing)


def evenly_spaced(items: Sequence[Any], limit: int) -> list[Any]:
    """At most `limit` of them, evenly spaced, the first and (of two or more) the last included."""
    if len(items) <= limit:
        return list(items)
    if limit < 2:
        return list(items[:limit])
    return [items[round(i * (len(items) - 1) / (limit - 1))] for i in range(limit)]


def outputs_of(network: Path, pixels: PreprocessedImages, outputs: Sequence[str] = ("logits",)) -> list[np.ndarray]:
    """The named outputs of all photos, [N, …] each."""
    engine = OnnxModel(network)
    batches = [engine.run(batch, outputs) for batch in pixels.batches(BATCH)]
    return [np.concatenate(parts) for parts in zip(*batches, strict=True)]


def compare(layers: str, before: np.ndarray, after: np.ndarray, actual: np.ndarray) -> QuantizationResult:
    """fp32 and int8 logits [N, L] of the same photos. actual [N]: their labels, UNJUDGED where they do not count."""
    first, second = before.argmax(axis=1), after.argmax(axis=1)
    counted = np.asarray(actual) != UNJUDGED
    errors = [int((predicted != actual)[counted].sum()) for predicted in (first, second)]
    increase = (errors[1] - errors[0]) / int(counted.sum()) if counted.any() else None
    change, agreement = float(np.abs(softmax(after) - softmax(before)).mean()), float(np.mean(first == second))
    expected = expected_agreement(before[counted], after[counted])
    passed = within_limits(increase, change, agreement if expected is None else min(agreement, expected))
    return QuantizationResult(layers, len(before), int(counted.sum()), increase, change, agreement, passed, expected)


def expected_agreement(before: np.ndarray, after: np.ndarray) -> float | None:
    """The share of photos whose label stays, from fp32 and int8 logits [N, L] of photos that were not learned from;
    None for no photo.

    A photo's lead is what its first label's logit is above its second's; int8 moves it, by chance up or down. Any photo
    may be moved as any other is, and leads below the smallest seen may be as frequent as those of the lowest quarter:
    among a few photos there is hardly one as close as the closest of thousands.
    """
    if not len(before) or before.shape[1] < 2:
        return None
    rows, top = np.arange(len(before)), np.argsort(before, axis=1)[:, -2:]
    lead = before[rows, top[:, 1]] - before[rows, top[:, 0]]
    moved = np.sort(np.abs(after[rows, top[:, 1]] - after[rows, top[:, 0]] - lead))
    larger = len(moved) - np.searchsorted(moved, lead, side="right")  # of the moves, for each lead
    among_these = float(larger.mean()) / len(moved)
    quarter = float(np.quantile(lead, LOWEST))
    among_others = LOWEST * float(np.minimum(moved / quarter, 1).mean()) if quarter > 0 else 1.0
    few = 1 + 2 / len(moved) ** 0.5  # two deviations of what so many photos may be wrong by, and more: it is a promise
    return max(0.0, 1 - few * max(among_these, among_others) / 2)


def choose_precision(
    network: Path,
    calibration: PreprocessedImages,
    judged: PreprocessedImages,
    actual: np.ndarray,
    asked: str = "auto",
    log: Callable[[str], None] = say,
    other_heads: OtherHeads | None = None,
) -> Quantization | None:
    """Replaces the float32 `network` by its int8 version where that passes (asked "auto") or in any case ("int8": the
    version nearest to float32 where none passes).

    calibration: training photos, some dozens; judged: photos it is judged on, with their labels `actual` [N], UNJUDGED
    for those that the network was trained on. other_heads: where the network's head has learned from the judged photos,
    the logits [N, L] that heads which have not make of their features [N, D]. None where int8 was not tried.
    """
    if asked == "fp32" or not len(calibration) or not len(judged):
        return None

    def logits_of(file: Path) -> np.ndarray:
        if other_heads is None:
            return outputs_of(file, judged)[0]
        return other_heads(outputs_of(file, judged, ("features",))[0])

    before = logits_of(network)
    attempts: list[QuantizationResult] = []
    with tempfile.TemporaryDirectory(dir=network.parent) as folder:
        try:
            quantizer = Quantizer(network, list(calibration))
        except Exception as error:  # a network may hold anything, and onnxruntime's quantiser fails in any way
            if asked == "int8" or disk_refusal(error):
                raise
            log(f"int8: this network cannot be quantised ({type(error).__name__}), so fp32 ships.")
            return None
        for first, name in ATTEMPTS.items():
            if first >= len(quantizer.layers):
                continue  # nothing would be left for int8
            target = Path(folder) / f"{len(attempts)}.onnx"
            quantizer.write(target, first)
            attempts.append(compare(name, before, logits_of(target), actual))
            log(result_sentence(attempts[-1]))
            if attempts[-1].passed:
                break
        if not attempts:
            log("int8: this network has too few layers for it, so fp32 ships.")
            return None
        shipped = next((attempt for attempt in attempts if attempt.passed), None)
        if shipped is None and asked == "int8":
            shipped = min(attempts, key=lambda attempt: attempt.mean_change)
            log("int8 ships all the same, for it was asked for.")
        if shipped:
            os.replace(Path(folder) / f"{attempts.index(shipped)}.onnx", network)
    return Quantization(asked, len(calibration), LIMITS, tuple(attempts), shipped)
