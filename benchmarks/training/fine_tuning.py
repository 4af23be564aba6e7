"""Training, ours against fastai's `fine_tune` and against a head on the last layer's features, mostly on pictures of
kinds that the network was not taught.

    python -m benchmarks.training.fine_tuning                          # four sets, 20 photos a label, three seeds
    python -m benchmarks.training.fine_tuning --sets garments --photos 130 --seeds 1
    python -m benchmarks.training.fine_tuning --sets ants_bees --photos 200 --results ants.jsonl

All begin from the same weights (tf_efficientnet_lite0, packaged), learn from the same pictures (sets.py) and are judged
by the same others. Ours: `train.py` as it stands, which chooses between the last layer and all depths, and whether to
fine-tune, by its training photos. Last layer alone: the logistic regression on the last layer's features. Fine-tuned in
any case: from there, whatever the photos left out say of it, all the way or half of it, weight by weight. The others,
of which --methods names more than are usual: other_recipes.py. Time is that of the processor, which does not count what
other programs take. What was measured is kept in --results, and the same command goes on from there.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.training.material import ARCH, quiet, untrained_errors
from benchmarks.training.other_recipes import Method, begin, fine_tune, layer_by_layer, timms
from benchmarks.training.sets import MAKERS, TAUGHT, PictureSet, draw_set


def ours(minutes: float | None = None) -> Method:
    """`train.py`, as it stands, or with --minutes."""

    def logits(pictures: PictureSet, seed: int) -> np.ndarray:
        from mirror.training.recipe import train
        from mirror.training.settings import TrainingSettings

        settings = TrainingSettings(ARCH, size=pictures.size, seed=seed, minutes=minutes)
        found = train(pictures.data.photos, pictures.folder, settings, quiet)
        return found.logits[found.data.rows("validation")]

    return logits


def fine_tuned(share: float) -> Method:
    """`train.py --epochs 10`, but that share of the way from the head alone to the tuned network ships."""

    def logits(pictures: PictureSet, seed: int) -> np.ndarray:
        from mirror.training.fine_tuning_choice import Tuner
        from mirror.training.recipe import train
        from mirror.training.settings import EPOCHS, TrainingSettings

        settings = TrainingSettings(ARCH, size=pictures.size, seed=seed, epochs=EPOCHS)
        with patch.object(Tuner, "_choose", return_value=share):
            found = train(pictures.data.photos, pictures.folder, settings, quiet)
        return found.logits[found.data.rows("validation")]

    return logits


def last_layer(pictures: PictureSet, seed: int) -> np.ndarray:
    """The head alone, on what the last layer gives."""
    from mirror.training.view_features import FeatureExtractor, extract_features

    start, data = begin(pictures, seed), pictures.data
    learned = data.rows("train")
    extractor = FeatureExtractor(start.body(), pictures.folder, start.architecture, pictures.size, quiet)
    views = extract_features(extractor, data, learned, views=3, seed=seed).last
    return views.fit(learned, seed).logits(views.served[data.rows("validation")])


OURS, HEAD = "ours", "last layer alone"
METHODS: dict[str, Method] = {
    "fine_tune(5)": fine_tune(5),
    "fine_tune(10)": fine_tune(10),
    HEAD: last_layer,
    OURS: ours(),
    "ours, --minutes 2": ours(2),
    "fine-tuned in any case": fine_tuned(1),
    "… half the way": fine_tuned(0.5),
    "layer by layer": layer_by_layer,
}
DEFAULT_SETS = ["garments", "digits", "stripes", "arrows"]  # of no class that the network was taught
USUAL, TIMMS = list(METHODS)[:4], "timm's train.py"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add = parser.add_argument
    add("--sets", nargs="+", choices=tuple(MAKERS), default=DEFAULT_SETS)
    add("--photos", type=int, default=20, help="of each label (default: %(default)s)")
    add("--seeds", type=int, default=3, help="draws of pictures (default: %(default)s)")
    add("--threads", type=int, default=1, help="(default: %(default)s)")
    add("--methods", nargs="+", choices=(*METHODS, TIMMS), default=USUAL)
    add("--timm", type=Path, help="train.py of timm's repository")
    add("--results", type=Path, help="a file to keep what was measured in, and to go on from")
    options = parser.parse_args()
    if options.timm:
        METHODS[TIMMS] = timms(options.timm)
    elif TIMMS in options.methods:
        parser.error(f"{TIMMS} needs --timm FILE.")
    os.environ["TQDM_DISABLE"] = "1"
    import torch

    torch.set_num_threads(options.threads)
    results = options.results or Path(tempfile.mkdtemp()) / "results.jsonl"
    for seed in range(options.seeds):
        for name in options.sets:
            measure(name, options.photos, seed, options.methods, results)
    table(results, options.sets, options.photos, options.seeds)
    for name in set(options.sets) & set(TAUGHT):
        untrained = f"it errs on {100 * untrained_errors().mean():.1f} % without any training, at 224 px"
        print(f"{name}: {TAUGHT[name]}, so little is left to learn; {untrained}.")
    return 0


def measure(name: str, photos: int, seed: int, methods: list[str], results: Path) -> None:
    """Adds a line to `results` for each method that has none."""
    known = {(row["set"], row["photos"], row["seed"], row["method"]) for row in read(results)}
    left = [method for method in methods if (name, photos, seed, method) not in known]
    if not left:
        return
    with tempfile.TemporaryDirectory() as place:
        pictures = draw_set(name, Path(place), photos, seed)
        actual = pictures.data.actual[pictures.data.rows("validation")]
        for method in left:
            os.environ["XDG_CACHE_HOME"] = str(Path(place) / f"kept by {method}")  # nobody has another's features
            begun = sum(os.times()[:4])  # of processes that it starts, too
            wrong = METHODS[method](pictures, seed).argmax(axis=1) != actual
            row = {"set": name, "photos": photos, "seed": seed, "method": method}
            row |= {"seconds": sum(os.times()[:4]) - begun, "wrong": wrong.astype(int).tolist()}
            with open(results, "a") as file:
                file.write(json.dumps(row) + "\n")
            print(f"{name} {seed} {method}: {100 * wrong.mean():.1f} %, {row['seconds']:.0f} s", flush=True)


def read(results: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in results.read_text().splitlines()] if results.is_file() else []


def table(results: Path, sets: list[str], photos: int, seeds: int) -> None:
    """A row a set and method; differences are paired, picture by picture."""
    from mirror.intervals import rate_interval

    found: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in read(results):
        if row["photos"] == photos and row["seed"] < seeds:
            found.setdefault((row["set"], row["method"]), []).append(row)
    print(f"\n{ARCH}, {photos} photos a label, {seeds} seed(s)\n")
    print("| pictures | method | error, % | 95 % interval | ours less it, points | 95 % interval | processor, s |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: |")
    ratios = []
    for name in sets:
        rates = {}
        for method in METHODS:
            if not (rows := found.get((name, method))):
                continue
            wrong = np.concatenate([row["wrong"] for row in sorted(rows, key=lambda row: row["seed"])])
            low, high = rate_interval(wrong)
            rates[method] = wrong.mean()
            line = f"| {name} | {method} | {100 * wrong.mean():.1f} | {100 * low:.1f}–{100 * high:.1f} |"
            mine = found.get((name, OURS), [])
            own = np.concatenate([row["wrong"] for row in sorted(mine, key=lambda row: row["seed"])] or [[]])
            if method == OURS or len(own) != len(wrong):
                line += " | |"
            else:
                gain, error = (own - wrong).mean(), (own - wrong).std(ddof=1) / len(own) ** 0.5
                line += (
                    f" {100 * gain:+.1f} | {100 * (gain - 1.96 * error):+.1f} to {100 * (gain + 1.96 * error):+.1f} |"
                )
            print(f"{line} {np.mean([row['seconds'] for row in rows]):.0f} |")
        if OURS in rates and len(rates) > 1:
            ratios.append(
                rates[OURS] / max(1e-9, min(rate for method, rate in rates.items() if not method.startswith(OURS)))
            )
    if ratios:
        print(f"\nOur error over that of the best of the others, mean of {len(ratios)} sets: {np.mean(ratios):.2f}")


if __name__ == "__main__":
    raise SystemExit(main())
