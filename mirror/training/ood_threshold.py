"""None of these, as it ships: the bank fitted on the shipping network's own features, and its output in the graph."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mirror.collect.others import Others
from mirror.export.feature_bank import FeatureBank, bank_rows, describe, fit_feature_bank
from mirror.export.graph import attach_novelty_bank
from mirror.export.precision import PreprocessedImages, outputs_of
from mirror.inference.classifier import SIMILARITY
from mirror.model_folder import Novelty, OnnxInfo, Preprocessing


def fit_novelty(
    network: Path,
    preprocessing: Preprocessing,
    features: np.ndarray,
    groups: Sequence[int],
    others: Others | None,
    seed: int,
) -> FeatureBank | None:
    """The bank of photos with these features [N, D] of `network` and groups [N], and of `others`, whose features are
    computed here. None where there are too few photos, or the network gives no features."""
    if not features.size:
        return None
    if others is None:
        return fit_feature_bank(features, groups)
    rows = bank_rows(len(others.paths), seed)
    (strange,) = outputs_of(network, PreprocessedImages([others.paths[i] for i in rows], preprocessing), ("features",))
    return fit_feature_bank(features, groups, strange, np.array(others.groups)[rows])


def add_novelty(
    network: Path, onnx: OnnxInfo, bank: FeatureBank | None, others: Others | None, log: Callable[[str], None]
) -> tuple[OnnxInfo, Novelty | None]:
    """Gives `network` the output "similarity" where there is a bank; its description with it, and the bank's."""
    if bank is None:
        log("Too few photos to tell what is none of the labels: it will always name one.")
        return onnx, None
    attach_novelty_bank(network, bank.features, bank.k, bank.others, bank.margin)
    novelty = describe(bank)
    if others is not None:
        novelty = dataclasses.replace(novelty, others_left_out=others.rejected)
    log(novelty_sentence(novelty))
    return dataclasses.replace(onnx, outputs=(*onnx.outputs, SIMILARITY)), novelty


def novelty_sentence(novelty: Novelty) -> str:
    """`Held out, 5 % of the labels' own 40 photos are taken for none of them, and so are 98 % of 52 others.`"""
    if novelty.real_refused is None:
        return "Too few photos to measure how many of the labels' own are taken for none of them."
    refused = f"{100 * novelty.real_refused:.0f} % of the labels' own {novelty.photos} photos"
    text = f"Held out, {refused} are taken for none of them"
    if novelty.others_refused is not None:
        text += f", and so are {100 * novelty.others_refused:.0f} % of {novelty.others} others"
    return f"{text}."
