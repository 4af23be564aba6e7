"""What was tried for a smaller error of the head, beside the head that ships: all of it on features of one frozen body.

    python -m benchmarks.training.attempts --results attempts.jsonl      # about 20 minutes of one core's time

Each of the ways learns from the same views of the same pictures (sets.py; tf_efficientnet_lite0, packaged), chooses
its own strength by five folds of them, and is judged by others. Beside the error stands the cross-entropy of the folds,
by which a way would be taken: the pictures that judge are no part of the choice. Of ants_bees (whose classes the
network was taught) all 244 photos are learned from at 128 px, of the other sets 20 a label.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from benchmarks.training.fine_tuning import read
from benchmarks.training.material import quiet
from benchmarks.training.other_recipes import begin
from benchmarks.training.sets import PictureSet, draw_set
from mirror.training.augmentation import View
from mirror.training.linear_probe import _fit, _spanned, _standardised, cross_entropy, fold_numbers
from mirror.training.settings import STRENGTHS
from mirror.training.view_features import FeatureExtractor, ViewFeatures, extract_features

SETS = {"ants_bees": (200, 5), "stripes": (20, 3), "arrows": (20, 3), "digits": (20, 2), "garments": (20, 2)}
MANY = 10  # views of a photo, where more than the recipe's are tried
CROPS = [(x, y, x + 0.75, y + 0.75) for x in (0.0, 0.25) for y in (0.0, 0.25)]  # a photo's corners
COLDNESS = (0.5, 0.7, 1.0, 1.4, 2.0)  # one over the temperature
SMOOTHING, MIXED = 0.1, 0.2  # of label smoothing; alpha of mixup's beta distribution

Head = tuple[np.ndarray, np.ndarray]  # weight [L, D], bias [L]
Learn = Callable[[np.ndarray, np.ndarray, np.ndarray, tuple[float, ...]], list[Head]]


@dataclass(frozen=True)
class Material:
    """views: the recipe's, of every depth; many: MANY of each photo; corners [N, 4, D]: features of the last layer;
    taught: weight and bias of the classifier that the network was pretrained with."""

    views: ViewFeatures
    many: ViewFeatures
    corners: np.ndarray
    taught: Head
    learned: np.ndarray
    held: np.ndarray


def logistic(features: np.ndarray, labels: np.ndarray, weights: np.ndarray, strengths: tuple[float, ...]) -> list[Head]:
    """The head that ships, of each strength."""
    scaled, mean, deviation = _standardised(features, weights)
    scaled, basis = _spanned(scaled)
    heads, start = [], None
    for strength in strengths:
        weight, bias = start = _fit(scaled, labels, weights, strength, start)
        heads.append(plain(weight, bias, basis, mean, deviation))
    return heads


def plain(weight: np.ndarray, bias: np.ndarray, basis: np.ndarray | None, mean: np.ndarray, scale: np.ndarray) -> Head:
    """A head on standardised features, on features as they are."""
    weight = (weight if basis is None else weight @ basis.T) / scale
    return weight, bias - weight @ mean


def smoothed(features: np.ndarray, labels: np.ndarray, weights: np.ndarray, strengths: tuple[float, ...]) -> list[Head]:
    """Every view under every label, by its share of it."""
    every = labels.max() + 1
    share = np.full((len(labels), every), SMOOTHING / every)
    share[np.arange(len(labels)), labels] += 1 - SMOOTHING
    repeated = np.repeat(features, every, axis=0)
    return logistic(repeated, np.tile(np.arange(every), len(labels)), (weights[:, None] * share).ravel(), strengths)


def mixed(features: np.ndarray, labels: np.ndarray, weights: np.ndarray, strengths: tuple[float, ...]) -> list[Head]:
    """Mixup (Zhang et al. 2018, arXiv 1710.09412) of features: the views, and as many between two of them."""
    random = np.random.default_rng(0)
    other, share = random.permutation(len(labels)), random.beta(MIXED, MIXED, len(labels))
    between = share[:, None] * features + (1 - share[:, None]) * features[other]
    return logistic(
        np.concatenate([features, between, between]).astype(np.float32),
        np.concatenate([labels, labels, labels[other]]),
        np.concatenate([weights, weights * share, weights * (1 - share)]) / 2,
        strengths,
    )


def discriminant(
    features: np.ndarray, labels: np.ndarray, weights: np.ndarray, strengths: tuple[float, ...]
) -> list[Head]:
    """Linear discriminant analysis: one covariance within all labels, shrunk to a multiple of the identity by
    1 / (1 + C)."""
    scaled, mean, deviation = _standardised(features, weights)
    share = weights / weights.sum()
    every = [labels == label for label in range(labels.max() + 1)]
    centres = np.stack([(share[own] @ scaled[own]) / share[own].sum() for own in every])
    within = scaled - centres[labels]
    values, vectors = np.linalg.eigh((within * share[:, None]).T @ within)
    turned, heads = centres @ vectors, []
    for strength in strengths:
        shrunk = (strength * values.clip(0) + values.mean()) / (1 + strength)
        weight = (turned / shrunk) @ vectors.T
        heads.append(plain(weight, -0.5 * (weight * centres).sum(axis=1), None, mean, deviation))
    return heads


@dataclass(frozen=True)
class Way:
    """views: what it learns from; answers [N, D]: the photos as it answers them; learn, strengths: its head; loss: by
    which the strength is chosen."""

    views: Callable[[Material], ViewFeatures]
    learn: Learn = logistic
    strengths: tuple[float, ...] = STRENGTHS
    answers: Callable[[Material], np.ndarray] | None = None
    loss: Callable[[np.ndarray, np.ndarray], np.ndarray] = cross_entropy


def mapped(
    change: Callable[[np.ndarray, Material], np.ndarray], every: bool = False
) -> Callable[[Material], ViewFeatures]:
    """The last layer's features, changed; every: those of every depth."""

    def views(material: Material) -> ViewFeatures:
        seen = material.views if every else material.views.last
        changed = change(seen.features, material).astype(np.float32)
        return replace(seen, features=changed, width=changed.shape[1])

    return views


