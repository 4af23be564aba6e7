"""None of these: how much an image looks like the photos a model was trained on, computed inside the network's graph.

The score is the mean cosine between an image's penultimate features and its `k` nearest training photos (KNN, Sun et
al. 2022, arXiv 2204.06507). `training/export/graph.py` writes it into the graph as the output "similarity" [N];
model.json keeps the method and the threshold. Another score is another way of filling that output.
"""

from __future__ import annotations

from mirror.model_schema import Novelty

SIMILARITY = "similarity"  # the graph's output: higher is more like the training photos, whatever the method


def is_known(similarity: float | None, novelty: Novelty | None) -> bool:
    """Whether an image of this similarity looks like the training photos; True where the model cannot tell."""
    if similarity is None or novelty is None or novelty.threshold is None:
        return True
    return similarity >= novelty.threshold
