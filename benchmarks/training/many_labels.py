"""Heads for many labels: how long it takes to leave every photo out once, beside a cross-validation of each fold's own.

    python -m benchmarks.training.many_labels                  # 37 labels x 16 photos, about a minute on 2 cores
    python -m benchmarks.training.many_labels --labels 200 --photos 8 --width 1280

Features are drawn, so no network knows the labels: each label is a point, near others in a few directions that all
photos vary along, as photos' features do. Both ways are timed in the same run, by processor time; the errors that they
measure stand beside.
"""

from __future__ import annotations

import argparse
import time

import numpy as np

FOLDS, SEED, VIEWS, SHARED = 5, 42, 3, 40


def drawn(labels: int, photos: int, width: int):
    """ViewFeatures of so many labels."""
    from mirror.training.view_features import ViewFeatures

    random = np.random.default_rng(SEED)
    actual = np.repeat(np.arange(labels), photos)
    photo = np.repeat(np.arange(len(actual)), VIEWS)
    directions = random.normal(size=(SHARED, width)) / SHARED**0.5
    places = 0.6 * random.normal(size=(labels, SHARED))
    of_photo = places[actual] + random.normal(size=(len(actual), SHARED))
    of_view = of_photo[photo] + 0.3 * random.normal(size=(len(photo), SHARED))
    features = np.maximum(of_view @ directions + 0.2 * random.normal(size=(len(photo), width)), 0).astype(np.float32)
    serving = np.arange(len(photo)) % VIEWS == 0
    return ViewFeatures(
        features, photo, np.ones(len(photo)), serving, serving, actual, np.arange(len(actual)), features.shape[1]
    )


def main() -> None:
    from mirror.training.linear_probe import fold_numbers

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--labels", type=int, default=37)
    parser.add_argument("--photos", type=int, default=16, help="of each label (default: %(default)s)")
    parser.add_argument("--width", type=int, default=512, help="features of a photo (default: %(default)s)")
    options = parser.parse_args()
    views = drawn(options.labels, options.photos, options.width)
    every = np.arange(len(views.labels))
    begun = time.process_time()
    together = views.out_of_fold(every, FOLDS, SEED).logits
    ours = time.process_time() - begun
    number = fold_numbers(views.labels, views.groups, FOLDS, SEED)
    apart = np.zeros_like(together)
    begun = time.process_time()
    for fold in range(number.max() + 1):
        apart[number == fold] = views.fit(every[number != fold], SEED).logits(views.served[number == fold])
    alone = time.process_time() - begun
    errors = [100 * float(np.mean(logits.argmax(axis=1) != views.labels)) for logits in (together, apart)]
    print(f"{options.labels} labels x {options.photos} photos, {VIEWS} views, {options.width} features")
    print(f"folds that share their heads   {ours:7.1f} s of processor time   error {errors[0]:5.1f} %")
    print(f"a cross-validation a fold      {alone:7.1f} s of processor time   error {errors[1]:5.1f} %")
    print(f"ratio                          {ours / alone:7.2f}")


if __name__ == "__main__":
    main()