def tempered(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The cross-entropy at the temperature that serves these best: the model is served with one."""
    return min((cross_entropy(factor * logits, labels) for factor in COLDNESS), key=lambda losses: losses.mean())


def taught(features: np.ndarray, material: Material) -> np.ndarray:
    """The features and what the pretrained classifier says of them, a linear map of them: another prior."""
    classes, bias = material.taught
    said = features @ classes.T + bias
    return np.concatenate([features, said - said.mean(axis=1, keepdims=True)], axis=1)


def roots(features: np.ndarray, _: Material) -> np.ndarray:
    return np.sign(features) * np.sqrt(np.abs(features))


def corners(material: Material) -> np.ndarray:
    """The mean of a photo's serving view and of its corners."""
    return (material.views.last.served + material.corners.sum(axis=1)) / (1 + len(CROPS))


DISCRIMINANT = (0.03, 0.1, 0.3, 1.0, 3.0)
WAYS = {
    "last layer, as it ships": Way(lambda m: m.views.last),
    "every depth, as it ships": Way(lambda m: m.views),
    "last layer, strength chosen at its best temperature": Way(lambda m: m.views.last, loss=tempered),
    "ten views for three": Way(lambda m: m.many.last),
    "label smoothing 0.1": Way(lambda m: m.views.last, smoothed),
    "mixup of features": Way(lambda m: m.views.last, mixed),
    "linear discriminant, shrunk": Way(lambda m: m.views.last, discriminant, DISCRIMINANT),
    "… of every depth": Way(lambda m: m.views, discriminant, DISCRIMINANT),
    "features of length 1": Way(mapped(lambda f, _: f / np.linalg.norm(f, axis=1, keepdims=True) * f.shape[1] ** 0.5)),
    "square roots of features": Way(mapped(roots)),
    "square roots of every depth": Way(mapped(roots, every=True)),
    "five views averaged in the answer": Way(lambda m: m.views.last, answers=corners),
    "taught classes beside the features": Way(mapped(taught)),
}


def judge(way: Way, material: Material, seed: int) -> tuple[float, np.ndarray]:
    """The folds' lowest cross-entropy, and which of the pictures held out are answered wrong."""
    views = way.views(material)
    used = (views.weight > 0) & np.isin(views.photo, material.learned)
    photo = views.photo[used]
    features, labels, weights = views.features[used], views.labels[photo], views.weight[used]
    served = way.answers(material) if way.answers else views.served
    number = np.full(len(views.labels), -1)
    rows = material.learned
    number[rows] = fold_numbers(views.labels[rows], views.groups[rows], 5, seed)
    logits = {strength: np.zeros((len(views.labels), labels.max() + 1)) for strength in way.strengths}
    for fold in range(number.max() + 1):
        inside, outside = number[photo] != fold, np.flatnonzero(number == fold)
        heads = way.learn(features[inside], labels[inside], weights[inside], way.strengths)
        for strength, (weight, bias) in zip(way.strengths, heads, strict=True):
            logits[strength][outside] = served[outside] @ weight.T + bias
    losses = {strength: way.loss(said[rows], views.labels[rows]).mean() for strength, said in logits.items()}
    best = min(losses, key=lambda strength: losses[strength])
    weight, bias = way.learn(features, labels, weights, (best,))[0]
    answers = (served[material.held] @ weight.T + bias).argmax(axis=1)
    return losses[best], answers != views.labels[material.held]


def see(pictures: PictureSet, seed: int) -> Material:
    """All that the ways learn from, by one body."""
    start, data = begin(pictures, seed), pictures.data
    learned, held = data.rows("train"), data.rows("validation")
    extractor = FeatureExtractor(start.body(), pictures.folder, start.architecture, pictures.size, quiet)
    views, many = (extract_features(extractor, data, learned, views=n, seed=seed) for n in (3, MANY))
    shown = [View(photo, None, box) for photo in range(len(data.photos)) for box in CROPS]
    of_corners = extractor.features(data.photos, shown, keep=True)
    taught = [value.numpy() for value in list(start.state.values())[-2:]]
    return Material(
        views, many, of_corners.reshape(len(data.photos), len(CROPS), -1), (taught[0], taught[1]), learned, held
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sets", nargs="+", choices=tuple(SETS), default=list(SETS))
    parser.add_argument("--ways", nargs="+", choices=tuple(WAYS), default=list(WAYS))
    parser.add_argument("--results", type=Path, help="a file to keep what was measured in, and to go on from")
    options = parser.parse_args()
    os.environ["TQDM_DISABLE"] = "1"
    results = options.results or Path(tempfile.mkdtemp()) / "results.jsonl"
    for name in options.sets:
        photos, seeds = SETS[name]
        for seed in range(seeds):
            known = {row["way"] for row in read(results) if (row["set"], row["seed"]) == (name, seed)}
            left = [way for way in options.ways if way not in known]
            if not left:
                continue
            with tempfile.TemporaryDirectory() as place:
                os.environ["XDG_CACHE_HOME"] = place
                material = see(draw_set(name, Path(place), photos, seed), seed)
                for way in left:
                    loss, wrong = judge(WAYS[way], material, seed)
                    row = {"set": name, "seed": seed, "way": way, "loss": loss, "error": float(wrong.mean())}
                    with open(results, "a") as file:
                        file.write(json.dumps(row) + "\n")
                    print(f"{name} {seed} {way}: {loss:.3f}, {100 * wrong.mean():.1f} %", flush=True)
    table(results, options.sets)
    return 0


def table(results: Path, sets: list[str]) -> None:
    print("\nerror, % (the folds' cross-entropy, by which a way would be taken)\n")
    print(f"| way | {' | '.join(sets)} |\n| --- |" + " ---: |" * len(sets))
    rows = read(results)
    for way in WAYS:
        cells = []
        for name in sets:
            own = [row for row in rows if (row["set"], row["way"]) == (name, way)]
            error, loss = (np.mean([row[key] for row in own]) if own else np.nan for key in ("error", "loss"))
            cells.append(f"{100 * error:.1f} ({loss:.3f})")
        print(f"| {way} | {' | '.join(cells)} |")


if __name__ == "__main__":
    raise SystemExit(main())
