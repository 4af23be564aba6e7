"""Photos to doubt: how many of the labels that are known to be wrong, and of copies, are in the list of train.py.

    python -m benchmarks.training.label_noise              # ants_bees, about 2 minutes on 2 cores

The network was taught both classes. Of the 397 photos 5 % or 10 % get the other label, DRAWS times anew; every photo is
then judged by a head that learned from the other folds, wrong labels included. k is the number of wrong labels:
precision at k is the share of them among the first k of the ranking. cleanlab's filters work on the same probabilities.

Then every STEPth photo is altered, and the copy's features are compared with the photo's, as the list compares photos
whose perceptual hashes differ.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance, ImageOps

from benchmarks.training.material import PHOTOS, seen_photos

SHARES = (0.05, 0.10)
DRAWS = 10
FOLDS = 5
STEP = 8
ALTERED = {
    "mirrored": ImageOps.mirror,
    "turned by 5°": lambda image: image.rotate(5, resample=Image.Resampling.BILINEAR),
    "lighter by 30 %": lambda image: ImageEnhance.Brightness(image).enhance(1.3),
    "10 % cropped off": lambda image: cropped(image, 0.1),
    "20 % cropped off": lambda image: cropped(image, 0.2),
    "30 % cropped off": lambda image: cropped(image, 0.3),
    "half the size": lambda image: image.resize((image.width // 2, image.height // 2)),
}
FILTERS = ("prune_by_noise_rate", "confident_learning")  # cleanlab's default, and the plainest of the others


def measured(seen, share: float, seed: int) -> dict[str, tuple[float, float, float]]:
    """method → photos listed, precision and recall of the list; the rankings have k photos listed."""
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    from mirror.inference.classifier import softmax

    everyone = np.arange(len(seen.labels))
    wrong = np.random.default_rng(seed).choice(everyone, round(share * len(everyone)), replace=False)
    labels = seen.labels.copy()
    labels[wrong] = 1 - labels[wrong]
    probabilities = softmax(replace(seen, labels=labels).out_of_fold(everyone, FOLDS, seed).logits)
    own = probabilities[everyone, labels]
    disputed = np.flatnonzero(probabilities.argmax(axis=1) != labels)
    normalised = get_label_quality_scores(labels, probabilities, method="normalized_margin")
    lists = {
        "the list of train.py": disputed,
        "the first k of it": np.argsort(own)[: len(wrong)],
        "cleanlab, the first k by normalised margin": np.argsort(normalised)[: len(wrong)],
    }
    for name in FILTERS:
        lists[f"cleanlab, {name}"] = find_label_issues(
            labels, probabilities, return_indices_ranked_by="self_confidence", filter_by=name, n_jobs=1
        )
    hits = {name: np.isin(found, wrong) for name, found in lists.items()}
    return {name: (len(hit), float(hit.mean()), hit.sum() / len(wrong)) for name, hit in hits.items()}


def cropped(image: Image.Image, share: float) -> Image.Image:
    """Without half the share of its width and height at each end."""
    x, y = share * image.width / 2, share * image.height / 2
    return image.crop((round(x), round(y), round(image.width - x), round(image.height - y)))


def copies(seen, sight) -> None:
    """Prints the cosines of different photos, and those of copies with what they are copies of."""
    from mirror.training.augmentation import View
    from mirror.training.label_issues import CLOSE, close_pairs
    from mirror.training.pooled_features import pooled_features

    pairs = len(seen.labels) * (len(seen.labels) - 1) // 2
    apart = sorted((cosine for cosine, *_ in close_pairs(seen.served, seen.labels, 0.5)), reverse=True)
    closest = ", ".join(f"{cosine:.2f}" for cosine in apart[:5])
    print(f"\n{pairs:,} pairs of photos: the closest have cosines of {closest}; ", end="")
    print(f"{np.sum(np.array(apart) >= CLOSE)} of them reach {CLOSE}.\n")
    print("| copies | least | 5 % quantile | median | found |\n| --- | ---: | ---: | ---: | ---: |")
    files = sorted((PHOTOS / "ants_bees").rglob("*.jpg"))[::STEP]
    means = np.stack([seen.served[seen.labels == label].mean(axis=0, dtype=np.float64) for label in (0, 1)])
    mean = means[[int(file.parent.name == "bees") for file in files]]  # of the labels in their order: ants, bees
    with tempfile.TemporaryDirectory() as place:

        def features(alter) -> np.ndarray:
            paths = [Path(place) / f"{i}.png" for i in range(len(files))]
            for path, file in zip(paths, files, strict=True):
                alter(Image.open(file).convert("RGB")).save(path)
            views, look = [View(i) for i in range(len(paths))], sight.architecture
            found = pooled_features(sight.body, paths, views, size=sight.size, mean=look.mean, std=look.std) - mean
            return found / np.linalg.norm(found, axis=1, keepdims=True)

        originals = features(lambda image: image)
        for name, alter in ALTERED.items():
            cosines = (features(alter) * originals).sum(axis=1)
            low, middle = np.quantile(cosines, [0.05, 0.5])
            print(f"| {name} | {cosines.min():.2f} | {low:.2f} | {middle:.2f} | {np.mean(cosines >= CLOSE):.0%} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    if not PHOTOS.is_dir():
        print(f"label_noise.py: {PHOTOS} is not there: the benchmark needs the ants_bees photos.", file=sys.stderr)
        return 1
    seen, sight, _ = seen_photos(PHOTOS / "ants_bees")
    print("| wrong labels | method | photos listed | precision | recall |\n| --- | --- | ---: | ---: | ---: |")
    for share in SHARES:
        runs = [measured(seen, share, seed) for seed in range(DRAWS)]
        for name in runs[0]:
            listed, precision, recall = np.mean([run[name] for run in runs], axis=0)
            count = round(share * len(seen.labels))
            print(f"| {count} of {len(seen.labels)} | {name} | {listed:.1f} | {precision:.2f} | {recall:.2f} |")
    copies(seen, sight)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
