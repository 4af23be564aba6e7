"""Photos in folds, each left out in turn: what a head says of photos that it has not learned from, for every photo.

Photos that belong together (near-duplicates, photos of one page) are left out together, and each fold has its share of
every label (scikit-learn's StratifiedGroupKFold).
"""

from __future__ import annotations

import warnings

import numpy as np

from mirror.training.feature_cache import ViewFeatures


def fold_numbers(labels: np.ndarray, groups: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """[N] the fold in which each photo is left out, 0 to at most folds - 1; -1 for one that never is, since without its
    group there would be nothing to learn its label from. The same numbers for the same seed."""
    from sklearn.model_selection import StratifiedGroupKFold

    labels, groups = np.asarray(labels), np.asarray(groups)
    number = np.full(len(labels), -1)
    folds = min(folds, len(np.unique(groups)), int(np.bincount(labels).max(initial=0)))
    if folds < 2:
        return number
    splitter = StratifiedGroupKFold(folds, shuffle=True, random_state=seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of a label with fewer photos than folds: some folds lack it
        for fold, (inside, outside) in enumerate(splitter.split(labels, labels, groups)):
            lost = outside[~np.isin(labels[outside], labels[inside])]
            kept = outside[~np.isin(groups[outside], groups[lost])]
            number[kept] = fold
    _, place = np.unique(number[number >= 0], return_inverse=True)  # a fold may be left with no photo
    number[number >= 0] = place
    return number


def out_of_fold(seen: ViewFeatures, photos: np.ndarray, folds: int, seed: int) -> np.ndarray:
    """[N, L] logits of each of the photos at these places by the head that learned from the other folds, nan for other
    photos and for those that are never left out. Each head chooses its own strength, by its own photos alone."""
    logits = np.full((len(seen.labels), int(seen.labels.max()) + 1), np.nan, np.float32)
    number = fold_numbers(seen.labels[photos], seen.groups[photos], folds, seed)
    served = seen.served
    for fold in range(number.max(initial=-1) + 1):
        outside = photos[number == fold]
        logits[outside] = seen.fit(photos[number != fold], seed).logits(served[outside])
    return logits
