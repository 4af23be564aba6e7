"""None of these, where the head is on features of every depth: by which of them a stranger is told.

    python -m benchmarks.novelty.every_depth                  # a minute of one core's time

20 pictures a label are learned from (benchmarks/training/sets.py: kinds that the network, tf_efficientnet_lite0, was
not taught). Of garments, digits and stripes half of the labels are known and the others strange; of arrows left and
right are known, and arrows turned up and down are strange. Own pictures are others of the known labels. Compared are
the cosines (export/novelty.py) of the last layer's features, as it ships; of all features; and the mean of both
cosines, of the last layer's and of earlier stages'.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.training.material import quiet
from benchmarks.training.other_recipes import begin
from benchmarks.training.sets import draw_set

SEEDS, PHOTOS = 2, 20
TURNED = 50
Compared = Callable[[np.ndarray, int], np.ndarray]


def halves(features: np.ndarray, width: int) -> np.ndarray:
    """Both parts of length 1, so that their cosines weigh the same."""
    from mirror.export.novelty import unit_rows

    return np.concatenate([unit_rows(features[:, :-width]), unit_rows(features[:, -width:])], axis=1)


COMPARED: dict[str, Compared] = {
    "the last layer: ours": lambda features, width: features[:, -width:],
    "all": lambda features, _: features,
    "the mean of both": halves,
}


def see(name: str, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, int]:
    """Features of the pictures learned from, of others of their labels, and of strange ones; the last layer's width."""
    from mirror.training.augmentation import View
    from mirror.training.depth_features import deepened
    from mirror.training.view_features import FeatureExtractor, extract_features

    with tempfile.TemporaryDirectory() as place:
        os.environ["XDG_CACHE_HOME"] = place
        pictures = draw_set(name, Path(place), PHOTOS, seed)
        start, data = begin(pictures, seed), pictures.data
        body = start.body()
        extractor = FeatureExtractor(body, pictures.folder, start.architecture, pictures.size, quiet)
        views = extract_features(extractor, data, data.rows("train"), views=1, seed=seed)
        learned, held = (views.served[data.rows(split)] for split in ("train", "validation"))
        labels = [data.actual[data.rows(split)] for split in ("train", "validation")]
        if name != "arrows":
            half = (len(data.labels) + 1) // 2
            known = [each < half for each in labels]
            return learned[known[0]], held[known[1]], held[~known[1]], views.width
        strange = [data.photos[i] for i in data.rows("validation")[:: len(held) // TURNED]]
        for photo in strange:
            file = photo.path(pictures.folder)
            Image.open(file).rotate(90).save(file)
        extractor = FeatureExtractor(
            deepened(body, pictures.size), pictures.folder, start.architecture, pictures.size, quiet
        )
        return learned, held, extractor.features(strange, [View(i) for i in range(len(strange))]), views.width


def main() -> None:
    from mirror.export.novelty import fit_feature_bank

    os.environ["TQDM_DISABLE"] = "1"
    print("| known | compared | AUROC | strange refused | own refused |\n| --- | --- | ---: | ---: | ---: |")
    for name in ("garments", "digits", "stripes", "arrows"):
        seen = [see(name, seed) for seed in range(SEEDS)]
        for kind, part in COMPARED.items():
            found = []
            for learned, own, strange, width in seen:
                bank = fit_feature_bank(part(learned, width), np.arange(len(learned)), judge=False)
                real, other = (bank.similarity(part(each, width)) for each in (own, strange))
                auroc = np.mean(real[:, None] > other) + np.mean(real[:, None] == other) / 2
                found.append((auroc, np.mean(other < bank.threshold), np.mean(real < bank.threshold)))
            auroc, refused, lost = np.mean(found, axis=0)
            print(f"| {name} | {kind} | {auroc:.3f} | {100 * refused:.1f} % | {100 * lost:.1f} % |", flush=True)


if __name__ == "__main__":
    main()
