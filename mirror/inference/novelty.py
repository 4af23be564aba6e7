"""None of these: how much an image looks like the photos a model was trained on, computed inside the network's graph.

The score is the mean cosine between an image's penultimate features and its `k` nearest training photos (KNN, Sun et
al. 2022, arXiv 2204.06507). `training/graph.py` writes it into the graph as the output "similarity" [N]; model.json
keeps the method and the threshold. Another score is another way of filling that output.
"""

from __future__ import annotations

import numpy as np

from mirror.model_info import Novelty

SIMILARITY = "similarity"  # the graph's output: higher is more like the training photos, whatever the method


def is_known(similarity: float | None, novelty: Novelty | None) -> bool:
    """Whether an image of this similarity looks like the training photos; True where the model cannot tell."""
    if similarity is None or novelty is None or novelty.threshold is None:
        return True
    return similarity >= novelty.threshold


def knn_cosine(features: np.ndarray, bank: np.ndarray, k: int) -> np.ndarray:
    """The same score in numpy [N], for fitting a threshold: features [N, D] against bank [M, D], 1 <= k <= M."""
    cosines = unit_rows(features) @ unit_rows(bank).T
    return np.sort(cosines, axis=1)[:, -k:].mean(axis=1)


def unit_rows(features: np.ndarray) -> np.ndarray:
    """Rows of unit length (L2), float32; a row of zeros stays one."""
    lengths = np.linalg.norm(features.astype(np.float64), axis=1, keepdims=True)
    return (features / np.where(lengths == 0, 1, lengths)).astype(np.float32)
